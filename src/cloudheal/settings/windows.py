"""Windows as people write them: on which days, from when, how long, and in which zone; `model.window` says the rest."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil.rrule import rrulestr
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainSerializer, field_validator

from cloudheal.model.window import ANCHOR, EVERY_DAY, Window, parts_of
from cloudheal.settings.durations import Duration, written
from cloudheal.settings.part import Part

#: What names days; anything else of RFC 5545 names hours, or an end.
_PARTS = frozenset({"FREQ", "INTERVAL", "BYDAY", "BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYSETPOS", "WKST"})
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
LONGEST = timedelta(days=7)
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def known_zone(name: str) -> str:
    """Check the name of a time zone. Raises ValueError."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as problem:
        msg = f"no time zone {name!r}; expected a name such as Asia/Shanghai"
        raise ValueError(msg) from problem
    return name


def time_of(value: object) -> time:
    """Read a wall time. Raises ValueError saying what was expected."""
    if isinstance(value, time):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 60 <= value < 1440:
        return time(*divmod(value, 60))  # YAML reads a bare 22:00 as 22 times 60
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        msg = f'expected a time such as "22:00", got {value!r}'
        raise ValueError(msg)
    return time(int(found[1]), int(found[2]))


WallTime = Annotated[time, BeforeValidator(time_of), PlainSerializer(lambda one: f"{one:%H:%M}", return_type=str)]


class WindowSettings(Part):
    """A time that comes again and again."""

    model_config = ConfigDict(populate_by_name=True)

    days: str = Field(
        EVERY_DAY,
        description="The days on which it begins, as an RFC 5545 recurrence: FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR.",
    )
    begins: WallTime = Field(alias="from", description='The local time at which it begins, such as "22:00".')
    lasts: Duration = Field(description="How long it lasts, in real time; at most 7d.")
    timezone: Annotated[str, AfterValidator(known_zone)] | None = Field(
        None, description="The zone of `from`; absent: the settings' own."
    )

    @field_validator("days")
    @classmethod
    def _recurs(cls, days: str) -> str:
        parts = parts_of(days)
        strange = sorted(parts.keys() - _PARTS)
        if strange:
            msg = f"{', '.join(strange)} does not name days; known are {', '.join(sorted(_PARTS))}"
            raise ValueError(msg)
        if parts.get("FREQ") not in _FREQUENCIES:
            msg = f"FREQ is one of {', '.join(_FREQUENCIES)}"
            raise ValueError(msg)
        interval = parts.get("INTERVAL", "1")
        if not (interval.isascii() and interval.isdigit() and 1 <= int(interval) <= 366):
            msg = f"INTERVAL is a number from 1 to 366, got {interval!r}"
            raise ValueError(msg)
        first = next(iter(rrulestr(days, dtstart=datetime.combine(ANCHOR, time()))), None)
        if first is None:
            msg = "no day is ever one of these"
            raise ValueError(msg)
        return days.upper()

    @field_validator("lasts")
    @classmethod
    def _some_time(cls, lasts: timedelta) -> timedelta:
        if not timedelta() < lasts <= LONGEST:
            msg = f"expected more than 0s and at most {written(LONGEST)}, got {written(lasts)}"
            raise ValueError(msg)
        return lasts

    def in_zone(self, timezone: str) -> Self:
        """Return the same window with a zone where it names none."""
        return self if self.timezone else self.model_copy(update={"timezone": timezone})

    @property
    def window(self) -> Window:
        """The window itself; of one without a zone the times are UTC."""
        return Window(self.days, self.begins, self.lasts, self.timezone or "UTC")
