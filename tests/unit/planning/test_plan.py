"""What an operator finds in a plan: the right window, one reboot for two events, reasons, who has no slot and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from cloudheal.decide.planning.load import profile_of
from cloudheal.decide.planning.planner import plan, replan
from cloudheal.model.plan import (
    STEP,
    Binding,
    Budgets,
    Choice,
    LoadProfile,
    Maintenance,
    Pin,
    PlanRequest,
    Policy,
    Prefer,
    Schedule,
    Taken,
    Terms,
    TooLate,
)
from cloudheal.model.window import Stretch, Window
from tests.unit.planning.laws import DAY, HOUR, MINUTE, NOW, broken_laws, due, server

NIGHT = Window("FREQ=DAILY", time(2), 2 * HOUR, "Asia/Shanghai")
SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")


def asked(*events: Maintenance, **more: object) -> PlanRequest:
    """Return a request as of now."""
    values = {"now": NOW, "maintenances": events, "terms": {"": Terms()}} | more
    return PlanRequest(**values)  # type: ignore[arg-type]


def begins(schedule: Schedule) -> dict[str, datetime]:
    """Return when each server has its slot."""
    return {row.resource.id: row.begin for row in schedule.rows}


def shanghai(text: str) -> datetime:
    """Return the instant of a wall time."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


# --- the best time --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hour", "night"), [(12, "2026-03-04"), (8, "2026-03-03"), (1, "2026-03-03"), (23, "2026-03-04")]
)
def test_forty_hours_ahead_the_slot_lies_in_the_last_admissible_window(hour: int, night: str) -> None:
    """Two or one nights lie before the deadline; the last in which work, and half an hour more, ends in time counts."""
    now = shanghai(f"2026-03-02T{hour:02}:00")
    event = replace(due("i-1", HOUR, lasts=10 * MINUTE), not_before=now + 40 * HOUR)
    request = asked(event, now=now, terms={"": Terms((NIGHT,))})
    (row,) = plan(request).rows
    opening = Stretch(shanghai(f"{night}T02:00"), shanghai(f"{night}T04:00"))
    assert row.begin == opening.begin
    assert (row.why.choice, row.why.opening) == (Choice.WINDOW, opening)
    assert row.deadline == event.not_before - 40 * MINUTE
    assert broken_laws(request, plan(request)) == []


def test_a_window_whose_end_comes_too_late_is_used_as_far_as_it_goes() -> None:
    """The platform acts at 03:10: with ten minutes of work and half an hour of margin we begin before 02:30."""
    event = replace(due("i-1", HOUR, lasts=10 * MINUTE), not_before=shanghai("2026-03-03T03:10"))
    assert begins(plan(asked(event, terms={"": Terms((NIGHT,))}))) == {"i-1": shanghai("2026-03-03T02:00")}
    early = replace(event, not_before=shanghai("2026-03-03T02:40"))
    (none,) = plan(asked(early, terms={"": Terms((NIGHT,))})).unplaced
    assert none.binding is Binding.NO_WINDOW  # 02:00 itself is not before the deadline


def test_a_group_may_ask_for_the_first_window() -> None:
    """Then a missed night has another one behind it."""
    event = due("i-1", 44 * HOUR)
    first = Terms((NIGHT,), prefer=Prefer.FIRST)
    assert begins(plan(asked(event, terms={"": first}))) == {"i-1": shanghai("2026-03-03T02:00")}


def test_windows_that_touch_are_one_opening() -> None:
    """From two to four and from four to six: the last opening before the deadline begins at two."""
    morning = Window("FREQ=DAILY", time(4), 2 * HOUR, "Asia/Shanghai")
    (row,) = plan(asked(due("i-1", 40 * HOUR), terms={"": Terms((NIGHT, morning))})).rows
    assert row.why.opening is not None
    assert (row.begin, row.why.opening.end - row.begin) == (row.why.opening.begin, 4 * HOUR)


