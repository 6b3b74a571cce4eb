"""From the little that someone says about an event to a whole one: the catalogue and the instance fill in the rest.

For events that no service of the simulated cloud publishes by itself: those of the control API and dry runs. Whatever
is given is taken as it is, also when it contradicts the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.cms.model import catalogue
from cloudheal_sim.alibaba.events import MAINTENANCE, STATUS_NOTIFICATION, SystemEvent
from cloudheal_sim.kernel.clock import iso_seconds

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.events import InstanceFacts

HOME = "cn-hangzhou"
#: A maintenance is announced so long ahead when nobody said otherwise: 48 hours, in milliseconds.
NOTICE = 48 * 3600 * 1000
_ID_KEYS = ("instanceId", "resourceId", "ecsInstanceId", "diskId", "snapshotId")
_ARN_REGION = 2


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known about an event that is to be published; empty means: fill it in.

    `content` is merged over the usual one; a key that holds None is left out.
    """

    product: str
    name: str
    at: int
    resource: str = ""
    region: str = ""
    level: str = ""
    event_type: str = ""
    status: str = ""
    instance_name: str = ""
    content: Mapping[str, object] | None = None


def resource_id(resource: str) -> str:
    """Return the bare id of `instance/i-x` or of a resource name in full."""
    return resource.rpartition("/")[2]


def named_resource(name: str, content: Mapping[str, object]) -> str:
    """Return the short form of the resource that an event's content is about, empty when it names none."""
    keys = ("diskId", *_ID_KEYS) if name.startswith("Disk:") else _ID_KEYS
    found = next((str(content[key]) for key in keys if content.get(key)), "")
    if not found or "/" in found:
        return found
    kinds = {"d-": "disk", "s-": "snapshot"}
    return f"{kinds.get(found[:2], 'instance')}/{found}"


def filled(asked: Asked, facts: InstanceFacts | None, event_id: str) -> SystemEvent:
    """Complete an event; `facts` are those of its instance, `event_id` is used when it has a life cycle."""
    kind = catalogue.find(asked.product, asked.name)
    status = asked.status or _status(asked, kind)
    resource = asked.resource or named_resource(asked.name, asked.content or {})
    event_type = asked.event_type or (kind.event_type if kind else STATUS_NOTIFICATION)
    usual = _usual_content(asked, resource_id(resource), status, facts, event_id) if asked.product == "ECS" else {}
    if event_type != MAINTENANCE:
        usual.pop("notBefore", None)
    content = {**usual, **(asked.content or {})}
    return SystemEvent(
        product=asked.product,
        name=catalogue.full_name(asked.name, status),
        level=asked.level or _level(kind, status, content),
        event_type=event_type,
        status=status,
        region=asked.region or (facts.region if facts else _region_of(resource)),
        resource=resource,
        resource_id=resource_id(resource),
        at=asked.at,
        content={key: value for key, value in content.items() if value is not None},
        instance_name=asked.instance_name or (facts.name if facts else ""),
        tags=facts.tags if facts else {},
    )


def dry_run_event(product: str, name: str, given: Mapping[str, object], now: int) -> SystemEvent:
    """Make the event of a dry run from EventContent: a content, or an envelope that holds one."""
    inner = given.get("content")
    content = inner if given.get("name") and isinstance(inner, Mapping) else given
    resource = str(given.get("resourceId") or "") or named_resource(name, content)
    if resource.startswith(("i-", "d-", "s-")):
        resource = named_resource(name, {"resourceId": resource})
    asked = Asked(
        product=product,
        name=name,
        at=now,
        resource=resource,
        region=str(given.get("regionId") or ""),
        level=str(given.get("level") or ""),
        status=str(given.get("status") or content.get("eventStatus") or ""),
        instance_name=str(given.get("instanceName") or ""),
    )
    event = filled(asked, None, "")
    return SystemEvent(
        **{name: getattr(event, name) for name in SystemEvent.__dataclass_fields__ if name != "content"},
        content=content,
    )


def _status(asked: Asked, kind: catalogue.Kind | None) -> str:
    last = asked.name.rpartition(":")[2]
    if last in catalogue.LIFE_CYCLE:
        return last
    given = str((asked.content or {}).get("eventStatus") or "")
    return given or (kind.statuses[0] if kind else catalogue.NORMAL)


def _level(kind: catalogue.Kind | None, status: str, content: Mapping[str, object]) -> str:
    usual = kind.level_at(status) if kind else "INFO"
    return "WARN" if usual == "INFO" and content.get("result") == "failed" else usual


def _region_of(resource: str) -> str:
    parts = resource.split(":")
    return parts[_ARN_REGION] if resource.startswith("acs:") and len(parts) > _ARN_REGION else HOME


def _usual_content(
    asked: Asked, id_: str, status: str, facts: InstanceFacts | None, event_id: str
) -> dict[str, object]:
    name = catalogue.base_name(asked.name)
    if name == "Instance:StateChange":
        state = facts.status if facts else "Stopped"
        return {"resourceId": id_, "resourceType": "ALIYUN::ECS::Instance", "state": state}
    if name == "Instance:PreemptibleInstanceInterruption":
        return {"instanceId": id_, "action": "delete"}
    if status in catalogue.LIFE_CYCLE:
        return _life_cycle_content(name, id_, status, asked.at, event_id)
    return {"instanceId": id_} if name.startswith("Instance:") else {}


def _life_cycle_content(name: str, id_: str, status: str, at: int, event_id: str) -> dict[str, object]:
    subject, _, type_ = name.partition(":")
    content: dict[str, object] = {
        "eventId": event_id,
        "publishTime": iso_seconds(at),
        "notBefore": iso_seconds(at + NOTICE),
        "diskId" if subject == "Disk" else "instanceId": id_,
        "eventType": type_,
        "eventStatus": status,
    }
    if status not in {"Scheduled", "Inquiring"}:
        content["executeStartTime"] = iso_seconds(at)
    if status not in {"Scheduled", "Inquiring", "Executing"}:
        content["executeFinishTime"] = iso_seconds(at)
    return content
