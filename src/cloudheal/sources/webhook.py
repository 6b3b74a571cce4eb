"""Events over HTTP: `POST /ingest/<source>`, and beside it `GET /healthz`, `GET /metrics` and what log series need.

`POST /ship/<source>` takes what agents counted, of sources that sign, and of the hosts that each may ship for;
`GET /metrics/logs` and `GET /api/logs` show it to readers (`readers.py`).

A push is answered with 200, and with what its sender waits for, only after its events (or dead letters) are committed;
whatever goes wrong before is an error status, so that the sender comes again. Bodies are capped before they are read
whole, sources by pushes a minute, and an account that a source may not speak for is refused. No request line is logged:
a path may hold a secret.

The listener has a thread and an event loop of its own; what blocks runs in threads beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from urllib.parse import parse_qsl

from aiohttp import web

from cloudheal.errors import PermanentError, SettingsError
from cloudheal.metrics.counters import Counters
from cloudheal.model.event import Channel, Event
from cloudheal.sense.webhook import (
    NONCE,
    SIGNATURE,
    TIMESTAMP,
    WINDOW,
    Proof,
    Shown,
    origin_of,
    passes_signed,
    passes_unsigned,
)
from cloudheal.settings.listen import IngestSettings
from cloudheal.sources.readers import Readers

log = logging.getLogger("cloudheal.webhook")

#: A secret that is shorter could be guessed.
SHORTEST_SECRET = 16
#: How long a client may take to send a body.
BODY_SECONDS = 10.0
#: The largest shipment of log series.
MOST_SHIPPED = 16 << 20
#: How long a stop waits for requests in hand.
STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Source:
    """One sender: how it proves itself, for which accounts it may speak, how much it may send."""

    name: str
    proof: Proof
    secret: str = field(repr=False)
    accounts: frozenset[str]
    max_bytes: int
    per_minute: int
    hosts: tuple[str, ...] = ()
    """Whose logs it may ship: names, or patterns of them."""

    def ships_for(self, host: str) -> bool:
        """Say whether it may ship the logs of a host."""
        return any(fnmatchcase(host, one) for one in self.hosts)


@dataclass(frozen=True, slots=True)
class Desk:
    """What the listener is handed: where events go and what it may ask."""

    read: Callable[[bytes, datetime, Channel], Event]
    """Reads a body. Raises NotAnEventError."""
    take: Callable[[Sequence[bytes], str], object]
    """Commits messages, read or unreadable, with their origin."""
    parts: Callable[[bytes], list[bytes]]
    """Takes a body apart into its messages."""
    answer: Callable[[bytes], Mapping[str, object]]
    """Returns what the sender of a body reads as having been taken, beside our own word."""
    is_spent: Callable[[str, str], bool]
    """Says whether a nonce of a source was used up."""
    spend: Callable[[str, str, datetime], object]
    """Uses a nonce of a source up until a time."""
    now: Callable[[], datetime]
    health: Callable[[], Mapping[str, object]]
    """What /healthz shows; `ok` decides its status."""
    metrics: Callable[[], str]
    logs: LogDesk | None = None
    """What shows and takes log series; None where no log is defined."""


@dataclass(frozen=True, slots=True)
class LogDesk:
    """What the listener asks about log series."""

    ship: Callable[[bytes, Callable[[str], bool]], str]
    """Commits a shipment of a host that its sender may ship for; returns why it is refused, empty when it is not."""
    metrics: Callable[[], str]
    page: Callable[[Sequence[str], Mapping[str, str]], Mapping[str, object] | None]
    """Returns the document at a path below /api/logs, asked with these parameters; None where there is none.

    Raises ValueError saying which parameter is wrong.
    """


TEXT = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}


class Refused(Exception):
    """A push is not taken; the status says why, the text is for the sender."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class NotListeningError(PermanentError):
    """The address that the settings name cannot be listened on."""

    code = "listen.failed"


def _not_listening(host: str, port: int, problem: OSError) -> NotListeningError:
    number = problem.errno or 0  # below zero where the host has no address
    fault = f"cannot listen on {host}:{port}: {os.strerror(number) if number > 0 else problem.strerror}"
    advice = {
        errno.EADDRINUSE: "Something listens there already: end it, or name another port under listen:.",
        errno.EACCES: "Ports below 1024 are not for every user: name another port under listen:.",
    }.get(number, "Name an address of this machine as host under listen:.")
    return NotListeningError(fault, what_to_do=advice)


#: Takes a push of a source; returns what its sender waits for. Raises Refused.
Accept = Callable[[Source, web.Request], Awaitable[Mapping[str, object]]]


