"""What was found decides whether a stop was on purpose; where both speak, a person's will wins."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudheal.decide.evidence import TRAIL_LAG, Clues, Failure, OwnDeed, TrailLook, caused_by, weigh
from cloudheal.decide.wishes import TagHold, WishTags, held_by_tag, wanted_by_tag
from cloudheal.model.evidence import Evidence
from cloudheal.model.window import Window
from cloudheal.ports.trail import TrailEntry

STOPPED_AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BARE = Clues(now=STOPPED_AT + MINUTE, occurred=STOPPED_AT)
OPEN = Window("FREQ=DAILY", time(8), timedelta(hours=10), "UTC")
SHUT = Window("FREQ=DAILY", time(20), timedelta(hours=2), "UTC")
STOP = TrailEntry(STOPPED_AT - MINUTE, "StopInstance", "alice", somebody=True, request_id="r-1")
PURPOSE: dict[str, dict[str, Any]] = {
    "locked": {"locks": ("security",)},
    "expired": {"expires": STOPPED_AT},
    "desired_off.tag": {"wanted": False, "wanted_tag": "cloudheal:desired=off"},
    "desired_off.schedule": {"schedule": (SHUT,)},
    "own_operation": {"own": (OwnDeed("reboot 1", "run-1"),)},
    "trail.stopped": {"trail": TrailLook((STOP,))},
}
ACCIDENT: dict[str, dict[str, Any]] = {
    "failure": {"failures": (Failure("Instance:SystemFailure.Reboot", STOPPED_AT - 5 * MINUTE),)},
    "desired_on.tag": {"wanted": True, "wanted_tag": "cloudheal:desired=on"},
    "desired_on.rule": {"rule_on": True},
    "desired_on.schedule": {"schedule": (OPEN,)},
    "trail.nobody": {"trail": TrailLook(), "now": STOPPED_AT + TRAIL_LAG},
}


def codes(evidence: Evidence) -> tuple[list[str], list[str], list[str]]:
    """Return the codes of the signs: on purpose, by accident, silent."""
    purpose, accident, silent = ([s.code for s in p] for p in (evidence.purpose, evidence.accident, evidence.silent))
    return purpose, accident, silent


def test_nothing_found_says_nothing() -> None:
    """Without evidence the stop stays unexplained."""
    assert codes(weigh(BARE)) == ([], [], [])


@pytest.mark.parametrize("code", PURPOSE)
def test_each_sign_of_purpose_alone(code: str) -> None:
    """Every sign is found by its own fact, under a code that stays."""
    assert codes(weigh(replace(BARE, **PURPOSE[code]))) == ([code], [], [])


@pytest.mark.parametrize("code", ACCIDENT)
def test_each_sign_of_an_accident_alone(code: str) -> None:
    """Every sign is found by its own fact, under a code that stays."""
    assert codes(weigh(replace(BARE, **ACCIDENT[code]))) == ([], [code], [])


def test_a_tag_on_the_server_goes_before_rule_and_schedule() -> None:
    """Who tags one server means that one; the rule is silent then."""
    off = replace(BARE, wanted=False, rule_on=True, schedule=(OPEN,))
    assert codes(weigh(off)) == (["desired_off.tag"], [], [])
    on = replace(BARE, wanted=True, schedule=(SHUT,))
    assert codes(weigh(on)) == ([], ["desired_on.tag"], [])


def test_a_failure_long_ago_explains_nothing() -> None:
    """Only what the cloud reported around the stop is about it."""
    old = (Failure("Instance:SystemFailure.Reboot", STOPPED_AT - 16 * MINUTE),)
    assert codes(weigh(replace(BARE, failures=old))) == ([], [], [])


def test_a_trail_that_lags_says_that_it_does() -> None:
    """Before it can show everything, that it shows nobody is no evidence."""
    assert codes(weigh(replace(BARE, trail=TrailLook()))) == ([], [], ["trail.late"])


def test_a_trail_that_cannot_be_read_is_no_evidence() -> None:
    """Neither for nor against, however long ago the stop was."""
    broken = replace(BARE, now=STOPPED_AT + 60 * MINUTE, trail=TrailLook(problem="NoPermission"))
    assert codes(weigh(broken)) == ([], [], ["trail.unread"])


@pytest.mark.parametrize(
    "entries",
    [
        (replace(STOP, somebody=False),),
        (replace(STOP, error="IncorrectInstanceStatus"),),
        (replace(STOP, at=STOPPED_AT - 20 * MINUTE),),
        (replace(STOP, at=STOPPED_AT + 2 * MINUTE),),
        (replace(STOP, at=STOPPED_AT - 10 * MINUTE), replace(STOP, at=STOPPED_AT - 9 * MINUTE, action="StartInstance")),
        (replace(STOP, action="ModifyInstanceAttribute"),),
    ],
    ids=["the cloud's own", "refused", "long before", "after it", "started again since", "about something else"],
)
def test_a_call_that_did_not_stop_it_is_not_the_cause(entries: tuple[TrailEntry, ...]) -> None:
    """Only somebody's call that took effect and came last before the stop explains it."""
    assert caused_by(entries, STOPPED_AT) is None


@given(st.sets(st.sampled_from([*PURPOSE, *ACCIDENT])))
def test_evidence_survives_its_checkpoint(found: set[str]) -> None:
    """What a replay reads is what the first look wrote."""
    changes: dict[str, Any] = {}
    for code in sorted(found):
        changes |= {**PURPOSE, **ACCIDENT}[code]
    hold = TagHold("cloudheal:hold=x", STOPPED_AT)
    evidence = weigh(replace(BARE, **changes, hold=hold))
    assert Evidence.of_json(evidence.to_json()) == evidence
    assert evidence.told()["held"] == "cloudheal:hold=x"


@pytest.mark.parametrize(
    ("tags", "held", "until"),
    [
        ({}, False, None),
        ({"cloudheal:hold": ""}, True, None),
        ({"cloudheal:hold": "alice is on it"}, True, None),
        ({"cloudheal:hold": "2026-03-02T21:00"}, True, datetime(2026, 3, 2, 13, tzinfo=UTC)),
        ({"cloudheal:hold": "2026-03-02T11:00:00Z"}, False, None),
        ({"cloudheal:hold": "2026-03-03"}, True, datetime(2026, 3, 2, 16, tzinfo=UTC)),
        ({"cloudheal:hold": "9999-12-31T23:59:59Z"}, True, None),
        ({"cloudheal:hold": "9999-12-31"}, True, None),
        ({"hold": "yes"}, False, None),
    ],
)
def test_a_hold_by_tag_stands_until_its_time(tags: dict[str, str], *, held: bool, until: datetime | None) -> None:
    """Any value holds; a time holds until then, in the operator's zone when it names none."""
    found = held_by_tag(WishTags(zone="Asia/Shanghai"), tags, STOPPED_AT)
    assert (found is not None) == held
    assert found is None or found.until == until


@pytest.mark.parametrize(
    ("value", "wanted"), [("on", True), ("Off", False), (" on ", True), ("maybe", None), ("", None)]
)
def test_a_desired_tag_says_on_or_off(value: str, *, wanted: bool | None) -> None:
    """Anything else says nothing."""
    assert wanted_by_tag(WishTags(), {"cloudheal:desired": value}) is wanted
    assert wanted_by_tag(WishTags(), {}) is None
