"""Window: a stretch of time that comes again and again, such as working hours or a night for maintenance.

A window begins at a wall time of its zone on the days of an RFC 5545 recurrence and lasts so much real time. Where the
clock is put forward over the beginning, the window begins as much later; where the clock is put back and the beginning
comes twice, the first one counts. Durations are real: a window of two hours lasts two hours in such a night, too.

The functions are pure: a window and an instant in, an answer out. Who asks, and what follows, is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

#: A Monday that begins a month and a year: recurrences with an interval are counted from here.
ANCHOR = date(2001, 1, 1)
EVERY_DAY = "FREQ=DAILY"
#: How far ahead a change is looked for: over the next leap day.
HORIZON = timedelta(days=366 * 8)
DAY, INSTANT = timedelta(days=1), timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Window:
    """One recurring window; `days` is the recurrence of the days on which it begins, `zone` an IANA name."""

    days: str
    begins: time
    lasts: timedelta
    zone: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """One time that a window is open: from `begin` up to, but not at, `end`."""

    begin: datetime
    end: datetime


def is_in(window: Window, moment: datetime) -> bool:
    """Say whether a window is open at an instant."""
    return next(stretches(window, moment, moment + INSTANT), None) is not None


def next_change(window: Window, moment: datetime) -> datetime | None:
    """Return when a window next opens or closes after an instant; None when it does not for years."""
    horizon = moment + HORIZON
    if not is_in(window, moment):
        coming = next(stretches(window, moment, horizon), None)
        return coming.begin if coming else None
    upto = moment
    for one in stretches(window, moment, horizon):
        if one.begin > upto:
            return upto  # stretches that touch or overlap are one
        upto = max(upto, one.end)
    return upto if upto < horizon else None


def is_in_any(windows: Iterable[Window], moment: datetime) -> bool:
    """Say whether at least one of several windows is open."""
    return any(is_in(one, moment) for one in windows)


def next_opening(windows: Sequence[Window], moment: datetime) -> datetime | None:
    """Return when the first of several closed windows opens; None when one is open, or none ever opens."""
    if is_in_any(windows, moment):
        return None
    return min((change for one in windows if (change := next_change(one, moment))), default=None)


def stretches(window: Window, begin: datetime, end: datetime) -> Iterator[Stretch]:
    """Yield, in order, the stretches that reach into the time from `begin` to `end`."""
    zone = ZoneInfo(window.zone)
    day = (begin - window.lasts).astimezone(zone).date() - DAY
    last = end.astimezone(zone).date() + DAY
    for starts in _days(window.days, day, last):
        opened = datetime.combine(starts, window.begins, zone).astimezone(UTC)
        if opened < end and opened + window.lasts > begin:
            yield Stretch(opened, opened + window.lasts)


def parts_of(days: str) -> dict[str, str]:
    """Take a recurrence apart: `FREQ=WEEKLY;BYDAY=MO,TU`. Raises ValueError when it has another form."""
    parts: dict[str, str] = {}
    for part in days.upper().split(";"):
        name, mark, value = part.partition("=")
        if not mark or not value or name in parts:
            msg = f"expected NAME=VALUE, once each, got {part!r}"
            raise ValueError(msg)
        parts[name] = value
    return parts


def _days(days: str, first: date, last: date) -> Iterator[date]:
    """Yield the days of a recurrence from `first` to `last`, a month at a time: mostly the next one is wanted."""
    while first <= last:
        until = min(last, first + 30 * DAY)
        yield from _days_between(days, first, until)
        first = until + DAY


@lru_cache(maxsize=4096)
def _days_between(days: str, first: date, last: date) -> tuple[date, ...]:
    rule = rrulestr(days, dtstart=datetime.combine(_counted_from(days, first), time()))
    between = rule.between(datetime.combine(first, time()), datetime.combine(last, time()), inc=True)
    return tuple(one.date() for one in between)


def _counted_from(days: str, day: date) -> date:
    """Return a day not after this one from which the recurrence runs exactly as it runs from the anchor."""
    parts = parts_of(days)
    interval, frequency = int(parts.get("INTERVAL", "1")), parts["FREQ"]
    if frequency in {"DAILY", "WEEKLY"}:
        step = interval * (7 if frequency == "WEEKLY" else 1)
        return ANCHOR + (day - ANCHOR).days // step * step * DAY
    step = interval * (12 if frequency == "YEARLY" else 1)
    months = ((day.year - ANCHOR.year) * 12 + day.month - 1) // step * step
    return date(ANCHOR.year + months // 12, months % 12 + 1, 1)