class Listener:
    """The HTTP listener of one worker."""

    def __init__(
        self, host: str, port: int, sources: Mapping[str, Source], readers: Readers, desk: Desk, counters: Counters
    ) -> None:
        self._host = host
        self._readers = readers
        self._wanted = port
        self._sources = sources
        self._desk = desk
        self._counters = counters
        self._rates = {name: _Rate(source.per_minute) for name, source in sources.items()}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._runner: web.AppRunner | None = None
        self.port = 0

    def start(self) -> int:
        """Listen; returns the port. Raises NotListeningError when the address cannot be listened on."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="cloudheal-listen", daemon=True)
        self._thread.start()
        try:
            self.port = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        except OSError as problem:
            self.stop()
            raise _not_listening(self._host, self._wanted, problem) from problem
        log.info("listen.ready host=%s port=%d sources=%d", self._host, self.port, len(self._sources))
        return self.port

    def stop(self) -> None:
        """Take no more requests, let those in hand end, and close; what was never started is closed already."""
        if self._loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(timeout=STOP_SECONDS * 3)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=STOP_SECONDS)
        self._loop.close()
        self._loop = None

    async def _close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        await asyncio.get_running_loop().shutdown_default_executor()

    async def _open(self) -> int:
        largest = max((source.max_bytes for source in self._sources.values()), default=0)
        largest = max(largest, MOST_SHIPPED) if self._desk.logs else largest
        app = web.Application(client_max_size=largest)
        app.add_routes([
            web.post("/ingest/{source}", self._ingest),
            web.post("/ingest/{source}/{secret}", self._ingest),
            web.get("/healthz", self._healthz),
            web.get("/metrics", self._metrics),
        ])  # fmt: skip
        if self._desk.logs:
            app.add_routes([
                web.post("/ship/{source}", self._ship),
                web.get("/metrics/logs", self._log_metrics),
                web.get("/api/logs{path:(/.*)?}", self._log_page),
            ])  # fmt: skip
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_SECONDS)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._wanted)
        await site.start()
        address: tuple[str, int] = self._runner.addresses[0]
        return address[1]

    async def _ingest(self, request: web.Request) -> web.Response:
        return await self._answered(request, self._accept)

    async def _ship(self, request: web.Request) -> web.Response:
        return await self._answered(request, self._accept_shipment)

    async def _answered(self, request: web.Request, accept: Accept) -> web.Response:
        """Answer a push by what became of it; whatever broke, the sender must come again."""
        source = self._sources.get(request.match_info["source"])
        name = source.name if source else "unknown"
        told: Mapping[str, object] = {}
        try:
            if source is None:
                raise Refused(404, "no such source")  # noqa: TRY301 - answered like every other refusal
            told = await accept(source, request)
            await self._spend_nonce(source, request)
            status, text = 200, "ok"
        except Refused as refused:
            status, text = refused.status, str(refused)
        except Exception:
            # The trace holds neither path nor body.
            log.exception("webhook.failed source=%s", name)
            status, text = 503, "not taken, send it again"
        self._counters.count("cloudheal_webhook_requests_total", source=name, status=str(status))
        headers = {"Retry-After": "5"} if status in {429, 503} else {}
        return web.json_response({"result": text, **told}, status=status, headers=headers)

    async def _accept(self, source: Source, request: web.Request) -> Mapping[str, object]:
        """Commit what was pushed; returns what its sender waits for. Raises Refused."""
        document = _as_json(request, await self._admitted(source, request, source.max_bytes))
        messages = self._desk.parts(document)
        if source.accounts and not self._accounts(messages) <= source.accounts:
            raise Refused(403, "the source may not speak for this account")
        await asyncio.to_thread(self._desk.take, messages, origin_of(source.name))
        return self._desk.answer(document)

    async def _accept_shipment(self, source: Source, request: web.Request) -> Mapping[str, object]:
        """Commit what an agent counted. Raises Refused."""
        if source.proof is not Proof.SIGNED or self._desk.logs is None:
            raise Refused(403, "only sources that sign may ship")
        body = await self._admitted(source, request, MOST_SHIPPED)
        reason = await asyncio.to_thread(self._desk.logs.ship, body, source.ships_for)
        if reason:
            raise Refused(422, reason)
        return {}

    async def _admitted(self, source: Source, request: web.Request, most: int) -> bytes:
        """Return the body of a push of a source that proves itself and does not push too often. Raises Refused."""
        shown = _shown(request)
        if source.proof is not Proof.SIGNED and not passes_unsigned(source.proof, source.secret, shown):
            raise Refused(401, "not allowed")
        body = await _body(most, request)
        if source.proof is Proof.SIGNED:
            await self._check_signature(source, shown, body)
        if not self._rates[source.name].allows():
            raise Refused(429, "too many at once")
        return body

    def _accounts(self, messages: Sequence[bytes]) -> set[str]:
        """Return the accounts that messages are about, as far as they can be read."""
        found, now = set[str](), self._desk.now()
        for one in messages:
            with contextlib.suppress(Exception):  # whatever is wrong with it, taking it in finds out and keeps why
                found.add(self._desk.read(one, now, Channel.WEBHOOK).subject.account)
        return found - {""}

    async def _check_signature(self, source: Source, shown: Shown, body: bytes) -> None:
        if not passes_signed(source.secret, source.name, shown, body, self._desk.now()):
            raise Refused(401, "not allowed")
        if await asyncio.to_thread(self._desk.is_spent, source.name, shown.nonce):
            raise Refused(409, "the nonce was used before")

    async def _spend_nonce(self, source: Source, request: web.Request) -> None:
        """Use the nonce of a signed push up once it was taken in: what was not taken may be sent again as it is.

        Of two that come at the same moment both are taken in; the second is a duplicate, as every repeated message is.
        """
        if source.proof is Proof.SIGNED:
            until = self._desk.now() + 2 * WINDOW
            await asyncio.to_thread(self._desk.spend, source.name, _shown(request).nonce, until)

    async def _healthz(self, request: web.Request) -> web.Response:
        found = await asyncio.to_thread(self._desk.health)
        shown = dict(found) if self._readers.may_read(_authorization(request)) else {"ok": bool(found.get("ok"))}
        return web.json_response(shown, status=200 if found.get("ok") else 503)

    async def _metrics(self, request: web.Request) -> web.Response:
        if not self._readers.may_read(_authorization(request)):
            return _stranger()
        text = await asyncio.to_thread(self._desk.metrics)
        return web.Response(text=text, headers=TEXT)

    async def _log_metrics(self, request: web.Request) -> web.Response:
        if not self._readers.may_read_logs(_authorization(request)):
            return _stranger()
        logs = self._desk.logs
        return web.Response(text=await asyncio.to_thread(logs.metrics) if logs else "", headers=TEXT)

    async def _log_page(self, request: web.Request) -> web.Response:
        if not self._readers.may_read_logs(_authorization(request)):
            return _stranger()
        logs, path = self._desk.logs, [one for one in request.match_info["path"].split("/") if one]
        try:
            found = await asyncio.to_thread(logs.page, path, dict(request.query)) if logs else None
        except ValueError as problem:
            return web.json_response({"result": str(problem)}, status=400)
        missing = {"result": "no such log, or metric: GET /api/logs lists them"}
        return web.json_response(found or missing, status=200 if found else 404)


def sources_of(settings: Sequence[IngestSettings], environment: Mapping[str, str]) -> dict[str, Source]:
    """Return the sources with their secrets. Raises SettingsError naming a variable, never its value."""
    return {one.name: _source(one, environment.get(one.secret_env, "")) for one in settings}


def _source(one: IngestSettings, secret: str) -> Source:
    if len(secret) < SHORTEST_SECRET:
        raise SettingsError(
            f"listen.sources.{one.name}: {one.secret_env} is not set in the environment or is shorter than "
            f"{SHORTEST_SECRET} characters",
            what_to_do="Make a secret, such as with: openssl rand -hex 32",
        )
    limits = one.max_bytes, one.per_minute
    return Source(one.name, Proof(one.proof), secret, frozenset(one.accounts), *limits, tuple(one.hosts))


class _Rate:
    """A token bucket that holds a minute's worth."""

    def __init__(self, per_minute: int) -> None:
        self._per_second = per_minute / 60
        self._most = float(per_minute)
        self._level, self._at = self._most, time.monotonic()

    def allows(self) -> bool:
        now = time.monotonic()
        self._level = min(self._most, self._level + (now - self._at) * self._per_second)
        self._at = now
        if self._level < 1:
            return False
        self._level -= 1
        return True


