"""The guests of all servers: made when first looked into, booted with their server, or on their own from inside.

A reboot from inside leaves the server running all the while and tells the platform nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic

from pydantic import ConfigDict

from cloudheal_sim.guest.command_line import Inside
from cloudheal_sim.guest.guest import Guest, Situation, boot_id, fresh_guest
from cloudheal_sim.guest.machine import M
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND
from cloudheal_sim.kernel.world import Part, Seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudheal_sim.guest.machine import Machines
    from cloudheal_sim.kernel.core import Kernel


@dataclass(frozen=True, slots=True)
class Seen:
    """What is seen of a guest from outside at one instant: which processes run, and what is wrong."""

    processes: tuple[str, ...]
    situations: frozenset[Situation]


class GuestDurations(Part):
    """Seconds that the inside of a server takes, by feel."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shutdown: Seconds = 1.0
    """From a reboot command inside until the system is down."""
    boot: Seconds = 15.0
    """From there until it is up again."""
    agent_start: Seconds = 5.0
    """From the system being up until the agent that takes commands answers."""


class Guests(Generic[M]):
    """Every guest of one account; `fall` takes a server down as a shutdown from inside does."""

    def __init__(self, kernel: Kernel, machines: Machines[M], fall: Callable[[M], object]) -> None:
        self.kernel = kernel
        self.machines = machines
        self._fall = fall
        self.durations = GuestDurations()
        self.booted: list[Callable[[M], object]] = []
        """Called when a guest has come up."""
        self.gone: list[Callable[[str], object]] = []
        """Called with the server's id when it is released."""
        self.changed: list[Callable[[str], object]] = []
        """Called with the server's id when its guest may serve more or less than before."""
        self.situations: list[Callable[[M, Situation, bool], object]] = []
        """Called when something inside begins to be wrong, or ends to be; what only happens begins and never ends."""

    def of(self, machine: M) -> Guest:
        """Return a server's guest, made now if nobody has looked inside before."""
        if machine.guest is None:
            machine.guest = fresh_guest(machine.created if machine.started is None else machine.started)
        return machine.guest

    def inside(self, machine: M, environment: Mapping[str, str]) -> Inside:
        """Return what a command meets inside a server now."""
        return Inside(
            guest=self.of(machine),
            machine_id=machine.id,
            host_name=machine.host_name or machine.id,
            now=self.kernel.clock.now(),
            reboot=lambda: self.reboot(machine),
            power_off=lambda: self._fall(machine),
            environment=environment,
        )

    def agent_ready(self, machine: M) -> int | None:
        """Return since or from when the agent answers; None while nobody can say."""
        guest = machine.guest
        silent = machine.agent_offline or machine.hung
        if not machine.running or silent or (guest is not None and guest.down):
            return None
        up = machine.started if guest is None else guest.booted
        return (machine.created if up is None else up) + _millis(self.durations.agent_start)

    def reboot(self, machine: M) -> Guest:
        """Restart the system from inside; the server stays up."""
        guest = self.of(machine)
        if guest.turn_due is None:
            guest.turn_due = self.kernel.clock.now() + _millis(self.durations.shutdown)
            self._plan(machine, guest)
        return guest

    def started(self, machine_id: str) -> None:
        """The server has come up."""
        machine = self.machines.find(machine_id)
        if machine is None:
            return
        if machine.guest is not None:
            self._boot(machine, machine.guest)
        for hear in self.booted:
            hear(machine)

    def released(self, machine_id: str) -> None:
        """The server is gone, and all that was inside."""
        for hear in self.gone:
            hear(machine_id)

    def resume(self) -> int:
        """Plan the timers of every reboot from inside anew; return how many there are."""
        found = [(one, one.guest) for one in self.machines]
        turning = [(one, guest) for one, guest in found if guest is not None and guest.turn_due is not None]
        for machine, guest in turning:
            self._plan(machine, guest)
        return len(turning)

    def look(self, machine: M) -> Seen:
        """Look at a guest, so that `note` can say later what has changed."""
        guest = self.of(machine)
        return Seen(tuple(sorted(one.name for one in guest.alive())), guest.situations())

    def note(self, machine: M, before: Seen) -> Seen:
        """Journal what has changed inside since a look; tell who wants to know."""
        after = self.look(machine)
        if after.processes != before.processes:
            self.kernel.journal.change("guest.processes", machine.id, list(before.processes), list(after.processes))
            self.tell(machine.id)
        for situation in sorted(after.situations ^ before.situations):
            begun = situation in after.situations
            self.kernel.journal.change(f"guest.{situation}", machine.id, before=not begun, after=begun)
            self._situation(machine, situation, begun=begun)
        return after

    def happened(self, machine: M, situation: Situation) -> None:
        """Tell who wants to know of something that only happens."""
        self.kernel.journal.change(f"guest.{situation}", machine.id, None, self.kernel.clock.now())
        self._situation(machine, situation, begun=True)

    def _situation(self, machine: M, situation: Situation, *, begun: bool) -> None:
        for hear in self.situations:
            hear(machine, situation, begun)

    def tell(self, machine_id: str) -> None:
        """Tell who wants to know that a guest may serve more or less than before."""
        for hear in self.changed:
            hear(machine_id)

    def _plan(self, machine: M, guest: Guest) -> None:
        due = guest.turn_due
        if due is not None:
            self.kernel.clock.call_at(due, lambda: self._turn(machine, guest) if guest.turn_due == due else None)

    def _turn(self, machine: M, guest: Guest) -> None:
        if not machine.running:
            guest.turn_due = None
        elif not guest.down:
            self.happened(machine, Situation.REBOOT)
            guest.halt(self.kernel.clock.now() + _millis(self.durations.boot))
            self.kernel.journal.change("guest.up", machine.id, before=True, after=False)
            self.tell(machine.id)
            self._plan(machine, guest)
        else:
            self._boot(machine, guest)
            self.kernel.journal.change("guest.up", machine.id, before=False, after=True)
            for hear in self.booted:
                hear(machine)

    def _boot(self, machine: M, guest: Guest) -> None:
        before, wrong = boot_id(machine.id, guest.booted), self.look(machine).situations
        guest.boot(self.kernel.clock.now())
        self.kernel.journal.change("guest.boot", machine.id, before, boot_id(machine.id, guest.booted))
        self.tell(machine.id)
        self.note(machine, replace(self.look(machine), situations=wrong))


def _millis(seconds: float) -> int:
    return round(seconds * MILLIS_PER_SECOND)
