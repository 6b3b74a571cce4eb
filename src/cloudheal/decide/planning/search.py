"""Every order, for a few jobs: if they can all be placed at all, they are.

Jobs are placed in the order of their beginnings, each as early as it can, and no order is left out. That loses
nothing: in any complete plan, moving the first job forward to its earliest place harms no later one (it leaves cells
they might want, and an hour that holds both its new beginning and a later one held its old beginning too), then the
second, and so on. What remains after some jobs depends on what they still hold, not on how it came about, so a rest
that failed once is not tried again. Nor is it tried to begin with a job that begins after another one could have ended.

Jobs are admitted one by one, most urgent first: whoever makes a plan impossible is left out at once, and the search
stays among few as long as it can.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cloudheal.decide.planning.grid import CELLS_OF_HOUR, lowest
from cloudheal.decide.planning.jobs import Job
from cloudheal.decide.planning.room import Room

#: More jobs than this are not searched: eight have forty thousand orders.
MOST_JOBS = 8


def placed(room: Room, jobs: Sequence[Job]) -> dict[Job, int]:
    """Return a beginning for each job, without those that cannot be placed beside more urgent ones.

    If all can be placed, all are. The room is left as it was.
    """
    found: dict[Job, int] = {}
    for job in sorted(jobs, key=lambda one: one.order):
        among = [*found, job]
        search = _Search(room, room.hours_bind(len(among)))
        if search.descend(frozenset(among), 0):
            found = search.begins
    return found


@dataclass(slots=True)
class _Search:
    room: Room
    hours_bind: bool
    begins: dict[Job, int] = field(default_factory=dict)
    dead: set[object] = field(default_factory=set)

    def descend(self, rest: frozenset[Job], since: int) -> bool:
        """Place the rest, none before `since`; on success all beginnings are in `begins`."""
        if not rest:
            return True
        state = (rest, since, self._holds(since))
        if state in self.dead:
            return False
        if any(self._try(job, begin, rest) for job, begin in self._options(rest, since)):
            return True
        self.dead.add(state)
        return False

    def _try(self, job: Job, begin: int, rest: frozenset[Job]) -> bool:
        self.room.take(job, begin)
        self.begins[job] = begin
        found = self.descend(rest - {job}, begin)
        self.room.release(job, begin)
        if not found:
            del self.begins[job]
        return found

    def _options(self, rest: frozenset[Job], since: int) -> list[tuple[Job, int]]:
        """Return who may come next and when; nobody when somebody of the rest has no place left."""
        options: dict[object, tuple[Job, int]] = {}
        ends = []
        for job in sorted(rest, key=lambda one: one.order):
            begins = self.room.begins(job) >> since
            if not begins:
                return []
            begin = lowest(begins) + since
            ends.append(begin + job.cells)
            options.setdefault((job.kind, begins), (job, begin))
        return [one for one in options.values() if one[1] < min(ends) or self.hours_bind]

    def _holds(self, since: int) -> object:
        """Return what the placed jobs still hold: cells of groups, and beginnings of the last hour."""
        ends = sorted((job.group, begin + job.cells) for job, begin in self.begins.items() if begin + job.cells > since)
        recent = sorted(one for one in self.begins.values() if self.hours_bind and one > since - CELLS_OF_HOUR)
        return (tuple(ends), tuple(recent))
