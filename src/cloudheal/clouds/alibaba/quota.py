"""Our own rate of calls: a token bucket for each API of an account, so that looking never starves healing of quota.

A call that would have to wait longer than it may take is refused before it is sent. Rates are in real time, because
the cloud counts in it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

#: How many calls may come at once after a quiet time, in seconds' worth of the rate.
BURST_SECONDS = 2.0
#: What a cloud allows a second where that is less than any sensible rate of ours.
SLOWER: Mapping[str, float] = {"LookupEvents": 2.0}


class Buckets:
    """The buckets of one account, one for each API; shared between threads."""

    def __init__(self, per_second: float, monotonic: Callable[[], float]) -> None:
        self._rate = per_second
        self._monotonic = monotonic
        self._levels: dict[str, tuple[float, float]] = {}
        self._guard = threading.Lock()

    def reserve(self, api: str, most_seconds: float) -> float | None:
        """Take one token and return how many seconds to wait before the call; None when that is too long."""
        rate, most = self._limits(api)
        with self._guard:
            now = self._monotonic()
            level, at = self._levels.get(api, (most, now))
            level = min(most, level + (now - at) * rate) - 1
            wait = max(0.0, -level / rate)
            if wait > most_seconds:
                return None
            self._levels[api] = (level, now)
            return wait

    def spend(self, api: str) -> float:
        """Take one token on credit, for a call that has no time to wait: all others wait for it; returns the level."""
        rate, most = self._limits(api)
        with self._guard:
            now = self._monotonic()
            level, at = self._levels.get(api, (most, now))
            level = min(most, level + (now - at) * rate) - 1
            self._levels[api] = (level, now)
            return level

    def _limits(self, api: str) -> tuple[float, float]:
        """Return the rate of an API and the most that may come at once."""
        rate = min(self._rate, SLOWER.get(api, self._rate))
        return rate, max(1.0, rate * BURST_SECONDS)
