"""What befalls the disks of Alibaba Cloud: DescribeDisksFullStatus, the one list that shows it.

The history of system events is of servers and has no disks in it. This list shows what goes on now and forgets what is
over, so that the end of an event is that it is not shown any more. A row becomes the message that CloudMonitor would
have sent, and goes the way of every message. It is asked by type or by id, never for all disks: there are too many.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from cloudheal.clouds.alibaba.client import ECS, Client
from cloudheal.clouds.alibaba.events import event_of
from cloudheal.clouds.announcements import named_event, patiently
from cloudheal.clouds.moments import moment, stamp
from cloudheal.errors import CloudPermanentError, NotAnEventError
from cloudheal.model.event import Channel, Event
from cloudheal.model.system_event import Cycle, SystemEvent

log = logging.getLogger("cloudheal.system_events")

#: RAM actions by verb, for the printed least-privilege policy.
PERMISSIONS: Mapping[str, tuple[str, ...]] = {"disk_events": ("ecs:DescribeDisksFullStatus",)}
READ_SECONDS = 10.0
#: The API's own limits: disks on a page, ids in a call.
PAGE = 100
#: The types that are listed; that by which a disk is only slow is recorded when a message tells of them.
TYPES = ("Stalled", "SeverelyDegraded", "ErrorDetected")
_LIST = "DescribeDisksFullStatus"


class AlibabaDiskEvents:
    """What befalls the disks of one Alibaba Cloud account."""

    def __init__(
        self, client: Client, account: str, now: Callable[[], datetime], pause: Callable[[float], object]
    ) -> None:
        """`pause` waits in real time between tries."""
        self._client = client
        self._account = account
        self._now = now
        self._pause = pause

    def by_id(self, region: str, ids: Sequence[str]) -> Mapping[str, SystemEvent]:
        """Read what goes on by the ids of events; what is over is absent. Raises Cloud*Error."""
        found: dict[str, SystemEvent] = {}
        for start in range(0, len(ids), PAGE):
            part = ids[start : start + PAGE]
            asked = {f"EventId.{number}": id_ for number, id_ in enumerate(part, 1)}
            found.update((one.id, one) for one in map(named_event, self._shown(region, asked)) if one.id in part)
        return found

    def of_region(self, region: str, known: Sequence[SystemEvent]) -> Sequence[Event]:
        """Return what goes on in a region, and the ends of `known` events that do not any more. Raises Cloud*Error."""
        shown = [one for type_ in TYPES for one in self._shown(region, {"EventType": type_})]
        over = [one for one in known if one.id not in {str(event.data["event_id"]) for event in shown}]
        # Asked again by its id: a list that is read page by page may miss what moves from one page to another.
        still = self.by_id(region, [one.id for one in over]) if over else {}
        return [*shown, *(self._end(one) for one in over if one.id not in still)]

    def _shown(self, region: str, query: Mapping[str, str]) -> list[Event]:
        rows = [(disk, event) for disk in self._disks(region, query) for event in _events_of(disk)]
        events = [self._read(disk, event, region) for disk, event in rows]
        if None in events:
            message = f"{events.count(None)} events of disks cannot be read"
            raise CloudPermanentError(message, vendor_code="UnreadableEvent")
        return [one for one in events if one is not None]

    def _disks(self, region: str, query: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        seen, page = 0, 1
        while True:
            reply = self._page(region, {**query, "PageNumber": str(page), "PageSize": str(PAGE)})
            disks = reply.get("DiskFullStatusSet", {}).get("DiskFullStatusType", ())
            yield from disks
            seen, page = seen + len(disks), page + 1
            if not disks or seen >= int(reply.get("TotalCount") or 0):
                return

    def _page(self, region: str, query: Mapping[str, str]) -> Mapping[str, Any]:
        return patiently(lambda: self._client.call(ECS, _LIST, region, query, READ_SECONDS), self._pause)

    def _read(self, disk: Mapping[str, Any], row: Mapping[str, Any], region: str) -> Event | None:
        """Return a row as the event that its message would have made; None when it is in no documented form."""
        try:
            content = {
                "eventId": row["EventId"],
                "eventType": row["EventType"]["Name"],
                "diskId": disk["DiskId"],
                "device": disk.get("Device"),
                "ecsInstanceId": disk.get("InstanceId"),
                "executeStartTime": row.get("EventTime"),
                "impactLevel": row.get("ImpactLevel"),
            }
            began = min(moment(row.get("EventTime")) or self._now(), self._now())
            return self._event(content, Cycle.EXECUTING.value, region, began)
        except (NotAnEventError, LookupError, TypeError, AttributeError) as problem:
            log.warning("disk_event.unreadable region=%s error=%r", region, problem)
            return None

    def _end(self, known: SystemEvent) -> Event:
        at = self._now()
        content = {
            "eventId": known.id,
            "eventType": known.type.partition(":")[2],
            "diskId": known.disk or known.resource.id,
            "executeFinishTime": stamp(at),
        }
        return self._event(content, Cycle.EXECUTED.value, known.resource.region, at)

    def _event(self, content: Mapping[str, Any], status: str, region: str, at: datetime) -> Event:
        message = {
            "ver": "1.0",
            "product": "ECS",
            "name": f"Disk:{content['eventType']}:{status}",
            "resourceId": f"acs:ecs:{region}:{self._account}:disk/{content['diskId']}",
            "regionId": region,
            "userId": self._account,
            "eventTime": stamp(at, millis=True),
            "status": status,
            "content": {name: value for name, value in content.items() if value},
        }
        return event_of(json.dumps(message, ensure_ascii=False), self._now(), Channel.POLL)


def _events_of(disk: Mapping[str, Any]) -> Collection[Mapping[str, Any]]:
    """Return the events of a disk that are of a listed type, whatever the list was asked for."""
    events = disk.get("DiskEventSet", {}).get("DiskEventType", ())
    return [one for one in events if one.get("EventType", {}).get("Name") in TYPES]
