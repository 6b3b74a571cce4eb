"""Room: what is taken of groups and budgets, and where a job may still begin.

Per cell: how many servers are under maintenance, in all and of each group. Per hour that begins at a cell: how many
begin in it. Cells and hours that are full are cleared from sets, so that asking for all good beginnings of a job is a
few ANDs. Taking more than there is room for (a plan of yesterday under the limits of today) is counted and allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cloudheal.decide.planning.grid import CELLS_OF_HOUR, Grid, runs, span, spread
from cloudheal.decide.planning.jobs import Job
from cloudheal.decide.planning.opening import Openings
from cloudheal.model.plan import Binding, Budgets, Taken
from cloudheal.model.resource import ResourceId


@dataclass(slots=True)
class GroupRoom:
    """One group: when it is open (None is always), how many at once, and which cells are not full."""

    openings: Openings | None
    at_once: int
    open: int
    free: int
    used: dict[int, int] = field(default_factory=dict)

    def change(self, begin: int, past: int, by: int) -> None:
        """Count one more (1) or one less (-1) in some cells."""
        full, last = self.at_once, self.at_once - 1
        for cell in range(begin, past):
            count = self.used[cell] = self.used.get(cell, 0) + by
            if count == (full if by > 0 else last):
                self.free ^= 1 << cell


class Room:
    """The room of all groups over a grid."""

    def __init__(self, grid: Grid, budgets: Budgets, groups: Mapping[str, GroupRoom]) -> None:
        self._grid, self._budgets, self._groups = grid, budgets, groups
        self._all = span(0, grid.size)
        self._used, self._free = [0] * grid.size, self._all
        self._begun, self._closed = [0] * grid.size, 0
        self._allowed: int | None = self._all
        self._busy: dict[ResourceId, int] = {}

    def occupy(self, taken: Taken) -> None:
        """Count a slot that stands, on the grid or not."""
        begin, past = self._grid.floor(taken.begin), self._grid.ceil(taken.end)
        self._change(taken.group, begin, past, self._grid.ceil(taken.begin), 1)
        if taken.resource is not None:
            mine = span(begin, min(past, self._grid.size))
            self._busy[taken.resource] = self._busy.get(taken.resource, 0) | mine

    def take(self, job: Job, begin: int) -> None:
        """Count a job that begins at a cell."""
        self._change(job.group, begin, begin + job.cells, begin, 1)

    def release(self, job: Job, begin: int) -> None:
        """Undo `take`."""
        self._change(job.group, begin, begin + job.cells, begin, -1)

    def begins(self, job: Job) -> int:
        """Return every cell at which a job may begin now."""
        group = self._groups[job.group]
        cells = group.open & group.free & self._free
        if job.resource in self._busy:
            cells &= ~self._busy[job.resource]
        return runs(cells, job.cells) & self.allowed & span(job.first, job.last + 1)

    @property
    def allowed(self) -> int:
        """The cells at which any server may begin without too many in an hour."""
        if self._allowed is None:
            self._allowed = self._all & ~spread(self._closed, CELLS_OF_HOUR)
        return self._allowed

    def hours_bind(self, more: int) -> bool:
        """Say whether the limit per hour could be met with so many more."""
        return max(self._begun, default=0) + more > self._budgets.per_hour

    def binding(self, job: Job) -> Binding:
        """Return what leaves a job no place to begin."""
        span_ = span(job.first, job.last + 1)
        group = self._groups[job.group]
        mine = group.free & ~self._busy.get(job.resource, 0)
        if not span_:
            return Binding.TOO_LATE
        if not runs(group.open, job.cells) & span_:
            return Binding.NO_WINDOW if group.openings else Binding.TOO_LATE
        if not runs(group.open & mine, job.cells) & span_:
            return Binding.GROUP_SERIAL
        if not runs(group.open & mine & self._free, job.cells) & span_:
            return Binding.AT_ONCE
        return Binding.PER_HOUR

    def blocked(self, job: Job, begin: int, *, anywhere: bool = False) -> Binding | None:
        """Return what forbids a job to begin at a cell, if anything does; `anywhere` leaves the windows out."""
        group, cells = self._groups[job.group], span(begin, begin + job.cells)
        if not job.first <= begin <= job.last:
            return Binding.TOO_EARLY if begin < job.first else Binding.TOO_LATE
        if not anywhere and group.open & cells != cells:
            return Binding.NO_WINDOW
        if group.free & cells != cells or self._busy.get(job.resource, 0) & cells:
            return Binding.GROUP_SERIAL
        if self._free & cells != cells:
            return Binding.AT_ONCE
        return None if self.allowed >> begin & 1 else Binding.PER_HOUR

    def _change(self, group: str, begin: int, past: int, counted: int, by: int) -> None:
        begin, past = max(begin, 0), min(past, self._grid.size)
        if group in self._groups:
            self._groups[group].change(begin, past, by)
        full, used = self._budgets.at_once - (by < 0), self._used
        for cell in range(begin, past):
            used[cell] += by
            if used[cell] == full:
                self._free ^= 1 << cell
        self._begin(counted, by)

    def _begin(self, counted: int, by: int) -> None:
        full, begun = self._budgets.per_hour - (by < 0), self._begun
        for hour in range(max(counted - CELLS_OF_HOUR + 1, 0), min(counted + 1, self._grid.size)):
            begun[hour] += by
            if begun[hour] == full:
                self._closed ^= 1 << hour
                self._allowed = None
