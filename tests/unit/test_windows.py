"""Windows that come again: open exactly as long as they say, whatever the clocks of their zone do."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from cloudheal.model.window import ANCHOR, Window, is_in, is_in_any, next_change, next_opening, stretches
from cloudheal.settings.windows import WindowSettings

HOUR, MINUTE, DAY = timedelta(hours=1), timedelta(minutes=1), timedelta(days=1)
#: Changes of an hour in both hemispheres, of half an hour, a day left out, and none at all.
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Shanghai", "UTC"]
RECURRENCES = [
    "FREQ=DAILY",
    "FREQ=DAILY;INTERVAL=3",
    "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU;WKST=SU",
    "FREQ=MONTHLY;BYDAY=-1FR",
    "FREQ=MONTHLY;INTERVAL=5;BYMONTHDAY=-1",
    "FREQ=YEARLY;BYMONTH=3,10;BYDAY=-1SU",
    "FREQ=YEARLY;INTERVAL=3;BYMONTH=2;BYMONTHDAY=29",
]
START, END = datetime.combine(date(2010, 1, 1), time()), datetime.combine(date(2030, 1, 1), time())
moments = st.datetimes(START, END, timezones=st.just(UTC))
windows = st.builds(
    Window,
    days=st.sampled_from(RECURRENCES),
    begins=st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30])),
    lasts=st.sampled_from([MINUTE, HOUR, 8 * HOUR, DAY, 30 * HOUR, 7 * DAY]),
    zone=st.sampled_from(ZONES),
)


def daily(at: str, lasts: timedelta, zone: str, days: str = "FREQ=DAILY") -> Window:
    """Return a window that begins at a local time."""
    return Window(days, time.fromisoformat(at), lasts, zone)


def local(zone: str, text: str, fold: int = 0) -> datetime:
    """Return the instant of a wall time."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


@given(windows, moments)
def test_it_is_open_from_each_beginning_for_as_long_as_it_lasts(window: Window, moment: datetime) -> None:
    """The recurrence, counted from its anchor by brute force, says the same at every instant."""
    rule = rrulestr(window.days, dtstart=datetime.combine(ANCHOR, time()))
    wall = moment.replace(tzinfo=None)
    near = rule.between(wall - window.lasts - 3 * DAY, wall + 3 * DAY, inc=True)
    zone = ZoneInfo(window.zone)
    begins = [datetime.combine(one.date(), window.begins, zone).astimezone(UTC) for one in near]
    assert is_in(window, moment) == any(one <= moment < one + window.lasts for one in begins)


@given(windows, moments)
def test_the_next_change_is_the_first_one(window: Window, moment: datetime) -> None:
    """It changes there, and nowhere before."""
    change = next_change(window, moment)
    assume(change is not None)
    assert change is not None
    now = is_in(window, moment)
    assert is_in(window, change) != now
    assert is_in(window, change - timedelta(microseconds=1)) == now
    assert change > moment
    between = [moment + (change - moment) * part / 97 for part in range(97)]
    assert all(is_in(window, one) == now for one in between)


@given(windows, moments)
def test_a_window_lasts_real_time(window: Window, moment: datetime) -> None:
    """An hour more or less on the wall does not make it longer or shorter."""
    assert all(one.end - one.begin == window.lasts for one in stretches(window, moment, moment + 40 * DAY))


def test_a_beginning_that_the_clock_skips_comes_as_much_later() -> None:
    """On that night there is no half past two in Berlin: the window begins at half past three."""
    window = daily("02:30", HOUR, "Europe/Berlin")
    begins = local("Europe/Berlin", "2026-03-29T03:30")
    assert next_change(window, local("Europe/Berlin", "2026-03-29T01:00")) == begins
    assert next_change(window, begins) == begins + HOUR


def test_a_beginning_that_comes_twice_counts_once() -> None:
    """Half past two comes twice: the first one begins the window, the second does not begin it again."""
    window = daily("02:30", 30 * MINUTE, "Europe/Berlin")
    first = local("Europe/Berlin", "2026-10-25T02:30")
    second = local("Europe/Berlin", "2026-10-25T02:30", fold=1)
    assert second - first == HOUR
    assert is_in(window, first)
    assert not is_in(window, second)


