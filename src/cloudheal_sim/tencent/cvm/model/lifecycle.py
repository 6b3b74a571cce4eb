"""The state machine of an instance, on the virtual clock, and the latest operation that goes with it.

PENDING -> RUNNING -> STOPPING -> STOPPED -> STARTING -> RUNNING; a reboot is the one state REBOOTING. A soft stop or
reboot of a system that does not answer gives up after `soft_limit` and leaves it RUNNING with the operation FAILED;
SOFT_FIRST turns hard then. What is under way is data on the instance (`Task`), so that a world that is read and put
back continues where it was; a timer only says when to look.

Whether a step is allowed is the caller's question; here a step in the wrong state is a no-op that returns False.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND
from cloudheal_sim.kernel.crashes import Crashes
from cloudheal_sim.tencent.cvm.model.durations import Durations
from cloudheal_sim.tencent.cvm.model.instance import (
    Goal,
    Instance,
    Operation,
    Outcome,
    Status,
    StopCharging,
    StopType,
    Task,
)

if TYPE_CHECKING:
    from cloudheal_sim.kernel.core import Kernel
    from cloudheal_sim.tencent.cvm.model.fleet import Fleet

#: Told of every change of state: the instance, what it was in, what it is in now; None is not there (yet, any more).
Moved: TypeAlias = Callable[[Instance, Status | None, Status | None], object]

_GAVE_UP = "The guest did not shut down in time."
_NO_BOOT = "The instance failed to start."


class Witness(Protocol):
    """Who is told what became of an instance, at the instant it did."""

    def started(self, machine_id: str, /) -> None:
        """The instance has reached RUNNING out of a boot."""

    def released(self, machine_id: str, /) -> None:
        """The instance is gone."""


class Lifecycle:
    """Moves instances from state to state."""

    def __init__(self, kernel: Kernel, fleet: Fleet, public_ip: Callable[[], str]) -> None:
        self._clock = kernel.clock
        self._journal = kernel.journal
        self._fleet = fleet
        self._public_ip = public_ip
        self.crashes = Crashes(kernel.clock, self.fall)
        self.durations = Durations()
        self.witnesses: list[Witness] = []
        self.moved: list[Moved] = []

    def create(self, instance: Instance) -> Instance:
        """Take a new instance in as PENDING; it goes on to RUNNING. Only a world document has launches that fail."""
        self._fleet.add(instance)
        self._told(instance, None, Status.PENDING)
        self._await(instance, Goal.RUN, self.durations.pending)
        return instance

    def start(self, instance: Instance, request_id: str = "") -> bool:
        """Begin STOPPED -> STARTING -> RUNNING."""
        if instance.status.value is not Status.STOPPED or instance.task is not None:
            return False
        self._begin(instance, "StartInstances", request_id)
        if instance.stop_charging is StopCharging.STOP_CHARGING and instance.network.bandwidth:
            instance.network = instance.network.reached_at((self._public_ip(),))
        instance.stop_charging = StopCharging.NOT_APPLICABLE
        self._enter(instance, Status.STARTING)
        self._await(instance, Goal.RUN, self.durations.starting + self._slowness(instance))
        return True

    def stop(
        self,
        instance: Instance,
        how: StopType = StopType.SOFT,
        charging: StopCharging = StopCharging.KEEP_CHARGING,
        request_id: str = "",
    ) -> bool:
        """Begin RUNNING -> STOPPING -> STOPPED."""
        if not self._may_leave(instance):
            return False
        self._begin(instance, "StopInstances", request_id)
        instance.stop_charging = charging
        soft, hard = self.durations.stopping, self.durations.stopping_hard
        self._enter(instance, Status.STOPPING)
        self._leave(instance, Goal.STOP, how, soft, hard)
        return True

    def reboot(self, instance: Instance, how: StopType = StopType.SOFT, request_id: str = "") -> bool:
        """Begin RUNNING -> REBOOTING -> RUNNING."""
        if not self._may_leave(instance):
            return False
        self._begin(instance, "RebootInstances", request_id)
        slow = self._slowness(instance)
        self._enter(instance, Status.REBOOTING)
        self._leave(instance, Goal.REBOOT, how, self.durations.rebooting + slow, self.durations.rebooting_hard + slow)
        return True

    def terminate(self, instance: Instance, request_id: str = "") -> bool:
        """Begin the end: a subscription goes to the recycle bin first, all else to TERMINATING and is gone."""
        if instance.status.value not in {Status.RUNNING, Status.STOPPED, Status.SHUTDOWN} or instance.task is not None:
            return False
        self._begin(instance, "TerminateInstances", request_id)
        self._end_run(instance)
        recycles = instance.prepaid and instance.status.value is not Status.SHUTDOWN
        self._enter(instance, Status.SHUTDOWN if recycles else Status.TERMINATING)
        if recycles:
            self._end(instance, Outcome.SUCCESS)
        else:
            self._await(instance, Goal.RELEASE, self.durations.terminating)
        return True

    def fall(self, instance: Instance) -> bool:
        """Let a RUNNING instance go down by itself, as after a crash or a shutdown from inside."""
        if not self._may_leave(instance):
            return False
        self._end_run(instance)
        instance.stop_charging = StopCharging.KEEP_CHARGING
        self._enter(instance, Status.STOPPING)
        self._await(instance, Goal.STOP, self.durations.powering_off)
        return True

    def platform_reboot(self, instance: Instance) -> bool:
        """Reboot an instance as the platform does in a repair; nobody's operation."""
        if not self._may_leave(instance):
            return False
        self._enter(instance, Status.REBOOTING)
        self._await(instance, Goal.REBOOT, self.durations.rebooting_hard + self._slowness(instance))
        return True

    def halt(self, instance: Instance) -> Instance:
        """Bring an instance to STOPPED in this very instant; one that is leaving for good is left alone."""
        resting = {Status.STOPPED, Status.SHUTDOWN, Status.TERMINATING, Status.LAUNCH_FAILED}
        if instance.status.value not in resting:
            instance.task = None
            self._end_run(instance)
            instance.stop_charging = StopCharging.KEEP_CHARGING
            self._enter(instance, Status.STOPPED)
            self._end(instance, Outcome.FAILED, _NO_BOOT)
        return instance

    def release(self, instance: Instance) -> bool:
        """Let an instance be gone in this very instant; False when it is already."""
        if instance.released is None:
            self._gone(instance)
            return True
        return False

    def resume(self) -> int:
        """Plan the timers of every transition and crash under way anew; return how many there are."""
        planned = 0
        for instance in self._fleet:
            if instance.task is not None:
                self._plan(instance, instance.task)
                planned += 1
            planned += self.crashes.resume(instance)
        return planned

    def _may_leave(self, instance: Instance) -> bool:
        return instance.running and instance.task is None

    def _leave(self, instance: Instance, goal: Goal, how: StopType, soft: float, hard: float) -> None:
        """Go for `goal`; a system that does not answer takes no notice of being asked softly."""
        limit = self.durations.soft_limit
        if how is StopType.HARD:
            self._await(instance, goal, hard)
        elif not instance.hung:
            self._await(instance, goal, soft)
        elif how is StopType.SOFT_FIRST:
            self._await(instance, goal, limit + hard)
        else:
            self._await(instance, Goal.GIVE_UP, limit)

    def _slowness(self, instance: Instance) -> float:
        return 0.0 if instance.trouble is None else instance.trouble.slow_boot

    def _arrive(self, instance: Instance, task: Task) -> None:
        """End the present transitional state, the task's time having come."""
        instance.task = None
        match task.goal:
            case Goal.RUN | Goal.REBOOT:
                self._end_run(instance)
                self._booted(instance)
            case Goal.STOP:
                self._end_run(instance)
                self._stopped(instance)
            case Goal.GIVE_UP:
                instance.stop_charging = StopCharging.NOT_APPLICABLE
                self._enter(instance, Status.RUNNING)
                self._end(instance, Outcome.FAILED, _GAVE_UP)
            case Goal.FAIL:
                self._enter(instance, Status.LAUNCH_FAILED)
                self._end(instance, Outcome.FAILED, _NO_BOOT)
                self._await(instance, Goal.RELEASE, self.durations.launch_failed)
            case Goal.RELEASE:
                self._gone(instance)

    def _stopped(self, instance: Instance) -> None:
        if instance.stop_charging is StopCharging.STOP_CHARGING:
            instance.network = instance.network.reached_at(())
        self._enter(instance, Status.STOPPED)
        self._end(instance, Outcome.SUCCESS)

    def _booted(self, instance: Instance) -> None:
        if instance.trouble is not None and instance.trouble.spoils_start(self._journal, instance.id):
            instance.stop_charging = StopCharging.KEEP_CHARGING
            self._enter(instance, Status.STOPPED)
            self._end(instance, Outcome.FAILED, _NO_BOOT)
            return
        instance.started = self._clock.now()
        self._enter(instance, Status.RUNNING)
        self._end(instance, Outcome.SUCCESS)
        self.crashes.arm(instance)
        for witness in self.witnesses:
            witness.started(instance.id)

    def _end_run(self, instance: Instance) -> None:
        """Forget what ends with a run: a planned crash, and a hang."""
        if instance.trouble is not None:
            instance.trouble.end_run(self._journal, instance.id)

    def _gone(self, instance: Instance) -> None:
        before = instance.status.value
        instance.task = None
        self._fleet.remove(instance, self._clock.now())
        self._told(instance, before, None)
        for witness in self.witnesses:
            witness.released(instance.id)

    def _begin(self, instance: Instance, name: str, request_id: str) -> None:
        if request_id:
            self._operate(instance, Operation(name, request_id))

    def _end(self, instance: Instance, outcome: Outcome, error: str = "") -> None:
        operation = instance.operation.value
        if operation is not None and operation.outcome is Outcome.OPERATING:
            self._operate(instance, operation.ended(outcome, error))

    def _operate(self, instance: Instance, operation: Operation) -> None:
        before = instance.operation.value
        instance.operation.set(operation, self._clock.now())
        shown = [None if one is None else f"{one.name} {one.outcome}" for one in (before, operation)]
        self._journal.change("instance.operation", instance.id, *shown)

    def _enter(self, instance: Instance, status: Status) -> None:
        before = instance.status.value
        instance.status.set(status, self._clock.now())
        self._told(instance, before, status)

    def _told(self, instance: Instance, before: Status | None, after: Status | None) -> None:
        self._journal.change("instance.status", instance.id, before, after)
        for hear in self.moved:
            hear(instance, before, after)

    def _await(self, instance: Instance, goal: Goal, seconds: float) -> None:
        task = Task(goal, self._clock.now() + round(seconds * MILLIS_PER_SECOND))
        instance.task = task
        if task.due <= self._clock.now():
            self._arrive(instance, task)
        else:
            self._plan(instance, task)

    def _plan(self, instance: Instance, task: Task) -> None:
        if task.goal is Goal.STOP:
            ahead = task.due - round(self.durations.reported_ahead * MILLIS_PER_SECOND)
            self._clock.call_at(ahead, lambda: self._report(instance, task))
        self._clock.call_at(task.due, lambda: self._arrive(instance, task) if instance.task is task else None)

    def _report(self, instance: Instance, task: Task) -> None:
        if instance.task is task:
            self._end(instance, Outcome.SUCCESS)
