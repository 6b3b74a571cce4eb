"""Events become jobs: whatever is scheduled on one server shares one reboot, with the deadline of its earliest event.

Events that the platform is to handle become no job, and neither do those whose deadline has passed: they do not drag a
later event of the same server with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cloudheal.decide.planning.grid import Grid, cells_of
from cloudheal.model.plan import Binding, Maintenance, PlanRequest, Policy, TooLate, Unplaced
from cloudheal.model.resource import ResourceId


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One reboot of one server: it may begin from cell `first` to cell `last`, and takes `cells`."""

    resource: ResourceId
    name: str
    group: str
    events: tuple[str, ...]
    policy: Policy
    too_late: TooLate
    deadline: datetime
    cells: int
    first: int
    last: int
    order: tuple[int, int, str]

    @property
    def kind(self) -> tuple[str, int, int, int]:
        """Jobs of one kind are interchangeable in a plan."""
        return (self.group, self.cells, self.first, self.last)


@dataclass(frozen=True, slots=True)
class Jobs:
    """What there is to plan, in order of deadlines, and what there is not."""

    jobs: tuple[Job, ...]
    late: tuple[Unplaced, ...]
    left: tuple[Maintenance, ...]


def jobs_of(request: PlanRequest, grid: Grid, due: Mapping[ResourceId, int]) -> Jobs:
    """Return the jobs of a request; `due` holds the cells of slots that have begun and may still be taken up."""
    jobs: list[Job] = []
    late: list[Unplaced] = []
    soonest = grid.ceil(request.now)
    for resource, events in _by_resource(request.maintenances):
        first = min(soonest, due.get(resource, soonest))
        alive = _alive(events, grid, first)
        late += (too_late(request.now, one) for one in events if one not in alive)
        if alive:
            jobs.append(_job(alive, grid, first))
    left = tuple(one for one in request.maintenances if one.policy is Policy.LEAVE)
    return Jobs(tuple(sorted(jobs, key=lambda job: job.order)), tuple(late), left)


def deadline_of(maintenance: Maintenance, lasts: timedelta) -> datetime:
    """Return the moment before which work of some length must begin."""
    return maintenance.not_before - lasts - maintenance.margin


def too_late(now: datetime, maintenance: Maintenance) -> Unplaced:
    """Return that there is no time left for an event, and what its policy makes of that.

    Nothing that a person must agree to first is done at once: it is asked about.
    """
    asks = maintenance.policy is Policy.ASK and maintenance.too_late is TooLate.ACT_NOW
    then = TooLate.ASK if asks else maintenance.too_late
    then = TooLate.PLATFORM if maintenance.not_before <= now else then
    one, deadline = maintenance, deadline_of(maintenance, maintenance.lasts)
    return Unplaced(one.resource, one.name, one.group, (one.event,), deadline, Binding.TOO_LATE, then)


def unplaced(job: Job, binding: Binding) -> Unplaced:
    """Return that a job has no slot. Acting at once would break a window or a budget: it is asked about instead."""
    acts = job.too_late is TooLate.ACT_NOW and (binding is not Binding.TOO_LATE or job.policy is Policy.ASK)
    then = TooLate.ASK if acts else job.too_late
    return Unplaced(job.resource, job.name, job.group, job.events, job.deadline, binding, then)


def _by_resource(maintenances: Iterable[Maintenance]) -> Iterator[tuple[ResourceId, Sequence[Maintenance]]]:
    found: dict[ResourceId, dict[str, Maintenance]] = {}
    for one in maintenances:
        if one.policy is not Policy.LEAVE:
            found.setdefault(one.resource, {})[one.event] = one
    for resource, events in found.items():
        yield resource, sorted(events.values(), key=lambda one: (one.not_before, one.event))


def _alive(events: Sequence[Maintenance], grid: Grid, first: int) -> Sequence[Maintenance]:
    """Return the events that can still be handled together: the longest work that remains counts for all."""
    while events:
        lasts = max(one.lasts for one in events)
        alive = [one for one in events if grid.ceil(deadline_of(one, lasts)) > first]
        if len(alive) == len(events):
            break
        events = alive
    return events


def _job(events: Sequence[Maintenance], grid: Grid, first: int) -> Job:
    lasts, soonest = max(one.lasts for one in events), min(events, key=lambda one: one.not_before - one.margin)
    deadline = deadline_of(soonest, lasts)
    begins = [grid.ceil(one.earliest) for one in events if one.earliest]
    first, last = max(first, *begins) if begins else first, min(grid.ceil(deadline) - 1, grid.size - 1)
    return Job(
        soonest.resource,
        next((one.name for one in events if one.name), ""),
        soonest.group,
        tuple(one.event for one in events),
        Policy.ASK if any(one.policy is Policy.ASK for one in events) else Policy.HANDLE,
        soonest.too_late,
        deadline,
        cells_of(lasts),
        first,
        last,
        (last, first, str(soonest.resource)),
    )
