"""The plan as a whole: earliest deadline first, each at its best place; what does not fit is squeezed, then searched.

1. What an operator pinned and what was planned before stays, where it still can.
2. The rest is placed in the order of deadlines, each at the best beginning that is left (`taste`).
3. A group in which somebody found no place is placed anew, everybody as early as possible; up to eight are tried in
   every order. Then each moves to the best place that is left.
4. Who still has no place makes the others move whose time it needs, if that helps: in every order where they are up to
   eight, else for want of a shared budget only.

Windows, budgets and deadlines are never broken: who has no place is listed, with what is in the way.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from cloudheal.decide.planning.grid import CELLS_OF_HOUR, Grid, grid_around, lowest, span
from cloudheal.decide.planning.jobs import Job, jobs_of, unplaced
from cloudheal.decide.planning.room import GroupRoom, Room
from cloudheal.decide.planning.search import MOST_JOBS, placed
from cloudheal.decide.planning.taste import Taste
from cloudheal.model.plan import Binding, Choice, Pin, PlanRequest, Policy, Schedule, Slot, Taken, Why
from cloudheal.model.resource import ResourceId

#: How far ahead slots are looked for.
HORIZON = timedelta(days=366)
#: A slot that has begun is looked for no further back than this.
LONGEST_CATCH_UP = timedelta(hours=1)
_SHARED = frozenset({Binding.AT_ONCE, Binding.PER_HOUR})
_CROWDED = _SHARED | {Binding.GROUP_SERIAL}


def plan(request: PlanRequest) -> Schedule:
    """Return a plan for all that is scheduled."""
    return replan(request, Schedule())


def replan(request: PlanRequest, before: Schedule, touched: Iterable[str] | None = None) -> Schedule:
    """Return the plan after something changed: an event came, moved or went, a limit or a window is another one.

    Slots of `before` stay where they are as long as they are possible. Others move only where somebody who has no
    place needs their time: in the same group, or in any when a shared budget is what binds.

    `touched` names the groups in which anything changed, where only groups did (their events, terms, pins): the rest is
    then not looked at again, unless a shared budget binds. Without it everything is.
    """
    if touched is None:
        return _planned(request, before)
    groups = {*touched, *(row.group for row in before.rows if not _is_ahead(request, row.begin))}
    part, rest = _parted(request, before, groups)
    made = _planned(part, Schedule(tuple(row for row in before.rows if row.group in groups)))
    if any(one.binding in _SHARED for one in (*made.unplaced, *rest.unplaced)):
        return _planned(request, before)
    return Schedule(
        tuple(sorted([*made.rows, *rest.rows], key=_row_order)),
        (*made.unplaced, *rest.unplaced),
        (*made.left, *rest.left),
    )


def _planned(request: PlanRequest, before: Schedule) -> Schedule:
    planning = _Planning(request, before)
    planning.pin()
    planning.keep()
    planning.settle()
    return planning.schedule()


def _parted(request: PlanRequest, before: Schedule, groups: Container[str]) -> tuple[PlanRequest, Schedule]:
    """Return the request for some groups, in which the others' slots are taken; and what remains for the others."""
    events = tuple(one for one in request.maintenances if one.group in groups)
    servers = {one.resource for one in events}
    rest = Schedule(
        tuple(row for row in before.rows if row.group not in groups),
        tuple(one for one in before.unplaced if one.group not in groups),
        tuple(one for one in before.left if one.group not in groups),
    )
    taken = tuple(Taken(row.begin, row.end, row.group) for row in rest.rows)
    pins = tuple(one for one in request.pins if one.resource in servers)
    return replace(request, maintenances=events, taken=(*request.taken, *taken), pins=pins), rest


def _is_ahead(request: PlanRequest, begin: datetime) -> bool:
    """Say whether a slot lies ahead, or has begun so recently that it may still be taken up."""
    late = request.now - begin
    return late <= timedelta() or late < min(request.catch_up, LONGEST_CATCH_UP)


def _row_order(row: Slot) -> tuple[datetime, str, str]:
    return row.begin, row.group, row.resource.id


