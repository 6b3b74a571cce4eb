"""Tencent Cloud's messages to Event: EventBridge's CloudEvents, and callbacks of alarm policies.

Only the subject, the type, the status, the region and the time of a CloudEvent are relied on: what else an event holds
is not documented for each type, and is kept as it came. A fault and its recovery are two events of one type, told apart
by `status`: `1`, `0`, or `-` for what has no recovery.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from cloudheal.clouds.encoding import check_text, parsed
from cloudheal.clouds.moments import moment
from cloudheal.clouds.tencent import callbacks
from cloudheal.clouds.tencent.names import normal_type, region_of, task_of
from cloudheal.clouds.tencent.tasks import task_facts
from cloudheal.errors import NotAnEventError
from cloudheal.model.event import DRY_RUN, Channel, Event
from cloudheal.model.resource import Cloud, named
from cloudheal.settings.discretion import discreet

#: The status of an event that has no recovery.
STATELESS = "-"
#: A list of events that EventBridge delivers together.
BATCH = "EventList"
_SOURCE = ".cloud.tencent"
_TYPE = re.compile(r"[a-z][a-z0-9_]*:(ErrorEvent|CloudEvent|OperationEvent):.+")
_ID = re.compile(r"[a-z][a-z0-9]{0,15}-[A-Za-z0-9]{1,32}")
_QCS = re.compile(r"qcs:[^:]*:[^:]*:(?P<region>[^:]*):(?:uin/|uid/?)?(?P<account>\d*):(?P<rest>.*)")
_KINDS = {"ins": "instance", "disk": "disk"}


class About(NamedTuple):
    """What an event is about; absent texts are empty."""

    id: str
    region: str
    account: str


def is_ours(document: Mapping[str, Any]) -> bool:
    """Say whether a document has the form of this cloud's messages."""
    source, type_ = document.get("source"), document.get("type")
    if isinstance(source, str) and source.endswith(_SOURCE):
        return True
    return (isinstance(type_, str) and _TYPE.fullmatch(type_) is not None) or callbacks.is_callback(document)


def event_in(document: Mapping[str, Any], raw: bytes, received: datetime, channel: Channel) -> Event:
    """Read the document of a message into an Event. Raises NotAnEventError with the reason for the dead letter."""
    at = received.astimezone(UTC)
    event = (
        callbacks.event_in(document, raw, at, channel)
        if callbacks.is_callback(document)
        else _of_cloud_event(document, raw, at, channel)
    )
    columns = "".join(str(event.data.get(name, "")) for name in ("event_id", "reason", "impact"))
    check_text(f"{event.subject}{event.type}{event.status}{event.id}{event.source}{event.key}{columns}", event.data)
    return event


def _of_cloud_event(document: Mapping[str, Any], raw: bytes, received: datetime, channel: Channel) -> Event:
    type_ = normal_type(_text(document, "type", required=True))
    status = status_of(document.get("status"))
    data = _data(document.get("data"))
    about = _about(document, data)
    happened = moment(document.get("time"))
    if happened is None:
        raise NotAnEventError(f"time is in no documented form: {discreet(str(document.get('time')))[:40]!r}")
    resource = named(Cloud.TENCENT, about.account, about.region, kind_of(about.id), about.id)
    id_, situation = _text(document, "id"), type_.rpartition(":")[2]
    task, facts = task_of(situation), {**told(data), "status": status, "situation": situation}
    task_id = task_facts(data)["event_id"] if task else ""
    key = f"event|{resource.id}|{type_}|{status}|{id_ or happened.isoformat()}"
    if task and task_id:  # only then can it be joined with what the list of tasks tells
        type_, status = type_.removesuffix(situation) + task[0], task[1].value
        facts |= {**task_facts(data), "event_type": task[0]}
        key = f"system|{resource.cloud}|{task_id}|{status}"
    return Event(
        key=key,
        id=id_,
        source=f"tencent.{type_.partition(':')[0]}",
        type=type_,
        subject=resource,
        time=happened,
        received=received,
        status=status,
        data=facts,
        channel=channel,
        simulated=DRY_RUN.items() <= data.items(),
        raw=raw,
    )


def told(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a message holds without the names under which cloudheal keeps the facts of system events."""
    return {name: value for name, value in data.items() if name not in callbacks.RESERVED}


def status_of(value: object) -> str:
    """Return the status of an event as text; what was left out is that of an event without recovery."""
    if value is None or value == "":
        return STATELESS
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise NotAnEventError("status is neither text nor a number")
    return str(value)


def kind_of(id_: str) -> str:
    """Say what kind of resource an id names."""
    prefix = id_.partition("-")[0]
    return _KINDS.get(prefix, prefix)


def _about(document: Mapping[str, Any], data: Mapping[str, Any]) -> About:
    """Find what an event is about: its subject, plain or in six parts, before what stands in its data."""
    subject = document.get("subject", document.get("subjuect"))  # one sample of the vendor has the latter
    told = _QCS.fullmatch(subject) if isinstance(subject, str) else None
    rest = told["rest"].rpartition("/")[2] if told else subject
    id_ = next((one for one in (rest, data.get("instanceId")) if isinstance(one, str) and _ID.fullmatch(one)), "")
    if not id_:
        raise NotAnEventError("the event names no resource, neither as subject nor in its data")
    region = _text(document, "region") or (told["region"] if told else "")
    account = _text(data, "appId") or _text(data, "uin") or (told["account"] if told else "") or _owner(document)
    return About(id_, region_of(region), account)


def _owner(document: Mapping[str, Any]) -> str:
    """Return the account of the rule that an event came by."""
    rules = document.get("resource")
    found = (_QCS.fullmatch(one) for one in rules if isinstance(one, str)) if isinstance(rules, list) else ()
    return next((one["account"] for one in found if one and one["account"]), "")


def _data(value: object) -> Mapping[str, Any]:
    """Take an object, or text that holds one; events without data are allowed."""
    if isinstance(value, str):
        try:
            value = parsed(value)
        except (ValueError, RecursionError) as problem:
            raise NotAnEventError("data is text that is not JSON") from problem
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise NotAnEventError("data is not an object")
    return value


def _text(document: Mapping[str, Any], name: str, *, required: bool = False) -> str:
    value = document.get(name)
    if isinstance(value, str | int) and not isinstance(value, bool) and str(value):
        return str(value)
    if required:
        raise NotAnEventError(f"the event has no {name}")
    return ""
