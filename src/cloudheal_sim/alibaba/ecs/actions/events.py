"""The calls about system events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs import errors
from cloudheal_sim.alibaba.ecs.actions.finding import existing, known_region
from cloudheal_sim.alibaba.ecs.model.event_book import Announcement, EventGraphError
from cloudheal_sim.alibaba.ecs.model.event_types import EVENT_TYPES, FINAL, SIMULATED, Cycle, EventType
from cloudheal_sim.alibaba.ecs.model.health import disk_health, health_of
from cloudheal_sim.alibaba.ecs.model.instance import Status
from cloudheal_sim.alibaba.ecs.model.system_event import SIMULATED_REASON, Event
from cloudheal_sim.alibaba.ecs.replies import events as replies
from cloudheal_sim.alibaba.ecs.replies.newest import newest_by_number, newest_by_token
from cloudheal_sim.alibaba.ecs.replies.paging import Page, numbered
from cloudheal_sim.alibaba.ecs.requests.events import (
    AcceptInquiredSystemEvent,
    CancelSimulatedSystemEvents,
    CreateSimulatedSystemEvents,
    DescribeDisksFullStatus,
    DescribeInstanceHistoryEvents,
    DescribeInstancesFullStatus,
)
from cloudheal_sim.alibaba.ecs.service import SERVICE
from cloudheal_sim.alibaba.ecs.state import Ecs
from cloudheal_sim.alibaba.rpc import Refused, Reply
from cloudheal_sim.alibaba.rpc.refusal import invalid
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from cloudheal_sim.alibaba.ecs.model.disk import Disk
    from cloudheal_sim.alibaba.ecs.model.instance import Instance
    from cloudheal_sim.alibaba.ecs.requests.times import Range
    from cloudheal_sim.kernel.core import Exchange

#: How many simulated events of one account may wait for their time.
MOST_SCHEDULED = 1000
#: How long finished events are shown.
HISTORY_MILLIS = 30 * 86_400 * MILLIS_PER_SECOND
_SETTLED = frozenset({Status.RUNNING, Status.STOPPED})


@SERVICE.action(DescribeInstancesFullStatus)
def describe_instances_full_status(ecs: Ecs, request: DescribeInstancesFullStatus, exchange: Exchange) -> Reply:
    """Show instances with their Scheduled events; any filter on events leaves instances without one out."""
    known_region(ecs, request.region_id)
    _check_ranges(request.not_before, request.event_publish_time)
    shown = _instances_shown(ecs, request, exchange.as_of)
    return replies.instances_full_status(
        numbered(shown, request),
        lambda one: health_of(one, _status(one, exchange), ecs.events.of_instance(one.id), exchange.as_of),
        lambda one: _scheduled_events(ecs, one, request, exchange.as_of),
        exchange.as_of,
    )


def _instances_shown(ecs: Ecs, request: DescribeInstancesFullStatus, as_of: int | None) -> Collection[Instance]:
    found = _candidates(ecs, request, as_of)
    filtered = _asks_for_events(request) or request.status or request.health_status or as_of is not None
    return [one for one in found if _matches(ecs, one, request, as_of)] if filtered else found


def _candidates(ecs: Ecs, request: DescribeInstancesFullStatus, as_of: int | None) -> Collection[Instance]:
    """Return what may be shown, without looking at a whole region for the few instances with events."""
    if not request.instance_id and not _asks_for_events(request):
        return ecs.fleet.in_region(request.region_id, as_of)
    ids = dict.fromkeys(request.instance_id) or ecs.events.instances()
    seen = (ecs.fleet.seen(id_, as_of) for id_ in ids)
    return sorted((one for one in seen if one is not None and one.region == request.region_id), key=lambda one: one.seq)


def _matches(ecs: Ecs, instance: Instance, request: DescribeInstancesFullStatus, as_of: int | None) -> bool:
    status = instance.status.at(as_of)
    if status is None or (request.status and request.status != status):
        return False
    if _asks_for_events(request) and not _scheduled_events(ecs, instance, request, as_of):
        return False
    wanted = request.health_status
    return wanted is None or wanted is health_of(instance, status, ecs.events.of_instance(instance.id), as_of)


def _asks_for_events(request: DescribeInstancesFullStatus) -> bool:
    ranges = request.not_before.bounded or request.event_publish_time.bounded
    return bool(request.event_id or request.event_type or request.instance_event_type) or ranges


def _scheduled_events(
    ecs: Ecs, instance: Instance, request: DescribeInstancesFullStatus, as_of: int | None
) -> list[Event]:
    return [
        one
        for one in ecs.events.of_instance(instance.id)
        if one.status_at(as_of) is Cycle.SCHEDULED
        and _type_fits(one, request.instance_event_type, request.event_type)
        and (not request.event_id or one.id in request.event_id)
        and request.not_before.covers(one.not_before)
        and request.event_publish_time.covers(one.published)
    ]


@SERVICE.action(DescribeInstanceHistoryEvents)
def describe_instance_history_events(ecs: Ecs, request: DescribeInstanceHistoryEvents, exchange: Exchange) -> Reply:
    """Show events, newest first: final ones of the last 30 days, or those in the states asked for."""
    known_region(ecs, request.region_id)
    _check_ranges(request.not_before, request.event_publish_time)
    found: Iterable[Event] = () if request.resource_type in {"ddh", "managedhost"} else ecs.events
    shown = [one for one in found if _belongs_to_history(ecs, one, request, exchange)]
    return replies.history_events(_history_page(shown, request), exchange.as_of)


def _history_page(shown: list[Event], request: DescribeInstanceHistoryEvents) -> Page[Event]:
    if request.max_results is None and request.next_token is None:
        return newest_by_number(shown, request.page_number or 1, request.page_size or 10)
    return newest_by_token(shown, request.next_token or "", min(100, max(10, request.max_results or 10)))


def _belongs_to_history(ecs: Ecs, event: Event, request: DescribeInstanceHistoryEvents, exchange: Exchange) -> bool:
    status = event.status_at(exchange.as_of)
    resources = request.resource_id or ((request.instance_id,) if request.instance_id else ())
    return (
        status is not None
        and not event.type.of_disk
        and event.region == request.region_id
        and (not resources or event.instance in resources)
        and _status_fits(status, request)
        and not _too_old(event, status, ecs.kernel.clock.now())
        and _type_fits(event, request.instance_event_type, request.event_type)
        and (not request.event_id or event.id in request.event_id)
        and request.not_before.covers(event.not_before)
        and request.event_publish_time.covers(event.published)
        and _instance_fits(ecs, event, request)
    )


def _status_fits(status: Cycle, request: DescribeInstanceHistoryEvents) -> bool:
    if request.instance_event_cycle_status:
        return status in request.instance_event_cycle_status
    if request.event_cycle_status is not None:
        return status is request.event_cycle_status
    return status in FINAL


def _too_old(event: Event, status: Cycle, now: int) -> bool:
    finish = event.execute_finish
    return status in FINAL and finish is not None and finish < now - HISTORY_MILLIS


def _instance_fits(ecs: Ecs, event: Event, request: DescribeInstanceHistoryEvents) -> bool:
    if not request.tag and not request.resource_group_id:
        return True
    instance = ecs.fleet.find(event.instance)
    if instance is None:
        return False
    tagged = all(tag.key in instance.tags and tag.value in {"", instance.tags[tag.key]} for tag in request.tag)
    return tagged and request.resource_group_id in {None, instance.resource_group}


@SERVICE.action(DescribeDisksFullStatus)
def describe_disks_full_status(ecs: Ecs, request: DescribeDisksFullStatus, exchange: Exchange) -> Reply:
    """Show disks with the events that are going on with them; a filter on events leaves others out."""
    known_region(ecs, request.region_id)
    _check_ranges(request.event_time)
    shown = [
        disk
        for disk in ecs.storage.disks.in_region(request.region_id, exchange.as_of)
        if _disk_fits(ecs, disk, request, exchange.as_of)
    ]
    return replies.disks_full_status(
        numbered(shown, request),
        lambda disk: disk_health(_disk_events(ecs, disk), exchange.as_of),
        lambda disk: _disk_events_shown(ecs, disk, request, exchange.as_of),
        exchange.as_of,
    )


def _disk_fits(ecs: Ecs, disk: Disk, request: DescribeDisksFullStatus, as_of: int | None) -> bool:
    by_event = bool(request.event_id or request.event_type or request.event_time.bounded)
    wanted = request.health_status
    return (
        (not request.disk_id or disk.id in request.disk_id)
        and request.status in {None, disk.status.at(as_of)}
        and not request.resource_group_id
        and all(tag.key in disk.tags and tag.value in {"", disk.tags[tag.key]} for tag in request.tag)
        and (wanted is None or wanted is disk_health(_disk_events(ecs, disk), as_of))
        and (not by_event or bool(_disk_events_shown(ecs, disk, request, as_of)))
    )


def _disk_events(ecs: Ecs, disk: Disk) -> list[Event]:
    return [one for one in ecs.events.of_instance(disk.instance) if one.disk == disk.id]


def _disk_events_shown(ecs: Ecs, disk: Disk, request: DescribeDisksFullStatus, as_of: int | None) -> list[Event]:
    return [
        one
        for one in _disk_events(ecs, disk)
        if one.status_at(as_of) is Cycle.EXECUTING
        and request.event_type in {None, one.type.name}
        and (not request.event_id or one.id in request.event_id)
        and request.event_time.covers(one.execute_start)
    ]


@SERVICE.action(CreateSimulatedSystemEvents)
def create_simulated_system_events(ecs: Ecs, request: CreateSimulatedSystemEvents, _exchange: Exchange) -> Reply:
    """Announce one drill event for each instance, all or none; failures begin in Executing."""
    known_region(ecs, request.region_id)
    if request.event_type not in SIMULATED:
        raise invalid("EventType", 403)
    type_ = EVENT_TYPES[request.event_type]
    instances = [existing(ecs, id_, request.region_id) for id_ in dict.fromkeys(request.instance_id)]
    if request.not_before is None:
        raise invalid("NotBefore", 403)
    if request.not_before < ecs.kernel.clock.now():
        raise Refused(errors.NOT_BEFORE_PASSED)
    first = Cycle.SCHEDULED if type_.planned else Cycle.EXECUTING
    if first is Cycle.SCHEDULED and ecs.events.simulated_scheduled() + len(instances) > MOST_SCHEDULED:
        raise Refused(errors.SIMULATED_EVENT_LIMIT)
    what = _drill(type_, first, request)
    return {"EventIdSet": {"EventId": [ecs.events.announce(one, what).id for one in instances]}}


def _drill(type_: EventType, first: Cycle, request: CreateSimulatedSystemEvents) -> Announcement:
    return Announcement(
        type_,
        first,
        request.not_before,
        simulated=True,
        real_effect=request.trigger_real_ops,
        reason=SIMULATED_REASON,
    )


@SERVICE.action(CancelSimulatedSystemEvents)
def cancel_simulated_system_events(ecs: Ecs, request: CancelSimulatedSystemEvents, _exchange: Exchange) -> Reply:
    """Take drill events back; when one of them cannot be, none is."""
    known_region(ecs, request.region_id)
    found = [ecs.events.find(id_, request.region_id) for id_ in dict.fromkeys(request.event_id)]
    present = [one for one in found if one is not None]
    if len(present) < len(found):
        raise Refused(errors.EVENT_NOT_FOUND)
    if not all(one.simulated for one in present):
        raise Refused(errors.EVENT_NOT_SIMULATED)
    if any(one.over for one in present):
        raise Refused(errors.EVENT_NOT_FOUND)
    for event in present:
        ecs.events.cancel(event)
    return {}


@SERVICE.action(AcceptInquiredSystemEvent)
def accept_inquired_system_event(ecs: Ecs, request: AcceptInquiredSystemEvent, _exchange: Exchange) -> Reply:
    """Let an inquiring event run now."""
    known_region(ecs, request.region_id)
    event = ecs.events.find(request.event_id, request.region_id)
    if event is None or event.status.value is not Cycle.INQUIRING:
        raise Refused(errors.NO_INQUIRING_EVENT)
    if any(one.status.value is Cycle.EXECUTING for one in ecs.events.of_instance(event.instance)):
        raise Refused(errors.OPERATION_CONFLICT)
    instance = ecs.fleet.find(event.instance)
    if instance is None or instance.status.value not in _SETTLED:
        raise Refused(errors.INCORRECT_STATUS)
    try:
        ecs.events.accept(event)
    except EventGraphError as problem:
        raise Refused(errors.OPERATION_CONFLICT) from problem
    return {}


def _status(instance: Instance, exchange: Exchange) -> Status:
    return instance.status.at(exchange.as_of) or instance.status.value


def _type_fits(event: Event, types: tuple[str, ...], single: str | None) -> bool:
    """Say whether the type was asked for; the list wins over the single parameter. Disk events are never shown."""
    wanted = types or ((single,) if single else ())
    return not event.type.of_disk and (not wanted or event.type.name in wanted)


def _check_ranges(*ranges: Range) -> None:
    if any(one.backwards for one in ranges):
        raise Refused(errors.TIME_END_BEFORE_START)
