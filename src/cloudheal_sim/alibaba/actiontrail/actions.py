"""The one call of the trail: what was done in a time, newest first unless asked otherwise."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from cloudheal_sim.alibaba.actiontrail.errors import INVALID_TIME, INVALID_TOKEN
from cloudheal_sim.alibaba.actiontrail.model import ATTRIBUTES, Deed
from cloudheal_sim.alibaba.actiontrail.replies import event_of
from cloudheal_sim.alibaba.actiontrail.requests import LookupAttribute, LookupEvents
from cloudheal_sim.alibaba.actiontrail.state import ActionTrail
from cloudheal_sim.alibaba.rpc import Refused, Reply, Service
from cloudheal_sim.alibaba.rpc.refusal import invalid
from cloudheal_sim.kernel.clock import MILLIS_PER_DAY, iso_seconds

if TYPE_CHECKING:
    from cloudheal_sim.kernel.core import Exchange

SERVICE: Service[ActionTrail] = Service("actiontrail", "Actiontrail", "2020-07-06")
_WEEK = 7 * MILLIS_PER_DAY
#: The service reads so many conditions and no more.
_CONDITIONS = 2


@SERVICE.action(LookupEvents)
def lookup_events(state: ActionTrail, request: LookupEvents, _exchange: Exchange) -> Reply:
    """List events."""
    now = state.kernel.clock.now()
    end = now if request.end_time is None else request.end_time
    start = end - _WEEK if request.start_time is None else request.start_time
    if end < start or (request.start_time is None) != (request.end_time is None):
        raise Refused(INVALID_TIME)
    wanted = {one.key: _known(one) for one in request.lookup_attribute[:_CONDITIONS]}
    found = [
        one
        for one in state.trail.shown(now, start, end)
        if (not request.region_id or one.region == request.region_id)
        and all(_matches(one, key, value) for key, value in wanted.items())
    ]
    if request.direction != "FORWARD":
        found.reverse()
    first = _first(request.next_token)
    page = list(islice(found, first, first + request.max_results))
    following = first + len(page)
    return {
        "StartTime": iso_seconds(start),
        "EndTime": iso_seconds(end),
        "Events": [event_of(one) for one in page],
        **({"NextToken": f"next-{following}"} if following < len(found) else {}),
    }


def _known(asked: LookupAttribute) -> str:
    if asked.key not in {*ATTRIBUTES, "ResourceName", "ResourceType", "EventAccessKeyId", "User"}:
        raise invalid("LookupAttribute.1.Key")
    return asked.value


def _matches(deed: Deed, key: str, value: str) -> bool:
    event: dict[str, Any] = event_of(deed)
    if key in ATTRIBUTES:
        return bool(event[ATTRIBUTES[key]] == value)
    return value in {
        "ResourceName": set(deed.servers),
        "ResourceType": set(event["referencedResources"]),
        "EventAccessKeyId": {deed.access_key},
        "User": {event["userIdentity"]["userName"]},
    }.get(key, set())


def _first(token: str | None) -> int:
    if token is None:
        return 0
    number = token.removeprefix("next-")
    if not (token.startswith("next-") and number.isascii() and number.isdigit() and len(number) < 10):
        raise Refused(INVALID_TOKEN)
    return int(number)