def test_a_window_that_has_been_open_for_hours_is_used() -> None:
    """It opened long before anybody planned."""
    long = Window("FREQ=DAILY", time(0), 12 * HOUR, "UTC")
    assert begins(plan(asked(due("i-1", 9 * HOUR), terms={"": Terms((long,))}))) == {"i-1": NOW}


def test_without_windows_and_traffic_the_slot_is_the_earliest() -> None:
    """The next step of five minutes."""
    (row,) = plan(asked(due("i-1", 40 * HOUR), now=NOW + MINUTE)).rows
    assert (row.begin, row.why.choice) == (NOW + STEP, Choice.EARLIEST)


def test_known_traffic_puts_the_slot_into_the_quietest_time() -> None:
    """Of two days the quiet quarter of an hour at ten in the evening is taken, and its load is told."""
    points = [(NOW + step * STEP, 100.0) for step in range(2016)]
    quiet = shanghai("2026-03-02T22:00")
    points += [(quiet + step * STEP, 0.0) for step in range(3)] * 9
    profile = profile_of(points, "Asia/Shanghai")
    (row,) = plan(asked(due("i-1", 40 * HOUR, lasts=15 * MINUTE), terms={"": Terms(profile=profile)})).rows
    assert (row.begin, row.why.choice) == (quiet, Choice.LOW_TRAFFIC)
    assert row.why.load == pytest.approx(0.1, abs=0.01)
    assert row.why.busier == pytest.approx(1, abs=0.01)


def test_traffic_chooses_within_windows() -> None:
    """The group is quiet outside its window: the quietest time inside counts."""
    group = profile_of([(shanghai("2026-03-02T00:00") + hour * HOUR, 5.0 + (hour % 24 == 3)) for hour in range(168)])
    request = asked(due("i-1", 20 * HOUR), terms={"": Terms((NIGHT,), group)})
    assert begins(plan(request)) == {"i-1": shanghai("2026-03-03T02:00")}


@pytest.mark.parametrize(
    ("window", "day", "wall"),
    [
        ("02:30", "2026-03-29", "03:30"),  # the clock is put forward over the beginning
        ("02:30", "2026-10-25", "02:30"),  # half past two comes twice: the first one
        ("01:30", "2026-03-29", "01:30"),
    ],
)
def test_windows_in_nights_in_which_clocks_change_are_right(window: str, day: str, wall: str) -> None:
    """The slot begins with the window, and the window lasts real time."""
    night = Window("FREQ=DAILY", time.fromisoformat(window), 30 * MINUTE, "Europe/Berlin")
    begin = datetime.fromisoformat(f"{day}T{wall}").replace(tzinfo=BERLIN).astimezone(UTC)
    event = replace(due("i-1", HOUR, lasts=30 * MINUTE), not_before=begin + 12 * HOUR)
    request = asked(event, now=begin - 12 * HOUR, terms={"": Terms((night,))})
    assert begins(plan(request)) == {"i-1": begin}
    longer = asked(replace(event, lasts=31 * MINUTE), now=begin - 12 * HOUR, terms={"": Terms((night,))})
    assert plan(longer).unplaced[0].binding is Binding.NO_WINDOW


# --- one after another ----------------------------------------------------------------------------


def test_two_events_of_one_server_share_one_reboot() -> None:
    """One slot for both, with the deadline of the earlier and the time of the longer."""
    first, second = due("i-1", 10 * HOUR, lasts=10 * MINUTE), due("i-1", 5 * HOUR, event="e-2")
    (row,) = plan(asked(first, second)).rows
    assert row.events == ("e-2", "e-i-1")
    assert row.deadline == NOW + 5 * HOUR - 40 * MINUTE
    assert row.end - row.begin == 10 * MINUTE


def test_an_event_that_is_too_late_does_not_drag_another_with_it() -> None:
    """The platform acts in twenty minutes for the one; the other keeps its time."""
    schedule = plan(asked(due("i-1", 20 * MINUTE, too_late=TooLate.PLATFORM), due("i-1", 40 * HOUR, event="e-2")))
    assert [row.events for row in schedule.rows] == [("e-2",)]
    assert [(one.events, one.binding, one.then) for one in schedule.unplaced] == [
        (("e-i-1",), Binding.TOO_LATE, TooLate.PLATFORM)
    ]


