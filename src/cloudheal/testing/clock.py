"""A clock that stands until somebody moves it, and does on the way what was planned for each moment."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

#: A Monday morning in Beijing.
START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)


class VirtualClock:
    """Tells a time of its own."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._planned: list[tuple[datetime, int, Callable[[], object]]] = []
        self._number = 0

    def now(self) -> datetime:
        """Return the present."""
        return self._now

    def plan(self, after: timedelta, do: Callable[[], object]) -> datetime:
        """Do something when so much time has passed; returns the moment."""
        moment = self._now + after
        self._number += 1
        heapq.heappush(self._planned, (moment, self._number, do))
        return moment

    @property
    def next(self) -> datetime | None:
        """The next moment for which something is planned."""
        return self._planned[0][0] if self._planned else None

    def advance(self, by: timedelta) -> datetime:
        """Move on; what was planned happens in order, each at its moment."""
        until = self._now + by
        while self._planned and self._planned[0][0] <= until:
            moment, _, do = heapq.heappop(self._planned)
            self._now = max(self._now, moment)
            do()
        self._now = max(self._now, until)
        return self._now
