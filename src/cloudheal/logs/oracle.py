"""The reference: every line by `re`, every value kept, every figure counted out at the end. Slow and plainly right.

Engines are held to it by tests. It refuses nothing for lack of room, so it is not for logs of strangers.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Iterable, Iterator

from cloudheal.logs.asked import Asked, asked, fields_of, key_text, normalised, predicate
from cloudheal.logs.counting import (
    EVER,
    KEPT_HASHES,
    Distinct,
    Fed,
    Limits,
    Minute,
    Reason,
    Row,
    Values,
    cell_of,
    hash_of,
    rank,
)
from cloudheal.logs.definition import Definition
from cloudheal.logs.reading import ABSENT, Read, Reader, Value, not_ahead

_Line = dict[str, Value]


class Oracle:
    """Counts one log as `counting.Counter` says, but for `dump`."""

    def __init__(self, definition: Definition, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._reader = Reader(definition.format, fields_of(definition), self._limits)
        self._urls = definition.urls.field if definition.urls else ""
        self._normalised = normalised(definition)
        self._metrics = [
            (asked(one, definition.format), predicate(one.where, definition.format)) for one in definition.metrics
        ]
        self._lines: dict[int, list[_Line]] = defaultdict(list)
        self._closed = 0

    def feed(self, block: bytes, until: int = EVER) -> Fed:
        """Keep the lines of a block that are before an instant, by their minutes."""
        fed = Fed()
        for line in lines_of(block):
            fed += self._taken(line, until)
        return fed

    def _taken(self, line: bytes, until: int) -> Fed:
        read = not_ahead(self._reader.read(line), until)
        if not isinstance(read, Read):
            return Fed(lines=1, rejected=1, reasons={read.reason: 1})
        start = read.second - read.second % 60
        if start not in self._lines and len(self._lines) >= self._limits.minutes:
            return Fed(lines=1, rejected=1, reasons={Reason.MINUTES: 1})
        values = dict(read.values)
        url = values.get(self._urls)
        if isinstance(url, bytes):
            values[self._urls] = self._normalised(url)
        self._lines[start].append(values)
        return Fed(lines=1, counted=1, late=int(start + 60 <= self._closed), newest=read.second)

    def close(self, before: int) -> tuple[Minute, ...]:
        """Count the minutes that end by then."""
        self._closed = max(self._closed, before)
        starts = sorted(start for start in self._lines if start + 60 <= before)
        kept = {start: self._lines.pop(start) for start in starts}
        return tuple(
            Minute(one.metric.name, start, tuple(self._rows(one, (line for line in lines if met(line)))))
            for start, lines in kept.items()
            for one, met in self._metrics
            if any(met(line) for line in lines)
        )

    def _rows(self, one: Asked, lines: Iterable[_Line]) -> Iterator[Row]:
        groups: dict[tuple[str, ...], list[_Line]] = defaultdict(list)
        for line in lines:
            groups[self._key(one, line)].append(line)
        for key in sorted(groups):
            yield _row(one, key, groups[key])

    def _key(self, one: Asked, line: _Line) -> tuple[str, ...]:
        return tuple(key_text(line[field.name], field, self._limits.value) for field in one.by)


def lines_of(block: bytes) -> list[bytes]:
    """Return the lines of a block, without their line breaks."""
    return block.removesuffix(b"\n").split(b"\n") if block else []


def _row(one: Asked, key: tuple[str, ...], lines: list[_Line]) -> Row:
    numbers = {field.name: sorted(_numbers(lines, field.name)) for field in one.numbers}
    return Row(
        key,
        len(lines),
        {name: _values(one, name, values) for name, values in numbers.items() if values},
        {field.name: _distinct(lines, field.name) for field in one.distinct},
        {alias: _buckets(numbers[field.name], bounds) for alias, field, bounds in one.buckets},
    )


def _numbers(lines: list[_Line], name: str) -> Iterator[int]:
    for line in lines:
        value = line[name]
        if isinstance(value, int):
            yield value


def _values(one: Asked, name: str, values: list[int]) -> Values:
    cells = Tally(map(cell_of, values)) if name in one.cells else {}
    exact = {percent: values[rank(len(values), percent) - 1] for percent in one.percents.get(name, ())}
    return Values(len(values), sum(values), values[0], values[-1], dict(cells), exact)


def _distinct(lines: list[_Line], name: str) -> Distinct:
    hashes = {hash_of(_bytes(line[name])) for line in lines if line[name] not in (None, ABSENT)}
    return Distinct(tuple(sorted(hashes)[:KEPT_HASHES]))


def _bytes(value: Value) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _buckets(values: list[int], bounds: tuple[int, ...]) -> tuple[int, ...]:
    found = [0] * (len(bounds) + 1)
    for value in values:
        found[sum(value > bound for bound in bounds)] += 1
    return tuple(found)