def test_a_night_of_eight_hours_ends_at_another_wall_time() -> None:
    """From ten for eight hours, over the night in which the clock is put back: until five."""
    window = daily("22:00", 8 * HOUR, "Europe/Berlin")
    assert next_change(window, local("Europe/Berlin", "2026-10-24T23:00")) == local("Europe/Berlin", "2026-10-25T05:00")


def test_days_are_those_of_the_zone() -> None:
    """A Monday morning in Shanghai is still Sunday in UTC."""
    window = daily("07:00", HOUR, "Asia/Shanghai", "FREQ=WEEKLY;BYDAY=MO")
    assert is_in(window, datetime(2026, 3, 1, 23, 30, tzinfo=UTC))
    assert not is_in(window, datetime(2026, 3, 2, 23, 30, tzinfo=UTC))


def test_windows_that_touch_are_one() -> None:
    """Open day and night is never closed, except in the night that has one hour more."""
    window = daily("00:00", DAY, "UTC")
    assert next_change(window, datetime(2026, 3, 2, tzinfo=UTC)) is None
    berlin = daily("00:00", DAY, "Europe/Berlin")
    assert next_change(berlin, local("Europe/Berlin", "2026-10-20T12:00")) == local("Europe/Berlin", "2026-10-25T23:00")


def test_of_several_windows_the_first_opens() -> None:
    """Mornings or evenings: the nearer one; while one is open nothing has to open."""
    morning, evening = daily("08:00", HOUR, "UTC"), daily("20:00", HOUR, "UTC")
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert next_opening([morning, evening], noon) == noon + 8 * HOUR
    assert next_opening([morning, evening], noon + 8 * HOUR) is None
    assert is_in_any([morning, evening], noon + 8 * HOUR)
    assert not is_in_any([], noon)


def test_a_window_is_read_as_people_write_it() -> None:
    """Every day when no days are named; YAML makes a number of a bare 22:00, which is understood."""
    read = WindowSettings.model_validate({"from": 22 * 60, "lasts": "8h"}).in_zone("Asia/Shanghai")
    assert read.window == Window("FREQ=DAILY", time(22), 8 * HOUR, "Asia/Shanghai")
    other = WindowSettings.model_validate({"from": "9:30", "lasts": "1h", "timezone": "Europe/Berlin"})
    assert other.in_zone("Asia/Shanghai").window.zone == "Europe/Berlin"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"days": ""}, "NAME=VALUE"),
        ({"days": "weekdays"}, "NAME=VALUE"),
        ({"days": "BYDAY=MO"}, "FREQ is one of"),
        ({"days": "FREQ=HOURLY"}, "FREQ is one of"),
        ({"days": "FREQ=DAILY;COUNT=3"}, "COUNT does not name days"),
        ({"days": "FREQ=DAILY;UNTIL=20270101"}, "UNTIL does not name days"),
        ({"days": "FREQ=DAILY;INTERVAL=0"}, "INTERVAL"),
        ({"days": "FREQ=WEEKLY;BYDAY=XX"}, "BYDAY"),
        ({"days": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, "no day is ever"),
        ({"from": "25:00"}, 'such as "22:00"'),
        ({"from": 22}, 'such as "22:00"'),
        ({"lasts": "0s"}, "more than 0s"),
        ({"lasts": "8d"}, "at most 7d"),
        ({"timezone": "Mars/Base"}, "no time zone"),
        ({"until": "06:00"}, "Extra inputs"),
    ],
)
def test_a_mistake_in_a_window_is_told(change: dict[str, Any], told: str) -> None:
    """What never recurs, recurs by the hour or ends is no window."""
    with pytest.raises(ValidationError, match=told):
        WindowSettings.model_validate({"from": "22:00", "lasts": "8h", **change})


@given(st.sampled_from(RECURRENCES), st.dates(date(2010, 1, 1), date(2030, 1, 1)))
def test_intervals_are_counted_from_the_anchor(days: str, day: date) -> None:
    """Every third day is the same third day, whenever one asks."""
    rule = rrulestr(days, dtstart=datetime.combine(ANCHOR, time()))
    begin = datetime.combine(day, time(), UTC)
    asked = stretches(Window(days, time(), MINUTE, "UTC"), begin, begin + DAY)
    assert bool(list(asked)) == bool(rule.between(*(datetime.combine(day, time()),) * 2, inc=True))
