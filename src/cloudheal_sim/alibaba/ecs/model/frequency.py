"""When a command runs: `rate(5m)` and `at(2026-03-02 10:00:00 Asia/Shanghai)`.

Clock expressions (cron) are not simulated; they are refused, not ignored.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND, to_millis

_RATE = re.compile(r"rate\((\d{1,6})([smhd])\)")
_AT = re.compile(r"at\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?: ([A-Za-z0-9_+:/-]+))?\)")
_GMT = re.compile(r"GMT([+-])(\d{1,2}):(\d\d)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SHORTEST, _LONGEST = 60, 7 * 86400


class FrequencyError(ValueError):
    """The expression cannot be; the message says why."""


def checked(expression: str, now: int) -> str:
    """Return the expression. Raises FrequencyError when it is none, or its one time has passed."""
    if next_time(expression, now) is None:
        raise FrequencyError("the time has passed")
    return expression


def next_time(expression: str, now: int) -> int | None:
    """Return when the command runs next after `now`, epoch milliseconds; None when never. Raises FrequencyError."""
    if found := _RATE.fullmatch(expression):
        seconds = int(found[1]) * _UNITS[found[2]]
        if not _SHORTEST <= seconds <= _LONGEST:
            raise FrequencyError("an interval is between 60 seconds and 7 days")
        return now + seconds * MILLIS_PER_SECOND
    if found := _AT.fullmatch(expression):
        moment = to_millis(_moment(found[1], found[2] or "UTC"))
        return moment if moment > now else None
    raise FrequencyError("expected rate(...) or at(...)")


def _moment(text: str, zone: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=_zone(zone))
    except (ValueError, ZoneInfoNotFoundError) as problem:
        raise FrequencyError("no such time or time zone") from problem


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    if found := _GMT.fullmatch(name):
        offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
        return timezone(offset if found[1] == "+" else -offset)
    return ZoneInfo(name)
