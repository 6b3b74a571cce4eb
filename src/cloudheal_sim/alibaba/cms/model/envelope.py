"""How an event looks on the wire: CloudMonitor's envelope, EventBridge's CloudEvent, the two webhook forms.

Two envelopes are documented (aliyun.md 6.1); by default their union is sent, and every documented oddity can be asked
for, so that a consumer can be tried on each. Times are written at UTC+8, as the service does.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import timedelta, timezone
from typing import TYPE_CHECKING, Literal

from cloudheal_sim.alibaba.cms.model import catalogue
from cloudheal_sim.alibaba.cms.model.event_log import NO_GROUP
from cloudheal_sim.kernel.clock import iso_millis, to_datetime

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.alibaba.cms.model.event_log import Published
    from cloudheal_sim.alibaba.events import SystemEvent

_CHINA = timezone(timedelta(hours=8))
#: Fields of the two documented envelopes.
_ECS_FIELDS = (
    *("ver", "id", "product", "resourceId", "level", "name", "userId", "eventTime"),
    *("regionId", "instanceName", "content"),
)
_CLOUDMONITOR_FIELDS = (
    *("ver", "id", "product", "resourceId", "level", "name", "status", "eventType", "instanceName", "groupId"),
    *("userId", "eventTime", "regionId", "content"),
)
_FINAL = ("Executed", "Avoided", "Canceled", "Failed")
_SAME_ID = uuid.UUID("6d1f3c2e-9f0b-4a41-8f4e-5f7a0c6b1d20")


@dataclass(frozen=True, slots=True)
class EnvelopeOptions:
    """Which of the documented forms is sent; the defaults are the least surprising ones.

    `created_state` is the state of a new instance's first event; `status_suffix_mismatch` leaves the first state at
    the end of the names of finished events; `same_event_id` gives all states of one system event one id.
    """

    envelope: Literal["union", "ecs", "cloudmonitor"] = "union"
    webhook_format: Literal["envelope", "subscription"] = "envelope"
    created_state: Literal["Pending", "Created"] = "Pending"
    status_suffix_mismatch: bool = False
    same_event_id: bool = False


def event_time(instant: int) -> str:
    """Write epoch milliseconds as `20260302T110026.922+0800`."""
    local = to_datetime(instant).astimezone(_CHINA)
    return f"{local:%Y%m%dT%H%M%S}.{instant % 1000:03d}+0800"


def arn(event: SystemEvent, account: str) -> str:
    """Write the resource name of an event's resource; one that is already written in full stays as it is."""
    if event.resource.startswith("acs:"):
        return event.resource
    return f"acs:{event.product.lower()}:{event.region}:{account}:{event.resource}"


def shared_id(event: SystemEvent) -> str | None:
    """Return the id that all states of this system event share, None when it has no states."""
    key = event.content.get("eventId")
    return str(uuid.uuid5(_SAME_ID, str(key))).upper() if key else None


def envelope(published: Published, account: str, options: EnvelopeOptions) -> dict[str, object]:
    """Return the JSON object that queues, functions and old webhooks are sent."""
    event = published.event
    if published.verbatim is not None:
        return dict(published.verbatim)
    fields = {
        "ver": "1.0",
        "id": published.id,
        "product": event.product,
        "resourceId": arn(event, account),
        "level": event.level,
        "name": _name(published, options),
        "status": event.status,
        "eventType": event.event_type,
        "instanceName": event.instance_name,
        "groupId": group_ids(published),
        "userId": account,
        "eventTime": event_time(event.at),
        "regionId": event.region,
        "content": event.content,
    }
    if options.envelope == "ecs":
        return {name: fields[name] for name in _ECS_FIELDS if fields[name] != ""}
    return {name: fields[name] for name in _CLOUDMONITOR_FIELDS}


