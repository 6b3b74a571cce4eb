"""One line of a chart: which points a series has at all, and from when each can be seen.

An instance has points for the moments at which it was running. A test may put chosen values in place of the drawn
ones (`Override`); where several speak of one moment, the one that was given last counts.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Protocol, TypeAlias

from pydantic import Field, model_validator

from cloudheal_sim.alibaba.cms.model.store import Instant, Record
from cloudheal_sim.kernel.metric_values import CELL, Cell, Series, cell_ends, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

    from cloudheal_sim.alibaba.cms.model.metric_catalogue import Metric

#: (since, status) from oldest to present; what is true before the first is what the first says.
History: TypeAlias = "tuple[tuple[int, str], ...]"
Statistics: TypeAlias = "Mapping[str, float]"
RUNNING = "Running"


class Override(Record):
    """Values chosen by a test for (since, until]; an empty namespace, metric or instance means every one.

    `values` is a series that starts at `since`, one value per `period` seconds, the last one standing to the end of
    its own period; `missing` means that there are no points at all.
    """

    namespace: str = ""
    metric: str = ""
    instance: str = ""
    dimensions: dict[str, str] = Field(default_factory=dict)
    since: Instant = None
    until: Instant = None
    value: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    values: Annotated[tuple[float, ...], Field(max_length=100_000)] = ()
    period: Annotated[int, Field(ge=15, le=86_400)] = 60
    missing: bool = False

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if (self.value is not None) + bool(self.values) + self.missing != 1:
            raise ValueError("expected exactly one of value, values, missing")
        if self.values and self.since is None:
            raise ValueError("values need since, the moment at which the first begins")
        return self

    def meant(self, metric: Metric, dimensions: Mapping[str, str], resource: str) -> bool:
        """Say whether the series of these dimensions is meant; `resource` is the id of what it is about."""
        return (
            self.namespace in {"", metric.namespace}
            and self.metric in {"", metric.name}
            and self.instance in {"", resource}
            and all(dimensions.get(name) == value for name, value in self.dimensions.items())
        )

    def covers(self, end: int) -> bool:
        """Say whether the cell that ends at `end` is meant."""
        if self.since is not None and end <= self.since:
            return False
        if self.values and self.since is not None and end > self.since + len(self.values) * self.period * 1000:
            return False
        return self.until is None or end <= self.until

    def cell(self, end: int) -> Cell | None:
        """Return the chosen statistics of the cell that ends at `end`; None means there is no point."""
        if self.missing:
            return None
        if self.values and self.since is not None:
            value = self.values[(end - self.since - 1) // (self.period * 1000)]
            return Cell(value, value, value)
        value = self.value if self.value is not None else 0.0
        least = value if self.minimum is None else self.minimum
        most = value if self.maximum is None else self.maximum
        return Cell(value, least, most)


class Line(Protocol):
    """What a query needs of a series."""

    @property
    def key(self) -> str:
        """Sorts the lines; the place at which a page ends is told by it."""

    @property
    def dimensions(self) -> Mapping[str, str]:
        """What the series is about."""

    def seen(self, end: int, now: int) -> bool:
        """Say whether the point that ends at `end` can be seen by `now`."""

    def point(self, end: int, period: int) -> Statistics | None:
        """Return the statistics of (end - period, end]; None when there is no point."""


@dataclass(frozen=True, slots=True)
class DrawnLine:
    """A series whose values are drawn, unless a test chose them."""

    key: str
    dimensions: Mapping[str, str]
    metric: Metric
    series: Series
    delay: tuple[int, int]
    history: History = ()
    overrides: Sequence[Override] = field(default=())

    def seen(self, end: int, now: int) -> bool:
        """See Line."""
        return end + self.delay[1] <= now or end + self.series.delay(end, self.delay) <= now

    def point(self, end: int, period: int) -> Statistics | None:
        """See Line."""
        if period < CELL:
            cell = self._cell(end, self.series.quarter)
        else:
            cells = [cell for one in cell_ends(end, period) if (cell := self._cell(one, self.series.cell)) is not None]
            cell = joined(cells) if cells else None
        if cell is None:
            return None
        drawn = {"Average": cell.average, "Minimum": cell.minimum, "Maximum": cell.maximum}
        return {name: round(drawn[name], 3) for name in self.metric.statistics}

    def _cell(self, end: int, drawn: Callable[[int], Cell]) -> Cell | None:
        if not running(self.history, end):
            return None
        for override in reversed(self.overrides):
            if override.covers(end):
                return override.cell(end)
        return drawn(end)


@dataclass(frozen=True, slots=True)
class GroupedLine:
    """Several series as one: a point is seen when each of its members' points could be."""

    key: str
    dimensions: Mapping[str, str]
    members: Sequence[Line]

    def seen(self, end: int, now: int) -> bool:
        """See Line."""
        return all(member.seen(end, now) for member in self.members)

    def point(self, end: int, period: int) -> Statistics | None:
        """See Line."""
        points = [point for member in self.members if (point := member.point(end, period)) is not None]
        return merged(points) if points else None


def merged(points: Sequence[Statistics]) -> Statistics:
    """Join statistics of several series or of several reports: by what each statistic means."""
    joined_up: dict[str, float] = {}
    for name in points[-1]:
        values = [point[name] for point in points if name in point]
        joined_up[name] = round(_JOIN.get(name, _latest)(values), 3)
    return joined_up


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _latest(values: Sequence[float]) -> float:
    return values[-1]


_JOIN: Mapping[str, Callable[[Sequence[float]], float]] = {
    "Average": _mean,
    "Minimum": min,
    "Maximum": max,
    "Sum": sum,
    "SampleCount": sum,
}


def running(history: History, instant: int) -> bool:
    """Say whether the instance was running at `instant`; one without a history always is."""
    if not history:
        return True
    place = bisect_right(history, instant, key=lambda entry: entry[0])
    return history[max(place - 1, 0)][1] == RUNNING


def ever_running(history: History, start: int, stop: int) -> bool:
    """Say whether the instance was running at some moment in (start, stop]."""
    if running(history, start) or running(history, stop):
        return True
    return any(start < since <= stop and status == RUNNING for since, status in history)
