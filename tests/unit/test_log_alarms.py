"""What a period makes of an alarm on a log metric, in plain Python, and the same for all series at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cloudheal.logs.alarm_board import Board, advance, rule_table
from cloudheal.logs.alarm_rounds import Key, Line, Period, Turn, keys_of, one_by_one, rounded
from cloudheal.logs.alarms import Alarm, Seen, Standing, alarm_of, start_of, stepped, unheard
from cloudheal.model.alarm import Level, NoData, Than
from cloudheal.settings.alarms import AlarmSettings

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
OVER_20 = {"over": 20, "times": 3}


def alarm(levels: dict[str, Any], **more: Any) -> Alarm:
    """Return an alarm with these levels."""
    written = {"name": "slow", "metric": "requests", "value": "rt", "levels": levels, **more}
    return alarm_of(AlarmSettings.model_validate(written), "web", ("url",), 1)


def walked(one: Alarm, values: Sequence[float | None], hours: Sequence[bool] = ()) -> list[Level]:
    """Return the level after each period."""
    standing, levels = unheard(one), []
    for value, in_hours in zip(values, hours or [True] * len(values), strict=True):
        standing = stepped(one, standing, Seen(value, {}), in_hours=in_hours)
        levels.append(standing.level)
    return levels


def names(levels: Sequence[Level]) -> str:
    """Return levels as a word of their first letters."""
    return "".join(one.name[0] if one.is_firing else "." for one in levels)


def test_two_bad_periods_then_a_good_one_raise_nothing_and_three_do_once() -> None:
    """A single check that fails rouses nobody; the third in a row does, and the first good one is the recovery."""
    one = alarm({"warn": OVER_20})
    assert names(walked(one, [30, 30, 10, 30, 30])) == "....."
    assert names(walked(one, [30, 30, 30, 30, 10])) == "..WW."


def test_so_many_of_the_last_periods_are_enough() -> None:
    """Three of the last five, in whatever order, and no more when one of them has left."""
    one = alarm({"warn": {"over": 20, "times": 3, "of": 5}})
    assert names(walked(one, [30, 10, 30, 10, 30, 10, 10])) == "....W.."


def test_a_bound_belongs_to_at_least_and_not_to_over() -> None:
    """The value itself is bad for at_least and at_most, and good for over and under."""
    values = [19.0, 20.0, 21.0]
    found = {name: names(walked(alarm({"info": {name: 20, "times": 1}}), values)) for name in BOUNDS}
    assert found == BOUNDS


BOUNDS = {"over": "..I", "at_least": ".II", "under": "I..", "at_most": "II."}


def test_the_gravest_level_that_is_reached_counts() -> None:
    """Each level has its own threshold and its own number of periods; what eases falls back to the lesser level."""
    one = alarm({"info": {"over": 10, "times": 1}, "warn": OVER_20, "critical": {"over": 50, "times": 2}})
    assert names(walked(one, [15, 60, 60, 30, 15, 5])) == "IICWI."


def test_every_condition_of_a_level_must_hold() -> None:
    """A band, and a change that counts only where the value matters."""
    band = alarm({"warn": {"over": 10, "under": 20, "times": 1}})
    assert names(walked(band, [10, 15, 20])) == ".W."
    both = alarm({"warn": {"over": 100, "up": 50, "than": "previous", "times": 1}})
    small, large = Seen(20, {Than.PREVIOUS: 10}), Seen(200, {Than.PREVIOUS: 100})
    assert [stepped(both, unheard(both), one, in_hours=True).level for one in (small, large)] == [Level.OK, Level.WARN]


@pytest.mark.parametrize(
    ("condition", "value", "reference", "level"),
    [
        ("up", 150, 100, Level.WARN),
        ("up", 149, 100, Level.OK),
        ("up", -50, -100, Level.WARN),
        ("down", 50, 100, Level.WARN),
        ("down", 51, 100, Level.OK),
        ("down", 150, 100, Level.OK),
        ("up", 150, 0, Level.OK),
        ("up", 150, None, Level.OK),
    ],
)
def test_a_change_is_percent_of_what_it_is_compared_with(
    condition: str, value: float, reference: float | None, level: Level
) -> None:
    """Half as much again is 50 percent up; with nothing, or with zero, nothing is compared."""
    one = alarm({"warn": {condition: 50, "than": "yesterday", "times": 1}})
    after = stepped(one, unheard(one), Seen(value, {Than.YESTERDAY: reference}), in_hours=True)
    assert after.level is level


@pytest.mark.parametrize(("policy", "levels"), [("ok", "W..W..."), ("ignore", "WWWWWW."), ("alarm", "WWNWWN.")])
def test_a_period_without_data_is_what_its_policy_says(policy: str, levels: str) -> None:
    """A good period, none at all, or an alarm of its own after two of them."""
    one = alarm({"warn": {"over": 20, "times": 1}}, no_data=policy, no_data_times=2)
    assert names(walked(one, [30, None, None, 30, None, None, 10])) == levels


def test_outside_the_hours_only_good_periods_count() -> None:
    """Nothing begins to fire at night, and what fires may recover there; the third bad period by day is the third."""
    one = alarm({"warn": OVER_20})
    night = [True, True, False, False, True]
    assert names(walked(one, [30, 30, 30, 30, 30], night)) == "....W"
    assert names(walked(one, [30, 30, 30, 10], [True, True, True, False])) == "..W."
    missing = alarm({"warn": OVER_20}, no_data="alarm", no_data_times=2)
    assert names(walked(missing, [None] * 4, [False, False, True, True])) == "...N"


def test_recovery_waits_for_as_many_good_periods_as_it_is_told() -> None:
    """What comes and goes stays one alarm."""
    one = alarm({"warn": {"over": 20, "times": 1}}, recovers_after=3)
    assert names(walked(one, [30, 10, 10, 30, 10, 10, 10])) == "WWWWWW."


def test_hours_are_those_of_the_wall_in_a_night_that_changes_the_clock() -> None:
    """From nine for eight hours in Berlin: an hour earlier by UTC from the day on which the clock is put forward."""
    hours = [{"from": "09:00", "lasts": "8h", "timezone": "Europe/Berlin"}]
    one = alarm({"warn": OVER_20}, hours=hours)
    times = ("2026-03-28T08:00Z", "2026-03-28T07:59Z", "2026-03-29T07:00Z", "2026-03-29T06:59Z", "2026-03-29T15:00Z")
    assert [one.is_in_hours(datetime.fromisoformat(at)) for at in times] == [True, False, True, False, False]


@pytest.mark.parametrize(
    ("start", "than", "expected"),
    [
        ("2026-03-29T10:00+02:00", Than.YESTERDAY, "2026-03-28T10:00+01:00"),
        ("2026-03-29T10:00+02:00", Than.LAST_WEEK, "2026-03-22T10:00+01:00"),
        ("2026-03-30T02:30+02:00", Than.YESTERDAY, "2026-03-29T03:30+02:00"),
        ("2026-10-26T02:30+01:00", Than.YESTERDAY, "2026-10-25T02:30+02:00"),
        ("2026-03-29T10:00+02:00", Than.PREVIOUS, "2026-03-29T09:55+02:00"),
    ],
)
def test_yesterday_is_the_same_time_on_the_wall(start: str, than: Than, expected: str) -> None:
    """Also across a change of the clock; a time that did not exist lies an hour later."""
    at = int(datetime.fromisoformat(start).timestamp())
    assert start_of(at, than, 5, ZoneInfo("Europe/Berlin")) == int(datetime.fromisoformat(expected).timestamp())


@pytest.mark.parametrize(
    ("level", "problem"),
    [
        ({"times": 3}, "at least one of over"),
        ({"up": 50}, "name both"),
        ({"over": 5, "than": "yesterday"}, "name both"),
        ({"up": 50, "down": 50, "than": "yesterday"}, "two alarms"),
        ({"over": 5, "times": 3, "of": 2}, "cannot be among"),
        ({"over": math.nan}, "finite"),
    ],
)
def test_a_level_that_can_never_be_meant_is_refused(level: dict[str, Any], problem: str) -> None:
    """The message says what is missing."""
    with pytest.raises(ValidationError, match=problem):
        alarm({"warn": level})


@pytest.mark.parametrize(
    ("levels", "more", "problem"),
    [({"warn": OVER_20}, {"mute": "30s"}, "expected 1m or more"), ({}, {}, "at least one of critical")],
)
def test_an_alarm_that_floods_or_says_nothing_is_refused(
    levels: dict[str, Any], more: dict[str, Any], problem: str
) -> None:
    """A mute below its bound, and an alarm without levels."""
    with pytest.raises(ValidationError, match=problem):
        alarm(levels, **more)


def test_a_series_is_watched_when_every_named_field_fits() -> None:
    """By value or wildcard; YAML's numbers are texts here."""
    one = alarm({"warn": OVER_20}, series={"url": ["/pay/*", 404]})
    assert [one.watches([url]) for url in ("/pay/1", "404", "/buy")] == [True, True, False]


