"""The line to a server: a connection that keeps to one limit from beginning to end, and words for what went wrong.

A limit for each operation would let a server that sends a byte now and then hold a probe for ever. Only the lookup of a
name keeps to the limit of the machine's resolver instead; addresses need none.
"""

from __future__ import annotations

import socket
import time


class Limit:
    """A time that is over so many seconds after it was made."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left. Raises TimeoutError when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def connected(host: str, port: int, limit: Limit) -> socket.socket:
    """Return a connection to the first address of a host that takes one. Raises OSError, or ValueError for no name."""
    problem = OSError("no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        line = socket.socket(family, kind, protocol)
        try:
            line.settimeout(limit.left())
            line.connect(address)
        except OSError as refused:
            line.close()
            problem = refused
        else:
            return line
    raise problem


def told(problem: OSError | ValueError) -> str:
    """Say what went wrong."""
    if isinstance(problem, TimeoutError):
        return "no answer in time"
    words = problem.strerror if isinstance(problem, OSError) else ""
    return (words or type(problem).__name__).lower()
