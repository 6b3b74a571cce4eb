"""Callbacks of alarm policies (URLNotices) to Event: alarms about events of a server, and about its metrics.

The same callback comes when an alarm begins, again while it lasts, and once when it is over; what makes two of them the
same is the session, the status and the time of the first occurrence. Fields come as numbers or text, and some are left
out: of an alarm about an event neither the account nor the policy's number is certain (UNVERIFIED), so that an account
that is not named is looked for among those of the settings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from cloudheal.clouds.encoding import parsed
from cloudheal.clouds.moments import moment
from cloudheal.clouds.tencent.names import ALARM, PRODUCT, region_of, situation_of
from cloudheal.errors import NotAnEventError
from cloudheal.model.event import CRITICAL, DRY_RUN, INFO, WARN, Channel, Event
from cloudheal.model.resource import Cloud, named

SOURCE = "tencent.monitor"
#: The class of types of alarms about metrics: `cvm:MetricAlarm:cpu_usage`.
METRIC = "MetricAlarm"
_OBJECT, _POLICY = "alarmObjInfo", "alarmPolicyInfo"
#: Where the id of a server stands.
_IDS = ("unInstanceId", "InstanceId", "instanceId", "objId")
_SERVER = re.compile(r"ins-[A-Za-z0-9]{1,32}")
_STATUSES = frozenset({"0", "1"})
#: How the monitor's own API calls levels; that a callback names one, and so, is UNVERIFIED.
_LEVELS = {"serious": CRITICAL, "warn": WARN, "remind": INFO, "note": INFO}
#: Names under which cloudheal keeps the facts of system events: a message cannot pass itself off as one.
RESERVED = frozenset({"event_id", "event_type"})


def is_callback(document: Mapping[str, Any]) -> bool:
    """Say whether a document has the form of a callback."""
    return _OBJECT in document or _POLICY in document


def answer_to(document: Mapping[str, Any]) -> Mapping[str, object]:
    """Return what the sender reads as having been taken."""
    return {"sessionId": _text(document.get("sessionId")), "retCode": 0}


def event_in(document: Mapping[str, Any], raw: bytes, received: datetime, channel: Channel) -> Event:
    """Read a callback. Raises NotAnEventError naming what is missing."""
    about, policy = _part(document, _OBJECT), _part(document, _POLICY)
    conditions = _part(policy, "conditions")
    status = _text(document.get("alarmStatus"))
    if status not in _STATUSES:
        raise NotAnEventError("alarmStatus is neither 1 nor 0")
    server = _server(about)
    region = region_of(_text(about.get("region")))
    account = _text(about.get("uin")) or _text(about.get("appId"))
    resource = named(Cloud.TENCENT, account, region, "instance", server)
    type_ = _type(policy, conditions)
    plain = {name: value for name, value in conditions.items() if name not in RESERVED}
    session, first = _text(document.get("sessionId")), _text(document.get("firstOccurTime"))
    return Event(
        key=f"callback|{resource.id}|{session or type_}|{status}|{first}",
        id=session,
        source=SOURCE,
        type=type_,
        subject=resource,
        time=_happened(document, status, received),
        received=received,
        status=status,
        data={**plain, **_facts(document, policy), "status": status, "situation": type_.rpartition(":")[2]},
        channel=channel,
        simulated=DRY_RUN.items() <= conditions.items(),
        raw=raw,
    )


def _facts(document: Mapping[str, Any], policy: Mapping[str, Any]) -> Mapping[str, str]:
    return {
        "alarm": _text(document.get("alarmType")),
        "policy_id": _text(policy.get("policyId")),
        "policy_name": _text(policy.get("policyName")),
        "level": _LEVELS.get(_text(document.get("alarmLevel")).lower(), ""),
        "session": _text(document.get("sessionId")),
    }


def _type(policy: Mapping[str, Any], conditions: Mapping[str, Any]) -> str:
    """Return the type as EventBridge would write it; a metric's is one of ours, in the same form."""
    product = _text(conditions.get("productName")) or _text(policy.get("policyType")).partition("_")[0] or PRODUCT
    event, metric = _text(conditions.get("eventName")), _text(conditions.get("metricName"))
    if event:
        return f"{product}:{ALARM}:{situation_of(event)}"
    if metric:
        return f"{product}:{METRIC}:{metric}"
    raise NotAnEventError("the callback names neither an event nor a metric")


def _server(about: Mapping[str, Any]) -> str:
    """Find the server; details may be an object, or text that holds one."""
    dimensions = _part(about, "dimensions")
    places = (dimensions, _part(dimensions, "objDetail"))
    for place in places:
        for name in _IDS:
            found = place.get(name)
            if isinstance(found, str) and _SERVER.fullmatch(found):
                return found
    raise NotAnEventError("the callback names no server")


def _happened(document: Mapping[str, Any], status: str, received: datetime) -> datetime:
    """Say when an alarm began or was over; it lasted so long, or is over now, where nothing else is told."""
    first = moment(document.get("firstOccurTime"))
    if status == "1":
        if first is None:
            raise NotAnEventError("firstOccurTime is in no documented form")
        return first
    recovered = document.get("recoverTime")
    over = moment(recovered) if _text(recovered) not in {"", "0"} else None
    lasted = _text(document.get("durationTime"))
    if over is None and first is not None and lasted.isascii() and lasted.isdigit() and 0 < len(lasted) <= 8:
        over = first + timedelta(seconds=int(lasted)) if int(lasted) else None
    return over or received


def _part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Take an object, or text that holds one; what is left out is empty."""
    value = document.get(name)
    if isinstance(value, str) and value:
        try:
            value = parsed(value)
        except (ValueError, RecursionError):
            value = None
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
