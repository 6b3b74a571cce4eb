"""The engine that needs no compiler: polars splits the lines, everything else happens once for each distinct value.

The regular expression is the one of `reading`, as far as polars can say it; a format for which it cannot (a variable
with several values between spaces), and those that are no templates, are read by Python line by line. What a time, a
number, a URL or a filter makes of a value is asked of the same functions that the oracle asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cloudheal.logs.asked import Asked, compared, field_of, fields_of, normalised, operand, predicate
from cloudheal.logs.book import Book, Key, number_key
from cloudheal.logs.counting import EVER, Counter, Fed, Limits, Minute, Reason, hash_of
from cloudheal.logs.definition import (
    LINE,
    AllOf,
    AnyOf,
    Compare,
    Definition,
    Ends,
    Field,
    Filter,
    Kind,
    LineFormat,
    Part,
    Style,
)
from cloudheal.logs.numbers import NotANumberError, units
from cloudheal.logs.reading import ABSENT, Read, Reader, Rejected, Value, not_ahead
from cloudheal.logs.stamps import second_of

NAME = "fallback"
_REQUEST = ("method", "url", "protocol")
Mask = NDArray[np.bool_]
Codes = NDArray[np.int64]


class FallbackEngine:
    """Makes counters."""

    name = NAME

    def counter(self, definition: Definition, limits: Limits | None = None) -> Counter:
        """Return a counter that has seen nothing."""
        made = _Columns if splits(definition) else _Lines
        return made(definition, limits or Limits())

    def load(self, definition: Definition, state: bytes, limits: Limits | None = None) -> Counter:
        """Return a counter as it was when it was dumped."""
        made = _Columns if splits(definition) else _Lines
        counter = made(definition, limits or Limits())
        counter.book.load(state)
        return counter


def splits(definition: Definition) -> bool:
    """Whether polars can split the lines of a definition as its format says."""
    parts = definition.format.parts
    lists = any(one.ends is Ends.LISTED and following.literal.startswith(b" ") for one, following in pairwise(parts))
    return definition.format.style is Style.TEMPLATE and not lists


class _Counter:
    """What both kinds share: open minutes, and how they are handed out."""

    def __init__(self, definition: Definition, limits: Limits) -> None:
        self.book = Book(definition, limits)
        self._definition = definition
        self._limits = limits
        self._name = normalised(definition)
        self._url = definition.urls.field if definition.urls else ""

    def close(self, before: int) -> tuple[Minute, ...]:
        """Hand out what ends by then."""
        return self.book.close(before)

    def dump(self) -> bytes:
        """Return what is open."""
        return self.book.dump()


class _Lines(_Counter):
    """Reads line by line."""

    def __init__(self, definition: Definition, limits: Limits) -> None:
        super().__init__(definition, limits)
        self._reader = Reader(definition.format, fields_of(definition), limits)
        self._met = [predicate(one.metric.where, definition.format) for one in self.book.asked]

    def feed(self, block: bytes, until: int = EVER) -> Fed:
        """Count the lines of a block that are before an instant."""
        fed = Fed()
        for line in block.removesuffix(b"\n").split(b"\n") if block else ():
            fed += self._taken(not_ahead(self._reader.read(line), until))
        return fed

    def _taken(self, read: Read | Rejected) -> Fed:
        if isinstance(read, Rejected):
            return Fed(lines=1, rejected=1, reasons={read.reason: 1})
        start = read.second - read.second % 60
        if not self.book.opened(start):
            return Fed(lines=1, rejected=1, reasons={Reason.MINUTES: 1})
        values = dict(read.values)
        url = values.get(self._url)
        if isinstance(url, bytes):
            values[self._url] = self._name(url)
        for number, (one, met) in enumerate(zip(self.book.asked, self._met, strict=True)):
            if met(values):
                self._count(start, number, one, values)
        return Fed(1, 1, 0, int(start + 60 <= self.book.closed), read.second)

    def _count(self, start: int, number: int, one: Asked, values: Mapping[str, Value]) -> None:
        key = tuple(key_part(values[field.name], self._limits.value) for field in one.by)
        numbers = {field.name: _listed(values[field.name]) for field in one.numbers}
        hashes = {field.name: _hashed(values[field.name]) for field in one.distinct}
        self.book.add(start, number, key, 1, numbers, hashes)


def key_part(value: Value, most: int) -> bytes:
    """Return a value as a part of a key."""
    return value[:most] if isinstance(value, bytes) else number_key(value)


def _listed(value: Value) -> list[int]:
    return [value] if isinstance(value, int) else []


def _hashed(value: Value) -> list[int]:
    if value in (None, ABSENT):
        return []
    return [hash_of(value if isinstance(value, bytes) else str(value).encode())]


@dataclass(frozen=True, slots=True)
class _Column:
    """The values of a field: the distinct ones, and for each line which of them it has."""

    values: Sequence[Value]
    codes: Codes

    def taken(self, lines: Codes) -> _Column:
        """Return the column of some lines only."""
        return _Column(self.values, self.codes[lines])

    def numbers(self) -> tuple[Codes, Mask]:
        """Return the number of each line, and whether it has one."""
        values = np.array([one if isinstance(one, int) else 0 for one in self.values], dtype=np.int64)
        present = np.array([isinstance(one, int) for one in self.values], dtype=np.bool_)
        return values[self.codes], present[self.codes]

    def each(self, ask: Callable[[Value], bool]) -> Mask:
        """Return for each line what is asked of its value."""
        return np.array([ask(value) for value in self.values], dtype=np.bool_)[self.codes]


class _Columns(_Counter):
    """Reads a block at a time."""

    def __init__(self, definition: Definition, limits: Limits) -> None:
        super().__init__(definition, limits)
        wanted = fields_of(definition)
        self._usual, self._variables = _pattern(definition.format, wanted, spaces=False)
        self._pattern, _ = _pattern(definition.format, wanted, spaces=True)
        self._name = lru_cache(limits.urls)(self._name)
        self._fields = [one for one in definition.format.fields if one.name in wanted]
        self._wants_line = LINE in wanted

    def feed(self, block: bytes, until: int = EVER) -> Fed:
        """Count the lines of a block that are before an instant."""
        if not block:
            return Fed()
        lines = pl.Series([block.removesuffix(b"\n").decode("latin-1")]).str.split("\n")[0]
        if b"\r" in block:
            lines = lines.str.strip_suffix("\r")
        long = lines.str.len_bytes() > self._limits.line
        if long.any():
            long = lines.str.len_chars() > self._limits.line
        short = lines.filter(~long)
        fits = self._fitting(short)
        reasons = {Reason.LONG: int(long.sum()), Reason.SHAPE: len(short) - len(fits)}
        counted, late, newest = self._counted(fits, reasons, until) if len(fits) else (0, 0, 0)
        reasons = {reason: count for reason, count in reasons.items() if count}
        return Fed(len(lines), counted, len(lines) - counted, late, newest, reasons)

    def _fitting(self, lines: pl.Series) -> pl.DataFrame:
        """Return the lines that fit, with their variables.

        Where no name has spaces, the regular expression never has two ways to go, which polars does thrice as fast.
        """
        found = _extracted(lines, self._usual).with_row_index("place")
        fits = found.filter(pl.col("1").is_not_null())
        if self._usual == self._pattern or len(fits) == len(found):
            return fits
        left = found.filter(pl.col("1").is_null())
        others = _extracted(left["line"], self._pattern).insert_column(0, left["place"])
        return pl.concat([fits, others.filter(pl.col("1").is_not_null())]).sort("place")

    def _counted(self, frame: pl.DataFrame, reasons: dict[Reason, int], until: int) -> tuple[int, int, int]:
        """Count the lines that fit; returns how many were counted, how many of them late, and the newest second."""
        raw = {name: frame[str(number)] for number, name in enumerate(self._variables, 1)}
        if any(field.name not in raw for field in self._fields):
            raw = _request_parts(raw["request"]) | raw
        seconds = self._seconds(raw[self._definition.format.time])
        columns = {field.name: self._column(field, raw) for field in self._fields}
        if self._wants_line:
            columns[LINE] = _coded(frame["line"], _latin)
        good = seconds >= 0
        reasons[Reason.TIME] = int((~good).sum())
        for column in columns.values():
            numbers = column.each(lambda value: value is not _BAD)
            reasons[Reason.NUMBER] = reasons.get(Reason.NUMBER, 0) + int((good & ~numbers).sum())
            good &= numbers
        reasons[Reason.AHEAD] = int((good & (seconds >= until)).sum())
        good &= seconds < until
        starts = seconds - seconds % 60
        for start in dict.fromkeys(starts[good].tolist()):
            if not self.book.opened(start):
                reasons[Reason.MINUTES] = reasons.get(Reason.MINUTES, 0) + int((good & (starts == start)).sum())
                good &= starts != start
        lines = np.flatnonzero(good)
        if not len(lines):
            return 0, 0, 0
        self._count(starts[lines], {name: column.taken(lines) for name, column in columns.items()})
        late = int((starts[lines] + 60 <= self.book.closed).sum())
        return len(lines), late, int(seconds[lines].max())

    def _seconds(self, column: pl.Series) -> Codes:
        zone = self._definition.format.zone
        times = _coded(column, lambda text: second_of(_latin(text), zone))
        found = [-1 if one is None else one for one in times.values]
        return np.array(found, dtype=np.int64)[times.codes]

    def _column(self, field: Field, raw: Mapping[str, pl.Series]) -> _Column:
        column = raw[field.name]
        if field.kind is Kind.NUMBER:
            return _coded(column, lambda text: _units(text, field))
        if field.name != self._url:
            return _coded(column, lambda text: _latin(text) or ABSENT)
        given = pl.select(pl.when(column == "").then(pl.lit("-")).otherwise(column)).to_series()
        # Without their queries far fewer URLs are different; the names are the same.
        return _coded(given.str.extract(r"(?s)\A([^?#]*)"), lambda path: self._name(_latin(path)))

    def _count(self, starts: Codes, columns: Mapping[str, _Column]) -> None:
        for number, one in enumerate(self.book.asked):
            met = self._met(one.metric.where, columns, len(starts))
            lines = np.flatnonzero(met)
            if len(lines):
                taken = {name: column.taken(lines) for name, column in columns.items()}
                self._count_metric(number, one, starts[lines], taken)

    def _met(self, where: Filter | None, columns: Mapping[str, _Column], size: int) -> Mask:
        if where is None:
            return np.ones(size, dtype=np.bool_)
        if isinstance(where, Compare):
            operator, other = where.operator, operand(where, field_of(self._definition.format, where.field))
            return columns[where.field].each(lambda value: compared(operator, value, other))
        met = np.full(size, isinstance(where, AllOf))
        for part in where.parts:
            one = self._met(part, columns, size)
            met = met | one if isinstance(where, AnyOf) else met & one
        return met

    def _count_metric(self, number: int, one: Asked, starts: Codes, columns: Mapping[str, _Column]) -> None:
        parts = [self._key_column(columns[field.name]) for field in one.by]
        numbers = {field.name: columns[field.name].numbers() for field in one.numbers}
        distinct = {field.name: columns[field.name] for field in one.distinct}
        for lines in _groups([starts, *(codes for _, codes in parts)]):
            first = lines[0]
            key: Key = tuple(texts[codes[first]] for texts, codes in parts)
            values = {name: found[lines][present[lines]].tolist() for name, (found, present) in numbers.items()}
            hashes = {
                name: [one_ for code in np.unique(column.codes[lines]) for one_ in _hashed(column.values[code])]
                for name, column in distinct.items()
            }
            self.book.add(int(starts[first]), number, key, len(lines), values, hashes)

    def _key_column(self, column: _Column) -> tuple[list[bytes], Codes]:
        """Return the distinct parts of keys, and for each line which it has: values may be one part when cut."""
        places: dict[bytes, int] = {}
        parts = [key_part(value, self._limits.value) for value in column.values]
        codes = [places.setdefault(part, len(places)) for part in parts]
        return list(places), np.array(codes, dtype=np.int64)[column.codes]


#: A text where a number should be.
_BAD: Value = b"\n"


def _latin(text: str) -> bytes:
    return text.encode("latin-1")


def _units(text: str, field: Field) -> Value:
    try:
        return units(_latin(text), field)
    except NotANumberError:
        return _BAD


def _coded(column: pl.Series, value: Callable[[str], Value]) -> _Column:
    distinct = column.unique(maintain_order=True)
    codes = column.cast(pl.Enum(distinct)).to_physical().to_numpy().astype(np.int64)
    return _Column([value(text) for text in distinct.to_list()], codes)


def _groups(columns: Sequence[Codes]) -> Iterator[Codes]:
    """Return the lines that are equal in all columns, group by group, in order of their first line."""
    combined = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        _, codes = np.unique(column, return_inverse=True)
        _, combined = np.unique(combined * (int(codes.max()) + 1) + codes, return_inverse=True)
    order = np.argsort(combined, kind="stable")
    bounds = np.flatnonzero(np.diff(combined[order])) + 1
    groups = np.split(order, bounds)
    yield from sorted(groups, key=lambda lines: int(lines[0]))


#: A request as nearly all are, and any: of the first a regular expression never has two ways to go.
_USUAL_REQUEST = r"(?s)\A([^ ]*) ([^ ]*) (HTTP/[^ ]*)\z"
_ANY_REQUEST = r"(?s)\A([^ ]*) (?:(.*) (HTTP/[^ ]*)|(.*))\z"


def _request_parts(requests: pl.Series) -> dict[str, pl.Series]:
    """Return what `reading.request_parts` makes of each request."""
    found = requests.str.extract_groups(_USUAL_REQUEST).struct.unnest()
    if found["1"].has_nulls():
        others = requests.str.extract_groups(_ANY_REQUEST).struct.unnest()
        url = pl.coalesce("2", "4").alias("2")
        found = others.select("1", url, "3")
    return {name: one.fill_null("-") for name, one in zip(_REQUEST, found.get_columns(), strict=True)}


def _extracted(lines: pl.Series, pattern: str) -> pl.DataFrame:
    return pl.DataFrame({"line": lines, "found": lines.str.extract_groups(pattern)}).unnest("found")


def _pattern(format_: LineFormat, wanted: frozenset[str], *, spaces: bool) -> tuple[str, list[str]]:
    """Return the template as polars reads it, in texts that have a character for each byte, and what is taken out."""
    pattern, names, parts = "", [], format_.parts
    named = {part.variable for part in parts}
    needed = {format_.time, *(wanted if wanted <= named else {*wanted, "request"})}
    for part, following in zip(parts, (*parts[1:], Part()), strict=True):
        if not part.variable:
            pattern += "".join(_escaped(byte) for byte in part.literal)
            continue
        if part.variable in needed:
            names.append(part.variable)
        pattern += f"({'' if part.variable in needed else '?:'}{_until(following.literal, part.ends, spaces=spaces)})"
    return rf"(?s)\A{pattern}\z", names


def _until(literal: bytes, ends: Ends, *, spaces: bool) -> str:
    if not literal:
        return ".*"
    if ends is Ends.SPACED and literal.strip(b" "):
        return f"[^{_escaped(literal.lstrip(b' ')[0])}{'' if spaces else ' '}]*"
    if literal.startswith(b'"'):
        return r'(?:[^"\\]|\\.)*'
    return f"[^{_escaped(literal[0])}]*"


def _escaped(byte: int) -> str:
    return rf"\x{{{byte:02x}}}"
