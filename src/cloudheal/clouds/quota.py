"""Our own rate of calls: a token bucket for each API of an account, so that looking never starves healing of quota.

A call that would have to wait longer than it may take is refused before it is sent. One that changes something stands
behind an intent, which a pause does not reach any more: it waits for a moment only, and whoever sends it asks the
guards again before the next try. Rates are in real time, because the cloud counts in it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from cloudheal.errors import CloudPermanentError, CloudTransientError

#: How many calls may come at once after a quiet time, in seconds' worth of the rate.
BURST_SECONDS = 2.0
#: The longest that a call which changes something waits here; and what calls begin with that change nothing.
CHANGES_WAIT_SECONDS = 0.5
_READS = ("Describe", "Get", "List", "Lookup", "Inquiry")
#: How a call is answered that was not sent, because our own rate is used up.
OWN_RATE = "OwnRate"
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


@dataclass(frozen=True, slots=True)
class Pace:
    """How one client keeps to our own rates; without `buckets` it keeps to none."""

    buckets: Buckets | None = None
    pause: Callable[[float], object] = time.sleep
    hurries: bool = False
    """Work with a deadline: its calls are counted and do not wait."""

    def hurried(self) -> Pace:
        """Return the pace of work with a deadline."""
        return replace(self, hurries=True)

    def left(self, action: str, seconds: float) -> float:
        """Wait for our own rate to allow a call; returns how many seconds are left for it.

        Raises CloudTransientError when too few would be.
        """
        if self.buckets is None:
            return seconds
        if self.hurries:
            self.buckets.spend(action)
            return seconds
        most = seconds / 2 if action.startswith(_READS) else min(seconds / 2, CHANGES_WAIT_SECONDS)
        wait = self.buckets.reserve(action, most)
        if wait is None:
            raise CloudTransientError(
                f"{action} was not sent: our own rate is used up", vendor_code=OWN_RATE, refused=True
            )
        if wait:
            self.pause(wait)
        return seconds - wait


def outcome_of(error: CloudTransientError | CloudPermanentError, throttled: str) -> str:
    """Say how a call ended that failed; codes of throttling begin with `throttled`."""
    if error.vendor_code.startswith(throttled):
        return "throttled"
    return "refused" if isinstance(error, CloudPermanentError) or error.refused else "unanswered"
