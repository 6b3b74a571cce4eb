"""System events of Alibaba Cloud: what they say in one form, and the two calls that list them.

Messages and DescribeInstanceHistoryEvents name the same facts differently; `facts_of` gives both the same names, so
that rules, incidents and lists need not know which way an event came. A row of a reply becomes the message that
CloudMonitor would have sent, and goes the way of every message.

History is the cheap call and lists events in every status; a page is read again while the service stumbles, and a
reading that breaks off raises: nobody may take half a list for the whole. DescribeInstancesFullStatus is asked only
where the health of servers is wanted.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from cloudheal.clouds.alibaba import disk_events
from cloudheal.clouds.alibaba.client import ECS, Client
from cloudheal.clouds.alibaba.events import event_of
from cloudheal.clouds.announcements import named_event, patiently, readable
from cloudheal.clouds.moments import moment, stamp
from cloudheal.errors import NotAnEventError
from cloudheal.model.event import Channel, Event
from cloudheal.model.system_event import FINAL, Cycle, SystemEvent
from cloudheal.ports.account import not_offered

log = logging.getLogger("cloudheal.system_events")

#: RAM actions by verb, for the printed least-privilege policy.
PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    "system_events": ("ecs:DescribeInstanceHistoryEvents",),
    "health": ("ecs:DescribeInstancesFullStatus",),
    **disk_events.PERMISSIONS,
}
READ_SECONDS = 10.0
#: The API's own limits: events on a page, ids in a call.
PAGE = 100
_HISTORY = "DescribeInstanceHistoryEvents"


class AlibabaSystemEvents:
    """The system events of one Alibaba Cloud account, and the health of its servers."""

    def __init__(
        self, client: Client, account: str, now: Callable[[], datetime], pause: Callable[[float], object]
    ) -> None:
        """`pause` waits in real time between tries."""
        self._client = client
        self._account = account
        self._now = now
        self._pause = pause
        self._disks = disk_events.AlibabaDiskEvents(client, account, now, pause)

    def of_disks(self, region: str, known: Sequence[SystemEvent]) -> Sequence[Event]:
        """Return what befalls disks now, and the ends of `known` events that are over. Raises Cloud*Error."""
        return self._disks.of_region(region, known)

    def disk_events(self, region: str, ids: Sequence[str]) -> Mapping[str, SystemEvent]:
        """Read what befalls disks by the ids of events; what is over is absent. Raises Cloud*Error."""
        return self._disks.by_id(region, ids)

    def announced(self, region: str) -> Iterator[Sequence[Event]]:
        """Yield the events of a region in every status, page by page. Raises Cloud*Error, also in the middle."""
        return readable(self._pages(region, {}), lambda row: self._read(row, region))

    def system_events(self, region: str, ids: Sequence[str]) -> Mapping[str, SystemEvent]:
        """Read events by id; one that the cloud does not show is absent. Raises Cloud*Error."""
        found: dict[str, SystemEvent] = {}
        for start in range(0, len(ids), PAGE):
            asked = numbered("EventId", ids[start : start + PAGE])
            for page in self._pages(region, asked):
                events = (self._read(row, region) for row in page)
                found.update((one.id, one) for one in (named_event(event) for event in events if event))
        return found

    def listed(self, region: str, statuses: Sequence[Cycle]) -> Sequence[SystemEvent]:
        """List the events of a region that are in one of these statuses. Raises Cloud*Error."""
        rows = (row for page in self._pages(region, {}, statuses) for row in page)
        return [named_event(event) for event in (self._read(row, region) for row in rows) if event]

    def health(self, region: str, ids: Sequence[str]) -> Mapping[str, str]:
        """Return the health of servers in the vendor's words; one that does not exist is absent. Raises Cloud*Error."""
        found: dict[str, str] = {}
        for start in range(0, len(ids), PAGE):
            query = {**numbered("InstanceId", ids[start : start + PAGE]), "PageSize": str(PAGE)}
            reply = self._client.call(ECS, "DescribeInstancesFullStatus", region, query, READ_SECONDS)
            for one in reply.get("InstanceFullStatusSet", {}).get("InstanceFullStatusType", ()):
                found[str(one["InstanceId"])] = str(one.get("HealthStatus", {}).get("Name", ""))
        return found

    def authorise(self, region: str, server: str, id_: str, seconds: float) -> str:  # noqa: ARG002 - the port's
        """Refuse: what is announced here is answered by doing it."""
        raise not_offered(f"authorising system events (asked for {id_} of {server} in {region})", "Alibaba Cloud")

    def _pages(
        self, region: str, query: Mapping[str, str], statuses: Sequence[Cycle] = tuple(Cycle)
    ) -> Iterator[Sequence[Mapping[str, Any]]]:
        token = ""
        among = numbered("InstanceEventCycleStatus", [one.value for one in statuses])
        while True:
            asked = {**query, **among, "MaxResults": str(PAGE), **({"NextToken": token} if token else {})}
            reply = self._patiently(region, asked)
            yield reply.get("InstanceSystemEventSet", {}).get("InstanceSystemEventType", ())
            following = str(reply.get("NextToken") or "")
            if not following or following == token:
                return
            token = following

    def _patiently(self, region: str, query: Mapping[str, str]) -> Mapping[str, Any]:
        return patiently(lambda: self._client.call(ECS, _HISTORY, region, query, READ_SECONDS), self._pause)

    def _read(self, row: Mapping[str, Any], region: str) -> Event | None:
        """Return a row as the event that its message would have made; None when it is in no documented form."""
        now = self._now()
        try:
            body = json.dumps(_message(row, region, self._account, now), ensure_ascii=False)
            event = event_of(body, now, Channel.POLL)
        except (NotAnEventError, LookupError, TypeError, AttributeError) as problem:
            log.warning("system_event.unreadable region=%s id=%s error=%r", region, _id(row), problem)
            return None
        return event if "event_id" in event.data else None