def _authorization(request: web.Request) -> str:
    return request.headers.get("Authorization", "")


def _stranger() -> web.Response:
    """Answer somebody who may not read; which page it was stays our own."""
    told = {"result": "not allowed: show the token that listen.token_env of the settings names, as Bearer"}
    return web.json_response(told, status=401, headers={"WWW-Authenticate": "Bearer"})


def _shown(request: web.Request) -> Shown:
    headers = request.headers
    return Shown(
        path_secret=request.match_info.get("secret", ""),
        authorization=_authorization(request),
        timestamp=headers.get(TIMESTAMP, ""),
        nonce=headers.get(NONCE, ""),
        signature=headers.get(SIGNATURE, ""),
    )


async def _body(most: int, request: web.Request) -> bytes:
    """Read a body, no more of it than the source may send. Raises Refused."""
    if (request.content_length or 0) > most:
        raise Refused(413, "too large")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            # Bit by bit: who does not say how much comes could send as much as the largest source may.
            async for piece in request.content.iter_any():
                body += piece
                if len(body) > most:
                    raise Refused(413, "too large")
    except TimeoutError as problem:
        raise Refused(408, "too slow") from problem
    return bytes(body)


def _as_json(request: web.Request, body: bytes) -> bytes:
    """Turn a posted form, whose fields hold JSON, into one document; anything else stays as it is.

    JSON is no form, whatever its sender calls it: `curl -d` and Python's own client call everything one.
    """
    if request.content_type != "application/x-www-form-urlencoded" or body.lstrip()[:1] in {b"{", b"["}:
        return body
    try:
        return json.dumps(dict(parse_qsl(body.decode(), max_num_fields=100))).encode()
    except ValueError:
        return body