def test_what_was_left_over_is_no_series_unless_it_is_named() -> None:
    """The sum of all small URLs is above every threshold that is meant for one."""
    assert not alarm({"warn": OVER_20}).watches(["__other__"])
    assert alarm({"warn": OVER_20}, series={"url": ["__other__"]}).watches(["__other__"])


def test_series_that_are_gone_are_forgotten() -> None:
    """Names in logs come and go: one that is well after a day, one that fires after eight, and it recovers then."""
    one = alarm({"warn": {"over": 20, "times": 1}}, no_data="ignore", mute="1h")
    lines, turns = dict[Key, Line](), list[Turn]()
    known = []
    for hour in range(9 * 24):
        values: dict[Key, float] = {("/well",): 10.0, ("/bad",): 30.0} if hour == 0 else {}
        period = [Period(hour * 3600, hour * 3600 + 3600, values)]
        made = rounded(one, lines, period, one_by_one(one, keys_of(one, lines, period), lines, period), NOON)
        lines, turns = dict(made.lines), [*turns, *made.turns]
        known.append(sorted(key[0] for key in lines))
    assert [known.index(some) for some in (["/bad", "/well"], ["/bad"], [])] == [0, 24, 8 * 24]
    assert [(turn.before.word, turn.after.word) for turn in turns] == [("ok", "warn"), ("warn", "ok")]


