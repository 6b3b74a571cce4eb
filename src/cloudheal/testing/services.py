"""What runs on the servers of a fake cloud: it answers probes a while after its server began to run, or never."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from cloudheal.ports.probes import Finding, Probes
from cloudheal.testing.clock import VirtualClock


class FakeServices:
    """One service on every port of every server; `warm_up` None never answers, `status` is what its pages answer."""

    def __init__(self, clock: VirtualClock, running_at: Callable[[str], datetime | None]) -> None:
        """`running_at` says since when the server at an address runs."""
        self.warm_up: timedelta | None = timedelta()
        self.status = 200
        #: What was asked, in order, as `tcp HOST:PORT` or as the address of a page.
        self.asked: list[str] = []
        self._clock = clock
        self._running_at = running_at

    @property
    def probes(self) -> Probes:
        """The port."""
        return Probes(self.tcp, self.http)

    def tcp(self, host: str, port: int, seconds: float) -> Finding:
        """Say whether a port takes a connection."""
        self.asked.append(f"tcp {host}:{port}")
        return Finding(answers=True, seen="connected") if self._serves(host, seconds) else _REFUSED

    def http(self, url: str, status: int, seconds: float) -> Finding:
        """Say whether an address answers with this status."""
        self.asked.append(url)
        if not self._serves(urlsplit(url).hostname or "", seconds):
            return _REFUSED
        return Finding(self.status == status, f"status {self.status}")

    def _serves(self, host: str, seconds: float) -> bool:
        if seconds <= 0:
            raise ValueError("a question needs time to be answered in")
        since = self._running_at(host)
        return since is not None and self.warm_up is not None and self._clock.now() - since >= self.warm_up


_REFUSED = Finding(answers=False, seen="connection refused")
