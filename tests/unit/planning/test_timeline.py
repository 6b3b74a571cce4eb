"""A plan as an operator sees it in the terminal, in both languages, without colour too."""

from __future__ import annotations

import re
from datetime import UTC, time, timedelta
from string import Formatter
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cloudheal.cli.plan_texts import PLAN_TEXTS, why_row
from cloudheal.cli.timeline import Look, timeline
from cloudheal.decide.planning.load import profile_of
from cloudheal.decide.planning.planner import plan
from cloudheal.model.incident import MAINTENANCE, RunState, Trouble
from cloudheal.model.plan import (
    STEP,
    Binding,
    Choice,
    Pin,
    PlanRequest,
    Policy,
    Schedule,
    Slot,
    Terms,
    TooLate,
    Unplaced,
)
from cloudheal.model.window import Window
from cloudheal.pipeline.plans import written
from cloudheal.record.plans import PlanRow
from tests.unit.planning.laws import HOUR, MINUTE, NOW, due, server

TERMS = {"web": Terms((Window("FREQ=DAILY", time(6), 2 * HOUR, "UTC"),))}
LOOK = Look("en", UTC)


def drawn(schedule: Schedule, look: Look = LOOK) -> list[str]:
    """Return the lines of the picture."""
    return timeline(schedule, TERMS, NOW, look).plain.splitlines()


def test_windows_slots_and_deadlines_stand_where_they_are_in_time() -> None:
    """Two hours of window, in it a slot; a deadline ten hours ahead; another group begins at once and asks."""
    web = due("i-1", 10 * HOUR + 30 * MINUTE, lasts=30 * MINUTE, margin=timedelta(), group="web")
    db = due("i-2", 5 * HOUR, group="db", policy=Policy.ASK)
    late = due("i-3", 20 * MINUTE, group="db")
    title, times, first, second, legend = drawn(plan(PlanRequest(NOW, (web, db, late), TERMS)))
    assert title == "Maintenance from 2026-03-02 04:00 to 2026-03-02 16:10"
    assert times.split() == ["04:00", "07:00", "10:00", "13:00"]
    assert first[:4] + first[4:76].rstrip() == "db  ?" + "|".rjust(26)
    assert second[:4] + second[4:76].rstrip() == "web " + " " * 12 + "███" + "░" * 9 + "|".rjust(37)
    assert (first[76:].strip(), second[76:].strip()) == ("slots: 1, without: 1", "slots: 1")
    assert "asks" in legend


def test_times_are_those_of_the_operator_and_words_of_the_language() -> None:
    """Noon in Shanghai; a group with a wide name lines up with the others."""
    schedule = plan(PlanRequest(NOW, (due("i-1", 9 * HOUR, group="网站"), due("i-2", 9 * HOUR)), TERMS))
    lines = drawn(schedule, Look("zh", ZoneInfo("Asia/Shanghai")))
    assert lines[0].startswith("维护计划，2026-03-02 12:00")
    assert lines[1].split()[0] == "12:00"
    assert lines[2] == "（无分组） █" + lines[2][7:]
    assert lines[3].startswith("网站       █")
    assert "Asia/Shanghai" in lines[-1]


def test_long_plans_are_cut_and_say_so_and_names_drive_no_terminal() -> None:
    """Of fifty groups forty are drawn; an escape sequence in a name stays a name."""
    events = [due(f"i-{number:02}", 90 * HOUR, group=f"\x1b[2Jg{number:02}") for number in range(50)]
    lines = drawn(plan(PlanRequest(NOW, tuple(events))))
    assert len(lines) == 44
    assert lines[-2] == "and 10 more groups"
    assert "\x1b" not in "".join(lines)
    assert re.match(r"03-02 04:00\s", lines[1].strip())


def test_an_empty_plan_says_so() -> None:
    """There is nothing to draw."""
    assert drawn(Schedule()) == ["No maintenance is scheduled."]


def row_of(told: Slot | Unplaced, **more: Any) -> PlanRow:
    """Return the row of the plan that the planner makes of a slot, or of there being none."""
    slot = told if isinstance(told, Slot) else None
    none = told if isinstance(told, Unplaced) else None
    values: dict[str, Any] = dict.fromkeys(PlanRow.__slots__) | {
        "run": "run-1",
        "state": RunState.PLANNED,
        "subject": told.resource,
        "trouble": Trouble(MAINTENANCE, told.events[0]),
        "group": told.group,
        "not_before": told.deadline,
        "begin": slot and slot.begin,
        "policy": slot.policy.value if slot else "",
        "why": written(slot.why) if slot else {},
        "binding": none.binding.value if none else "",
        "then": none.then.value if none else "",
    }
    return PlanRow(**(values | more))


def test_reasons_are_told_in_full() -> None:
    """The window with its times, the traffic with its measure, and what stands in the way."""
    (slot,) = plan(PlanRequest(NOW, (due("i-1", 9 * HOUR, group="web"),), TERMS)).rows
    assert why_row(row_of(slot), "en", UTC) == "in the window from 03-02 06:00 to 03-02 08:00"
    quiet = profile_of([(NOW + step * STEP, 1.0 + (step % 288 > 12)) for step in range(2016)])
    (slot,) = plan(PlanRequest(NOW, (due("i-1", 9 * HOUR),), {"": Terms(profile=quiet)})).rows
    assert why_row(row_of(slot), "en", UTC) == "little traffic: 51% of the mean; 95% of the week is busier"
    (none,) = plan(PlanRequest(NOW, (due("i-1", 20 * MINUTE, too_late=TooLate.PLATFORM),))).unplaced
    assert why_row(row_of(none), "zh", UTC) == "截止时间之前已没有时间：交给平台"


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "the slot at 03-02 10:00 cannot be kept: it lies outside the windows of the group"),
        ("zh", "无法保留 03-02 10:00 的时段：不在该组的时间窗内"),
    ],
)
def test_a_slot_that_was_asked_for_and_is_not_kept_is_told_with_the_one_instead(language: str, said: str) -> None:
    """The operator reads which slot they have, why it is not theirs, and whose word it was."""
    pin = Pin(server("i-1"), NOW + 6 * HOUR)
    (slot,) = plan(PlanRequest(NOW, (due("i-1", 9 * HOUR, group="web"),), TERMS, pins=(pin,))).rows
    told = why_row(row_of(slot, pinned=pin.begin, said_by="ops"), language, UTC)
    assert said in told
    assert "06:00" in told
    assert "ops" in told


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_code_can_be_told(language: str) -> None:
    """Both languages know every choice, binding and policy, with the same facts."""
    texts = PLAN_TEXTS[language]
    codes = (
        [f"choice.{one}" for one in Choice] + [f"binding.{one}" for one in Binding] + [f"then.{one}" for one in TooLate]
    )
    assert set(codes) <= texts.keys()
    assert texts.keys() == PLAN_TEXTS["en"].keys()
    for key, text in texts.items():
        facts = {name for _, name, _, _ in Formatter().parse(text) if name}
        assert facts == {name for _, name, _, _ in Formatter().parse(PLAN_TEXTS["en"][key]) if name}
