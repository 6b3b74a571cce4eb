"""When the windows of a group are open, as a set of cells; windows that touch or overlap are one opening."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cloudheal.decide.planning.grid import Grid, span
from cloudheal.model.window import Stretch, Window, stretches


@dataclass(frozen=True, slots=True)
class Openings:
    """Openings in order; `first_cells` holds the first whole cell of each on the grid, `cells` those of all."""

    stretches: tuple[Stretch, ...]
    first_cells: tuple[int, ...]
    cells: int

    def around(self, cell: int) -> int:
        """Return the number of the opening that an open cell lies in."""
        return bisect_right(self.first_cells, cell) - 1


def openings(windows: Iterable[Window], grid: Grid) -> Openings:
    """Return all openings within a grid."""
    found = [one for window in windows for one in stretches(window, grid.origin, grid.end)]
    joined = tuple(_joined(sorted(found, key=lambda one: one.begin)))
    firsts = tuple(max(0, grid.ceil(one.begin)) for one in joined)
    cells = 0
    for first, one in zip(firsts, joined, strict=True):
        cells |= span(first, min(grid.floor(one.end), grid.size))
    return Openings(joined, firsts, cells)


def _joined(ordered: Iterable[Stretch]) -> Iterator[Stretch]:
    current: Stretch | None = None
    for one in ordered:
        if current is None or one.begin > current.end:
            if current is not None:
                yield current
            current = one
        else:
            current = Stretch(current.begin, max(current.end, one.end))
    if current is not None:
        yield current
