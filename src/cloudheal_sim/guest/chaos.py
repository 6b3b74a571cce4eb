"""Chaos inside the guest: processes that die, memory that runs out, a disk that can only be read.

The platform that keeps the servers sees nothing of it by itself; what a cloud tells of it is that cloud's matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from cloudheal_sim.guest.guests import running_names
from cloudheal_sim.guest.machine import M
from cloudheal_sim.kernel.chaos import ChaosError, NoOptions, options_of
from cloudheal_sim.kernel.world import Part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.guest.guests import Guests
    from cloudheal_sim.kernel.chaos import Chaos


class ProcessOptions(Part):
    """Which process."""

    process: str


class GuestChaos(Generic[M]):
    """The deeds; `register` makes them known to the chaos of all clouds."""

    def __init__(self, guests: Guests[M]) -> None:
        self._guests = guests

    def register(self, chaos: Chaos) -> Chaos:
        """Add every deed of this module."""
        chaos.register("process_die", self._guests.machines.__contains__, self.process_die)
        chaos.register("guest_reboot", self._guests.machines.__contains__, self.guest_reboot)
        chaos.register("out_of_memory", self._guests.machines.__contains__, self.out_of_memory)
        chaos.register("disk_read_only", self._guests.machines.__contains__, self.disk_read_only)
        return chaos

    def process_die(self, id_: str, options: Mapping[str, Any]) -> None:
        """End a process. Raises ChaosError when there is none of that name running."""
        asked = options_of(ProcessOptions, options)
        machine = self._named(id_)
        guest = self._guests.of(machine)
        before, found = running_names(guest), guest.find(asked.process)
        if found is None or not found.running:
            raise ChaosError(f"process: {asked.process!r} does not run in {id_}; running are {', '.join(before)}")
        guest.end(found)
        self._guests.note(machine, before)

    def guest_reboot(self, id_: str, options: Mapping[str, Any]) -> None:
        """Restart the system from inside, as a user at its console would."""
        options_of(NoOptions, options)
        self._guests.reboot(self._named(id_))

    def out_of_memory(self, id_: str, options: Mapping[str, Any]) -> None:
        """Leave no memory for new processes until the next boot."""
        self._break("out_of_memory", id_, options)

    def disk_read_only(self, id_: str, options: Mapping[str, Any]) -> None:
        """Let nothing be written to the disk until the next boot."""
        self._break("read_only", id_, options)

    def _break(self, what: str, id_: str, options: Mapping[str, Any]) -> None:
        options_of(NoOptions, options)
        guest = self._guests.of(self._named(id_))
        if not getattr(guest, what):
            setattr(guest, what, True)
            self._guests.kernel.journal.change(f"guest.{what}", id_, before=False, after=True)

    def _named(self, id_: str) -> M:
        """Return a server. Raises ChaosError when it was released, be it by the deed before this one."""
        found = self._guests.machines.find(id_)
        if found is None:
            raise ChaosError(f"instances: no instance {id_!r} in this world")
        return found
