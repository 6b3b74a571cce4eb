"""Simulated events of a fake cloud: they look like real ones, run their course on its clock, and touch no server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.model.drill import MOST_SCHEDULED, PLANNED, Chunk
from cloudheal.model.event import DRY_RUN
from cloudheal.model.resource import ResourceId
from cloudheal.model.system_event import FINAL, Cycle, SystemEvent
from cloudheal.testing.messages import message

if TYPE_CHECKING:
    from cloudheal.testing.cloud import FakeCloud

#: Servers in one call.
MOST_IDS = 100


class FakeDrills:
    """The simulated events of one region; `fired` are the test messages that were sent."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud
        self.fired: list[bytes] = []

    def create(self, region: str, type_: str, not_before: datetime, servers: Sequence[str]) -> Iterator[Chunk]:
        """Ask for one event for each server, by the hundred, up to the first call that fails."""
        if not_before <= self._cloud.clock.now():
            raise CloudPermanentError(f"{not_before} has passed", vendor_code="InvalidNotBefore.Passed")
        if len(servers) > MOST_SCHEDULED:
            raise CloudPermanentError("too many simulated events", vendor_code="SimulatedEventLimitExceeded")
        return self._chunks(region, type_, not_before, servers)

    def cancel(self, region: str, ids: Sequence[str]) -> Mapping[str, str]:
        """Take events back; returns the code for each that could not be."""
        refused = {}
        for id_ in ids:
            try:
                self._cloud.line.call("cancel_drills", partial(self._cancelled, region, id_))
            except CloudPermanentError as problem:
                refused[id_] = problem.vendor_code
        return refused

    def simulated(self, region: str) -> Sequence[SystemEvent]:
        """List the simulated events of the region that are not over."""
        open_ones = [
            one for one in self._cloud.maintenance.events().values() if one.simulated and one.status not in FINAL
        ]
        return self._cloud.line.call("simulated", lambda: open_ones if region == self._cloud.region else [])[0]

    def events(self, region: str, ids: Sequence[str]) -> Mapping[str, SystemEvent]:
        """Read events by id."""
        return self._cloud.maintenance.system_events(region, ids)

    def fire(self, resource: ResourceId, name: str, content: Mapping[str, Any], token: str) -> str:  # noqa: ARG002
        """Send one test message, which then stands in `fired`."""
        sent = message(resource, name, {**content, **DRY_RUN}, self._cloud.clock.now())
        return self._cloud.line.call("fire", lambda: self.fired.append(sent))[1]

    def _chunks(self, region: str, type_: str, not_before: datetime, servers: Sequence[str]) -> Iterator[Chunk]:
        for start in range(0, len(servers), MOST_IDS):
            part = tuple(servers[start : start + MOST_IDS])
            try:
                made = partial(self._made, region, type_, not_before, part)
                yield Chunk(part, self._cloud.line.call("create_drills", made)[0])
            except (CloudTransientError, CloudPermanentError) as problem:
                lost = isinstance(problem, CloudTransientError) and not problem.refused
                yield Chunk(part, {}, problem.vendor_code, lost=lost)
                return

    def _made(self, region: str, type_: str, not_before: datetime, servers: Sequence[str]) -> Mapping[str, str]:
        if region != self._cloud.region or any(self._cloud.now(one) is None for one in servers):
            raise CloudPermanentError("no such server", vendor_code="InvalidInstanceId.NotFound")
        waiting = sum(one.status == Cycle.SCHEDULED for one in self.simulated(region))
        if type_ in PLANNED and waiting + len(servers) > MOST_SCHEDULED:
            raise CloudPermanentError("too many simulated events", vendor_code="SimulatedEventLimitExceeded")
        return {one: self._begun(self._cloud.id_of(one), type_, not_before) for one in servers}

    def _begun(self, server: ResourceId, type_: str, not_before: datetime) -> str:
        within, first = not_before - self._cloud.clock.now(), type_ in PLANNED
        status = Cycle.SCHEDULED if first else Cycle.EXECUTING
        name = type_.removeprefix("Instance:")
        self._cloud.maintenance.announces(server, name, within=within, status=status.value, simulated=True)
        id_ = self._cloud.maintenance.announced(server)[-1]
        if not first:
            self._cloud.clock.plan(within, partial(self._executed, id_))
        return id_

    def _executed(self, id_: str) -> None:
        if self._cloud.maintenance.events()[id_].status == Cycle.EXECUTING:
            self._cloud.maintenance.moves(id_, Cycle.EXECUTED.value)

    def _cancelled(self, region: str, id_: str) -> None:
        event = self._cloud.maintenance.events().get(id_) if region == self._cloud.region else None
        if event is None or event.status in FINAL:
            raise CloudPermanentError(f"no event {id_}", vendor_code="InvalidEventId.NotFound")
        if not event.simulated:
            raise CloudPermanentError(f"{id_} is real", vendor_code="CannotCancelSystemEvent.NotSimulated")
        self._cloud.maintenance.moves(id_, Cycle.CANCELED.value)
