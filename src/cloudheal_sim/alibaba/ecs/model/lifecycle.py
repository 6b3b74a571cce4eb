"""The state machine of an instance, on the virtual clock.

Pending -> Starting -> Running -> Stopping -> Stopped -> released; a reboot goes from Stopping back to Starting.
No transitional state is ever skipped: a duration of 0 passes through it in one instant. Every step is journaled and
published as `Instance:StateChange`. What is under way is data on the instance (`Task`), so that a world that is read
and put back continues where it was; a timer only says when to look.

Whether a step is allowed (locks, expiry, stock) is the caller's question; here a step in the wrong state is a no-op
that returns False.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cloudheal_sim.alibaba.ecs.model.durations import Durations
from cloudheal_sim.alibaba.ecs.model.instance import Goal, Lock, Status, StoppedMode, Task
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND
from cloudheal_sim.kernel.crashes import Crashes

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.ecs.model.fleet import Fleet
    from cloudheal_sim.alibaba.ecs.model.instance import Instance
    from cloudheal_sim.alibaba.events import Publish
    from cloudheal_sim.kernel.core import Kernel


class Witness(Protocol):
    """Who is told what became of an instance, at the instant it did."""

    def started(self, instance_id: str) -> None:
        """The instance has reached Running."""

    def released(self, instance_id: str) -> None:
        """The instance is gone."""


class Lifecycle:
    """Moves instances from state to state."""

    def __init__(self, kernel: Kernel, fleet: Fleet, publish: Publish) -> None:
        self._clock = kernel.clock
        self._journal = kernel.journal
        self._fleet = fleet
        self._publish = publish
        self.crashes = Crashes(kernel.clock, self.fall)
        self.durations = Durations()
        self.witnesses: list[Witness] = []

    def create(self, instance: Instance, *, start: bool) -> Instance:
        """Take a new instance in as Pending; it goes on to Running, or to Stopped."""
        self._fleet.add(instance)
        self._journal.change("instance.status", instance.id, None, Status.PENDING)
        self._announce(instance, Status.PENDING)
        self._await(instance, Goal.RUN if start else Goal.STOP, self.durations.pending)
        return instance

    def start(self, instance: Instance) -> bool:
        """Begin Stopped -> Starting -> Running."""
        if instance.status.value is not Status.STOPPED or instance.task is not None:
            return False
        self._boot(instance, Goal.RUN)
        return True

    def stop(self, instance: Instance, *, forced: bool = False, mode: StoppedMode = StoppedMode.KEEP_CHARGING) -> bool:
        """Begin Running -> Stopping -> Stopped; forced is pulling the plug."""
        seconds = self.durations.stopping_forced if forced else self.durations.stopping
        return self._shut_down(instance, Goal.STOP, seconds, mode)

    def reboot(self, instance: Instance, *, forced: bool = False) -> bool:
        """Begin Running -> Stopping -> Starting -> Running."""
        seconds = self.durations.stopping_forced if forced else self.durations.rebooting_stopping
        return self._shut_down(instance, Goal.REBOOT, seconds)

    def redeploy(self, instance: Instance, *, forced: bool = False) -> bool:
        """Begin the move to another host: a slow reboot when Running, a slow start when Stopped."""
        if instance.status.value is Status.STOPPED and instance.task is None:
            self._boot(instance, Goal.REDEPLOY)
            return True
        seconds = self.durations.stopping_forced if forced else self.durations.redeploying_stopping
        return self._shut_down(instance, Goal.REDEPLOY, seconds)

    def remove(self, instance: Instance, *, forced: bool = False) -> bool:
        """Begin the release of a Stopped or Running instance; a Running one is shut down first."""
        if instance.status.value is Status.STOPPED and instance.task is None:
            self._await(instance, Goal.RELEASE, self.durations.releasing)
            return True
        seconds = self.durations.stopping_forced if forced else self.durations.stopping
        return self._shut_down(instance, Goal.RELEASE, seconds)

    def fall(self, instance: Instance) -> bool:
        """Let a Running instance go down by itself, as after a crash or a shutdown from inside."""
        return self._shut_down(instance, Goal.STOP, self.durations.powering_off)

    def platform_reboot(self, id_: str) -> bool:
        """Reboot an instance as the platform does when it executes an event; False when it is not Running."""
        found = self._fleet.find(id_)
        return found is not None and self.reboot(found)

    def platform_stop(self, id_: str) -> bool:
        """Stop an instance as the platform does; False when it is not Running."""
        found = self._fleet.find(id_)
        return found is not None and self.stop(found)

    def platform_redeploy(self, id_: str) -> bool:
        """Move an instance to another host; False when it is on the way between states."""
        found = self._fleet.find(id_)
        return found is not None and self.redeploy(found)

    def release(self, id_: str) -> bool:
        """Release an instance in this very instant, through every state on the way; False when it is gone."""
        found = self._fleet.find(id_)
        if found is None:
            return False
        self.halt(found)
        if found.released is None:
            self._gone(found)
        return True

    def halt(self, instance: Instance, mode: StoppedMode = StoppedMode.KEEP_CHARGING) -> Instance:
        """Bring an instance to Stopped in this very instant, through every state on the way.

        A release that was asked for is not forgotten by that; a Stopped instance is left as it is.
        """
        if instance.status.value is Status.STOPPED:
            return instance
        leaving = instance.task is not None and instance.task.goal is Goal.RELEASE
        instance.task = None
        if instance.status.value is Status.PENDING:
            self._enter(instance, Status.STARTING)
        if instance.status.value in {Status.STARTING, Status.RUNNING}:
            self._end_run(instance)
            self._enter(instance, Status.STOPPING)
        instance.stopped_mode = mode
        self._enter(instance, Status.STOPPED)
        if leaving:
            self._await(instance, Goal.RELEASE, self.durations.releasing)
        return instance

    def lock(self, instance: Instance, lock: Lock) -> Instance:
        """Add a lock; locking twice is locking once."""
        return self._relock(instance, (*(one for one in instance.locks if one is not lock), lock))

    def unlock(self, instance: Instance, lock: Lock | None = None) -> Instance:
        """Take a lock off; None takes all of them."""
        return self._relock(instance, tuple(one for one in instance.locks if lock is not None and one is not lock))

    def resume(self) -> int:
        """Plan the timers of every transition and crash under way anew; return how many there are."""
        planned = 0
        for instance in self._fleet:
            if instance.task is not None:
                self._plan(instance, instance.task)
                planned += 1
            planned += self.crashes.resume(instance)
        return planned

    def _shut_down(
        self, instance: Instance, goal: Goal, seconds: float, mode: StoppedMode = StoppedMode.NOT_APPLICABLE
    ) -> bool:
        if instance.status.value is not Status.RUNNING:
            return False
        self._end_run(instance)
        instance.stopped_mode = mode
        self._enter(instance, Status.STOPPING)
        self._await(instance, goal, seconds)
        return True

    def _end_run(self, instance: Instance) -> None:
        """Forget what ends with a run: a planned crash, and a hang."""
        if instance.trouble is not None:
            instance.trouble.end_run(self._journal, instance.id)

    def _relock(self, instance: Instance, locks: tuple[Lock, ...]) -> Instance:
        if locks != instance.locks:
            self._journal.change("instance.locks", instance.id, list(instance.locks), list(locks))
            instance.locks = locks
        return instance

    def _boot(self, instance: Instance, goal: Goal) -> None:
        seconds = {
            Goal.REBOOT: self.durations.rebooting_starting,
            Goal.REDEPLOY: self.durations.redeploying_starting,
        }.get(goal, self.durations.starting)
        if instance.trouble is not None:
            seconds += instance.trouble.slow_boot
        instance.stopped_mode = StoppedMode.NOT_APPLICABLE
        self._enter(instance, Status.STARTING)
        self._await(instance, goal, seconds)

    def _arrive(self, instance: Instance, task: Task) -> None:
        """End the present transitional state, the task's time having come."""
        instance.task = None
        match instance.status.value, task.goal:
            case Status.PENDING, Goal.RUN:
                self._boot(instance, Goal.RUN)
            case Status.STARTING, _:
                self._booted(instance)
            case Status.STOPPING, Goal.REBOOT | Goal.REDEPLOY:
                self._boot(instance, task.goal)
            case Status.STOPPING, Goal.RELEASE:
                self._enter(instance, Status.STOPPED)
                self._await(instance, Goal.RELEASE, self.durations.releasing)
            case Status.STOPPED, Goal.RELEASE:
                self._gone(instance)
            case _:
                self._enter(instance, Status.STOPPED)

    def _booted(self, instance: Instance) -> None:
        if instance.trouble is not None and instance.trouble.spoils_start(self._journal, instance.id):
            instance.stopped_mode = StoppedMode.KEEP_CHARGING
            self._enter(instance, Status.STOPPED)
            return
        instance.started = self._clock.now()
        self._enter(instance, Status.RUNNING)
        self.crashes.arm(instance)
        for witness in self.witnesses:
            witness.started(instance.id)

    def _gone(self, instance: Instance) -> None:
        instance.task = None
        self._fleet.remove(instance, self._clock.now())
        self._journal.change("instance.status", instance.id, instance.status.value, None)
        self._announce(instance, "Deleted")
        for witness in self.witnesses:
            witness.released(instance.id)

    def _enter(self, instance: Instance, status: Status) -> None:
        before = instance.status.value
        instance.status.set(status, self._clock.now())
        if status is Status.STOPPED and instance.stopped_mode is StoppedMode.NOT_APPLICABLE:
            instance.stopped_mode = StoppedMode.KEEP_CHARGING
        self._journal.change("instance.status", instance.id, before, status)
        self._announce(instance, status)

    def _await(self, instance: Instance, goal: Goal, seconds: float) -> None:
        task = Task(goal, self._clock.now() + round(seconds * MILLIS_PER_SECOND))
        instance.task = task
        if task.due <= self._clock.now():
            self._arrive(instance, task)
        else:
            self._plan(instance, task)

    def _plan(self, instance: Instance, task: Task) -> None:
        self._clock.call_at(task.due, lambda: self._arrive(instance, task) if instance.task is task else None)

    def _announce(self, instance: Instance, state: str) -> None:
        content = {"resourceId": instance.id, "resourceType": "ALIYUN::ECS::Instance", "state": str(state)}
        self._publish(instance.notification("Instance:StateChange", "INFO", content, self._clock.now()))
