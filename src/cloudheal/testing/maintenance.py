"""What a fake cloud plans for its servers, and what it does to them by itself: system events, and how they go on.

Messages about them are returned, never sent: who writes a test says what arrives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from cloudheal.errors import CloudPermanentError
from cloudheal.model.inventory import RUNNING
from cloudheal.model.resource import ResourceId
from cloudheal.model.system_event import FINAL, Consent, Cycle, SystemEvent
from cloudheal.testing.faults import in_time
from cloudheal.testing.messages import message

if TYPE_CHECKING:
    from cloudheal.testing.cloud import FakeCloud


class FakeMaintenance:
    """The system events of one region."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud
        self._announced: dict[str, SystemEvent] = {}
        self._unwell: dict[str, str] = {}
        #: The server that the disk of an event is attached to.
        self._attached: dict[str, ResourceId] = {}
        #: From a reboot until the event that it answers is avoided; None: no event is answered.
        self.avoiding: timedelta | None = timedelta(seconds=5)
        #: Whether a repair begins when it is authorised; if not, the cloud accepts that and does nothing.
        self.repairs = True

    def fails(
        self,
        server: ResourceId,
        type_: str = "SystemFailure.Reboot",
        *,
        down: timedelta = timedelta(minutes=2),
        simulated: bool = False,
    ) -> bytes:
        """Let a server's host fail, with a restart by the cloud after so long; returns the message about it.

        A simulated failure touches nothing.
        """
        now, id_ = self._cloud.clock.now(), f"e-{server.id}-{len(self._announced) + 1}"
        event = SystemEvent(id_, f"Instance:{type_}", server, Cycle.EXECUTING.value, published=now, disk="")
        self._announced[id_] = replace(event, simulated=simulated)
        if simulated:
            return self.bulletin(id_)
        self._cloud.restarts(server.id)
        self._cloud.clock.plan(down, lambda: self._mended(server, id_))
        return self.bulletin(id_)

    def announces(
        self,
        server: ResourceId,
        type_: str = "SystemMaintenance.Reboot",
        *,
        within: timedelta = timedelta(hours=24),
        status: str = Cycle.SCHEDULED.value,
        simulated: bool = False,
    ) -> bytes:
        """Announce maintenance of a server that the cloud does by itself after so long; returns the message about it.

        A reboot that its owner asks for answers an announced reboot within seconds. A simulated event touches nothing.
        """
        now, id_ = self._cloud.clock.now(), f"e-{server.id}-{len(self._announced) + 1}"
        event = SystemEvent(id_, f"Instance:{type_}", server, status, now, now + within, simulated=simulated)
        self._announced[id_] = event
        self._cloud.clock.plan(within, lambda: self._maintained(id_))
        return self.bulletin(id_)

    def plans_repair(
        self,
        server: ResourceId,
        kind: str = "InstanceRunningRisks",
        *,
        within: timedelta = timedelta(hours=48),
        consent: Consent = Consent.OPEN,
    ) -> bytes:
        """Plan a repair of a server that its owner may authorise; returns the message about it.

        It takes the server down and up again; without a word of the owner the cloud begins after so long.
        """
        now, id_ = self._cloud.clock.now(), f"rep-{server.id}-{len(self._announced) + 1}"
        type_ = f"cvm:ErrorEvent:{kind}"
        event = SystemEvent(id_, type_, server, Cycle.SCHEDULED.value, now, now + within, consent=consent)
        self._announced[id_] = event
        self._cloud.clock.plan(within, lambda: self._maintained(id_))
        return self.bulletin(id_)

    def disk_fails(self, server: ResourceId, type_: str = "Stalled", *, disk: str = "d-data") -> bytes:
        """Let a disk of a server hang (or break: `ErrorDetected`) until it `moves`; returns the message about it."""
        now, id_ = self._cloud.clock.now(), f"e-{disk}-{len(self._announced) + 1}"
        resource = replace(server, kind="disk", id=disk)
        event = SystemEvent(id_, f"Disk:{type_}", resource, Cycle.EXECUTING.value, published=now, disk=disk)
        self._announced[id_], self._attached[id_] = event, server
        return self.bulletin(id_)

    def moves(self, id_: str, status: str) -> bytes:
        """Let a system event take a status; returns the message about it."""
        over = self._cloud.clock.now() if status in FINAL else None
        event = self._announced[id_]
        consent = event.consent if status == event.status else Consent.NONE
        self._announced[id_] = replace(event, status=status, finished=over, consent=consent)
        return self.bulletin(id_)

    def tells(self, id_: str, **changes: Any) -> None:
        """Let the cloud show other facts of an event from now on, such as that it is simulated."""
        self._announced[id_] = replace(self._announced[id_], **changes)

    def bulletin(self, id_: str) -> bytes:
        """Return the message about a system event as it is now."""
        event = self._announced[id_]
        type_ = event.type.partition(":")[2]
        content: dict[str, str] = {"eventId": id_, "eventType": type_, "eventStatus": event.status}
        if id_ in self._attached:  # the server has another name in what befalls a disk
            content |= {"diskId": event.disk, "ecsInstanceId": self._attached[id_].id}
        else:
            content["instanceId"] = event.resource.id
        if event.not_before is not None and type_.startswith(("SystemMaintenance.", "ErrorEvent:")):
            content["notBefore"] = event.not_before.strftime("%Y-%m-%dT%H:%M:%SZ")
        return message(event.resource, f"{event.type}:{event.status}", content, self._cloud.clock.now(), event.status)

    def announced(self, server: ResourceId) -> list[str]:
        """Return the ids of the system events about a server, in order."""
        return [one.id for one in self._announced.values() if one.resource == server]

    def events(self) -> Mapping[str, SystemEvent]:
        """Return every system event that there was, by id."""
        return dict(self._announced)

    def is_unwell(self, server: ResourceId, health: str) -> None:
        """Let the cloud show another health for a server than Ok."""
        self._unwell[server.id] = health

    def system_events(self, region: str, ids: Sequence[str]) -> Mapping[str, SystemEvent]:
        """Read system events by id; one that was never announced is absent."""
        found = {one: self._announced[one] for one in ids if region == self._cloud.region and one in self._announced}
        return self._cloud.line.call("system_events", lambda: found)[0]

    def disk_events(self, region: str, ids: Sequence[str]) -> Mapping[str, SystemEvent]:
        """Read what befalls disks by id; what is over is absent."""
        known = {one: self._announced[one] for one in ids if one in self._attached and region == self._cloud.region}
        found = {id_: event for id_, event in known.items() if event.status not in FINAL}
        return self._cloud.line.call("disk_events", lambda: found)[0]

    def health(self, region: str, ids: Sequence[str]) -> Mapping[str, str]:
        """Return the health of servers; one that does not exist is absent."""
        there = [one for one in ids if region == self._cloud.region and self._cloud.now(one)]
        found = {one: self._unwell.get(one, "Ok") for one in there}
        return self._cloud.line.call("health", lambda: found)[0]

    def authorise(self, region: str, server: str, id_: str, seconds: float) -> str:
        """Let a repair that waits begin now."""
        in_time(seconds)
        return self._cloud.line.call("authorise", lambda: self._authorised(region, server, id_))[1]

    def _authorised(self, region: str, server: str, id_: str) -> None:
        event = self._announced.get(id_) if region == self._cloud.region else None
        waits = event is not None and event.resource.id == server and event.consent not in {"", Consent.GIVEN}
        if not waits:
            raise CloudPermanentError(f"{id_} does not wait", vendor_code="InvalidParameter")
        self._cloud.actions.append(f"authorise {id_}")
        if self.repairs:
            self._maintained(id_)

    def answered_by_reboot(self, id_: str) -> None:
        """Let what a reboot of a server answers be avoided in a while."""
        for event in self._announced.values():
            fits = event.type == "Instance:SystemMaintenance.Reboot" and event.status == Cycle.SCHEDULED
            if fits and event.resource.id == id_ and self.avoiding is not None:
                self._cloud.clock.plan(self.avoiding, partial(self._avoided, event.id))

    def _avoided(self, id_: str) -> None:
        if self._announced[id_].status == Cycle.SCHEDULED:
            self.moves(id_, Cycle.AVOIDED.value)

    def _maintained(self, id_: str) -> None:
        """Do by itself what was announced and nobody answered."""
        event = self._announced[id_]
        if event.status != Cycle.SCHEDULED:
            return
        self.moves(id_, Cycle.EXECUTING.value)
        server = self._cloud.now(event.resource.id)
        if server is not None and server.state == RUNNING and not event.simulated:
            self._cloud.restarts(server.id.id)
        self._cloud.clock.plan(self._cloud.boot, lambda: self._mended(event.resource, id_))

    def _mended(self, server: ResourceId, event: str) -> None:
        now = self._cloud.clock.now()
        self._announced[event] = replace(self._announced[event], status=Cycle.EXECUTED.value, finished=now)
        self._cloud.has_booted(server.id)
