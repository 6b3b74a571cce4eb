"""From the rows of a window to its figures: every statistic in the field's own unit, and what is derived from them.

A figure that has no value (an average of nothing, a division by zero) is no point, which is not the same as zero. The
row of what was left over has figures like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from cloudheal.logs.counting import Row, Values
from cloudheal.logs.definition import Definition, Function, Measure, Metric
from cloudheal.logs.derived import expression
from cloudheal.logs.windows import Window


@dataclass(frozen=True, slots=True)
class Point:
    """One figure of one series in one window. `within`: the class that it counts, of a distribution."""

    key: tuple[str, ...]
    alias: str
    value: float
    within: str = ""


class Figures:
    """Makes the figures of one metric; made once, because expressions are read when it is."""

    def __init__(self, definition: Definition, metric: Metric) -> None:
        self._measures = metric.measures
        self._units = {one.name: 10**one.digits for one in definition.format.fields}
        names = [one.alias for one in metric.measures if one.function is not Function.DISTRIBUTION]
        self._derived = [(one.alias, expression(one.expression, names)) for one in metric.derived]

    def of(self, window: Window, seconds: int = 0) -> tuple[Point, ...]:
        """Return every figure of every series, in the order of rows and of the definition.

        `seconds`: what rates are by, where the window is not over; else it is as long as it is.
        """
        return tuple(point for row in window.rows for point in self._of_row(row, seconds or window.seconds))

    def _of_row(self, row: Row, seconds: int) -> Iterator[Point]:
        values: dict[str, float | None] = {}
        for measure in self._measures:
            if measure.function is Function.DISTRIBUTION:
                yield from _classes(row, measure)
                continue
            values[measure.alias] = value = self._value(measure, row, seconds)
            if value is not None:
                yield Point(row.key, measure.alias, value)
        yield from self._derived_of(row, values)

    def _derived_of(self, row: Row, values: Mapping[str, float | None]) -> Iterator[Point]:
        for alias, found in self._derived:
            value = found.value(values)
            if value is not None:
                yield Point(row.key, alias, value)

    def _value(self, measure: Measure, row: Row, seconds: int) -> float | None:
        match measure.function:
            case Function.COUNT:
                return row.count
            case Function.COUNT_PER_SECOND:
                return row.count / seconds
            case Function.DISTINCT:
                # Never more than lines: whoever computes hashes could make an estimate as large as he likes.
                return min(row.count, row.distinct[measure.field].count) if measure.field in row.distinct else 0
            case _:
                values = row.values.get(measure.field)
                found = _of_values(measure, values, seconds) if values and values.count else None
                return None if found is None else found / self._units[measure.field]


def classes(bounds: tuple[float, ...]) -> tuple[str, ...]:
    """Name the classes between bounds, left-open and right-closed, as people write them."""
    if not bounds:
        return ()
    inner = [f"({low:g}, {high:g}]" for low, high in pairwise(bounds)]
    return (f"(-∞, {bounds[0]:g}]", *inner, f"({bounds[-1]:g}, +∞)")


def _classes(row: Row, measure: Measure) -> Iterator[Point]:
    counts = row.buckets.get(measure.alias, ())
    for within, count in zip(classes(measure.argument), counts, strict=False):
        yield Point(row.key, measure.alias, count, within)


def _of_values(measure: Measure, values: Values, seconds: int) -> float | None:
    """Return a statistic in units of the field."""
    match measure.function:
        case Function.SUM:
            return values.total
        case Function.SUM_PER_SECOND:
            return values.total / seconds
        case Function.AVERAGE:
            return values.total / values.count
        case Function.LEAST:
            return values.least
        case Function.MOST:
            return values.most
        case _:
            return values.percentile(measure.argument[0])
