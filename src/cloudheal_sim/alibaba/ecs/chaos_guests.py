"""Chaos inside the guest: processes that die, memory that runs out, a disk that can only be read.

The platform sees nothing of it: the instance stays Running and no event is published.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudheal_sim.alibaba.ecs.chaos_instances import instance_named
from cloudheal_sim.alibaba.ecs.model.guests import running_names
from cloudheal_sim.kernel.chaos import ChaosError, NoOptions, options_of
from cloudheal_sim.kernel.world import Part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.alibaba.ecs.state import Ecs
    from cloudheal_sim.kernel.chaos import Chaos


class ProcessOptions(Part):
    """Which process."""

    process: str


class GuestChaos:
    """The deeds; `register` makes them known to the chaos of all clouds."""

    def __init__(self, ecs: Ecs) -> None:
        self._ecs = ecs

    def register(self, chaos: Chaos) -> Chaos:
        """Add every deed of this module."""
        chaos.register("process_die", self._ecs.fleet.__contains__, self.process_die)
        chaos.register("guest_reboot", self._ecs.fleet.__contains__, self.guest_reboot)
        chaos.register("out_of_memory", self._ecs.fleet.__contains__, self.out_of_memory)
        chaos.register("disk_read_only", self._ecs.fleet.__contains__, self.disk_read_only)
        return chaos

    def process_die(self, id_: str, options: Mapping[str, Any]) -> None:
        """End a process. Raises ChaosError when there is none of that name running."""
        asked = options_of(ProcessOptions, options)
        instance = instance_named(self._ecs, id_)
        guest = self._ecs.guests.of(instance)
        before, found = running_names(guest), guest.find(asked.process)
        if found is None or not found.running:
            raise ChaosError(f"process: {asked.process!r} does not run in {id_}; running are {', '.join(before)}")
        guest.end(found)
        self._ecs.guests.note(instance, before)

    def guest_reboot(self, id_: str, options: Mapping[str, Any]) -> None:
        """Restart the system from inside, as a user at its console would."""
        options_of(NoOptions, options)
        self._ecs.guests.reboot(instance_named(self._ecs, id_))

    def out_of_memory(self, id_: str, options: Mapping[str, Any]) -> None:
        """Leave no memory for new processes until the next boot."""
        self._break("out_of_memory", id_, options)

    def disk_read_only(self, id_: str, options: Mapping[str, Any]) -> None:
        """Let nothing be written to the disk until the next boot."""
        self._break("read_only", id_, options)

    def _break(self, what: str, id_: str, options: Mapping[str, Any]) -> None:
        options_of(NoOptions, options)
        guest = self._ecs.guests.of(instance_named(self._ecs, id_))
        if not getattr(guest, what):
            setattr(guest, what, True)
            self._ecs.kernel.journal.change(f"guest.{what}", id_, before=False, after=True)
