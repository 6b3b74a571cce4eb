"""Answers metric queries: which series are meant, which of their points can be seen, page by page.

Points come in the order of time, then of the series' keys. The place where a page ends is a `Cursor`; it holds the
instant at which the first page was asked for, so that all pages of one query show one and the same moment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from cloudheal_sim.alibaba.cms.model.custom_metrics import CustomMetrics
from cloudheal_sim.alibaba.cms.model.metric_catalogue import ECS, Metric, Namespace, namespace_named
from cloudheal_sim.alibaba.cms.model.metric_lines import DrawnLine, GroupedLine, Override, ever_running
from cloudheal_sim.kernel.metric_values import Nature, Series, ends, series_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from cloudheal_sim.alibaba.cms.model.metric_lines import History, Line, Statistics
    from cloudheal_sim.alibaba.events import InstanceFacts
    from cloudheal_sim.kernel.core import Kernel

DAY = 24 * 3600 * 1000
#: What each period is kept for (milliseconds), from the longest period down.
RETENTION = ((300_000, 91 * DAY), (60_000, 31 * DAY), (0, 7 * DAY))
#: How far Last and Top look back from the end, from the longest period down.
LOOK_BACK = ((3_600_000, 2 * DAY), (60_000, 2 * 3_600_000), (0, 20 * 60_000))
DEFAULT_DELAY = (60_000, 180_000)
#: Moments of series looked at for one page; a page that finds little ends early rather than holding others up.
_MOST_LOOKED_AT = 300_000
CUSTOM_PREFIXES = ("acs_customMetric_", "acs_custom_metric_")
CUSTOM_STATISTICS = ("Average", "Minimum", "Maximum", "Sum", "SampleCount")

Dimensions: TypeAlias = "Mapping[str, str]"


class Directory(Protocol):
    """Who exists: handed in, because instances belong to another service."""

    def facts(self, id_: str) -> InstanceFacts | None:
        """Return what is known of an instance, None when there is none of that id."""

    def all_facts(self) -> Iterable[InstanceFacts]:
        """Iterate over the facts of every instance."""


class Nobody:
    """A directory without instances."""

    def facts(self, _id: str) -> InstanceFacts | None:
        """Know nobody."""
        return None

    def all_facts(self) -> Iterable[InstanceFacts]:
        """List nobody."""
        return ()


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for: (start, stop] in milliseconds, `period` in milliseconds; no filters mean every series."""

    metric: Metric
    period: int
    start: int
    stop: int
    filters: tuple[Dimensions, ...] = ()
    group_by: tuple[str, ...] = ()


class Cursor(NamedTuple):
    """Where a page ended: the last point's time and series, and the query's own moment and range."""

    at: int
    key: str
    now: int
    start: int
    stop: int


class Point(NamedTuple):
    """One point of an answer."""

    at: int
    key: str
    dimensions: Dimensions
    statistics: Statistics


