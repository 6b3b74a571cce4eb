"""An HTTP server of the test's own: keeps what it is sent and answers what it is told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Received:
    """One request that arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Read the body as JSON."""
        return json.loads(self.body)


@dataclass(slots=True)
class Receiver:
    """What arrived so far; `answers` are the statuses of the next answers, then 200.

    Answers wait while `may_answer` is not set.
    """

    url: str = ""
    answers: list[int] = field(default_factory=list)
    may_answer: threading.Event = field(default_factory=threading.Event)
    _arrived: list[Received] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self, request: Received) -> int:
        """Keep a request and return the status of its answer."""
        with self._changed:
            self._arrived.append(request)
            self._changed.notify_all()
            return self.answers.pop(0) if self.answers else 200

    def wait(self, count: int, timeout: float = 20) -> list[Received]:
        """Return everything that arrived, once it is at least `count` requests."""
        with self._changed:
            enough = self._changed.wait_for(lambda: len(self._arrived) >= count, timeout)
            assert enough, f"{len(self._arrived)} requests of {count} arrived within {timeout} s"
            return list(self._arrived)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Listen on a free port of this machine until the block ends."""
    receiver = Receiver()
    receiver.may_answer.set()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = receiver.take(Received(self.command, self.path, headers, body))
            receiver.may_answer.wait(20)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            self._serve()

        def do_GET(self) -> None:
            self._serve()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class names it so
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield receiver
    finally:
        receiver.may_answer.set()
        server.shutdown()
        server.server_close()
        thread.join()
