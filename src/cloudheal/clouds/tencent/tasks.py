"""Facts of a repair task under the names that system events have everywhere, whichever way it came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudheal.clouds.moments import moment, stamp


def task_facts(told: Mapping[str, Any]) -> dict[str, str]:
    """Return the facts of a task; absent ones are empty. Messages may hold them one deeper (UNVERIFIED)."""
    more = told.get("additionalMsg")
    row = {**(more if isinstance(more, Mapping) else {}), **told}
    return {
        "event_id": _text(_first(row, "TaskId", "taskId", "task_id")),
        "event_type": "",
        "not_before": _time(_first(row, "AuthTime", "authTime")),
        "published": _time(_first(row, "CreateTime", "createTime")),
        "finished": _time(_first(row, "EndTime", "endTime")),
        "reason": _text(_first(row, "TaskDetail", "taskDetail")),
        "impact": _text(_first(row, "TaskTypeName", "taskTypeName")),
        "disk_id": "",
    }


def _first(row: Mapping[str, Any], *names: str) -> object:
    return next((row[name] for name in names if row.get(name)), None)


def _time(value: object) -> str:
    """Write a time in UTC; one without a zone is China standard time (UNVERIFIED)."""
    read = moment(value)
    return stamp(read) if read else ""


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
