"""What playbooks may ask the network about a server: does a port take a connection, does a page answer.

Adapters stand in `probes/`. A probe never raises: what went wrong is what was seen. It sends the question and nothing
else, and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one question; `seen` says it in words."""

    answers: bool
    seen: str


class Tcp(Protocol):
    """Asks a port."""

    def __call__(self, host: str, port: int, seconds: float) -> Finding:
        """Say whether a port takes a connection within so many seconds."""


class Http(Protocol):
    """Asks for a page."""

    def __call__(self, url: str, status: int, seconds: float) -> Finding:
        """Say whether an address answers with this status within so many seconds; redirects are not followed."""


@dataclass(frozen=True, slots=True)
class Probes:
    """Everything that playbooks may ask of the network."""

    tcp: Tcp
    http: Http
