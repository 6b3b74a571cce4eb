"""A value that remembers what it was, so that a stale read can answer with yesterday's truth.

Eventual consistency is a fault the simulator injects on purpose: a read is then given an instant in the past and each
object answers with the value it had.
"""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")

#: How many earlier values are kept; by feel, enough for a week of flapping in a test.
DEPTH = 64


class Timeline(Generic[T]):
    """One value over virtual time."""

    __slots__ = ("_past", "since", "value")

    def __init__(self, value: T, since: int) -> None:
        self.value = value
        self.since = since
        self._past: tuple[tuple[int, T], ...] = ()

    def set(self, value: T, now: int) -> None:
        """Change the value as of `now` (epoch milliseconds), remembering the old one."""
        self._past = (*self._past, (self.since, self.value))[-DEPTH:]
        self.value, self.since = value, now

    def at(self, instant: int | None) -> T | None:
        """Return the value as it was at `instant`; None means now. None is returned from before its time."""
        if instant is None or instant >= self.since:
            return self.value
        for since, value in reversed(self._past):
            if instant >= since:
                return value
        return None

    def entries(self) -> tuple[tuple[int, T], ...]:
        """Return (since, value) from oldest to present."""
        return (*self._past, (self.since, self.value))
