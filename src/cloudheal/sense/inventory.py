"""From events to sightings, and from what a look at the cloud changed to the events that nobody told us.

A look reports a change when it shows another lasting state than the one we knew, a reclaim lock that we did not know,
or the absence of a server that was there. The first sight of a server that is stopped reports nothing: nobody knows
since when or why it is stopped, and a new installation must not wake a fleet's sleeping half. A first sight of a
reclaim lock is reported, because its deadline is minutes. Where a look shows the agents in servers, one that fell
silent in a server that runs is reported as lost pings would be, and its return as the recovery: only so is a message
missed that was lost.

The key of such an event is (resource, state, changed-since), so that two looks at one change make one event. Its time
is that of the look, the latest time at which it can have happened; a message about the same change that comes later
is older than what we know, and stale.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from cloudheal.model.event import INFO, Channel, Event
from cloudheal.model.inventory import AGENT, DELETED, RECYCLING, RUNNING, STOPPED, Change, Description, Known, Sighting
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.model.trigger import FAULT, RECOVERED
from cloudheal.sense.triggers import PING_UNREACHABLE

STATE_CHANGE = "Instance:StateChange"
INTERRUPTION = "Instance:PreemptibleInstanceInterruption"
LASTING = frozenset({RUNNING, STOPPED, DELETED})
#: What each cloud calls its servers in the sources of events.
_PRODUCTS = {Cloud.ALIBABA: "ecs", Cloud.TENCENT: "cvm"}


def sightings(events: Iterable[Event]) -> Iterator[Sighting]:
    """Yield what events say of the state and the locks of instances."""
    for event in events:
        if event.channel is Channel.POLL:
            continue  # the look that found it has described the resource already
        if event.type == STATE_CHANGE and event.status:
            yield Sighting(event.subject, event.as_of, event.status)
        elif event.type == INTERRUPTION:
            yield Sighting(event.subject, event.as_of, "", RECYCLING)


def found_by(changes: Iterable[Change], received: datetime) -> Iterator[Event]:
    """Yield the events that nobody told us, from what a look changed."""
    for change in changes:
        now, before = change.now, change.before
        moved = before is not None and before.resource.as_of < now.at and before.resource.state != now.state
        if moved and now.state in LASTING and before is not None and before.resource.state:
            data = {"resourceId": now.id.id, "state": now.state, "before": before.resource.state, "level": INFO}
            yield _event(now.id, STATE_CHANGE, now.state, now.at, received, data)
        if RECYCLING in now.locks and (before is None or RECYCLING not in before.locks):
            action = "stop" if now.attributes.get("SpotInterruptionBehavior") == "Stop" else "delete"
            yield _event(now.id, INTERRUPTION, action, now.at, received, {"instanceId": now.id.id, "action": action})
        if before is not None and now.state == RUNNING:
            yield from _agent(before, now, received)


def _agent(before: Known, now: Description, received: datetime) -> Iterator[Event]:
    """Yield the event of an agent that fell silent, or answers again, between two looks."""
    seen = (str(before.attributes.get(AGENT, "")), str(now.attributes.get(AGENT, "")))
    status = {("Online", "Offline"): FAULT, ("Offline", "Online"): RECOVERED}.get(seen)
    if status is not None:
        data = {"instanceId": now.id.id, "status": status, "situation": "PingUnreachable", "agent": seen[1]}
        yield _event(now.id, PING_UNREACHABLE, status, now.at, received, data)


def gone(subject: ResourceId, at: datetime, received: datetime) -> Event:
    """Return the event of a server that is not there any more and whose release nobody told us."""
    return _event(
        subject, STATE_CHANGE, DELETED, at, received, {"resourceId": subject.id, "state": DELETED, "level": INFO}
    )


def _event(
    subject: ResourceId, type_: str, status: str, at: datetime, received: datetime, data: Mapping[str, Any]
) -> Event:
    millis = round(at.timestamp() * 1000)
    return Event(
        key=f"poll|{subject}|{type_}|{status}|{millis}",
        id="",
        source=f"{subject.cloud}.{_PRODUCTS[subject.cloud]}",
        type=type_,
        subject=subject,
        time=at,
        received=received,
        status=status,
        data=data,
        channel=Channel.POLL,
        simulated=False,
        raw=json.dumps(dict(data)).encode(),
    )