def cloud_event(published: Published, account: str, now: int) -> dict[str, object]:
    """Return the CloudEvent (EventBridge) of an event; `now` is when it is sent."""
    event = published.event
    product = event.product.lower()
    return {
        "specversion": "1.0",
        "id": published.id.lower(),
        "source": f"acs.{product}",
        "type": f"{product}:{catalogue.base_name(event.name)}",
        "datacontenttype": "application/json;charset=utf-8",
        "subject": arn(event, account),
        "time": iso_millis(event.at),
        "aliyunaccountid": account,
        "aliyunoriginalaccountid": account,
        "aliyunpublishtime": iso_millis(now),
        "aliyuneventbusname": "default",
        "aliyunregionid": event.region,
        "aliyunpublishaddr": "127.0.0.1",
        "data": event.content,
    }


def subscription_push(published: Published, account: str, strategy: str) -> dict[str, object]:
    """Return the newer webhook body (event subscription); `strategy` is the rule's name."""
    event = published.event
    conditions = [
        {"field": "source", "op": "EQ", "value": "SYS_EVENT"},
        {"field": "product", "op": "IN", "value": event.product},
    ]
    return {
        "batchId": published.id[:8].lower(),
        "severity": event.level,
        "strategyName": strategy,
        "userId": account,
        "time": event.at,
        "userInfo": {"aliyunId": account, "nickName": "", "userName": "", "userId": account},
        "subscription": {"subscriptionUuid": strategy, "relation": "AND", "conditions": conditions},
        "alert": _alert(published, account),
    }


def form_fields(document: Mapping[str, object]) -> dict[str, str]:
    """Flatten a body for a GET or form push: same names, nested values as JSON strings."""
    return {name: value if isinstance(value, str) else _compact(value) for name, value in document.items()}


def group_ids(published: Published) -> str:
    """Write the application groups as the service does: ids joined by commas, `0` for none."""
    return ",".join(published.groups) or NO_GROUP


def _name(published: Published, options: EnvelopeOptions) -> str:
    event = published.event
    if not (options.status_suffix_mismatch and event.status in _FINAL):
        return published.name
    kind = catalogue.find(event.product, event.name)
    return catalogue.full_name(event.name, _first_state(kind))


def _first_state(kind: catalogue.Kind | None) -> str:
    states = kind.statuses if kind else ()
    return "Scheduled" if "Scheduled" in states or not states else "Executing"


def _alert(published: Published, account: str) -> dict[str, object]:
    event, resource = published.event, arn(published.event, account)
    finished = event.status in _FINAL and event.status != "Failed"
    return {
        "alertStatus": "RESOLVED" if finished else "TRIGGERED",
        "source": "SYS_EVENT",
        "severity": event.level,
        "product": event.product,
        "eventName": published.name,
        "eventType": event.event_type,
        "arn": resource,
        "timestamp": event.at,
        "traceId": published.id,
        "dedupId": f"{catalogue.base_name(event.name)}/{event.content.get('eventId', resource)}",
        "groupId": group_ids(published),
        "userId": account,
        "eventRawContent": _compact(event.content),
        "eventContentMap": event.content,
        "meta": {"sysEventMeta": _meta(published, resource)},
    }


def _meta(published: Published, resource: str) -> dict[str, object]:
    event = published.event
    kind = catalogue.find(event.product, event.name)
    return {
        "name": published.name,
        "status": event.status,
        "level": event.level,
        "product": event.product,
        "eventType": event.event_type,
        "regionId": event.region,
        "resourceId": resource,
        "resource": "",
        "instanceName": event.instance_name,
        "groupId": group_ids(published),
        "id": published.id,
        "eventTime": event_time(event.at),
        "eventNameEn": kind.en if kind else published.name,
        "eventNameZh": kind.zh if kind else published.name,
        "serviceTypeEn": event.product,
        "serviceTypeZh": event.product,
        "regionNameEn": event.region,
        "regionNameZh": event.region,
    }


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
