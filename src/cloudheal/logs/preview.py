"""What a definition makes of some lines, before anybody relies on it: fields, metrics, and why lines were refused.

Lines are read one by one as the format means them, and then counted by a counter as in operation, with its filters,
groups and windows; CloudMonitor's preview could not show groups, this one does. Pure: where lines come from is the
caller's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from cloudheal.logs.asked import normalised
from cloudheal.logs.counting import EVER, Fed, Minute, Reason
from cloudheal.logs.definition import Definition, Field, Metric
from cloudheal.logs.figures import Figures, Point
from cloudheal.logs.names import shown
from cloudheal.logs.reading import Read, Reader, Rejected, Value, not_ahead
from cloudheal.logs.sql import sql
from cloudheal.logs.windows import Window, windows_of

#: How many lines a preview looks at, as CloudMonitor's did.
LINES = 100


class Counting(Protocol):
    """What a preview asks of a counter: any engine's will do, and the reference that keeps nothing."""

    def feed(self, block: bytes, until: int = ...) -> Fed:
        """Count whole lines that are before a second."""
        ...

    def close(self, before: int) -> tuple[Minute, ...]:
        """Hand out the minutes that end by then."""
        ...


@dataclass(frozen=True, slots=True)
class FieldSeen:
    """A field: in how many lines it had a value, how many different ones, and the last of them."""

    field: str
    kind: str
    filled: int
    different: int
    example: str


@dataclass(frozen=True, slots=True)
class LineRefused:
    """A line that is not counted, why, and because of which field where that is known."""

    number: int
    reason: Reason
    field: str
    text: str


@dataclass(frozen=True, slots=True)
class WindowSeen:
    """The figures of a metric in one window."""

    start: int
    series: int
    lines: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class MetricSeen:
    """A metric: what it means, and what it came to."""

    name: str
    minutes: int
    by: tuple[str, ...]
    sql: str
    lines: int
    windows: tuple[WindowSeen, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """All of it."""

    lines: int
    read: int
    fields: tuple[FieldSeen, ...]
    refused: tuple[LineRefused, ...]
    metrics: tuple[MetricSeen, ...]


def previewed(definition: Definition, lines: Sequence[bytes], counter: Counting, until: int = EVER) -> Preview:
    """Return what a definition makes of lines without their line breaks; `counter` is one that has seen nothing.

    Lines of that second and later ones are of a time that is not yet.
    """
    reader = Reader(definition.format)
    found = [not_ahead(reader.read(line), until) for line in lines]
    read = [one for one in found if isinstance(one, Read)]
    refused = [
        LineRefused(number, one.reason, one.field, shown(line.decode(errors="backslashreplace")))
        for number, (one, line) in enumerate(zip(found, lines, strict=True), 1)
        if isinstance(one, Rejected)
    ]
    fields = tuple(_field(definition, one, read) for one in definition.format.fields)
    return Preview(len(lines), len(read), fields, tuple(refused), _metrics(definition, lines, counter, until))


def _field(definition: Definition, field: Field, read: Sequence[Read]) -> FieldSeen:
    named = normalised(definition)
    is_url = definition.urls is not None and definition.urls.field == field.name
    values = [value for one in read if (value := one.values.get(field.name)) not in {None, b"-"}]
    texts = [_text(named(value) if is_url and isinstance(value, bytes) else value, field) for value in values]
    return FieldSeen(field.name, field.kind.value, len(texts), len(set(texts)), texts[-1] if texts else "")


def _text(value: Value, field: Field) -> str:
    if isinstance(value, bytes):
        return shown(value.decode(errors="backslashreplace"))
    return "" if value is None else f"{value / 10**field.digits:.{field.digits}f}"


def _metrics(definition: Definition, lines: Sequence[bytes], counter: Counting, until: int) -> tuple[MetricSeen, ...]:
    if lines:
        counter.feed(b"".join(line + b"\n" for line in lines), until)
    minutes = counter.close(EVER)
    by_metric = {one.name: [minute for minute in minutes if minute.metric == one.name] for one in definition.metrics}
    lengths = [replace(one, minutes=length) for one in definition.metrics for length in (one.minutes, *one.further)]
    return tuple(_metric(definition, one, by_metric[one.name]) for one in lengths)


def _metric(definition: Definition, metric: Metric, minutes: Sequence[Minute]) -> MetricSeen:
    figures = Figures(definition, metric)
    seen = tuple(_window(figures, one) for one in windows_of(minutes, metric.minutes, metric.most))
    lines = sum(one.lines for one in seen)
    return MetricSeen(metric.name, metric.minutes, metric.by, sql(definition, metric), lines, seen)


def _window(figures: Figures, window: Window) -> WindowSeen:
    """Return a window with its largest series first."""
    rows = tuple(sorted(window.rows, key=lambda row: -row.count))
    lines = sum(row.count for row in rows)
    return WindowSeen(window.start, len(rows), lines, figures.of(replace(window, rows=rows)))
