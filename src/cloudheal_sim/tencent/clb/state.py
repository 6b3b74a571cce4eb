"""Everything that one simulated CLB keeps, and the steps in which it changes; every step is journaled.

Writes are tasks: accepted at once, in effect when they end, one at a time for each balancer. What servers do is learnt
from CVM: by being told (`server_changed`), and by looking whenever somebody asks for health. A released server stays a
target and fails its checks until it is deregistered. UNVERIFIED: the real service may take it out by itself; staying
is the safer half for a client to be rehearsed against.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND
from cloudheal_sim.kernel.health_watch import HealthWatch, Probe
from cloudheal_sim.tencent.clb.model.task import ClbTask, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloudheal_sim.kernel.core import Kernel
    from cloudheal_sim.kernel.health_checks import Health
    from cloudheal_sim.tencent.clb.model.balancer import Balancer, Listener, Place
    from cloudheal_sim.tencent.clb.model.target import Target, Targets
    from cloudheal_sim.tencent.clb.model.task import Change
    from cloudheal_sim.tencent.cvm.model.instance import Instance
    from cloudheal_sim.tencent.cvm.state import Cvm

#: Tasks that can be asked about; by feel, far more than any drill makes.
MOST_TASKS = 10_000
TASK_SECONDS = 1.0


class Clb:
    """One account's load balancers."""

    def __init__(self, kernel: Kernel, cvm: Cvm) -> None:
        self.kernel = kernel
        self._cvm = cvm
        self.balancers: dict[str, Balancer] = {}
        self.tasks: dict[str, ClbTask] = {}
        self.task_seconds = TASK_SECONDS
        self.watch = HealthWatch(kernel, self._answers)

    @property
    def now(self) -> int:
        """The present instant in epoch milliseconds."""
        return self.kernel.clock.now()

    def clear(self) -> None:
        """Forget everything: a new world begins."""
        self.balancers.clear()
        self.tasks.clear()
        self.watch.clear()
        self.task_seconds = TASK_SECONDS

    # --- servers ---

    def instance(self, id_: str) -> Instance | None:
        """Return an instance of CVM, also one that was released and is remembered."""
        return self._cvm.fleet.find(id_) or self._cvm.fleet.gone(id_)

    def instance_at(self, address: str, region: str) -> Instance | None:
        """Return the instance of the region that has a private address."""
        there = self._cvm.fleet.in_region(region)
        return next((one for one in there if one.network.private_ip == address), None)

    def _answers(self, server: str) -> bool:
        found = self._cvm.fleet.find(server)
        return found is not None and found.serving

    # --- tasks ---

    def busy(self, balancer: Balancer) -> bool:
        """Say whether a change of the balancer is under way."""
        return any(one.balancer == balancer.id and one.due is not None for one in self.tasks.values())

    def begin(self, balancer: Balancer, id_: str, changes: Sequence[Change], left_out: int = 0) -> ClbTask:
        """Accept a change: it takes effect when its task ends."""
        due = self.now + round(self.task_seconds * MILLIS_PER_SECOND)
        task = ClbTask(id_, balancer.id, TaskStatus.RUNNING, due=due, changes=tuple(changes), left_out=left_out)
        self.keep(task)
        if due <= self.now:
            self._end(task)
        else:
            self.plan(task)
        return task

    def keep(self, task: ClbTask) -> ClbTask:
        """Remember a task, and forget the oldest beyond MOST_TASKS."""
        self.tasks[task.id] = task
        while len(self.tasks) > MOST_TASKS:
            del self.tasks[next(iter(self.tasks))]
        return task

    def plan(self, task: ClbTask) -> None:
        """Plan the end of a task that is under way."""
        if task.due is not None:
            self.kernel.clock.call_at(task.due, lambda: self._end(task) if self.tasks.get(task.id) is task else None)

    def _end(self, task: ClbTask) -> None:
        balancer = self.balancers[task.balancer]
        for change in task.changes:
            self.set_targets(balancer, balancer.listeners[change.listener].places[change.location], change.targets)
        failed = task.left_out > 0
        task.message = f"{task.left_out} targets could not be changed" if failed else ""
        task.status, task.due, task.changes = TaskStatus.FAILED if failed else TaskStatus.OK, None, ()
        self.kernel.journal.change("clb_task.status", task.id, "running", task.status.name.lower())

    # --- targets and their health ---

    def set_targets(self, balancer: Balancer, place: Place, targets: Targets) -> Targets:
        """Replace the targets of a place."""
        before = place.targets.value
        if targets != before:
            place.targets.set(targets, self.now)
            for target in targets:
                self.meet(target)
            self.kernel.journal.change("clb.targets", place.label, described(before), described(targets))
            self.plan_health(balancer)
        return targets

    def meet(self, target: Target) -> bool:
        """Watch the server of a target from now on; an address that no instance has is taken to answer."""
        return self.watch.meet(target.server, known=not target.address or self.instance(target.server) is not None)

    def server_changed(self, server: str) -> bool:
        """Look at a server that something happened to; return whether it is a target and answers differently now."""
        if server not in self.watch.servers or not self.watch.observe(server):
            return False
        for balancer in self.balancers.values():
            if any(one.server == server for _, place in balancer.places() for one in place.targets.value):
                self.plan_health(balancer)
        return True

    def health(self, place: Place, target: Target, as_of: int | None = None) -> Health:
        """Return what the checks show of a target now or at an earlier instant."""
        return self.watch.health(_probe(place, target), as_of)

    def plan_health(self, balancer: Balancer) -> int:
        """Plan a journal entry for each verdict that is still to come; return how many were planned."""
        found = [(place, target) for _, place in balancer.places() for target in place.targets.value]
        return sum(self.watch.plan(_probe(*one), partial(self._stands, balancer, *one)) for one in found)

    def _stands(self, balancer: Balancer, place: Place, target: Target) -> bool:
        is_there = self.balancers.get(balancer.id) is balancer
        return is_there and target in place.targets.value

    def memberships(self, server: str) -> Iterator[tuple[Balancer, Listener, Place, Target]]:
        """Iterate over all places where a server is a target."""
        for balancer in self.balancers.values():
            for listener, place in balancer.places():
                for target in place.targets.value:
                    if target.server == server:
                        yield balancer, listener, place, target


def _probe(place: Place, target: Target) -> Probe:
    return Probe(f"{place.label}/{target.label}", target.server, target.since, place.check)


def described(targets: Sequence[Target]) -> list[dict[str, object]]:
    """Write targets as the journal shows them."""
    return [{"server": one.server, "port": one.port, "weight": one.weight} for one in targets]