def test_members_of_a_group_come_one_after_another() -> None:
    """The most urgent first; another group does not wait for them."""
    events = [due(f"i-{number}", (9 - number) * HOUR, lasts=10 * MINUTE, group="web") for number in range(3)]
    schedule = plan(asked(*events, due("i-9", 9 * HOUR, group="db")))
    assert begins(schedule) == {
        "i-2": NOW,
        "i-1": NOW + 10 * MINUTE,
        "i-0": NOW + 20 * MINUTE,
        "i-9": NOW,
    }


def test_who_may_not_be_touched_without_a_word_has_a_slot_and_asks() -> None:
    """One event that asks makes the whole reboot ask."""
    (row,) = plan(asked(due("i-1", 9 * HOUR), due("i-1", 9 * HOUR, event="e-2", policy=Policy.ASK))).rows
    assert row.policy is Policy.ASK


def test_what_is_left_to_the_platform_has_no_slot() -> None:
    """It is listed, so that nobody looks for it."""
    event = due("i-1", 9 * HOUR, policy=Policy.LEAVE)
    assert plan(asked(event)) == Schedule(left=(event,))


def test_an_order_is_found_where_the_earliest_deadline_first_fails() -> None:
    """The more urgent is short and would take the long opening; only if it waits for the short one both fit."""
    openings = Terms(
        (Window("FREQ=DAILY", time(4), 20 * MINUTE, "UTC"), Window("FREQ=DAILY", time(5), STEP * 2, "UTC"))
    )
    short, long = due("short", 3 * HOUR, lasts=10 * MINUTE), due("long", 4 * HOUR, lasts=20 * MINUTE)
    first = Terms(openings.windows, prefer=Prefer.FIRST)
    for terms in (openings, first):
        assert begins(plan(asked(short, long, terms={"": terms}))) == {"short": NOW + HOUR, "long": NOW}


# --- who has no slot ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "within", "then"),
    [
        (TooLate.ACT_NOW, 20 * MINUTE, TooLate.ACT_NOW),
        (TooLate.ASK, 20 * MINUTE, TooLate.ASK),
        (TooLate.PLATFORM, 20 * MINUTE, TooLate.PLATFORM),
        (TooLate.ACT_NOW, timedelta(), TooLate.PLATFORM),
    ],
)
def test_twenty_minutes_ahead_the_policy_for_too_late_is_taken(
    policy: TooLate, within: timedelta, then: TooLate
) -> None:
    """Act now, ask or let the platform, as was said; where the platform has begun, it is the platform."""
    (one,) = plan(asked(due("i-1", within, too_late=policy))).unplaced
    assert (one.binding, one.then) == (Binding.TOO_LATE, then)


def test_whoever_finds_no_slot_is_listed_with_what_is_in_the_way() -> None:
    """The window, the group or a budget; acting at once would break it, so that is asked about."""
    two = (due("i-1", 36 * MINUTE, too_late=TooLate.ACT_NOW), due("i-2", 36 * MINUTE, too_late=TooLate.ACT_NOW))
    apart = {"a": Terms(at_once=2)}
    two_of_a = tuple(replace(one, group="a") for one in two)
    window = Window("FREQ=DAILY", time(2), HOUR, "UTC")
    for request, binding in [
        (asked(*two), Binding.GROUP_SERIAL),
        (asked(two[0], terms={"": Terms((window,))}), Binding.NO_WINDOW),
        (asked(*two_of_a, terms=apart, budgets=Budgets(at_once=1)), Binding.AT_ONCE),
        (asked(*two_of_a, terms=apart, budgets=Budgets(per_hour=1)), Binding.PER_HOUR),
        (asked(replace(two[0], earliest=NOW + HOUR)), Binding.TOO_LATE),
    ]:
        (one,) = plan(request).unplaced
        assert one.binding is binding
        assert one.then is (TooLate.ACT_NOW if binding is Binding.TOO_LATE else TooLate.ASK)