@dataclass(slots=True)
class Metrics:
    """Every metric of one account."""

    kernel: Kernel
    account: str
    directory: Directory = field(default_factory=Nobody)
    delay: tuple[int, int] = DEFAULT_DELAY
    overrides: tuple[Override, ...] = ()
    resources: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    """Resources of namespaces other than ECS that the world names, by their dimensions."""
    elsewhere: dict[str, Callable[[], Iterable[Mapping[str, str]]]] = field(default_factory=dict)
    """Who tells the resources of a namespace, besides the world."""
    custom: CustomMetrics = field(default_factory=CustomMetrics)

    def find(self, namespace: str, name: str) -> Metric | None:
        """Return the metric of that name; what clients report themselves included."""
        if namespace in self.custom_namespaces:
            known = name in self.custom
            nature = Nature(0.0, 0.0, 0.0)
            return Metric(namespace, name, "", nature, statistics=CUSTOM_STATISTICS) if known else None
        product = namespace_named(namespace)
        return product.find(name) if product else None

    @property
    def custom_namespaces(self) -> tuple[str, ...]:
        """The namespaces of what this account reports itself: both spellings in use."""
        return tuple(prefix + self.account for prefix in CUSTOM_PREFIXES)

    def page(self, query: Query, length: int, after: Cursor | None, now: int) -> tuple[list[Point], Cursor | None]:
        """Return up to `length` points in order, and where the next page begins; None at the end."""
        points: list[Point] = []
        lines, start = self._lines(query), self._kept_since(query, now)
        place = (after.at, after.key) if after else (start, "")
        looked_at = 0
        stop = min(query.stop, now + query.period)
        for end in ends(max(start, place[0] - query.period), stop, query.period):
            for line in lines:
                if (end, line.key) <= place:
                    continue
                point = _point(line, end, query.period, now)
                if point is not None:
                    if len(points) == length:
                        return points, Cursor(*place, now, query.start, query.stop)
                    points.append(point)
                place = (end, line.key)
                looked_at += 1
                if looked_at >= _MOST_LOOKED_AT:
                    return points, Cursor(*place, now, query.start, query.stop)
        return points, None

    def newest(self, query: Query, now: int, after: str = "") -> Iterator[Point]:
        """Iterate over the newest visible point of each series behind the key `after`."""
        moments = ends(self._kept_since(query, now), min(query.stop, now + query.period), query.period)
        for line in self._lines(query):
            if line.key > after:
                found = (_point(line, end, query.period, now) for end in reversed(moments))
                point = next((point for point in found if point is not None), None)
                if point is not None:
                    yield point

    def _kept_since(self, query: Query, now: int) -> int:
        return max(query.start, now - for_period(RETENTION, query.period))

    def _lines(self, query: Query) -> Sequence[Line]:
        if query.metric.namespace in self.custom_namespaces:
            custom = self.custom.lines(query.metric.name, self.account)
            lines: list[Line] = [line for line in custom if _wanted(line.dimensions, query.filters)]
        else:
            lines = [*self._drawn(query)]
        return _grouped(lines, query.group_by) if query.group_by else lines

    def _drawn(self, query: Query) -> Iterator[DrawnLine]:
        metric = query.metric
        product = namespace_named(metric.namespace)
        seed = self.kernel.chance.seed
        overrides = tuple(one for one in self.overrides if one.namespace in {"", metric.namespace})
        for identity, base, history in self._subjects(product, query) if product else ():
            resource = base.get(product.identity, "") if product else ""
            for number, part in enumerate(metric.parts):
                dimensions = {**base, **dict(part)} if part else base
                if _wanted(dimensions, query.filters):
                    chosen = [one for one in overrides if one.meant(metric, dimensions, resource)] if overrides else ()
                    key = f"{identity}/{number}"
                    series = Series(series_key(seed, metric.namespace, metric.name, key), metric.nature)
                    yield DrawnLine(key, dimensions, metric, series, self.delay, history, chosen)

    def _subjects(self, product: Namespace, query: Query) -> Iterator[tuple[str, dict[str, str], History]]:
        if product.name != ECS:
            for known in sorted(self._told(product.name), key=lambda one: sorted(one.items())):
                identity = "/".join(known[name] for name in sorted(known))
                yield identity, {"userId": self.account, **known}, ()
            return
        for facts in sorted(self._instances(query.filters), key=lambda one: one.id):
            if ever_running(facts.history, query.start - query.period, query.stop):
                yield facts.id, {"userId": self.account, "instanceId": facts.id}, facts.history

    def _told(self, namespace: str) -> Iterator[Mapping[str, str]]:
        yield from self.resources.get(namespace, ())
        if namespace in self.elsewhere:
            yield from self.elsewhere[namespace]()

    def _instances(self, filters: tuple[Dimensions, ...]) -> Iterable[InstanceFacts]:
        if filters and all("instanceId" in one for one in filters):
            ids = {one["instanceId"] for one in filters}
            return [facts for id_ in ids if (facts := self.directory.facts(id_)) is not None]
        return self.directory.all_facts()


def for_period(table: tuple[tuple[int, int], ...], period: int) -> int:
    """Return the entry of RETENTION or LOOK_BACK that holds for a period in milliseconds."""
    return next(value for least, value in table if period >= least)


def _point(line: Line, end: int, period: int, now: int) -> Point | None:
    statistics = line.point(end, period) if line.seen(end, now) else None
    return None if statistics is None else Point(end, line.key, line.dimensions, statistics)


def _wanted(dimensions: Dimensions, filters: tuple[Dimensions, ...]) -> bool:
    if not filters:
        return True
    return any(all(dimensions.get(name) == value for name, value in one.items()) for one in filters)


def _grouped(lines: Iterable[Line], names: tuple[str, ...]) -> list[Line]:
    groups: dict[tuple[str, ...], list[Line]] = {}
    for line in lines:
        groups.setdefault(tuple(line.dimensions.get(name, "") for name in names), []).append(line)
    return [
        GroupedLine("/".join(values), dict(zip(names, values, strict=True)), members)
        for values, members in sorted(groups.items())
    ]
