"""Our own rate of calls: a token bucket for each API of an account, so that looking never starves healing of quota.

A call that would have to wait longer than it may take is refused before it is sent. Rates are in real time, because
the cloud counts in it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

#: How many calls may come at once after a quiet time, in seconds' worth of the rate.
BURST_SECONDS = 2.0


class Buckets:
    """The buckets of one account, one for each API; shared between threads."""

    def __init__(self, per_second: float, monotonic: Callable[[], float]) -> None:
        self._rate = per_second
        self._most = max(1.0, per_second * BURST_SECONDS)
        self._monotonic = monotonic
        self._levels: dict[str, tuple[float, float]] = {}
        self._guard = threading.Lock()

    def reserve(self, api: str, most_seconds: float) -> float | None:
        """Take one token and return how many seconds to wait before the call; None when that is too long."""
        with self._guard:
            now = self._monotonic()
            level, at = self._levels.get(api, (self._most, now))
            level = min(self._most, level + (now - at) * self._rate) - 1
            wait = max(0.0, -level / self._rate)
            if wait > most_seconds:
                return None
            self._levels[api] = (level, now)
            return wait

    def spend(self, api: str) -> float:
        """Take one token on credit, for a call that has no time to wait: all others wait for it; returns the level."""
        with self._guard:
            now = self._monotonic()
            level, at = self._levels.get(api, (self._most, now))
            level = min(self._most, level + (now - at) * self._rate) - 1
            self._levels[api] = (level, now)
            return level
