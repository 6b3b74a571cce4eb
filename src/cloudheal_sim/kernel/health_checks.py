"""What health checks show of a backend: a pure function of when its server answered, and of the listener's check.

A change shows only after the threshold of checks in a row: `threshold * interval` seconds. A new member and a listener
just started show `unavailable` until a first verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Health(StrEnum):
    """`ServerHealthStatus` as DescribeHealthStatus writes it."""

    NORMAL = "normal"
    ABNORMAL = "abnormal"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Check:
    """A listener's health check: seconds between checks and how many in a row decide."""

    on: bool = True
    interval: int = 2
    healthy: int = 3
    unhealthy: int = 3

    def wait(self, *, serving: bool) -> int:
        """Return the milliseconds for which a server must answer (or not) before that shows."""
        return (self.healthy if serving else self.unhealthy) * self.interval * MILLIS_PER_SECOND


def health(past: Sequence[tuple[int, bool]], begun: int, check: Check, instant: int) -> Health:
    """Return what the checks show at `instant`.

    `past` holds (since, answered) from oldest to present; `begun` is when checking began, 0 for since ever.
    """
    if not check.on or not past:
        return Health.UNAVAILABLE
    shown: bool | None = past[0][1] if begun == 0 else None
    for start, end, serving in _stretches(past, begun, instant):
        if serving is not shown and end - start >= check.wait(serving=serving):
            shown = serving
    if shown is None:
        return Health.UNAVAILABLE
    return Health.NORMAL if shown else Health.ABNORMAL


def next_change(past: Sequence[tuple[int, bool]], begun: int, check: Check) -> int | None:
    """Return when the latest change of a server shows if nothing happens before; None when nothing can change."""
    if not check.on or not past:
        return None
    since, serving = past[-1]
    return max(since, begun) + check.wait(serving=serving)


def _stretches(past: Sequence[tuple[int, bool]], begun: int, instant: int) -> Iterator[tuple[int, int, bool]]:
    ends = [since for since, _ in past[1:]] + [instant]
    for (since, serving), end in zip(past, ends, strict=True):
        start, stop = max(since, begun), min(end, instant)
        if stop >= start:
            yield start, stop, serving