LIMITS = st.sampled_from([-2.0, 0.0, 1.0, 3.0])
VALUES = st.one_of(st.none(), st.sampled_from([-3.0, -2.0, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0]))


@st.composite
def _levels(draw: st.DrawFn) -> dict[str, Any]:
    of = draw(st.integers(1, 60))
    level: dict[str, Any] = {"times": draw(st.integers(1, min(of, 4))), "of": of}
    bounds = draw(st.sets(st.sampled_from(["over", "at_least", "under", "at_most"]), max_size=2))
    level |= {name: draw(LIMITS) for name in sorted(bounds)}
    if not bounds or draw(st.booleans()):
        level[draw(st.sampled_from(["up", "down"]))] = draw(st.sampled_from([25.0, 50.0, 100.0]))
        level["than"] = draw(st.sampled_from(list(Than))).value
    return level


@st.composite
def _alarms(draw: st.DrawFn) -> Alarm:
    graded = draw(st.sets(st.sampled_from(["critical", "warn", "info"]), min_size=1))
    return alarm(
        {name: draw(_levels()) for name in sorted(graded)},
        no_data=draw(st.sampled_from(list(NoData))).value,
        no_data_times=draw(st.integers(1, 3)),
        recovers_after=draw(st.integers(1, 3)),
    )


@settings(max_examples=60)
@given(
    alarms=st.lists(_alarms(), min_size=1, max_size=4),
    periods=st.lists(
        st.tuples(
            st.lists(st.tuples(VALUES, VALUES, VALUES, VALUES), min_size=3, max_size=3),
            st.lists(st.booleans(), min_size=4, max_size=4),
        ),
        min_size=1,
        max_size=8,
    ),
)
def test_all_at_once_is_the_same_as_one_by_one(
    alarms: list[Alarm], periods: list[tuple[list[tuple[float | None, ...]], list[bool]]]
) -> None:
    """Whatever the rules, the gaps, the hours and the past, every number of the arrays is that of the definition."""
    table = rule_table(alarms)
    board = Board.fresh(table, 3)
    plain = [[unheard(one)] * 3 for one in alarms]
    for shown, hours in periods:
        in_hours = hours[: len(alarms)]
        columns = np.array(shown, np.float64).T
        board = advance(table, board, columns[0], dict(zip(Than, columns[1:], strict=True)), in_hours)
        seen = [Seen(value, dict(zip(Than, others, strict=True))) for value, *others in shown]
        plain = [
            [stepped(one, before, at, in_hours=now) for before, at in zip(row, seen, strict=True)]
            for one, row, now in zip(alarms, plain, in_hours, strict=True)
        ]
        assert board.standings(table) == plain
    again = Board.of(table, plain)
    assert again.standings(table) == plain


def test_counters_of_missing_periods_stop() -> None:
    """A series that never comes back does not begin anew when a counter is full."""
    one = alarm({"warn": OVER_20}, no_data="alarm", no_data_times=60)
    full = Standing(Level.NO_DATA, (0,), 0, 255)
    assert stepped(one, full, Seen(None, {}), in_hours=True) == full
    table = rule_table([one])
    after = advance(table, Board.of(table, [[full]]), np.array([np.nan]), {}, [True])
    assert after.standings(table) == [[full]]
