"""Open minutes of an engine in Python: tables of groups that do not outgrow their limits.

Beyond the limit the smallest sixteenth of a table's groups is dropped into `__other__` (Space-Saving, several at a
time). Whoever comes afterwards may have been dropped before, so `error` says how many lines a row may lack.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from cloudheal.logs.asked import Asked, asked
from cloudheal.logs.counting import EXACT, KEPT_HASHES, Distinct, Limits, Minute, Row, Values, added, rank
from cloudheal.logs.definition import Definition, Kind
from cloudheal.logs.state import DUMP_VERSION, MISSING, named, opened, sealed
from cloudheal.logs.wire import Parser, Writer

Key = tuple[bytes, ...]
#: What a group is taken to need, in bytes; Python does not say.
_GROUP_SIZE = 2048
_FEW = 16
#: Later than any time that a line can have.
LATEST = 1 << 40
#: Of a number in a key.
_NUMBER_SIZE = 8


@dataclass(slots=True)
class Numbers:
    """The values of one field in one group: counted, and as samples while there is room, else in cells."""

    count: int = 0
    total: int = 0
    least: int = 0
    most: int = 0
    cells: dict[int, int] = field(default_factory=dict)
    samples: array[int] | None = None

    def add(self, values: list[int], *, with_cells: bool) -> None:
        """Add values, of which there is at least one."""
        least, most = min(values), max(values)
        self.least = min(self.least, least) if self.count else least
        self.most = max(self.most, most) if self.count else most
        self.count += len(values)
        self.total += sum(values)
        if self.samples is not None:
            self.samples.extend(values)
        elif with_cells:
            self._cell(values)

    def fold(self) -> None:
        """Give the single values up."""
        if self.samples is not None:
            samples, self.samples = self.samples, None
            self._cell(samples)

    def _cell(self, values: Sequence[int]) -> None:
        self.cells = added(self.cells, _cells(np.sort(np.array(values, dtype=np.int64))))

    def values(self, percents: tuple[float, ...]) -> Values:
        """Return the record, with the percentiles exact where every value is at hand."""
        cells, exact = dict(self.cells), {}
        if self.samples is not None:
            ordered = np.sort(np.frombuffer(self.samples, dtype=np.int64))
            ranks = [rank(len(ordered), percent) - 1 for percent in percents]
            exact = dict(zip(percents, ordered[ranks].tolist(), strict=True)) if ranks else {}
            cells = _cells(ordered)
        return Values(self.count, self.total, self.least, self.most, cells, exact)


@dataclass(slots=True)
class Group:
    """What one group of a minute has come to. `offset`: how many lines it may have lost before it came."""

    count: int = 0
    offset: int = 0
    numbers: dict[str, Numbers] = field(default_factory=dict)
    distinct: dict[str, set[int]] = field(default_factory=dict)
    buckets: dict[str, list[int]] = field(default_factory=dict)

    def fold(self) -> None:
        """Give all single values up."""
        for numbers in self.numbers.values():
            numbers.fold()

    def row(self, one: Asked, key: tuple[str, ...]) -> Row:
        """Return the record."""
        percents = {} if self.offset else one.percents
        return Row(
            key,
            self.count,
            {name: numbers.values(percents.get(name, ())) for name, numbers in self.numbers.items()},
            {name: Distinct(tuple(sorted(hashes)[:KEPT_HASHES])) for name, hashes in self.distinct.items()},
            {alias: tuple(counts) for alias, counts in self.buckets.items()},
        )


@dataclass(slots=True)
class Table:
    """The groups of one metric in one minute."""

    groups: dict[Key, Group] = field(default_factory=dict)
    other: Group | None = None
    error: int = 0


class Book:
    """The open minutes of one definition."""

    def __init__(self, definition: Definition, limits: Limits) -> None:
        self._definition = definition
        self._limits = limits
        self.asked = tuple(asked(metric, definition.format) for metric in definition.metrics)
        self._minutes: dict[int, tuple[Table, ...]] = {}
        self.closed = 0
        self._groups = 0
        self._samples = 0

    def opened(self, start: int) -> bool:
        """Open a minute; False when too many are."""
        if start not in self._minutes:
            if len(self._minutes) >= self._limits.minutes:
                return False
            self._minutes[start] = tuple(Table() for _ in self.asked)
        return True

    def add(
        self,
        start: int,
        metric: int,
        key: Key,
        count: int,
        numbers: Mapping[str, list[int]],
        hashes: Mapping[str, Iterable[int]],
    ) -> None:
        """Add lines to a group of a metric: how many, their numbers by field, hashes of their distinct values."""
        one = self.asked[metric]
        group = self._group(self._minutes[start][metric], one, key)
        group.count += count
        for name, values in numbers.items():
            if values:
                self._add_numbers(group, one, name, values)
        for name, some in hashes.items():
            group.distinct[name].update(some)
            if len(group.distinct[name]) > 2 * KEPT_HASHES:
                group.distinct[name] = {*sorted(group.distinct[name])[:KEPT_HASHES]}
        for alias, field_, bounds in one.buckets:
            for value in numbers[field_.name]:
                group.buckets[alias][sum(value > bound for bound in bounds)] += 1

    def _add_numbers(self, group: Group, one: Asked, name: str, values: list[int]) -> None:
        with_cells = name in one.cells
        numbers = group.numbers.setdefault(name, Numbers(samples=array("q") if with_cells else None))
        if numbers.samples is not None:
            self._samples += len(values)
            if self._samples > self._limits.samples:
                self._samples -= len(values) + len(numbers.samples)
                numbers.fold()
        numbers.add(values, with_cells=with_cells)

    def _group(self, table: Table, one: Asked, key: Key) -> Group:
        found = table.groups.get(key)
        if found is None:
            full = self._groups * _GROUP_SIZE >= self._limits.memory and len(table.groups) > _FEW
            if one.by and (len(table.groups) >= self._limits.groups or full):
                self._squeeze(table, one)
            found = table.groups[key] = _empty(one, table.error)
            self._groups += 1
        return found

    def _squeeze(self, table: Table, one: Asked) -> None:
        """Drop the smallest sixteenth."""
        order = sorted(table.groups.items(), key=lambda item: item[1].count + item[1].offset)
        gone = order[: len(order) // 16 + 1]
        table.other = table.other or _empty(one, 0)
        for key, group in gone:
            table.error = max(table.error, group.count + group.offset)
            self._forget(group)
            group.fold()
            _merge(table.other, group)
            del table.groups[key]

    def _forget(self, group: Group) -> None:
        self._groups -= 1
        self._samples -= sum(len(numbers.samples or ()) for numbers in group.numbers.values())

    def close(self, before: int) -> tuple[Minute, ...]:
        """Hand out and forget the minutes that end by then."""
        self.closed = max(self.closed, min(before, LATEST))
        starts = sorted(start for start in self._minutes if start + 60 <= before)
        return tuple(minute for start in starts for minute in self._handed(start, self._minutes.pop(start)))

    def _handed(self, start: int, tables: tuple[Table, ...]) -> Iterable[Minute]:
        for one, table in zip(self.asked, tables, strict=True):
            if not table.groups:
                continue
            rows = [group.row(one, _text_key(one, key)) for key, group in table.groups.items()]
            rows += [table.other.row(one, ())] if table.other else []
            for group in table.groups.values():
                self._forget(group)
            yield Minute(one.metric.name, start, named(rows, len(one.by)), table.error)

    def dump(self) -> bytes:
        """Return what is open, for any engine."""
        out = Writer().number(DUMP_VERSION).signed(self.closed).number(len(self._minutes))
        for start in sorted(self._minutes):
            out.signed(start)
            for one, table in zip(self.asked, self._minutes[start], strict=True):
                rows = [group.row(one, _escaped(key)) for key, group in table.groups.items()]
                rows += [table.other.row(one, ())] if table.other else []
                out.number(table.error).number(len(rows))
                for row in rows:
                    out.row(row)
        return sealed(self._definition, bytes(out.data))

    def load(self, state: bytes) -> None:
        """Take over what was open, when new. Raises ValueError for what are no open minutes of the definition."""
        parser = Parser(opened(self._definition, state))
        if parser.number() != DUMP_VERSION:
            raise ValueError("the open minutes are of another version")
        self.closed = _moment(parser.signed())
        for _ in range(parser.many()):
            start = _moment(parser.signed())
            if start % 60 or start in self._minutes:
                raise ValueError("a minute does not begin at one, or begins twice")
            tables = self._minutes[start] = tuple(Table() for _ in self.asked)
            for one, table in zip(self.asked, tables, strict=True):
                table.error = parser.number()
                for _ in range(parser.many()):
                    self._loaded(one, table, parser.row())
        parser.end()

    def _loaded(self, one: Asked, table: Table, row: Row) -> None:
        key = tuple(part.encode(errors="surrogateescape") for part in row.key)
        if not _fits(one, key, row) or key in table.groups:
            raise ValueError("a row is there twice, or holds what the metric does not keep")
        group = _empty(one, table.error)
        group.count = row.count
        for name, values in row.values.items():
            group.numbers[name] = Numbers(values.count, values.total, values.least, values.most, dict(values.cells))
        for name, distinct in row.distinct.items():
            group.distinct[name] = {*distinct.hashes}
        for alias, counts in row.buckets.items():
            group.buckets[alias] = list(counts)
        if one.by and not key:
            table.other = group
        else:
            table.groups[key] = group
            self._groups += 1


def _moment(second: int) -> int:
    if not 0 <= second <= LATEST:
        raise ValueError("a time is none that a line can have")
    return second


def _fits(one: Asked, key: Key, row: Row) -> bool:
    """Say whether a row of a dump is one of this metric."""
    if key and len(key) != len(one.by):
        return False
    if any(field_.kind is Kind.NUMBER and len(part) != _NUMBER_SIZE for field_, part in zip(one.by, key, strict=False)):
        return False
    sizes = {alias: len(bounds) + 1 for alias, _, bounds in one.buckets}
    numbers, distinct = {field_.name for field_ in one.numbers}, {field_.name for field_ in one.distinct}
    known = row.values.keys() <= numbers and row.distinct.keys() <= distinct
    return known and all(sizes.get(alias) == len(counts) for alias, counts in row.buckets.items())


def _cells(ordered: NDArray[np.int64]) -> dict[int, int]:
    """Return how many of values in order each cell has, as `cell_of` tells cells: those of one follow each other."""
    if not len(ordered):
        return {}
    size = np.abs(ordered)
    shift = np.maximum(np.frexp(size.astype(np.float64))[1].astype(np.int64) - 7, 0)
    large = EXACT + (shift - 1) * 64 + (size >> shift) - 64
    cells = np.where(size < EXACT, size, large) * np.sign(ordered)
    ends = np.append(np.flatnonzero(cells[1:] != cells[:-1]) + 1, len(cells))
    counts = ends.copy()
    counts[1:] -= ends[:-1]
    return dict(zip(cells[ends - 1].tolist(), counts.tolist(), strict=True))


def number_key(value: int | None) -> bytes:
    """Return a number as a part of a key."""
    return (MISSING if value is None else value).to_bytes(8, "little", signed=True)


def _empty(one: Asked, offset: int) -> Group:
    return Group(
        offset=offset,
        distinct={field_.name: set() for field_ in one.distinct},
        buckets={alias: [0] * (len(bounds) + 1) for alias, _, bounds in one.buckets},
    )


def _merge(into: Group, group: Group) -> None:
    into.count += group.count
    for name, numbers in group.numbers.items():
        both = into.numbers.setdefault(name, Numbers())
        both.least = min(both.least, numbers.least) if both.count else numbers.least
        both.most = max(both.most, numbers.most) if both.count else numbers.most
        both.count += numbers.count
        both.total += numbers.total
        both.cells = added(both.cells, numbers.cells)
    for name, hashes in group.distinct.items():
        into.distinct[name] = {*sorted(into.distinct[name] | hashes)[:KEPT_HASHES]}
    for alias, counts in group.buckets.items():
        into.buckets[alias] = list(map(sum, zip(into.buckets[alias], counts, strict=True)))


def _escaped(key: Key) -> tuple[str, ...]:
    return tuple(part.decode(errors="surrogateescape") for part in key)


def _text_key(one: Asked, key: Key) -> tuple[str, ...]:
    return tuple(
        _number_text(part, field_.digits) if field_.kind is Kind.NUMBER else part.decode(errors="surrogateescape")
        for field_, part in zip(one.by, key, strict=True)
    )


def _number_text(part: bytes, digits: int) -> str:
    value = int.from_bytes(part, "little", signed=True)
    return "-" if value == MISSING else format(Decimal(value).scaleb(-digits), "f")
