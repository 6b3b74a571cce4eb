"""Receivers of log series over real TCP: they keep what comes, and answer as they are told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Post:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Receiver:
    """A receiver; `answer` says status and body for each request."""

    answer: Callable[[Post], tuple[int, bytes]] = lambda _post: (204, b"")
    posts: list[Post] = field(default_factory=list)
    url: str = ""


@contextmanager
def receiving(receiver: Receiver) -> Iterator[Receiver]:
    """Have a receiver listen until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            post = Post(self.path, dict(self.headers), body)
            receiver.posts.append(post)
            status, said = receiver.answer(post)
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"{receiver.url}/elsewhere")
            self.send_header("Content-Length", str(0 if status == 204 else len(said)))
            self.end_headers()
            if status != 204:
                self.wfile.write(said)

        do_GET = do_POST  # noqa: N815 - the library calls it by this name

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


@dataclass
class ClickHouse:
    """What of ClickHouse the adapter relies on: a table that replaces rows of the same key, and rows as JSON lines."""

    order: tuple[str, ...] = ()
    rows: dict[tuple[str, ...], Mapping[str, Any]] = field(default_factory=dict)
    inserts: int = 0

    def answer(self, post: Post) -> tuple[int, bytes]:
        """Carry a statement out."""
        query = parse_qs(urlsplit(post.path).query).get("query", [post.body.decode()])[0]
        if query.startswith("CREATE TABLE IF NOT EXISTS"):
            self.order = tuple(query.partition("ORDER BY (")[2].rstrip(")").split(", "))
            return 200, b""
        if not query.endswith("FORMAT JSONEachRow") or not self.order:
            return 404, b"Code: 60. DB::Exception: Table does not exist. (UNKNOWN_TABLE)"
        self.inserts += 1
        for line in post.body.splitlines():
            row = json.loads(line)
            self.rows[tuple(json.dumps(row[name]) for name in self.order)] = row
        return 200, b""
