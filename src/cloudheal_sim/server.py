"""The one port: HTTP in, clouds, control API or page, HTTP out, injected transport faults included.

aiohttp gives the raw request target and the transport, which signatures and faults need. Bodies are bounded before
they are read. A request that is not HTTP is answered 400 and its connection closed; the server stays up. Whoever
connects and says nothing, or sends a body drop by drop, is let go after a while.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from aiohttp import HttpVersion11, http_exceptions, web

from cloudheal_sim.kernel.wire import Delivery, HttpReply, HttpRequest, origin_form

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from cloudheal_sim.simulator import Simulator

log = logging.getLogger("cloudheal_sim.server")

#: A MNS batch of 16 messages of 64 kB in Base64 and XML is under 2 MiB; nothing legitimate is larger.
MOST_BODY = 4 * 1024 * 1024
#: A full world of 100,000 instances is some 200 MB.
MOST_WORLD = 512 * 1024 * 1024
#: User data (32 kB) and command content (24 kB) travel in the query, percent-encoded.
MOST_LINE = 256 * 1024
#: Seconds that a client may take for a body, and about half of what it may take for its first request line.
PATIENCE = 60.0
#: Headers that only calls of a cloud's clients have.
_SIGNED = ("authorization", "x-acs-action", "x-tc-action")
_RST = struct.pack("ii", 1, 0)


class _OneLine(logging.Filter):
    """A client that does not speak HTTP, often one that tries HTTPS, is worth one line and no traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten the records of refused bytes; all others pass as they are."""
        problem = record.exc_info[1] if record.exc_info else None
        if isinstance(problem, http_exceptions.HttpProcessingError):
            record.exc_info = None
            record.msg, record.args = "what came was not HTTP/1.1, answered %d", (problem.code,)
        return True


log.addFilter(_OneLine())


class TooLargeError(Exception):
    """The body is larger than anything legitimate."""


class Server:
    """Serves one simulator on one address."""

    def __init__(
        self,
        simulator: Simulator,
        control: Callable[[HttpRequest], Awaitable[HttpReply]],
        page: Callable[[HttpRequest], HttpReply],
        patience: float = PATIENCE,
    ) -> None:
        self._simulator = simulator
        self._control = control
        self._page = page
        self._patience = patience
        self._heard: set[web.RequestHandler] = set()

    @asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[int]:
        """Listen until the block ends; yields the port in use (0 asks for a free one)."""
        self._simulator.kernel.clock.attach(asyncio.get_running_loop())
        server = web.Server(
            self._serve,
            handler_cancellation=True,
            access_log=None,
            logger=log,
            max_line_size=MOST_LINE,
            max_field_size=MOST_LINE,
        )
        runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await runner.setup()
        sweeper = asyncio.create_task(self._sweep(server))
        try:
            site = web.TCPSite(runner, host, port, backlog=1024, reuse_address=True)
            await site.start()
            yield runner.addresses[0][1]
        finally:
            sweeper.cancel()
            await runner.cleanup()
            await self._simulator.close()

    async def _sweep(self, server: web.Server) -> None:
        """Close connections that bring no first request; later silences end with the keep-alive time of aiohttp."""
        silent: set[web.RequestHandler] = set()
        while True:
            await asyncio.sleep(self._patience)
            present = set(server.connections)
            self._heard &= present
            for connection in silent & present - self._heard:
                connection.force_close()
            silent = present - self._heard

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        target = origin_form(request.raw_path)
        read = HttpRequest(request.method, target, {k.lower(): v for k, v in request.headers.items()})
        self._heard.add(request.protocol)
        try:
            async with asyncio.timeout(self._patience):
                body = await _body(request, MOST_WORLD if target.startswith("/_sim/") else MOST_BODY)
        except TooLargeError:
            return self._unreadable(read, 413)
        except (http_exceptions.HttpProcessingError, web.HTTPException, ValueError, OSError):
            return self._unreadable(read, 400)
        return await self._deliver(request, await self._answer(replace(read, body=body)))

    async def _answer(self, request: HttpRequest) -> HttpReply:
        if request.target.startswith("/_sim/"):
            return await self._control(request)
        return self._page(request) if is_page(request) else await self._simulator.handle(request)

    def _unreadable(self, request: HttpRequest, status: int) -> web.StreamResponse:
        """Answer a body that could not be taken, in the words of the service that was meant."""
        reply = self._simulator.unreadable(request, status)
        response = _response(reply)
        response.force_close()
        return response

    async def _deliver(self, request: web.BaseRequest, reply: HttpReply) -> web.StreamResponse:
        match reply.delivery:
            case Delivery.NORMAL:
                return _response(reply)
            case Delivery.TRUNCATED:
                return await _truncated(request, reply)
            case Delivery.HANG:
                await asyncio.sleep(reply.hold_seconds)
        return _reset(request)


def is_page(request: HttpRequest) -> bool:
    """Say whether a person's browser asks for the page: an unsigned GET of `/` or of something below `/ui/`.

    Signed calls of every protocol are GETs of `/` as well; they carry parameters, an Authorization or an action.
    """
    if request.method not in {"GET", "HEAD"} or any(request.header(name) for name in _SIGNED):
        return False
    return request.path.startswith("/ui/") or (request.path == "/" and request.query.partition("=")[0] in {"", "lang"})


def _invite_body(request: web.BaseRequest) -> bool:
    """Answer `Expect: 100-continue`, which several languages' clients send before larger bodies and wait for."""
    expected = request.version >= HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue"
    if expected and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return expected


async def _body(request: web.BaseRequest, most: int) -> bytes:
    if request.content_length is not None and request.content_length > most:
        raise TooLargeError
    _invite_body(request)
    parts, size = [], 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > most:
            raise TooLargeError
        parts.append(part)
    return b"".join(parts)


def _response(reply: HttpReply) -> web.Response:
    headers = dict(reply.headers)
    return web.Response(status=reply.status, body=reply.body or None, headers=headers)


async def _truncated(request: web.BaseRequest, reply: HttpReply) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=dict(reply.headers))
    response.content_length = max(len(reply.body), 2)
    await response.prepare(request)
    await response.write(reply.body[: len(reply.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


def _reset(request: web.BaseRequest) -> web.StreamResponse:
    transport = request.transport
    if transport is not None:
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
        transport.abort()
    return web.Response(status=500)