def test_servers_at_work_take_their_share_of_every_budget() -> None:
    """A member that is at work until ten past holds its group, and has begun within this hour."""
    at_work = Taken(NOW - 57 * MINUTE, NOW + 8 * MINUTE, "web")
    event = due("i-1", 9 * HOUR, group="web")
    assert begins(plan(asked(event, taken=(at_work,)))) == {"i-1": NOW + 10 * MINUTE}
    hour = asked(event, taken=(replace(at_work, end=NOW),), budgets=Budgets(per_hour=1))
    assert begins(plan(hour)) == {"i-1": NOW + 5 * MINUTE}


def test_others_make_room_for_one_whom_a_shared_budget_leaves_no_place() -> None:
    """Ten groups want the same quiet time, one at once; nobody is left out who could be placed."""
    quiet = profile_of([(NOW + step * STEP, 1.0 if step % 288 == 11 else 9.0) for step in range(2016)])
    terms = {f"g{number}": Terms(profile=quiet) for number in range(11)} | {"late": Terms()}
    events = [due(f"i-{number}", 95 * MINUTE, group=f"g{number}") for number in range(11)]
    last = due("last", 96 * MINUTE, lasts=5 * MINUTE, group="late", earliest=NOW + 55 * MINUTE)
    request = asked(*events, last, terms=terms, budgets=Budgets(at_once=1, per_hour=99))
    schedule = plan(request)
    assert schedule.unplaced == ()
    assert broken_laws(request, schedule) == []


# --- planning again -------------------------------------------------------------------------------


def fleet(groups: int = 4, members: int = 3) -> PlanRequest:
    """Return a plan's worth of events, with windows."""
    events = [
        due(f"i-{group}{number}", 40 * HOUR, lasts=20 * MINUTE, group=f"g{group}")
        for group in range(groups)
        for number in range(members)
    ]
    return asked(*events, terms={f"g{group}": Terms((NIGHT,)) for group in range(groups)}, budgets=Budgets(3, 30))


def test_a_cancelled_event_moves_nobody() -> None:
    """Its row goes, the others stay as they are."""
    request = fleet()
    before = plan(request)
    after = replan(replace(request, maintenances=request.maintenances[1:]), before)
    assert after.rows == tuple(row for row in before.rows if row.events != ("e-i-00",))


def test_a_new_event_takes_what_is_left() -> None:
    """Nobody else moves, hours later either."""
    request = fleet()
    before = plan(request)
    more = replace(
        request,
        now=NOW + 3 * HOUR,
        maintenances=(*request.maintenances, due("i-new", 41 * HOUR, group="g1")),
    )
    after = replan(more, before)
    assert {row for row in after.rows if row.resource.id != "i-new"} == set(before.rows)
    assert broken_laws(more, after) == []


def test_an_event_that_moved_is_placed_anew_only_when_its_slot_is_too_late() -> None:
    """A day later: it stays. A day earlier: it moves, alone."""
    request = fleet()
    before = plan(request)

    def moved(by: timedelta) -> Schedule:
        first, *others = request.maintenances
        return replan(
            replace(request, maintenances=(replace(first, not_before=first.not_before + by), *others)), before
        )

    assert begins(moved(DAY)) == begins(before)
    earlier = begins(moved(-DAY))
    assert {name for name, begin in earlier.items() if begin != begins(before)[name]} == {"i-00"}


def test_members_of_a_full_group_make_room_and_other_groups_stay() -> None:
    """The newcomer fits only where another member is; that one moves, and nobody of another group."""
    request = asked(
        due("i-1", 3 * HOUR, group="a"), due("i-2", 3 * HOUR, group="b"), terms={"a": Terms(), "b": Terms()}
    )
    before = plan(request)
    urgent = due("i-3", 36 * MINUTE, group="a")
    after = replan(replace(request, maintenances=(*request.maintenances, urgent)), before)
    assert begins(after) == {"i-3": NOW, "i-1": NOW + STEP, "i-2": NOW}


