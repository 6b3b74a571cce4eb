"""The calls about events: put them on a bus, try patterns, look back, see what the platform's own look like."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cloudheal_sim.tencent.api3 import Refused, Reply
from cloudheal_sim.tencent.eb import errors
from cloudheal_sim.tencent.eb.actions.finding import bus_named
from cloudheal_sim.tencent.eb.model.pattern import PatternError, matches, read_pattern
from cloudheal_sim.tencent.eb.model.records import Event
from cloudheal_sim.tencent.eb.requests import (
    CheckRule,
    GetPlatformEventTemplate,
    GivenEvent,
    ListPlatformEventNames,
    PublishEvent,
    PutEvents,
    SearchLog,
)
from cloudheal_sim.tencent.eb.service import SERVICE
from cloudheal_sim.tencent.eb.state import SOURCE
from cloudheal_sim.tencent.happenings import BEGUN, KINDS, STATELESS

if TYPE_CHECKING:
    from cloudheal_sim.kernel.core import Exchange
    from cloudheal_sim.tencent.eb.state import Eb

#: Events in one call, and bytes of one.
MOST_EVENTS, MOST_BYTES = 10, 64 * 1024


@SERVICE.action(PutEvents, rate=1000)
def put_events(eb: Eb, request: PutEvents, exchange: Exchange) -> Reply:
    """Put events of one's own on a custom bus; all of them, or none."""
    bus = bus_named(eb, request.event_bus_id)
    if bus.type != "Custom":
        raise Refused(errors.BAD_BUS)
    if not 0 < len(request.event_list) <= MOST_EVENTS:
        raise Refused(errors.BAD_EVENT, reason=f"1 to {MOST_EVENTS} events in one call")
    for event in [_event(eb, one, bus.id, exchange) for one in request.event_list]:
        eb.bridge.publish(event)
    return {}


@SERVICE.action(PublishEvent, rate=1000)
def publish_event(eb: Eb, request: PublishEvent, exchange: Exchange) -> Reply:
    """The older name of PutEvents."""
    return put_events(eb, request, exchange)


@SERVICE.action(CheckRule)
def check_rule(_eb: Eb, request: CheckRule, _exchange: Exchange) -> Reply:
    """Try a pattern on an event; no match is an error here (UNVERIFIED)."""
    pattern = pattern_of(request.event_pattern)
    if not matches(pattern, _object(request.event)):
        raise Refused(errors.NO_MATCH)
    return {}


@SERVICE.action(SearchLog)
def search_log(eb: Eb, request: SearchLog, _exchange: Exchange) -> Reply:
    """Look back at the events of a bus, the latest first; the latest thousand are kept."""
    bus = bus_named(eb, request.event_bus_id)
    found = [
        one
        for one in reversed(eb.bridge.events)
        if one.bus == bus.id and request.start_time <= one.time <= request.end_time
    ]
    page = found[(request.page - 1) * request.limit : request.page * request.limit]
    return {"Total": len(found), "Limit": request.limit, "Page": request.page, "Results": [_log(one) for one in page]}


@SERVICE.action(ListPlatformEventNames)
def list_platform_event_names(_eb: Eb, request: ListPlatformEventNames, _exchange: Exchange) -> Reply:
    """Name the events of a product; CVM's are known."""
    kinds = KINDS if request.product_type == "cvm" else ()
    return {"EventNames": [{"EventName": one.title, "EventType": one.type} for one in kinds]}


@SERVICE.action(GetPlatformEventTemplate)
def get_platform_event_template(eb: Eb, request: GetPlatformEventTemplate, _exchange: Exchange) -> Reply:
    """Show what an event of a type looks like."""
    kind = next((one for one in KINDS if one.type == request.event_type), None)
    if kind is None:
        raise Refused(errors.UNKNOWN_TYPE, type=request.event_type[:80])
    sample = Event(
        id="13a3f42d-0000-4ada-da6d-023a333b0001",
        source=SOURCE,
        type=kind.type,
        subject="ins-xxxxxxxx",
        time=eb.kernel.clock.now(),
        region="ap-guangzhou",
        status=BEGUN if kind.recovers else STATELESS,
        data={"appId": eb.account, "instanceId": "ins-xxxxxxxx", "projectId": "0", "dimensions": {"ip": "10.0.0.11"}},
    )
    return {"EventTemplate": json.dumps(sample.document(), ensure_ascii=False)}


def pattern_of(text: str) -> dict[str, Any]:
    """Read a pattern. Raises Refused."""
    try:
        return read_pattern(text)
    except PatternError as problem:
        raise Refused(errors.BAD_PATTERN, reason=str(problem)) from problem


def _event(eb: Eb, given: GivenEvent, bus: str, exchange: Exchange) -> Event:
    if len(given.data.encode()) > MOST_BYTES:
        raise Refused(errors.BAD_EVENT, reason="larger than 64 KB")
    return Event(
        id=given.id or eb.kernel.chance.uuid("eb").lower(),
        source=given.source,
        type=given.type,
        subject=given.subject,
        time=eb.kernel.clock.now() if given.time is None else given.time,
        region=given.region or exchange.entry.region,
        status=given.status or STATELESS,
        data=_object(given.data),
        tags={str(one.get("TagKey", "")): str(one.get("TagValue", "")) for one in given.tag_list},
        bus=bus,
    )


def _object(text: str) -> dict[str, Any]:
    try:
        read = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise Refused(errors.BAD_EVENT, reason="expected JSON") from problem
    if not isinstance(read, dict):
        raise Refused(errors.BAD_EVENT, reason="expected a JSON object")
    return read


def _log(event: Event) -> dict[str, object]:
    return {
        "Timestamp": str(event.time),
        "Message": json.dumps(event.document(), ensure_ascii=False),
        "Source": event.source,
        "Type": event.type,
        "RuleIds": ",".join(event.rules),
        "Subject": event.subject,
        "Region": event.region,
        "Status": event.status,
    }
