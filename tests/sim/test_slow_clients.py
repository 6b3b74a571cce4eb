"""Clients that take their time, on a server with little patience; in this process, because a minute is too long."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from cloudheal_sim.kernel.wire import HttpReply
from cloudheal_sim.server import Server
from cloudheal_sim.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cloudheal_sim.kernel.wire import HttpRequest


async def control(_request: HttpRequest) -> HttpReply:
    """Answer the control API's address."""
    return HttpReply(200, b"ok")


@asynccontextmanager
async def connection() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to a server that waits a tenth of a second."""
    server = Server(Simulator(), control, lambda _request: HttpReply(200), patience=0.1)
    async with server.listening("127.0.0.1", 0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield reader, writer
        finally:
            writer.close()


@pytest.mark.parametrize("said", [b"", b"GET /?Acti", b"GET / HTTP/1.1\r\nHost: x\r\nX-"])
async def test_whoever_brings_no_request_is_let_go(said: bytes) -> None:
    """A silent client and one that stops in its request line or headers find their connection closed."""
    async with connection() as (reader, writer):
        writer.write(said)
        assert await asyncio.wait_for(reader.read(), 10) == b""


async def test_a_body_that_does_not_come_is_a_bad_request() -> None:
    """Headers that announce a body which never arrives are answered with 400 in the service's words."""
    async with connection() as (reader, writer):
        writer.write(b"POST /?Format=JSON HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe")
        answer = await asyncio.wait_for(reader.readuntil(b"}"), 10)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b'"Code":"InvalidRequest"' in answer


async def test_whoever_has_called_may_stay() -> None:
    """A connection that has brought a request is kept much longer than the patience for a first one."""
    async with connection() as (reader, writer):
        call = b"GET /_sim/health HTTP/1.1\r\nHost: x\r\n\r\n"
        writer.write(call)
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 ")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.5)
        writer.write(call)
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 ")
