"""Chaos that shows as system events: hosts, guests and disks that fail, and maintenance that is announced.

These events are real: what they say is done to the instance. A deed on an instance id that is about a disk means its
system disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import AwareDatetime, Field, field_validator

from cloudheal_sim.alibaba.ecs.model.event_book import Announcement
from cloudheal_sim.alibaba.ecs.model.event_types import EVENT_TYPES, Cycle, EventType
from cloudheal_sim.alibaba.ecs.model.maintenance import DEFAULT, FAILURE_OF
from cloudheal_sim.alibaba.ecs.model.system_event import FAILURE_REASON, REAL_REASON
from cloudheal_sim.alibaba.events import MAINTENANCE
from cloudheal_sim.kernel.chaos import ChaosError, NoOptions, named, options_of
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND, to_millis
from cloudheal_sim.kernel.world import Part, Seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.alibaba.ecs.model.disk import Disk
    from cloudheal_sim.alibaba.ecs.model.instance import Instance
    from cloudheal_sim.alibaba.ecs.state import Ecs
    from cloudheal_sim.kernel.chaos import Chaos


class MaintenanceOptions(Part):
    """An announced event: of what type, for when, beginning in which state."""

    type: str = "SystemMaintenance.Reboot"
    not_before: AwareDatetime | None = None
    in_seconds: Seconds | None = Field(None, description="instead of not_before: from now")
    status: Cycle | None = None
    reason: str = ""

    @field_validator("type")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in EVENT_TYPES or EVENT_TYPES[name].of_disk:
            known = ", ".join(name for name, one in EVENT_TYPES.items() if not one.of_disk)
            raise ValueError(f"no type of instance event {name!r}; known are {known}")
        return name


class DiskOptions(Part):
    """A disk in trouble: for how long; without a duration until the world is replaced."""

    seconds: Seconds | None = 120.0


class EventChaos:
    """The deeds; `register` makes them known to the chaos of all clouds."""

    def __init__(self, ecs: Ecs) -> None:
        self._ecs = ecs

    def register(self, chaos: Chaos) -> Chaos:
        """Add every deed of this module."""
        chaos.register("maintenance_event", self._ecs.fleet.__contains__, self.maintenance_event)
        chaos.register("system_failure", self._ecs.fleet.__contains__, self.system_failure)
        chaos.register("instance_failure", self._ecs.fleet.__contains__, self.instance_failure)
        chaos.register("disk_stalled", self._has_disk, lambda id_, options: self._disk(id_, "Stalled", options))
        chaos.register("disk_error", self._has_disk, lambda id_, options: self._disk(id_, "ErrorDetected", options))
        return chaos

    def maintenance_event(self, id_: str, options: Mapping[str, Any]) -> None:
        """Announce an event as the platform does. Raises ChaosError."""
        asked = options_of(MaintenanceOptions, options)
        type_, instance = EVENT_TYPES[asked.type], named(self._ecs.fleet, id_)
        status = asked.status or type_.first
        if status not in type_.states:
            raise ChaosError(f"status: {type_.name} is never {status}; its states are {', '.join(type_.states)}")
        reason = REAL_REASON if type_.kind == MAINTENANCE else FAILURE_REASON
        self._ecs.events.announce(
            instance,
            Announcement(type_, status, self._not_before(asked, type_, instance), reason=asked.reason or reason),
        )

    def system_failure(self, id_: str, options: Mapping[str, Any]) -> None:
        """Fail the instance's host: what becomes of the instance is what its owner wished. Raises ChaosError."""
        options_of(NoOptions, options)
        instance = named(self._ecs.fleet, id_)
        type_ = EVENT_TYPES[FAILURE_OF[(instance.maintenance or DEFAULT).action]]
        self._ecs.events.announce(instance, Announcement(type_, Cycle.EXECUTING, reason=FAILURE_REASON))

    def instance_failure(self, id_: str, options: Mapping[str, Any]) -> None:
        """Crash the guest; the platform restarts the instance. Raises ChaosError."""
        options_of(NoOptions, options)
        type_ = EVENT_TYPES["InstanceFailure.Reboot"]
        self._ecs.events.announce(
            named(self._ecs.fleet, id_), Announcement(type_, Cycle.EXECUTING, reason=FAILURE_REASON)
        )

    def _disk(self, id_: str, type_name: str, options: Mapping[str, Any]) -> None:
        asked, disk = options_of(DiskOptions, options), self._disk_of(id_)
        event = self._ecs.events.announce(
            named(self._ecs.fleet, disk.instance),
            Announcement(
                EVENT_TYPES[type_name], Cycle.EXECUTING, disk=disk.id, device=disk.device, reason=FAILURE_REASON
            ),
        )
        if asked.seconds is not None:
            due = self._ecs.kernel.clock.now() + round(asked.seconds * MILLIS_PER_SECOND)
            self._ecs.events.finish_later(event, due)

    def _not_before(self, asked: MaintenanceOptions, type_: EventType, instance: Instance) -> int | None:
        """Return when: as asked, else after the usual notice, in the owner's window where there is one."""
        now = self._ecs.kernel.clock.now()
        if asked.not_before is not None:
            return to_millis(asked.not_before)
        if asked.in_seconds is not None:
            return now + round(asked.in_seconds * MILLIS_PER_SECOND)
        if type_.kind != MAINTENANCE:
            return None
        noticed = now + round(self._ecs.events.durations.notice * MILLIS_PER_SECOND)
        window = None if instance.maintenance is None else instance.maintenance.window
        return noticed if window is None else window.next_start(noticed)

    def _has_disk(self, id_: str) -> bool:
        return id_ in self._ecs.fleet or self._ecs.storage.disks.find(id_) is not None

    def _disk_of(self, id_: str) -> Disk:
        found = self._ecs.storage.disks.find(id_) or next(iter(self._ecs.storage.disks.of(id_)), None)
        if found is None or not found.instance:
            raise ChaosError(f"instances: {id_!r} is no attached disk and has none")
        return found
