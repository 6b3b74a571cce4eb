"""What counting comes to: rows of a minute that can be added to rows of any other minute, machine or engine.

Values are counted in cells whose width grows with the value: exact below 128 units, at most 0.78 % off above. Cells
add up, so the 99th percentile of an hour and of ten machines is as good as that of a minute of one; averages of
percentiles are never made. A counter refuses to grow: see `Limits`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeVar

from cloudheal.logs.definition import Definition

_Key = TypeVar("_Key")
_Sum = TypeVar("_Sum", int, "Values", "Distinct")

#: Below this many units each value has a cell of its own; above, each doubling has 64.
EXACT = 128
#: Values are below this, so that nothing overflows in any engine; a line with a larger one is rejected.
MOST_VALUE = 10**15
#: Above the cell of any value.
MOST_CELL = 4_000
#: Hashes kept to count distinct values: exact up to here, then estimated with a standard error of 2.2 %.
KEPT_HASHES = 2048
#: After every time that a line can have.
EVER = 1 << 40
#: Constants of `hash_of`: any odd ones with well mixed bits would do, and they must never change.
_SEED, _SPREAD, _FINISH = 0x9E3779B97F4A7C15, 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53
_WORD = (1 << 64) - 1


def cell_of(value: int) -> int:
    """Return the cell in which a value is counted."""
    size = abs(value)
    if size < EXACT:
        return value
    shift = size.bit_length() - 7
    cell = EXACT + (shift - 1) * 64 + (size >> shift) - 64
    return cell if value > 0 else -cell


def value_of(cell: int) -> int:
    """Return the value that stands for a cell: its middle."""
    size = abs(cell)
    if size < EXACT:
        return cell
    octave, step = divmod(size - EXACT, 64)
    shift = octave + 1
    middle = ((64 + step) << shift) + (1 << shift >> 1)
    return middle if cell > 0 else -middle


def hash_of(value: bytes) -> int:
    """Return 64 bits that stand for a value, the same on every machine: distinct values are told apart by them."""
    state = _SEED ^ len(value)
    for start in range(0, len(value), 8):
        state = (state ^ int.from_bytes(value[start : start + 8], "little")) * _SPREAD & _WORD
        state ^= state >> 32
    state = (state ^ state >> 33) * _FINISH & _WORD
    return state ^ state >> 33


def rank(count: int, percent: float) -> int:
    """Return which of so many values in order is the percentile: the first that so many percent do not exceed."""
    return min(count, max(1, -(-count * round(percent * 1000) // 100_000)))


@dataclass(frozen=True, slots=True)
class Values:
    """Numbers of one field. `exact` has the percentiles that were asked for, where all values were still at hand."""

    count: int
    total: int
    least: int
    most: int
    cells: Mapping[int, int] = field(default_factory=dict)
    exact: Mapping[float, int] = field(default_factory=dict)

    def __add__(self, other: Values) -> Values:
        if not self.count or not other.count:
            return self if self.count else other
        return Values(
            self.count + other.count,
            self.total + other.total,
            min(self.least, other.least),
            max(self.most, other.most),
            added(self.cells, other.cells),
        )

    def percentile(self, percent: float) -> int | None:
        """Return the percentile in units: exact where it is known, else of the cells; None of nothing."""
        if percent in self.exact:
            return self.exact[percent]
        left = rank(self.count, percent)
        for cell in sorted(self.cells):
            left -= self.cells[cell]
            if left <= 0:
                return min(self.most, max(self.least, value_of(cell)))
        return None


@dataclass(frozen=True, slots=True)
class Distinct:
    """The smallest hashes of the values seen, in order; all of them up to `KEPT_HASHES`."""

    hashes: tuple[int, ...] = ()

    def __add__(self, other: Distinct) -> Distinct:
        return Distinct(tuple(sorted({*self.hashes, *other.hashes})[:KEPT_HASHES]))

    @property
    def count(self) -> int:
        """How many different values there were."""
        if len(self.hashes) < KEPT_HASHES:
            return len(self.hashes)
        return round((KEPT_HASHES - 1) * 2.0**64 / (self.hashes[-1] + 1))


@dataclass(frozen=True, slots=True)
class Row:
    """One group of a minute: its key as shown, how many lines, and what they held.

    `values` and `distinct` by field, `buckets` by alias of a distribution: how many up to the first bound, up to each
    further one, and above the last.
    """

    key: tuple[str, ...]
    count: int
    values: Mapping[str, Values] = field(default_factory=dict)
    distinct: Mapping[str, Distinct] = field(default_factory=dict)
    buckets: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def __add__(self, other: Row) -> Row:
        return Row(
            self.key,
            self.count + other.count,
            added(self.values, other.values),
            added(self.distinct, other.distinct),
            {
                alias: _both(self.buckets.get(alias, ()), other.buckets.get(alias, ()))
                for alias in {**self.buckets, **other.buckets}
            },
        )


@dataclass(frozen=True, slots=True)
class Minute:
    """The rows of one metric in one minute, in order of their keys; `start` in seconds since 1970.

    A late line opens a closed minute again, and it is handed out again: its rows are to be added to those before.
    `error` is 0 when there was a row for every group. Beyond `Limits.groups` the rows are those of the largest; what
    was dropped is in the row `__other__`, so that the sum is right, and `error` bounds what any row may lack.
    """

    metric: str
    start: int
    rows: tuple[Row, ...]
    error: int = 0


class Reason(StrEnum):
    """Why a line was not counted."""

    SHAPE = "does not fit the format"
    TIME = "has no time that can be read"
    NUMBER = "has text where a number should be"
    LONG = "is too long"
    MINUTES = "is of a minute for which there is no room: too many are open"
    AHEAD = "is of a time that is not yet"


@dataclass(frozen=True, slots=True)
class Fed:
    """What one block came to. Late lines are counted ones of minutes that were closed; `newest` is 0 without lines."""

    lines: int = 0
    counted: int = 0
    rejected: int = 0
    late: int = 0
    newest: int = 0
    reasons: Mapping[Reason, int] = field(default_factory=dict)

    def __add__(self, other: Fed) -> Fed:
        return Fed(
            self.lines + other.lines,
            self.counted + other.counted,
            self.rejected + other.rejected,
            self.late + other.late,
            max(self.newest, other.newest),
            added(self.reasons, other.reasons),
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """What a counter may grow to, whatever it is fed.

    A line has at most `line` bytes and a value in a key `value`. A metric has at most `groups` groups in a minute;
    at most `minutes` are open. `memory` is what groups and cells take in bytes before small groups are dropped in
    favour of large ones, `samples` how many single values are kept for exact percentiles, `urls` how many
    normalised URLs are remembered.
    """

    line: int = 65_536
    value: int = 1_024
    groups: int = 65_536
    minutes: int = 1_440
    memory: int = 128 << 20
    samples: int = 8 << 20
    urls: int = 65_536


class Counter(Protocol):
    """Counts one log. Not for two threads at once."""

    def feed(self, block: bytes, until: int = ...) -> Fed:
        """Count whole lines that are before a second; what follows the last line break is a line as well."""
        ...

    def close(self, before: int) -> tuple[Minute, ...]:
        """Hand out and forget all minutes that end at or before this second; earlier ones first."""
        ...

    def dump(self) -> bytes:
        """Return the open minutes, so that `Engine.load` of any engine goes on from here."""
        ...


class Engine(Protocol):
    """One way to count; all of them come to the same rows."""

    name: str

    def counter(self, definition: Definition, limits: Limits | None = ...) -> Counter:
        """Return a counter that has seen nothing."""
        ...

    def load(self, definition: Definition, state: bytes, limits: Limits | None = ...) -> Counter:
        """Return a counter as it was when it was dumped. Raises ValueError when the state is of another definition."""
        ...


def added(one: Mapping[_Key, _Sum], other: Mapping[_Key, _Sum]) -> dict[_Key, _Sum]:
    """Return both together, what both have added up."""
    both = dict(one)
    for key, value in other.items():
        both[key] = both[key] + value if key in both else value
    return both


def _both(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    """Return the classes of a distribution together; of those before and after a change of bounds, the fuller ones."""
    if len(one) == len(other):
        return tuple(map(sum, zip(one, other, strict=True)))
    return max(one, other, key=sum)


def merged(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Return rows with those of the same key added up, in order of their keys."""
    found: dict[tuple[str, ...], Row] = {}
    for row in rows:
        found[row.key] = found[row.key] + row if row.key in found else row
    return tuple(found[key] for key in sorted(found))
