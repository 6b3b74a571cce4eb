"""Values that clients report themselves (PutCustomMetric): kept as reported, read back by period.

Raw values (type 0) are joined per period once the period is over, so that a point never changes after it was seen;
values that the client has already aggregated (type 1) can be read at once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field

from cloudheal_sim.alibaba.cms.model.metric_lines import merged
from cloudheal_sim.alibaba.cms.model.store import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cloudheal_sim.alibaba.cms.model.metric_lines import Statistics

#: Reports kept of one series; the oldest fall off. By feel: a month of minutes.
MOST_REPORTS = 50_000
RAW: Final = 0
AGGREGATED: Final = 1


class Report(Record):
    """One reported value. `at` is epoch milliseconds; `values` are statistics, or `value` alone for a raw one."""

    group: str
    metric: str
    dimensions: dict[str, str]
    at: int
    type: Literal[0, 1] = RAW
    period: Annotated[int, Field(gt=0)] = 60
    values: dict[str, float]

    @property
    def series(self) -> str:
        """What tells the series apart from the others of its metric."""
        return f"{self.group}/{self.dimension}"

    @property
    def dimension(self) -> str:
        """The dimensions in the one-string form that the answers carry."""
        return ",".join(f"{name}={value}" for name, value in sorted(self.dimensions.items()))

    @property
    def statistics(self) -> Statistics:
        """The report as statistics; a raw value is a sample of one."""
        if self.type == AGGREGATED:
            return self.values
        value = self.values["value"]
        alone = dict.fromkeys(("Average", "Minimum", "Maximum", "Sum"), value)
        return {**alone, "SampleCount": 1.0}


def _moment(report: Report) -> int:
    return report.at


@dataclass(frozen=True, slots=True)
class CustomLine:
    """A Line over reports."""

    key: str
    dimensions: Mapping[str, str]
    reports: list[Report]

    def seen(self, end: int, now: int) -> bool:
        """See Line; what is seen at once is the aggregated report, its period being its sender's matter."""
        return end <= now or any(report.type == AGGREGATED for report in self._within(end, end))

    def point(self, end: int, period: int) -> Statistics | None:
        """See Line."""
        within = [report.statistics for report in self._within(end - period + 1, end)]
        return merged(within) if within else None

    def _within(self, first: int, last: int) -> list[Report]:
        begin = bisect_left(self.reports, first, key=_moment)
        return self.reports[begin : bisect_right(self.reports, last, key=_moment)]


@dataclass(slots=True)
class CustomMetrics:
    """Every reported value, by metric and series."""

    _series: dict[str, dict[str, list[Report]]] = field(default_factory=dict)

    def add(self, reports: Iterable[Report]) -> int:
        """Keep reports; return how many."""
        count = 0
        for report in reports:
            kept = self._series.setdefault(report.metric, {}).setdefault(report.series, [])
            insort(kept, report, key=_moment)
            del kept[:-MOST_REPORTS]
            count += 1
        return count

    def replace(self, reports: Iterable[Report]) -> int:
        """Begin again with these reports; return how many."""
        self._series.clear()
        return self.add(reports)

    def __contains__(self, metric: object) -> bool:
        return metric in self._series

    def metrics(self) -> tuple[str, ...]:
        """Return the names of the metrics that were reported, sorted."""
        return tuple(sorted(self._series))

    def reports(self) -> Iterator[Report]:
        """Iterate over everything kept."""
        return (report for series in self._series.values() for kept in series.values() for report in kept)

    def lines(self, metric: str, account: str) -> Iterator[CustomLine]:
        """Iterate over the series of a metric, in the order of their keys."""
        for key, kept in sorted(self._series.get(metric, {}).items()):
            first = kept[0]
            dimensions = {"userId": account, "groupId": first.group, "dimension": first.dimension, **first.dimensions}
            yield CustomLine(key, dimensions, kept)
