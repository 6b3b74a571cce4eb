"""Wire out: system events, and the states of what they are about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs.model.event_types import CYCLE_CODES, FINAL, Cycle
from cloudheal_sim.alibaba.ecs.model.health import HEALTH_CODES, STATUS_CODES, Health
from cloudheal_sim.kernel.clock import iso_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloudheal_sim.alibaba.ecs.model.disk import Disk
    from cloudheal_sim.alibaba.ecs.model.instance import Instance
    from cloudheal_sim.alibaba.ecs.model.system_event import Event
    from cloudheal_sim.alibaba.ecs.replies.paging import Page
    from cloudheal_sim.alibaba.rpc import Reply

#: Codes of disk states; none is published.
_DISK_CODES = {"In_use": 129, "Available": 128, "Creating": 130, "Attaching": 131, "Detaching": 132, "ReIniting": 133}


def instances_full_status(
    page: Page[Instance],
    health: Callable[[Instance], Health],
    events: Callable[[Instance], Sequence[Event]],
    as_of: int | None,
) -> Reply:
    """Write one page of instances with their scheduled events."""
    entries = [_instance(one, health(one), events(one), as_of) for one in page.items]
    return {
        **page.frame,
        "InstanceFullStatusSet": {"InstanceFullStatusType": entries},
    }


def _instance(instance: Instance, health: Health, events: Sequence[Event], as_of: int | None) -> dict[str, object]:
    status = instance.status.at(as_of) or instance.status.value
    return {
        "InstanceId": instance.id,
        "Status": _named(STATUS_CODES[status], status),
        "HealthStatus": _named(HEALTH_CODES[health], health),
        "ScheduledSystemEventSet": {"ScheduledSystemEventType": [_event(one, Cycle.SCHEDULED) for one in events]},
    }


def history_events(page: Page[Event], as_of: int | None) -> Reply:
    """Write one page of events with the states that a read at `as_of` shows."""
    entries = [_past(one, one.status_at(as_of) or one.status.value) for one in page.items]
    return {**page.frame, "InstanceSystemEventSet": {"InstanceSystemEventType": entries}}


def _past(event: Event, status: Cycle) -> dict[str, object]:
    entry = {**_event(event, status), "InstanceId": event.instance, "ResourceType": "instance"}
    if status in FINAL and event.execute_finish is not None:
        entry["EventFinishTime"] = iso_seconds(event.execute_finish)
    return entry


def _event(event: Event, status: Cycle) -> dict[str, object]:
    entry: dict[str, object] = {
        "EventId": event.id,
        "EventType": _named(event.type.code, event.type.name),
        "EventCycleStatus": _named(CYCLE_CODES[status], status),
        "EventPublishTime": iso_seconds(event.published),
        "ImpactLevel": event.impact,
        "Reason": event.reason,
        "ExtendedAttribute": dict(event.extended),
    }
    if event.not_before is not None:
        entry["NotBefore"] = iso_seconds(event.not_before)
    return entry


def disks_full_status(
    page: Page[Disk],
    health: Callable[[Disk], Health],
    events: Callable[[Disk], Sequence[Event]],
    as_of: int | None,
) -> Reply:
    """Write one page of disks with what is going on with them."""
    entries = [_disk(one, health(one), events(one), as_of) for one in page.items]
    return {
        **page.frame,
        "DiskFullStatusSet": {"DiskFullStatusType": entries},
    }


def _disk(disk: Disk, health: Health, events: Sequence[Event], as_of: int | None) -> dict[str, object]:
    status = disk.status.at(as_of) or disk.status.value
    return {
        "DiskId": disk.id,
        "InstanceId": disk.instance,
        "Device": disk.device,
        "Status": _named(_DISK_CODES[status], status),
        "HealthStatus": _named(HEALTH_CODES[health], health),
        "DiskEventSet": {"DiskEventType": [_disk_event(one) for one in events]},
    }


def _disk_event(event: Event) -> dict[str, object]:
    started = event.published if event.execute_start is None else event.execute_start
    return {
        "EventId": event.id,
        "EventType": _named(event.type.code, event.type.name),
        "EventTime": iso_seconds(started),
        "ImpactLevel": event.impact,
    }


def _named(code: int, name: str) -> dict[str, object]:
    return {"Code": code, "Name": str(name)}
