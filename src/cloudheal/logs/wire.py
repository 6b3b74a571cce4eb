"""Rows as bytes: for the store, for machines that ship their minutes, and between engines.

Small because most numbers are: unsigned ones in groups of seven bits, lowest first, signed ones folded so that small
negatives are small too, cells as steps from the one before. Reading trusts nothing: what is cut, too long or of another
version is a ValueError and never an endless loop.

    rows  = 1 number-of-rows row*
    row   = texts(key) count fields(values) fields(distinct) fields(buckets)
    texts = how-many (length bytes)*
    values = count total least most how-many (step count)* how-many (percent*1000 value)*
    distinct = how-many step*            buckets = how-many count*
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import TypeVar

from cloudheal.logs.counting import KEPT_HASHES, MOST_CELL, Distinct, Row, Values

VERSION = 1
_T = TypeVar("_T")


def packed(rows: Iterable[Row]) -> bytes:
    """Return rows as bytes."""
    written = Writer()
    every = tuple(rows)
    written.number(VERSION).number(len(every))
    for row in every:
        written.row(row)
    return bytes(written.data)


def unpacked(data: bytes) -> tuple[Row, ...]:
    """Return the rows of `packed`. Raises ValueError when they are none."""
    return (_compiled() or unpacked_plainly)(data)


@cache
def _compiled() -> Callable[[bytes], tuple[Row, ...]] | None:
    """Return the same in C, where it was compiled."""
    try:
        from cloudheal.logs._native import rows  # noqa: PLC0415 - a module that may be missing
    except ImportError:
        return None
    return lambda data: rows(data, Row, Values, Distinct, PackedCells)


class PackedCells(Mapping[int, int]):
    """Cells as bytes that are known to be right: read when somebody looks, written again as they are.

    Of a minute of a thousand series most are stored, shipped and never looked at, since their percentiles are exact.
    """

    __slots__ = ("_cells", "packed")
    packed: bytes
    _cells: dict[int, int]

    def __init__(self, packed: bytes) -> None:
        self.packed = packed

    def _read(self) -> dict[int, int]:
        try:
            return self._cells
        except AttributeError:
            self._cells = Parser(self.packed).cells()
            return self._cells

    def __getitem__(self, cell: int) -> int:
        return self._read()[cell]

    def __iter__(self) -> Iterator[int]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __repr__(self) -> str:
        return repr(self._read())


def unpacked_plainly(data: bytes) -> tuple[Row, ...]:
    """Return the rows of `packed`, read in Python."""
    reading = Parser(data)
    if reading.number() != VERSION:
        raise ValueError("the rows are of another version, or are none")
    rows = tuple(reading.row() for _ in range(reading.many()))
    reading.end()
    return rows


class Writer:
    """Collects bytes."""

    def __init__(self) -> None:
        self.data = bytearray()

    def number(self, value: int) -> Writer:
        """Write a number that is not negative."""
        while value > 127:
            self.data.append(value & 127 | 128)
            value >>= 7
        self.data.append(value)
        return self

    def signed(self, value: int) -> Writer:
        """Write any number."""
        return self.number(value * 2 if value >= 0 else -value * 2 - 1)

    def text(self, value: str) -> Writer:
        """Write a text; bytes that were none of UTF-8 are again what they were."""
        return self.block(value.encode(errors="surrogateescape"))

    def block(self, value: bytes) -> Writer:
        """Write bytes with their length."""
        self.number(len(value)).data.extend(value)
        return self

    def row(self, row: Row) -> None:
        """Write a row."""
        self.number(len(row.key))
        for part in row.key:
            self.text(part)
        self.number(row.count)
        self._fields(row.values, self._values)
        self._fields(row.distinct, self._distinct)
        self._fields(row.buckets, self._buckets)

    def _fields(self, fields: Mapping[str, _T], write: Callable[[_T], None]) -> None:
        self.number(len(fields))
        for name, value in fields.items():
            self.text(name)
            write(value)

    def _values(self, values: Values) -> None:
        self.number(values.count).signed(values.total).signed(values.least).signed(values.most)
        self.cells(values.cells)
        self.number(len(values.exact))
        for percent, value in values.exact.items():
            self.number(round(percent * 1000)).signed(value)

    def cells(self, cells: Mapping[int, int]) -> None:
        """Write cells."""
        if isinstance(cells, PackedCells):
            self.data.extend(cells.packed)
            return
        self.number(len(cells))
        before = 0
        for cell in sorted(cells):
            self.signed(cell - before).number(cells[cell])
            before = cell

    def _distinct(self, distinct: Distinct) -> None:
        self.number(len(distinct.hashes))
        before = 0
        for one in distinct.hashes:
            self.number(one - before)
            before = one

    def _buckets(self, buckets: tuple[int, ...]) -> None:
        self.number(len(buckets))
        for count in buckets:
            self.number(count)


class Parser:
    """Reads what a Writer wrote."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self) -> int:
        """Read a number that is not negative."""
        value = shift = 0
        while True:
            if self._at >= len(self._data) or shift > 119:
                raise ValueError("the bytes end, or run on, within a number")
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def signed(self) -> int:
        """Read any number."""
        value = self.number()
        return value >> 1 if value % 2 == 0 else -(value >> 1) - 1

    def many(self) -> int:
        """Read how many things follow: each takes a byte at least."""
        value = self.number()
        if value > len(self._data) - self._at:
            raise ValueError("more is announced than is there")
        return value

    def block(self) -> bytes:
        """Read bytes."""
        size = self.many()
        self._at += size
        return self._data[self._at - size : self._at]

    def text(self) -> str:
        """Read a text."""
        return self.block().decode(errors="surrogateescape")

    @property
    def ended(self) -> bool:
        """Whether all was read."""
        return self._at == len(self._data)

    def end(self) -> None:
        """Refuse what follows the end."""
        if not self.ended:
            raise ValueError("something follows the last row")

    def row(self) -> Row:
        """Read a row."""
        key = tuple(self.text() for _ in range(self.many()))
        count = self.number()
        return Row(key, count, self._fields(self._values), self._fields(self._distinct), self._fields(self._buckets))

    def _fields(self, read: Callable[[], _T]) -> dict[str, _T]:
        return {self.text(): read() for _ in range(self.many())}

    def _values(self) -> Values:
        count, total, least, most = self.number(), self.signed(), self.signed(), self.signed()
        cells = self.cells()
        exact = {self.number() / 1000: self.signed() for _ in range(self.many())}
        return Values(count, total, least, most, cells, exact)

    def cells(self) -> dict[int, int]:
        """Read cells."""
        cells: dict[int, int] = {}
        cell = 0
        for _ in range(self.many()):
            cell += self.signed()
            if abs(cell) > MOST_CELL:
                raise ValueError("a cell is of a larger value than there is")
            cells[cell] = self.number()
        return cells

    def _distinct(self) -> Distinct:
        hashes: list[int] = []
        for _ in range(self.many()):
            hashes.append(self.number() + (hashes[-1] if hashes else 0))
        if len(hashes) > KEPT_HASHES or (hashes and hashes[-1] >> 64):
            raise ValueError("more hashes are there than are kept, or larger ones")
        return Distinct(tuple(hashes))

    def _buckets(self) -> tuple[int, ...]:
        return tuple(self.number() for _ in range(self.many()))