def test_a_slot_that_has_just_begun_stays_until_it_is_caught_up_or_missed() -> None:
    """Within a quarter of an hour it is about to be taken up; after that the server gets another one."""
    event = due("i-1", 9 * HOUR)
    before = plan(asked(event))
    for late, begin in [(3 * MINUTE, NOW), (14 * MINUTE, NOW), (15 * MINUTE, NOW + 15 * MINUTE)]:
        assert begins(replan(asked(event, now=NOW + late), before)) == {"i-1": begin}


def test_whoever_loses_a_slot_that_has_begun_gets_none_in_the_past() -> None:
    """Another server of the group took longer into it: what is left of the quarter of an hour is over."""
    event = due("i-1", 9 * HOUR)
    before = plan(asked(event))
    taken = (Taken(NOW - HOUR, NOW + 5 * MINUTE),)
    assert begins(replan(asked(event, now=NOW + 12 * MINUTE, taken=taken), before)) == {"i-1": NOW + 15 * MINUTE}


def test_only_touched_groups_are_looked_at_again_unless_a_shared_budget_binds() -> None:
    """Named groups change as they would anyway; who lacked a shared budget elsewhere gets what an event frees."""
    request = fleet()
    before = plan(request)
    fewer = replace(request, maintenances=request.maintenances[1:])
    assert replan(fewer, before, touched=["g0"]) == replan(fewer, before)
    two = [due("i-1", 36 * MINUTE, group="a"), due("i-2", 36 * MINUTE, group="b")]
    tight = asked(*two, terms={"a": Terms(), "b": Terms()}, budgets=Budgets(at_once=1))
    short = plan(tight)
    assert (begins(short), len(short.unplaced)) == ({"i-1": NOW}, 1)
    freed = replan(replace(tight, maintenances=(two[1],)), short, touched=["a"])
    assert begins(freed) == {"i-2": NOW}


def test_limits_and_windows_of_today_count() -> None:
    """A slot outside a new window moves into it."""
    event = due("i-1", 40 * HOUR)
    before = plan(asked(event))
    after = replan(asked(event, terms={"": Terms((NIGHT,))}), before)
    assert begins(after) == {"i-1": shanghai("2026-03-04T02:00")}


# --- an operator's slot ---------------------------------------------------------------------------


def test_an_operators_slot_stays_and_others_go_around_it() -> None:
    """Another member is planned before and after it, whenever one plans again."""
    request = asked(due("i-1", 9 * HOUR, lasts=15 * MINUTE), due("i-2", 8 * HOUR, lasts=15 * MINUTE))
    pinned = replace(request, pins=(Pin(server("i-1"), NOW + 10 * MINUTE),))
    schedule = replan(pinned, plan(request))
    assert begins(schedule) == {"i-1": NOW + 10 * MINUTE, "i-2": NOW + 25 * MINUTE}
    assert [row.why.choice for row in schedule.rows] == [Choice.PINNED, Choice.EARLIEST]
    assert replan(pinned, schedule) == schedule


def test_a_slot_of_an_operator_that_cannot_be_kept_is_told_with_the_one_instead_of_it() -> None:
    """The server is planned as if there were none, so that it is not forgotten."""
    event = due("i-1", 9 * HOUR, earliest=NOW + 20 * MINUTE)
    at_work = Taken(NOW + HOUR, NOW + 2 * HOUR, "", server("i-9"))
    evening = {"": Terms((Window("FREQ=DAILY", time(4), 3 * HOUR, "UTC"),))}
    for begin, binding in [
        (NOW + 31 * MINUTE, Binding.OFF_GRID),
        (NOW - HOUR, Binding.MISSED),
        (NOW + 10 * MINUTE, Binding.TOO_EARLY),
        (NOW + 525 * MINUTE, Binding.TOO_LATE),
        (NOW + 4 * HOUR, Binding.NO_WINDOW),
        (NOW + 90 * MINUTE, Binding.GROUP_SERIAL),
    ]:
        pin = Pin(server("i-1"), begin)
        schedule = plan(asked(event, pins=(pin,), taken=(at_work,), terms=evening))
        assert begins(schedule) == {"i-1": NOW + 20 * MINUTE}
        assert schedule.rows[0].why.unkept is binding
        taken_back = replan(asked(event, taken=(at_work,), terms=evening), schedule)
        assert begins(taken_back) == begins(schedule)
        assert taken_back.rows[0].why.unkept is None


