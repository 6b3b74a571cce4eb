"""Tells people that a metric has more series than it may have: `__other__` in a chart says so to nobody.

Told by the host on whose log it happened, in the transaction that stores the minutes, and once in a quarter of an hour
for each metric: the notices' own quiet time counts the rest. That a series was left out is decided for whole windows
elsewhere; here the minutes are looked at, which is where it begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from cloudheal.logs.counting import Minute
from cloudheal.logs.definition import Definition
from cloudheal.logs.windows import Overflow, capped
from cloudheal.record.outbox import Notice, Topic

#: Seconds in which a metric is told of once.
QUIET = 900


@dataclass(slots=True)
class Overflows:
    """What is too much in one log, since it was told last."""

    definition: Definition
    _most: dict[str, int] = field(default_factory=dict)
    _worst: dict[str, Overflow] = field(default_factory=dict)
    _told: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._most = {one.name: one.most for one in self.definition.metrics}

    def look(self, minutes: Iterable[Minute]) -> int:
        """Look at minutes as they were counted; returns in how many there was too much."""
        found = [one for minute in minutes if (one := self._overflow(minute)) is not None]
        for one in found:
            worst = self._worst.get(one.metric)
            self._worst[one.metric] = one if worst is None or one.series > worst.series else worst
        return len(found)

    def notices(self, now: datetime) -> Iterator[Notice]:
        """Yield what people are to be told now, in the caller's transaction."""
        for metric, worst in self._worst.items():
            if now.timestamp() - self._told.get(metric, 0) >= QUIET:
                yield _notice(self.definition.name, worst, now)

    def told(self, now: datetime) -> Overflows:
        """Forget what was told, once that is committed."""
        self._told |= {
            metric: now.timestamp() for metric in self._worst if now.timestamp() - self._told.get(metric, 0) >= QUIET
        }
        self._worst.clear()
        return self

    def _overflow(self, minute: Minute) -> Overflow | None:
        most = self._most[minute.metric]
        return capped(minute, most)[1] if len(minute.rows) > most else None


def _notice(log: str, overflow: Overflow, now: datetime) -> Notice:
    name = f"{Topic.LOG_OVERFLOW}|{log}|{overflow.metric}"
    facts = {
        "log": log,
        "metric": overflow.metric,
        "series": str(overflow.series),
        "kept": str(overflow.kept),
        "lines": str(overflow.lines),
    }
    return Notice(Topic.LOG_OVERFLOW, now, name, name, facts)
