"""Raw HTTP to a simulator over one connection: for tests of bytes that no SDK would send."""

from __future__ import annotations

import socket
from typing import Self

from tests.sim.signing import Answer, query_of, signed


class Wire:
    """One TCP connection to a simulator; what is written and read is bytes."""

    def __init__(self, address: str) -> None:
        host, _, port = address.partition(":")
        self.address = address
        self.socket = socket.create_connection((host, int(port)), timeout=20)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def send(self, data: bytes) -> Wire:
        """Write bytes."""
        self.socket.sendall(data)
        return self

    def read(self, *, head: bool = False) -> Answer:
        """Read one answer; to a HEAD request it has no body."""
        line = self._file.readline()
        assert line.startswith(b"HTTP/1."), f"not HTTP: {line!r}"
        headers = {}
        while (field := self._file.readline().strip()) != b"":
            name, _, value = field.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        length = 0 if head else int(headers.get("content-length", 0))
        return Answer(int(line.split()[1]), headers, self._file.read(length))

    def ask(self, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
        """Send one request and read its answer."""
        return self.send(message(self.address, method, target, headers, body)).read(head=method == "HEAD")

    def get(self, parameters: dict[str, str], secret: str = "testsecret") -> Answer:
        """Make one version 1 call with everything in the query."""
        return self.ask("GET", f"/?{query_of(signed('GET', parameters, secret))}")

    def post(self, parameters: dict[str, str], secret: str = "testsecret") -> Answer:
        """Make one version 1 call with everything in a form."""
        form = query_of(signed("POST", parameters, secret)).encode()
        return self.ask("POST", "/", {"Content-Type": "application/x-www-form-urlencoded"}, form)


def message(host: str, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b"") -> bytes:
    """Write one HTTP request."""
    lines = {
        "Host": host,
        **({"Content-Length": str(len(body))} if body or method == "POST" else {}),
        **(headers or {}),
    }
    if "host" in lines:
        del lines["Host"]
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body