def _grid_of(request: PlanRequest) -> Grid:
    ends = [one.not_before + one.lasts for one in request.maintenances if one.policy is not Policy.LEAVE]
    until = max(ends, default=request.now)
    return grid_around(request.now, min(until, request.now + HORIZON))


class _Planning:
    """One plan in the making: which job begins at which cell."""

    def __init__(self, request: PlanRequest, before: Schedule) -> None:
        self._request, self._before = request, before
        self._grid = _grid_of(request)
        found = jobs_of(request, self._grid, self._due())
        self._late, self._left = found.late, found.left
        self._jobs = {job.resource: job for job in found.jobs}
        self._taste = Taste(request, self._grid)
        self._room = self._empty_room()
        self._begins: dict[Job, int] = {}
        self._pinned: set[Job] = set()
        self._kept: dict[Job, tuple[int, Why]] = {}
        self._unkept: dict[ResourceId, Binding] = {}

    # --- what stays ---------------------------------------------------------------------------

    def pin(self) -> None:
        """Put servers where operators want them; what cannot be is kept in mind, to be said with another slot."""
        pins = {one.resource: one for one in self._request.pins}
        for one in sorted(pins.values(), key=lambda pin: (pin.begin, pin.resource)):
            binding = self._pin(one)
            if binding is not None:
                self._unkept[one.resource] = binding

    def keep(self) -> None:
        """Leave servers where they were planned before, as far as possible."""
        for row in self._before.rows:
            job, cell = self._jobs.get(row.resource), self._grid.floor(row.begin)
            if job is None or job in self._begins or self._room.blocked(job, cell) is not None:
                continue
            self._put(job, cell)
            why = self._taste.why(job, cell) if row.why.choice is Choice.PINNED else row.why
            self._kept[job] = cell, why

    def _pin(self, pin: Pin) -> Binding | None:
        cell, job = self._grid.floor(pin.begin), self._jobs.get(pin.resource)
        if self._grid.moment(cell) != pin.begin:
            return Binding.OFF_GRID
        if not _is_ahead(self._request, pin.begin):
            return Binding.MISSED
        if job is None:
            return Binding.TOO_LATE if any(one.resource == pin.resource for one in self._late) else None
        binding = self._room.blocked(job, cell, anywhere=pin.anywhere)
        if binding is None:
            self._put(job, cell)
            self._pinned.add(job)
        return binding

    def _due(self) -> dict[ResourceId, int]:
        """Return the cells of slots that have just begun: they may still be taken up."""
        slots: list[Slot | Pin] = [*self._before.rows, *self._request.pins]
        return {
            one.resource: self._grid.floor(one.begin)
            for one in slots
            if one.begin <= self._request.now and _is_ahead(self._request, one.begin)
        }

    # --- what is placed -----------------------------------------------------------------------

    def settle(self) -> None:
        """Place whoever has no place yet."""
        self._forget_due()
        crowded: dict[str, None] = {}
        for job in self._waiting():
            if not self._place(job, self._taste.best):
                crowded[job.group] = None
        groups: dict[str, list[Job]] = {group: [] for group in crowded}
        for job in self._jobs.values():
            if job.group in groups and job not in self._pinned:
                groups[job.group].append(job)
        for members in groups.values():
            self._squeeze(members)
        self._widen()
        for job in self._waiting():
            self._place(job, self._taste.best)

    def schedule(self) -> Schedule:
        """Return the plan as it is now."""
        rows = [self._row(job, begin) for job, begin in self._begins.items()]
        rows.sort(key=_row_order)
        missing = [unplaced(job, self._room.binding(job)) for job in self._waiting()]
        return Schedule(tuple(rows), (*self._late, *missing), self._left)

    def _forget_due(self) -> None:
        """Let nobody be placed in time that has passed."""
        soonest = self._grid.ceil(self._request.now)
        for resource, job in self._jobs.items():
            if job.first < soonest and job not in self._begins:
                self._jobs[resource] = replace(job, first=soonest)

    def _waiting(self) -> list[Job]:
        return [job for job in self._jobs.values() if job not in self._begins]

    def _squeeze(self, members: Sequence[Job]) -> None:
        """Place a group anew: first those alone who are new in the plan, then everybody."""
        new = [job for job in members if job not in self._kept]
        if not self._rearrange(new) and len(new) < len(members):
            self._rearrange(members)

    def _widen(self) -> None:
        """Let others move for those who have no place: all who matter if they are few, else whose time is wanted."""
        needy = {job: self._room.binding(job) for job in self._waiting()}
        crowded = [job for job, binding in needy.items() if binding in _CROWDED]
        near = self._near(crowded)
        while crowded and len(crowded) < len(near) <= MOST_JOBS:
            crowded, near = near, self._near(near)
        if len(near) > MOST_JOBS:
            near = self._near([job for job, binding in needy.items() if binding in _SHARED])
        self._rearrange(near)

    def _near(self, jobs: Sequence[Job]) -> list[Job]:
        """Return some jobs with all whose slots lie in the time in which these might be, or within an hour of it."""
        wanted, these = 0, frozenset(jobs)
        for job in jobs:
            wanted |= span(job.first - CELLS_OF_HOUR, job.last + job.cells + CELLS_OF_HOUR)
        others = (
            job
            for job, begin in self._begins.items()
            if job not in these and job not in self._pinned and wanted & span(begin, begin + job.cells)
        )
        return sorted([*jobs, *others], key=lambda job: job.order) if wanted else []

    def _rearrange(self, jobs: Sequence[Job]) -> bool:
        """Place some jobs anew, if that places more of them; say whether all have a place now."""
        before = self._clear(jobs)
        if not self._pack(jobs):
            packed = self._clear(jobs)
            found = placed(self._room, jobs) if len(jobs) <= MOST_JOBS else {}
            best = max(before, packed, found, key=len)
            self._restore(best)
            if best is before:
                return False
        for job in jobs:
            self._improve(job)
        return all(job in self._begins for job in jobs)

    def _pack(self, jobs: Sequence[Job]) -> bool:
        """Place each job as early as it can be, in order; say whether all have a place."""
        placed = [self._place(job, _earliest) for job in jobs]
        return all(placed)

    def _improve(self, job: Job) -> None:
        begin = self._begins.pop(job, None)
        if begin is not None:
            self._room.release(job, begin)
            self._place(job, self._as_before)

    def _as_before(self, job: Job, begins: int) -> int:
        """Return where a job was planned before, if it still can be there, else the best."""
        kept = self._kept.get(job)
        return kept[0] if kept and begins >> kept[0] & 1 else self._taste.best(job, begins)

    def _place(self, job: Job, choose: Callable[[Job, int], int]) -> bool:
        begins = self._room.begins(job)
        if begins:
            self._put(job, choose(job, begins))
        return bool(begins)

    def _put(self, job: Job, begin: int) -> None:
        self._room.take(job, begin)
        self._begins[job] = begin

    def _clear(self, jobs: Sequence[Job]) -> dict[Job, int]:
        found = {job: self._begins[job] for job in jobs if job in self._begins}
        for job in found:
            self._room.release(job, self._begins.pop(job))
        return found

    def _restore(self, begins: dict[Job, int]) -> None:
        for job, begin in begins.items():
            self._put(job, begin)

    # --- records ------------------------------------------------------------------------------

    def _row(self, job: Job, begin: int) -> Slot:
        starts = self._grid.moment(begin)
        return Slot(
            job.resource,
            job.name,
            job.group,
            job.events,
            starts,
            self._grid.moment(begin + job.cells),
            job.deadline,
            job.policy,
            self._why(job, begin),
        )

    def _why(self, job: Job, begin: int) -> Why:
        if job in self._pinned:
            return Why(Choice.PINNED)
        kept = self._kept.get(job)
        why = kept[1] if kept and kept[0] == begin else self._taste.why(job, begin)
        return replace(why, unkept=self._unkept.get(job.resource))

    def _empty_room(self) -> Room:
        anytime, groups = span(0, self._grid.size), {}
        for group in dict.fromkeys(job.group for job in self._jobs.values()):
            opened, at_once = self._taste.openings(group), self._taste.terms(group).at_once
            groups[group] = GroupRoom(opened, at_once, opened.cells if opened else anytime, anytime)
        room = Room(self._grid, self._request.budgets, groups)
        for one in self._request.taken:
            room.occupy(one)
        return room


def _earliest(_: Job, begins: int) -> int:
    return lowest(begins)
