"""Repair tasks: what Tencent Cloud plans for servers, or did to them, in the form that system events have everywhere.

DescribeTaskInfo lists them by the day on which they were made and, unless asked otherwise, today's only; it is asked
for the time in which a task may still matter. The time at which a task that waits for its owner begins by itself is its
`AuthTime`. The list tells tasks of every region; those of others are left to their own region's reading.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from cloudheal.clouds.announcements import named_event, patiently, readable
from cloudheal.clouds.moments import CHINA, moment
from cloudheal.clouds.tencent.client import CVM, Client
from cloudheal.clouds.tencent.names import ALARM, PRODUCT, TASKS
from cloudheal.clouds.tencent.tasks import task_facts
from cloudheal.model.event import Channel, Event
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.model.system_event import FINAL, Consent, Cycle, SystemEvent
from cloudheal.ports.account import not_offered

#: CAM actions by verb, for the printed least-privilege policy.
PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    "system_events": ("cvm:DescribeTaskInfo",),
    "authorise": ("cvm:RepairTaskControl",),
}
READ_SECONDS = 10.0
_LIST = "DescribeTaskInfo"
#: The API's own limit of tasks on a page and ids in a call.
PAGE = 100
#: Tasks that were made so long ago are over.
SINCE = timedelta(days=60)
STATUSES: Mapping[int, Cycle] = {
    1: Cycle.SCHEDULED,
    2: Cycle.EXECUTING,
    3: Cycle.EXECUTED,
    4: Cycle.SCHEDULED,
    5: Cycle.CANCELED,
    6: Cycle.AVOIDED,
}
_WAITS, _SCHEDULED = 1, 4
#: What authorising a task does, by its AuthType and without a choice of another method. Where disks are replaced, and
#: where a server is moved without its local disks, data is lost; that the others keep everything is UNVERIFIED.
CONSENTS: Mapping[int, Consent] = {
    1: Consent.OPEN,
    2: Consent.OPEN,
    3: Consent.LOSSY,
    4: Consent.LOSSY,
    5: Consent.OPEN,
    6: Consent.OPEN,
    7: Consent.OPEN,
    8: Consent.LOSSY,
}


class TencentSystemEvents:
    """The repair tasks of one Tencent Cloud account."""

    def __init__(
        self,
        client: Client,
        account: str,
        now: Callable[[], datetime],
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        """`pause` waits in real time between tries."""
        self._client = client
        self._pause = pause
        self._account = account
        self._now = now

    def announced(self, region: str) -> Iterator[Sequence[Event]]:
        """Yield the tasks of a region in every status, page by page. Raises Cloud*Error, also in the middle."""
        return readable(self._pages(region, {}), lambda row: self._read(row, region))

    def system_events(self, region: str, ids: Sequence[str]) -> Mapping[str, SystemEvent]:
        """Read tasks by id; one that the cloud does not show is absent. Raises Cloud*Error."""
        found: dict[str, SystemEvent] = {}
        for start in range(0, len(ids), PAGE):
            for page in self._pages(region, {"TaskIds": list(ids[start : start + PAGE])}):
                events = [(self._read(one, region), consent_of(one)) for one in page]
                named = (replace(named_event(event), consent=consent) for event, consent in events if event)
                found.update((one.id, one) for one in named)
        return found

    def of_disks(self, region: str, known: Sequence[SystemEvent]) -> Sequence[Event]:  # noqa: ARG002 - the port's
        """Return nothing: what befalls a disk is told here as an alarm of its server, or as a repair task."""
        return ()

    def disk_events(self, region: str, ids: Sequence[str]) -> Mapping[str, SystemEvent]:
        """Refuse: the cloud has no list of what befalls disks."""
        raise not_offered(f"events of disks (asked for {len(ids)} in {region})", "Tencent Cloud")

    def health(self, region: str, ids: Sequence[str]) -> Mapping[str, str]:
        """Refuse: the cloud has no word for the health of a server."""
        raise not_offered(f"health of servers (asked for {len(ids)} in {region})", "Tencent Cloud")

    def authorise(self, region: str, server: str, id_: str, seconds: float) -> str:
        """Let a task that waits begin now, in the way that loses nothing; returns the vendor's request id."""
        asked = {"Product": "CVM", "InstanceIds": [server], "TaskId": id_, "Operate": "AuthorizeRepair"}
        return str(self._client.call(CVM, "RepairTaskControl", region, asked, seconds)["RequestId"])

    def _pages(self, region: str, asked: Mapping[str, Any]) -> Iterator[list[Mapping[str, Any]]]:
        seen, now = 0, self._now()
        dates = {"StartDate": written(now - SINCE), "EndDate": written(now + timedelta(days=1))}
        while True:
            query = {**asked, **dates, "Offset": seen, "Limit": PAGE}
            reply = patiently(partial(self._client.call, CVM, _LIST, region, query, READ_SECONDS), self._pause)
            rows = reply.get("RepairTaskInfoSet") or ()
            yield [one for one in rows if one.get("Region") in {None, "", region}]
            seen += len(rows)
            if not rows or seen >= int(reply.get("TotalCount") or 0):
                return

    def _read(self, row: Mapping[str, Any], region: str) -> Event | None:
        """Read a row of the list; None for one that names no task, no server or no known status."""
        facts, status = task_facts(row), STATUSES.get(_number(row.get("TaskStatus")))
        server = row.get("InstanceId")
        made = moment(row.get("CreateTime"))
        if status is None or not facts["event_id"] or not isinstance(server, str) or made is None:
            return None
        resource = ResourceId(Cloud.TENCENT, self._account, region, "instance", server)
        name = TASKS.get(_number(row.get("TaskTypeId")), f"RepairTask{_number(row.get('TaskTypeId'))}")
        over = moment(row.get("EndTime")) if status in FINAL else None
        return Event(
            key=f"system|{resource.cloud}|{facts['event_id']}|{status}",
            id=facts["event_id"],
            source=f"tencent.{PRODUCT}",
            type=f"{PRODUCT}:{ALARM}:{name}",
            subject=resource,
            time=over or made,
            received=self._now(),
            status=status.value,
            data={**_shown(row), **facts, "event_type": name, "situation": name, "status": status.value},
            channel=Channel.POLL,
            simulated=False,
            raw=json.dumps(dict(row), ensure_ascii=False).encode("utf-8", "surrogatepass"),
        )


def written(at: datetime) -> str:
    """Write a time as the call takes it: China standard time, without saying so (UNVERIFIED)."""
    return at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")


def consent_of(row: Mapping[str, Any]) -> Consent:
    """Say what the owner may say to a task; of a type or a way that is not documented nobody knows what it does."""
    status = _number(row.get("TaskStatus"))
    if status != _WAITS:
        return Consent.GIVEN if status == _SCHEDULED else Consent.NONE
    is_known = _number(row.get("TaskTypeId")) in TASKS
    return CONSENTS.get(_number(row.get("AuthType")), Consent.UNCLEAR) if is_known else Consent.UNCLEAR


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told of a task apart from who and where."""
    names = ("TaskTypeId", "TaskTypeName", "TaskStatus", "AuthType", "AuthSource", "AuthTime", "OperateStatus")
    return {name: row[name] for name in names if row.get(name) is not None}


def _number(value: object) -> int:
    return int(value) if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()) else 0
