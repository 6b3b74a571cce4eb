"""The guests of all instances: made when first looked into, booted with their instance, or on their own from inside.

A reboot from inside leaves the instance Running all the while and tells the platform nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ConfigDict

from cloudheal_sim.alibaba.ecs.model.command_line import Inside
from cloudheal_sim.alibaba.ecs.model.durations import Seconds
from cloudheal_sim.alibaba.ecs.model.guest import Guest, boot_id, fresh_guest
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND
from cloudheal_sim.kernel.world import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudheal_sim.alibaba.ecs.model.fleet import Fleet
    from cloudheal_sim.alibaba.ecs.model.instance import Instance
    from cloudheal_sim.alibaba.ecs.model.lifecycle import Lifecycle
    from cloudheal_sim.kernel.core import Kernel


class GuestDurations(Part):
    """Seconds that the inside of an instance takes, by feel."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shutdown: Seconds = 1.0
    """From a reboot command inside until the system is down."""
    boot: Seconds = 15.0
    """From there until it is up again."""
    agent_start: Seconds = 5.0
    """From the system being up until the Cloud Assistant agent answers."""


class Guests:
    """Every guest of one account."""

    def __init__(self, kernel: Kernel, fleet: Fleet, lifecycle: Lifecycle) -> None:
        self._kernel = kernel
        self._fleet = fleet
        self._lifecycle = lifecycle
        self.durations = GuestDurations()
        self.booted: list[Callable[[Instance], object]] = []
        """Called when a guest has come up."""
        self.gone: list[Callable[[str], object]] = []
        """Called with the instance's id when it is released."""
        self.changed: list[Callable[[str], object]] = []
        """Called with the instance's id when its guest may serve more or less than before."""

    def of(self, instance: Instance) -> Guest:
        """Return an instance's guest, made now if nobody has looked inside before."""
        if instance.guest is None:
            instance.guest = fresh_guest(instance.created if instance.started is None else instance.started)
        return instance.guest

    def inside(self, instance: Instance, environment: Mapping[str, str]) -> Inside:
        """Return what a command meets inside an instance now."""
        return Inside(
            guest=self.of(instance),
            instance_id=instance.id,
            host_name=instance.host_name or instance.id,
            now=self._kernel.clock.now(),
            reboot=lambda: self.reboot(instance),
            power_off=lambda: self._lifecycle.fall(instance),
            environment=environment,
        )

    def agent_ready(self, instance: Instance) -> int | None:
        """Return since or from when the Cloud Assistant agent answers; None while nobody can say."""
        guest, trouble = instance.guest, instance.trouble
        silent = trouble is not None and (trouble.agent_offline or trouble.hung)
        if not instance.running or silent or (guest is not None and guest.down):
            return None
        up = instance.started if guest is None else guest.booted
        return (instance.created if up is None else up) + self._millis(self.durations.agent_start)

    def reboot(self, instance: Instance) -> Guest:
        """Restart the system from inside; the instance stays Running."""
        guest = self.of(instance)
        if guest.turn_due is None:
            guest.turn_due = self._kernel.clock.now() + self._millis(self.durations.shutdown)
            self._plan(instance, guest)
        return guest

    def started(self, instance_id: str) -> None:
        """The instance has reached Running."""
        instance = self._fleet.find(instance_id)
        if instance is None:
            return
        if instance.guest is not None:
            self._boot(instance, instance.guest)
        for hear in self.booted:
            hear(instance)

    def released(self, instance_id: str) -> None:
        """The instance is gone, and all that was inside."""
        for hear in self.gone:
            hear(instance_id)

    def resume(self) -> int:
        """Plan the timers of every reboot from inside anew; return how many there are."""
        turning = [(one, one.guest) for one in self._fleet if one.guest is not None and one.guest.turn_due is not None]
        for instance, guest in turning:
            self._plan(instance, guest)
        return len(turning)

    def note(self, instance: Instance, before: list[str]) -> list[str]:
        """Journal which processes run now, if that is not what it was; tell who wants to know."""
        after = running_names(self.of(instance))
        if after != before:
            self._kernel.journal.change("guest.processes", instance.id, before, after)
            self.tell(instance.id)
        return after

    def tell(self, instance_id: str) -> None:
        """Tell who wants to know that a guest may serve more or less than before."""
        for hear in self.changed:
            hear(instance_id)

    def _plan(self, instance: Instance, guest: Guest) -> None:
        due = guest.turn_due
        if due is not None:
            self._kernel.clock.call_at(due, lambda: self._turn(instance, guest) if guest.turn_due == due else None)

    def _turn(self, instance: Instance, guest: Guest) -> None:
        if not instance.running:
            guest.turn_due = None
        elif not guest.down:
            guest.halt(self._kernel.clock.now() + self._millis(self.durations.boot))
            self._kernel.journal.change("guest.up", instance.id, before=True, after=False)
            self.tell(instance.id)
            self._plan(instance, guest)
        else:
            self._boot(instance, guest)
            self._kernel.journal.change("guest.up", instance.id, before=False, after=True)
            for hear in self.booted:
                hear(instance)

    def _boot(self, instance: Instance, guest: Guest) -> None:
        before = boot_id(instance.id, guest.booted)
        guest.boot(self._kernel.clock.now())
        self._kernel.journal.change("guest.boot", instance.id, before, boot_id(instance.id, guest.booted))
        self.tell(instance.id)

    @staticmethod
    def _millis(seconds: float) -> int:
        return round(seconds * MILLIS_PER_SECOND)


def running_names(guest: Guest) -> list[str]:
    """Return the names of the running processes, sorted."""
    return sorted(one.name for one in guest.alive())
