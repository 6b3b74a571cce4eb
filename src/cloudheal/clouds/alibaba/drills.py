"""Simulated system events of Alibaba Cloud, and test messages that take the way of real ones.

CreateSimulatedSystemEvents makes one event for each server, CancelSimulatedSystemEvents takes them back, all or none in
a call, SendDryRunSystemEvent sends a message through the account's rules. `TriggerRealOps`, which would let the cloud
really stop or release servers, is never sent.

A call that was put off is made again, because nothing came of it. One whose answer was lost is not: the events may be
there, and whoever asked looks for them in the list.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from cloudheal.clouds.alibaba.client import CMS, ECS, Client
from cloudheal.clouds.alibaba.samples import TEST_MARKS, envelope_of
from cloudheal.clouds.alibaba.system_events import AlibabaSystemEvents, numbered
from cloudheal.clouds.announcements import PAUSES
from cloudheal.clouds.moments import stamp
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.model.drill import MOST_SCHEDULED, Chunk
from cloudheal.model.resource import ResourceId
from cloudheal.model.system_event import Cycle, SystemEvent

#: RAM actions, for the printed least-privilege policy: for drills, and for test messages.
DRILLS = (
    "ecs:CreateSimulatedSystemEvents",
    "ecs:CancelSimulatedSystemEvents",
    "ecs:DescribeInstanceHistoryEvents",
)
FIRES = "cms:SendDryRunSystemEvent"
CALL_SECONDS = 10.0
#: The API's own limit of ids in one call.
MOST_IDS = 100
_CREATE, _CANCEL, _FIRE = "CreateSimulatedSystemEvents", "CancelSimulatedSystemEvents", "SendDryRunSystemEvent"


class AlibabaDrills:
    """The simulated events of one Alibaba Cloud account."""

    def __init__(
        self,
        client: Client,
        events: AlibabaSystemEvents,
        now: Callable[[], datetime],
        pause: Callable[[float], object],
    ) -> None:
        """`pause` waits in real time before a call that was put off is made again."""
        self._client = client
        self._events = events
        self._now = now
        self._pause = pause

    def create(self, region: str, type_: str, not_before: datetime, servers: Sequence[str]) -> Iterator[Chunk]:
        """Ask for one event for each server, by the hundred, up to the first call that fails. Raises Cloud*Error."""
        if not_before <= self._now():
            raise CloudPermanentError(f"{stamp(not_before)} has passed", vendor_code="InvalidNotBefore.Passed")
        if len(servers) > MOST_SCHEDULED:
            message = f"{len(servers)} simulated events are more than the {MOST_SCHEDULED} that an account may have"
            raise CloudPermanentError(message, vendor_code="SimulatedEventLimitExceeded")
        query = {"EventType": type_.removeprefix("Instance:"), "NotBefore": stamp(not_before)}
        return self._chunks(region, query, servers)

    def cancel(self, region: str, ids: Sequence[str]) -> Mapping[str, str]:
        """Take events back; returns the vendor's code for each that could not be. Raises CloudTransientError."""
        refused: dict[str, str] = {}
        for part in _parts(ids):
            try:
                self._cancel(region, part)
            except CloudPermanentError:
                # All or none: which of them it is about is not told, so each is asked for alone.
                refused |= self._cancel_singly(region, part)
        return refused

    def simulated(self, region: str) -> Sequence[SystemEvent]:
        """List the simulated events of a region that are not over. Raises Cloud*Error."""
        going_on = self._events.listed(region, (Cycle.SCHEDULED, Cycle.EXECUTING))
        return [one for one in going_on if one.simulated]

    def events(self, region: str, ids: Sequence[str]) -> Mapping[str, SystemEvent]:
        """Read events by id; one that the cloud does not show is absent. Raises Cloud*Error."""
        return self._events.system_events(region, ids)

    def fire(self, resource: ResourceId, name: str, content: Mapping[str, Any], token: str) -> str:
        """Send one test message through the account's rules; returns the request id. Raises Cloud*Error."""
        document = envelope_of(resource, name, {**content, **TEST_MARKS}, token, self._now())
        query = {"Product": "ECS", "EventName": name, "EventContent": json.dumps(document, ensure_ascii=False)}
        reply = self._client.call(CMS, _FIRE, resource.region, query, CALL_SECONDS)
        if str(reply.get("Success", "true")).lower() == "false":
            code, request = str(reply.get("Code", "")), str(reply.get("RequestId", ""))
            raise CloudPermanentError(f"{_FIRE} was refused: {code}", vendor_code=code, request_id=request)
        return str(reply.get("RequestId", ""))

    def _chunks(self, region: str, query: Mapping[str, str], servers: Sequence[str]) -> Iterator[Chunk]:
        for part in _parts(servers):
            try:
                ids = self._patiently(region, {**query, **numbered("InstanceId", part)})
            except (CloudTransientError, CloudPermanentError) as problem:
                lost = isinstance(problem, CloudTransientError) and not problem.refused
                yield Chunk(part, {}, problem.vendor_code or problem.code, lost=lost)
                return
            yield Chunk(part, self._by_server(region, part, ids))

    def _patiently(self, region: str, query: Mapping[str, str]) -> list[str]:
        """Make one call, again while it is put off; returns the ids. Raises Cloud*Error."""
        for pause in PAUSES:
            try:
                return self._create(region, query)
            except CloudTransientError as problem:
                if not problem.refused:
                    raise
                self._pause(pause)
        return self._create(region, query)

    def _create(self, region: str, query: Mapping[str, str]) -> list[str]:
        reply = self._client.call(ECS, _CREATE, region, query, CALL_SECONDS)
        return [str(one) for one in reply["EventIdSet"]["EventId"]]

    def _by_server(self, region: str, servers: Sequence[str], ids: Sequence[str]) -> Mapping[str, str]:
        """Say whose event each id is: as the cloud shows it, or in the order of the call where it does not (yet)."""
        in_order = dict(zip(ids, servers, strict=False))
        try:
            shown = self._events.system_events(region, ids)
        except (CloudTransientError, CloudPermanentError):
            shown = {}
        owners = {id_: shown[id_].resource.id if id_ in shown else in_order.get(id_, "") for id_ in ids}
        return {server: id_ for id_, server in owners.items() if server}

    def _cancel(self, region: str, ids: Sequence[str]) -> str:
        reply = self._client.call(ECS, _CANCEL, region, numbered("EventId", ids), CALL_SECONDS)
        return str(reply.get("RequestId", ""))

    def _cancel_singly(self, region: str, ids: Sequence[str]) -> Mapping[str, str]:
        refused: dict[str, str] = {}
        for id_ in ids:
            try:
                self._cancel(region, [id_])
            except CloudPermanentError as problem:
                refused[id_] = problem.vendor_code or problem.code
        return refused


def _parts(ids: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return (tuple(ids[start : start + MOST_IDS]) for start in range(0, len(ids), MOST_IDS))
