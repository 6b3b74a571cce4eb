"""The facts of a system event, under the same names whichever way it came, and without the vendor's slips.

The vendor's own words stay beside them, so that patterns that people know from EventBridge go on matching.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudheal.clouds.moments import moment, stamp
from cloudheal.model.system_event import FINAL, STATUSES, Cycle

#: A drill's events carry this reason. Only the list of events tells it, messages do not.
SIMULATED_REASON = "A simulated event."

_COLUMNS = ("event_id", "reason", "impact", "disk_id")


def event_id_of(content: Mapping[str, Any]) -> str:
    """Return the id of the system event that a message is about; empty when it is about none."""
    found = content.get("eventId")
    return found if isinstance(found, str) else ""


def status_of(content: Mapping[str, Any], last: str, told: str) -> str:
    """Return the status of a system event; `last` is the end of its name, `told` what the envelope says.

    The content is right where it says one. Messages about disks do not, and the one about the end is documented with
    a name that still says Executing: only the end has a time of the end.
    """
    said = content.get("eventStatus")
    if said:
        return str(said)
    named = last if last in STATUSES else told
    if named == Cycle.EXECUTING and content.get("executeFinishTime"):
        return told if told in FINAL else Cycle.EXECUTED.value
    return named


def facts_of(content: Mapping[str, Any], name: str, status: str) -> Mapping[str, Any]:
    """Return the content of a system event with its facts under our names beside it; absent facts are empty."""
    extended = content.get("extendedAttribute")
    more = extended if isinstance(extended, Mapping) else {}
    return {
        **content,
        "event_id": event_id_of(content),
        "event_type": _text(content.get("eventType")) or name.partition(":")[2],
        "status": status,
        "not_before": _time(content.get("notBefore")),
        "published": _time(content.get("publishTime")),
        "reason": _text(content.get("reason")),
        "impact": _text(content.get("impactLevel")),
        "disk_id": _text(content.get("diskId") or more.get("DiskId")),
        "instance_id": _text(content.get("instanceId") or content.get("ecsInstanceId")),
    }


def texts_of(data: Mapping[str, Any]) -> str:
    """Return the facts of a system event that become columns, as one text; empty where there are none."""
    return "".join(data[name] for name in _COLUMNS) if "event_id" in data and "event_type" in data else ""


def _time(value: object) -> str:
    read = moment(value)
    return stamp(read) if read else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)
