"""Probes ask real sockets on loopback: whatever is at the other end, there is an answer in time, and nothing raises."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

import pytest

from cloudheal.ports.probes import Finding
from cloudheal.probes.http import MOST_BYTES, http
from cloudheal.probes.tcp import tcp

HOST = "127.0.0.1"
#: Long enough for anything that answers, and what a test spends where nothing does.
ENOUGH, BRIEF = 10.0, 0.3
OK = b"HTTP/1.1 200 OK\r\n\r\n"


class Peer:
    """A listening socket that sends the same to everybody, and keeps what it was asked."""

    def __init__(self, said: Callable[[], Iterable[bytes]]) -> None:
        self.asked: list[bytes] = []
        self.sent = 0
        self.stopping = threading.Event()
        self._said = said
        self._door = socket.create_server((HOST, 0))
        self.port: int = self._door.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def url(self, path: str = "/healthz") -> str:
        """Return the address of a page."""
        return f"http://{HOST}:{self.port}{path}"

    def close(self) -> None:
        """Stop listening."""
        self.stopping.set()
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self._thread.join(timeout=5)

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._door.accept()
            except OSError:
                return
            with line, suppress(OSError):
                line.settimeout(5)
                self.asked.append(line.recv(4096))
                for part in self._said():
                    line.sendall(part)
                    self.sent += len(part)


@contextmanager
def peer(*said: bytes, without_end: bytes = b"") -> Iterator[Peer]:
    """A server that says this, and then the same part again without end."""
    serving = Peer(lambda: itertools.chain(said, itertools.repeat(without_end) if without_end else ()))
    try:
        yield serving
    finally:
        serving.close()


@pytest.fixture
def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server((HOST, 0)) as door:
        return int(door.getsockname()[1])


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port that takes connections and says nothing."""
    with socket.create_server((HOST, 0)) as door:
        yield door.getsockname()[1]


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port whose queue of connections is full, so that another one is not even refused."""
    with socket.socket() as door:
        door.bind((HOST, 0))
        door.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(door.getsockname())
        yield door.getsockname()[1]
        for one in waiting:
            one.close()


def test_a_listening_port_is_connected(deaf_port: int) -> None:
    """It need not say anything."""
    assert tcp(HOST, deaf_port, ENOUGH) == Finding(answers=True, seen="connected")


def test_a_closed_port_is_refused(closed_port: int) -> None:
    """Said in words, for a page as for a port."""
    refused = Finding(answers=False, seen="connection refused")
    assert tcp(HOST, closed_port, ENOUGH) == refused
    assert http(f"http://{HOST}:{closed_port}/", 200, ENOUGH) == refused


def test_a_port_that_hangs_is_given_up_in_time(full_port: int) -> None:
    """The connection never stands."""
    began = time.monotonic()
    assert tcp(HOST, full_port, BRIEF) == Finding(answers=False, seen="no answer in time")
    assert time.monotonic() - began < 5


def test_a_name_that_is_none_is_no_answer() -> None:
    """Too long a label cannot be looked up at all."""
    assert not tcp("a" * 70 + ".invalid", 80, ENOUGH).answers


def test_a_page_with_the_expected_status_answers() -> None:
    """Path and query are asked for as they are written, of the host that is written."""
    with peer(OK) as server:
        assert http(server.url("/healthz?deep=1"), 200, ENOUGH) == Finding(answers=True, seen="status 200")
    head = server.asked[0].decode().split("\r\n")
    assert head[:2] == ["GET /healthz?deep=1 HTTP/1.1", f"Host: {HOST}:{server.port}"]


@pytest.mark.parametrize(("expected", "answers"), [(200, False), (500, True)])
def test_the_status_decides(expected: int, answers: bool) -> None:  # noqa: FBT001 - what is expected
    """500 is as good as 200 for a rule that asks for it."""
    with peer(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n") as server:
        found = http(server.url(), expected, ENOUGH)
    assert found == Finding(answers, "status 500" if answers else "status 500, not 200")


def test_a_redirect_is_not_followed() -> None:
    """Its target is never asked."""
    with peer(OK) as target, peer(f"HTTP/1.1 302 Found\r\nLocation: {target.url()}\r\n\r\n".encode()) as server:
        assert http(server.url(), 200, ENOUGH) == Finding(answers=False, seen="status 302, not 200")
    assert (len(server.asked), target.asked) == (1, [])


def test_an_endless_body_is_not_read() -> None:
    """The status is there, and what follows is left where it is."""
    with peer(OK, without_end=b"x" * 65536) as server:
        assert http(server.url(), 200, ENOUGH).answers


@pytest.mark.parametrize("said", [b"X-More: and more\r\n", b"x" * 4096])
def test_an_endless_head_is_given_up(said: bytes) -> None:
    """No more than so much is read, and it is no answer."""
    with peer(b"HTTP/1.1 200 OK\r\n", without_end=said) as server:
        found = http(server.url(), 200, ENOUGH)
    assert found == Finding(answers=False, seen="an answer that is not HTTP")
    assert server.sent >= MOST_BYTES


def test_a_page_that_says_nothing_is_given_up_in_time(deaf_port: int) -> None:
    """The connection stands, and that is all."""
    began = time.monotonic()
    assert http(f"http://{HOST}:{deaf_port}/", 200, BRIEF) == Finding(answers=False, seen="no answer in time")
    assert time.monotonic() - began < 5


def test_a_page_that_drips_is_given_up_in_time() -> None:
    """A byte now and then keeps nobody: the limit is one for the whole answer."""
    server = Peer(lambda: (b"H" for _ in iter(lambda: server.stopping.wait(0.02), True)))
    began = time.monotonic()
    try:
        assert http(server.url(), 200, BRIEF) == Finding(answers=False, seen="no answer in time")
    finally:
        server.close()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("said", "seen"), [(b"", "closed without an answer"), (b"SSH-2.0-OpenSSH_9.6\r\n", "an answer that is not HTTP")]
)
def test_what_is_not_http_is_no_answer(said: bytes, seen: str) -> None:
    """Another protocol, or nothing at all."""
    with peer(said) as server:
        assert http(server.url(), 200, ENOUGH) == Finding(answers=False, seen=seen)


def test_a_page_without_a_certificate_is_no_answer_over_https() -> None:
    """What speaks plain HTTP there is not trusted."""
    with peer(OK) as server:
        assert not http(server.url().replace("http:", "https:"), 200, ENOUGH).answers
