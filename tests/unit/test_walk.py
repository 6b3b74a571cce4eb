"""The walk of a decision asks in a fixed order, and the first refusal names it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudheal.decide.facts import Bounds, Busy, Facts, Group, Past, Will
from cloudheal.decide.walk import verdict, walk
from cloudheal.model.decision import Reason
from cloudheal.model.incident import Mode

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
BOUNDS = Bounds(
    attempts=3,
    within=30 * MINUTE,
    cool_down=5 * MINUTE,
    flaps=3,
    flap_window=6 * HOUR,
    at_once=5,
    share=0.2,
    per_hour=30,
    storm_share=0.5,
    storm_members=10,
)
CALM = Facts(
    selected=True,
    deadline=None,
    past=Past(),
    will=Will(),
    busy=Busy(0, 0),
    group=Group("web", known=10, unhealthy=1, under_action=0, fell_lately=1),
    bounds=BOUNDS,
    mode=Mode.AUTO,
)
#: One change for each reason, in the order in which the walk asks.
REFUSALS: dict[Reason, dict[str, Any]] = {
    Reason.STALE: {"past": {"newest": NOW}},
    Reason.NOT_SELECTED: {"selected": False},
    Reason.JOINED: {"past": {"open": "inc-1"}},
    Reason.EXPIRED: {"deadline": NOW - MINUTE},
    Reason.PAUSED: {"will": {"paused_by": "ops"}},
    Reason.HELD: {"will": {"held_by": "ops"}},
    Reason.OFF_HOURS: {"will": {"off_hours_until": NOW + HOUR}},
    Reason.ATTEMPTS_USED: {"past": {"attempts": 3, "oldest_attempt": NOW - 20 * MINUTE}},
    Reason.COOLING_DOWN: {"past": {"last_attempt": NOW - MINUTE}},
    Reason.FLAPPING: {"past": {"heals": 3, "oldest_heal": NOW - HOUR}},
    Reason.BUDGET_RESOURCE: {"busy": {"here": True}},
    Reason.BUDGET_AT_ONCE: {"busy": {"at_once": 5}},
    Reason.BUDGET_SHARE: {"group": {"under_action": 2, "unhealthy": 1}},
    Reason.BUDGET_RATE: {"busy": {"per_hour": 30}},
    Reason.STORM: {"group": {"fell_lately": 6}},
    Reason.SHADOW: {"mode": Mode.SHADOW},
    Reason.ASK: {"mode": Mode.ASK},
    Reason.PLAN: {"planned": True},
}
ORDER = list(REFUSALS)


def changed(*reasons: Reason) -> Facts:
    """Return calm facts with what makes each of the reasons; where two say opposite things, the first asked counts."""
    facts = CALM
    for reason in sorted(reasons, key=ORDER.index, reverse=True):
        for name, value in REFUSALS[reason].items():
            part = getattr(facts, name)
            facts = facts._replace(**{name: part._replace(**value) if isinstance(value, dict) else value})
    return facts


def reason_of(facts: Facts) -> Reason:
    """Walk and return what decided."""
    return walk(NOW - MINUTE, NOW, facts).reason


def test_nothing_in_the_way_means_act() -> None:
    """A calm world, a selected resource, a trusted rule: act."""
    assert reason_of(CALM) is Reason.ACT


@pytest.mark.parametrize("reason", ORDER)
def test_each_fact_alone_gives_its_reason(reason: Reason) -> None:
    """Every reason can be reached, by its own fact alone."""
    assert reason_of(changed(reason)) is reason


@given(st.sets(st.sampled_from([one for one in ORDER if one is not Reason.PLAN]), min_size=1))
def test_the_first_question_that_refuses_names_the_decision(reasons: set[Reason]) -> None:
    """Whatever comes together, the order of the walk decides; later stations are not even asked."""
    first = min(reasons - {Reason.EXPIRED} or reasons, key=ORDER.index)
    decided = walk(NOW - MINUTE, NOW, changed(*(reasons - {Reason.EXPIRED} or reasons)))
    assert decided.reason is first
    assert all(station.reason is None for station in decided.stations[:-1])


@given(
    reasons=st.sets(st.sampled_from(ORDER)),
    deadline=st.sampled_from([None, NOW - MINUTE, NOW + MINUTE]),
    only_looks=st.booleans(),
)
def test_a_verdict_is_how_the_walk_ends(reasons: set[Reason], deadline: datetime | None, *, only_looks: bool) -> None:
    """Whoever has nothing told is told the same end; the group is counted for both, and at most once."""
    asked: list[Group] = []
    facts = changed(*reasons)._replace(deadline=deadline, only_looks=only_looks)

    def count() -> Group:
        asked.append(facts.group)
        return facts.group

    walked = walk(NOW - MINUTE, NOW, facts, count)
    walked_twice = len(asked)
    assert verdict(NOW - MINUTE, NOW, facts, count) == (walked.reason, walked.next_eligible)
    assert (walked_twice, len(asked)) in {(0, 0), (1, 2)}


@pytest.mark.parametrize(
    "reason",
    [
        *(Reason.HELD, Reason.OFF_HOURS, Reason.STORM, Reason.ASK),
        *(Reason.BUDGET_RESOURCE, Reason.BUDGET_AT_ONCE, Reason.BUDGET_SHARE, Reason.BUDGET_RATE),
    ],
)
def test_an_interruption_is_not_stopped_by_what_takes_longer_than_it_has(reason: Reason) -> None:
    """A reclaim's deadline is minutes: hold, hours, room, storm and ask do not delay it."""
    assert reason_of(changed(reason)._replace(deadline=NOW + 4 * MINUTE)) is Reason.ACT