def _id(row: object) -> str:
    return str(row.get("EventId"))[:64] if isinstance(row, Mapping) else "?"


def _message(row: Mapping[str, Any], region: str, account: str, now: datetime) -> Mapping[str, Any]:
    """Write the message of a row; its time is when the status began, as far as the row tells."""
    type_, status = str(row["EventType"]["Name"]), str(row["EventCycleStatus"]["Name"])
    kind = str(row.get("ResourceType") or "instance")
    published, finished = row.get("EventPublishTime"), row.get("EventFinishTime")
    began = published if status in {Cycle.INQUIRING, Cycle.SCHEDULED} else finished if status in FINAL else None
    known = moment(began)
    at = min(known, now) if known else now
    content = {
        "eventId": row.get("EventId"),
        "publishTime": published,
        "notBefore": row.get("NotBefore"),
        "instanceId": row.get("InstanceId"),
        "eventType": type_,
        "eventStatus": status,
        "executeFinishTime": finished,
        "reason": row.get("Reason"),
        "impactLevel": row.get("ImpactLevel"),
        "diskId": row.get("ExtendedAttribute", {}).get("DiskId"),
    }
    return {
        "ver": "1.0",
        "product": "ECS",
        "name": f"{kind.capitalize()}:{type_}:{status}",
        "resourceId": f"acs:ecs:{region}:{account}:{kind}/{row['InstanceId']}",
        "regionId": region,
        "userId": account,
        "eventTime": stamp(at, millis=True),
        "status": status,
        "content": {name: value for name, value in content.items() if value},
    }


def numbered(name: str, values: Sequence[str]) -> dict[str, str]:
    """Write a list as the vendor's parameters: `Name.1`, `Name.2`."""
    return {f"{name}.{number}": value for number, value in enumerate(values, 1)}