@pytest.mark.parametrize(
    ("budgets", "binding"),
    [(Budgets(at_once=5, per_hour=2), Binding.PER_HOUR), (Budgets(at_once=2, per_hour=30), Binding.AT_ONCE)],
)
def test_no_word_of_an_operator_breaks_a_shared_limit(budgets: Budgets, binding: Binding) -> None:
    """Three slots wanted within an hour, each for an hour, room for two: the third moves; a cut counts, too."""
    events = [due(f"i-{name}", 40 * HOUR, lasts=HOUR, group=name) for name in "abc"]
    pins = tuple(Pin(server(f"i-{name}"), NOW + HOUR + number * 5 * MINUTE) for number, name in enumerate("abc"))
    terms = {name: Terms() for name in "abc"}
    schedule = plan(asked(*events, pins=pins, terms=terms, budgets=budgets))
    assert {row.resource.id: row.why.unkept for row in schedule.rows} == {"i-a": None, "i-b": None, "i-c": binding}
    assert begins(schedule)["i-c"] == NOW
    wide = plan(asked(*events, pins=pins, terms=terms))
    assert {row.why.unkept for row in wide.rows} == {None}
    cut = replan(asked(*events, terms=terms, budgets=budgets), wide)
    assert broken_laws(asked(*events, terms=terms, budgets=budgets), cut) == []


def test_an_operator_may_choose_a_time_outside_the_windows() -> None:
    """A person's will wins over a window when the person says so, over a budget never."""
    pin = Pin(server("i-1"), NOW + HOUR, anywhere=True)
    request = asked(due("i-1", 40 * HOUR), terms={"": Terms((NIGHT,))}, pins=(pin,))
    assert begins(plan(request)) == {"i-1": NOW + HOUR}
    full = replace(request, budgets=Budgets(at_once=1), taken=(Taken(NOW, NOW + 2 * HOUR, "other"),))
    assert [row.why.unkept for row in plan(full).rows] == [Binding.AT_ONCE]


# --- measured traffic -----------------------------------------------------------------------------


def test_a_profile_averages_weeks_in_the_wall_time_of_its_zone() -> None:
    """Two weeks around the night in which clocks change: ten in the morning is ten in the morning in both."""
    ten = datetime(2026, 3, 23, 10, tzinfo=BERLIN)
    weeks = [(ten.astimezone(UTC), 1.0), (ten.replace(day=30).astimezone(UTC), 3.0)]
    others = [(ten.astimezone(UTC) + hour * HOUR, 2.0) for hour in range(1, 168)]
    profile = profile_of([*weeks, *others], "Europe/Berlin", period=HOUR)
    assert profile is not None
    assert set(profile.loads) == {1.0}


def test_what_was_not_measured_is_as_on_other_days_or_counts_as_busy() -> None:
    """Monday nights are known, so are Tuesday's; noon was never measured and is not taken for quiet."""
    night = shanghai("2026-03-02T03:00")
    profile = profile_of([(night, 1.0), (night + 3 * HOUR, 5.0), (night, float("nan"))], "Asia/Shanghai", period=HOUR)
    assert profile is not None
    tuesday_night, monday_noon = profile.loads[288 + 36], profile.loads[12 * 12]
    assert tuesday_night == pytest.approx(1 / 3)
    assert monday_noon == pytest.approx(5 / 3)
    assert profile_of([]) is None


def test_a_profile_of_another_length_is_refused() -> None:
    """It has a number for each five minutes of a week, none of them below zero."""
    for loads in ((1.0,), (-1.0,) * 2016, (float("nan"),) * 2016):
        with pytest.raises(ValueError, match="expected"):
            LoadProfile(loads, "UTC")