@pytest.mark.parametrize("reason", [Reason.PAUSED, Reason.ATTEMPTS_USED, Reason.SHADOW])
def test_an_interruption_respects_everything_else(reason: Reason) -> None:
    """A pause, used attempts and shadow stop an interruption too."""
    assert reason_of(changed(reason)._replace(deadline=NOW + 4 * MINUTE)) is reason


@pytest.mark.parametrize(
    ("reason", "until"),
    [
        (Reason.COOLING_DOWN, NOW + 4 * MINUTE),
        (Reason.ATTEMPTS_USED, NOW + 10 * MINUTE),
        (Reason.FLAPPING, NOW + 5 * HOUR),
        (Reason.OFF_HOURS, NOW + HOUR),
    ],
)
def test_a_refusal_that_passes_by_itself_says_when(reason: Reason, until: datetime) -> None:
    """An operator reads when the next attempt is possible (Q18)."""
    assert walk(NOW - MINUTE, NOW, changed(reason)).next_eligible == until


def test_a_small_group_is_healed_one_at_a_time() -> None:
    """At least one may be acted on in a group of any size; a second waits until the first is done."""
    small = Group("pair", known=2, unhealthy=2, under_action=0, fell_lately=2)
    assert reason_of(CALM._replace(group=small)) is Reason.ACT
    assert reason_of(CALM._replace(group=small._replace(unhealthy=1, under_action=1))) is Reason.BUDGET_SHARE


def test_a_group_of_unknown_size_is_healed_one_at_a_time() -> None:
    """Before the inventory knows a group, a second member waits."""
    unknown = Group("?", known=0, unhealthy=1, under_action=1, fell_lately=2)
    assert reason_of(CALM._replace(group=unknown)) is Reason.BUDGET_SHARE


def test_what_is_planned_is_not_refused_for_what_stands_in_its_way_today() -> None:
    """Paused, held, out of hours and without room it goes into the plan; the slot's own walk asks all of that."""
    will = Will(paused_by="alice", held_by="bob", off_hours_until=NOW + HOUR)
    blocked = CALM._replace(will=will, busy=Busy(99, 99), mode=Mode.ASK, planned=True)
    assert walk(NOW, NOW, blocked).reason is Reason.PLAN
    assert walk(NOW, NOW, blocked._replace(mode=Mode.SHADOW)).reason is Reason.SHADOW
    assert walk(NOW, NOW, blocked._replace(selected=False)).reason is Reason.NOT_SELECTED
    assert walk(NOW, NOW, blocked._replace(planned=False)).reason is Reason.PAUSED
