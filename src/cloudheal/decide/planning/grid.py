"""Time as cells of five minutes, and sets of cells as whole numbers: bit n stands for cell n.

A set of weeks is a number of a kilobyte, and "where do three free cells follow each other?" is a handful of shifts and
ANDs. That is what lets plain Python plan a hundred thousand servers in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cloudheal.model.plan import STEP

CELLS_OF_HOUR = timedelta(hours=1) // STEP
_EPOCH = datetime(2001, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Grid:
    """`size` cells from `origin` on; cell numbers are counted from there."""

    origin: datetime
    size: int

    @property
    def end(self) -> datetime:
        """When the last cell ends."""
        return self.moment(self.size)

    def floor(self, moment: datetime) -> int:
        """Return the cell that a moment lies in."""
        return (moment - self.origin) // STEP

    def ceil(self, moment: datetime) -> int:
        """Return the first cell that begins at a moment or after it."""
        return -((self.origin - moment) // STEP)

    def moment(self, cell: int) -> datetime:
        """Return when a cell begins."""
        return self.origin + cell * STEP


def grid_around(now: datetime, until: datetime) -> Grid:
    """Return the grid from a little over an hour ago, because what began in the last hour counts, to `until`."""
    before = CELLS_OF_HOUR + 1
    origin = _EPOCH + ((now - _EPOCH) // STEP - before) * STEP
    return Grid(origin, max(0, (until - origin) // STEP) + before)


def cells_of(lasts: timedelta) -> int:
    """Return how many whole cells a time takes; at least one."""
    return max(1, -(-lasts // STEP))


def span(first: int, past: int) -> int:
    """Return the set of the cells from `first` up to, but not with, `past`; cells before zero are left out."""
    first = max(first, 0)
    return ((1 << (past - first)) - 1) << first if past > first else 0


def runs(cells: int, length: int) -> int:
    """Return the cells from which `length` cells of the set follow each other."""
    have = 1
    while have < length:
        more = min(have, length - have)
        cells &= cells >> more
        have += more
    return cells


def spread(cells: int, length: int) -> int:
    """Return every cell that lies less than `length` cells after one of the set, or in it."""
    have = 1
    while have < length:
        more = min(have, length - have)
        cells |= cells << more
        have += more
    return cells


def lowest(cells: int) -> int:
    """Return the first cell of a set that is not empty."""
    return (cells & -cells).bit_length() - 1
