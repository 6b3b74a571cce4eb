"""Contents of messages as Alibaba Cloud documents them, for test messages: a name, a server, and what stands inside.

What is made here looks like what happens, and says in its event id that it did not.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from cloudheal.clouds.alibaba.events import INTERRUPTION, STATE_CHANGE
from cloudheal.clouds.alibaba.facts import SIMULATED_REASON
from cloudheal.clouds.moments import CHINA, stamp
from cloudheal.model.event import DRY_RUN
from cloudheal.model.resource import ResourceId
from cloudheal.model.system_event import FINAL, STATUSES, Cycle

#: Maintenance is announced so long ahead.
NOTICE = timedelta(hours=24)
#: What marks a content as a test: the one part of a message that every envelope keeps.
TEST_MARKS: Mapping[str, str] = {"reason": SIMULATED_REASON, **DRY_RUN}
#: What a message says when nobody asked for more.
_USUAL = {STATE_CHANGE: "Stopped", INTERRUPTION: "delete"}


def usual_status(type_: str) -> str:
    """Return the status with which a type of event begins to matter."""
    if type_ in _USUAL:
        return _USUAL[type_]
    return Cycle.SCHEDULED.value if ":SystemMaintenance." in type_ else Cycle.EXECUTING.value


def split(name: str) -> tuple[str, str]:
    """Take a name apart into type and status; the status may be missing: `Instance:StateChange`."""
    stem, _, last = name.rpartition(":")
    return (stem, last) if last in STATUSES and ":" in stem else (name, "")


def named(type_: str, status: str) -> str:
    """Return the name that a message bears."""
    return f"{type_}:{status}" if status in STATUSES else type_


def content_of(type_: str, status: str, server: str, token: str, now: datetime) -> Mapping[str, str]:
    """Return what stands inside a message about a server; `token` makes it a message of its own."""
    if type_ == STATE_CHANGE:
        return {"resourceId": server, "resourceType": "ALIYUN::ECS::Instance", "state": status}
    if type_ == INTERRUPTION:
        return {"instanceId": server, "action": status}
    content = {
        "eventId": f"e-dry-run-{token}",
        "instanceId": server,
        "eventType": type_.partition(":")[2],
        "eventStatus": status,
        "publishTime": stamp(now),
    }
    if ":SystemMaintenance." in type_:
        content["notBefore"] = stamp(now + NOTICE)
    if status not in {Cycle.INQUIRING, Cycle.SCHEDULED}:
        content["executeStartTime"] = stamp(now)
    if status in FINAL:
        content["executeFinishTime"] = stamp(now)
    return content


def envelope_of(
    resource: ResourceId, name: str, content: Mapping[str, Any], token: str, now: datetime
) -> Mapping[str, Any]:
    """Write a message as CloudMonitor would."""
    local = now.astimezone(CHINA)
    return {
        "ver": "1.0",
        "id": f"dry-run-{token}",
        "product": "ECS",
        "name": name,
        "resourceId": f"acs:ecs:{resource.region}:{resource.account}:{resource.kind}/{resource.id}",
        "regionId": resource.region,
        "userId": resource.account,
        "level": "INFO",
        "eventTime": f"{local:%Y%m%dT%H%M%S}.{local.microsecond // 1000:03}+0800",
        "content": dict(content),
    }
