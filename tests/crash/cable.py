"""A cable to a TCP server that a test can cut, pull and plug in again: between a worker and its database.

Cut, both sides see their connections reset; pulled, nobody hears anything any more, which is worse.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self


class Cable:
    """Forwards connections to a host and port, in a thread of its own."""

    def __init__(self, open_target: Callable[[], object], port: int = 0, host: str = "127.0.0.1") -> None:
        """`open_target` returns a coroutine for a reader and a writer of the server."""
        self._host = host
        self._open_target = open_target
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._refuses = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening = threading.Event()
        self.port = port
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, at: TracebackType | None
    ) -> None:
        self._do(self._cut)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def cut(self) -> None:
        """Reset every connection, and refuse new ones."""
        self._do(self._cut)

    def pull(self) -> None:
        """Let nothing through any more; nobody is told."""
        self._do(self._flows.clear)

    def plug(self) -> None:
        """Let everything through again."""
        self._do(self._plug)

    def _do(self, what: Callable[[], None]) -> None:
        done = threading.Event()

        def do() -> None:
            what()
            done.set()

        self._loop.call_soon_threadsafe(do)
        assert done.wait(10)

    def _cut(self) -> None:
        self._refuses = True
        for writer in self._writers:
            writer.transport.abort()

    def _plug(self) -> None:
        self._refuses = False
        self._flows.set()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._flows.set()
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, self._host, self.port))
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        self._loop.run_forever()
        server.close()
        for task in self._tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        there_reader, there_writer = await self._open_target()  # type: ignore[misc]
        pair = {writer, there_writer}
        self._writers |= pair
        for source, target in ((reader, there_writer), (there_reader, writer)):
            task = self._loop.create_task(self._forward(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                await self._flows.wait()
                target.write(data)
                await target.drain()
        target.close()
        self._writers.discard(target)
