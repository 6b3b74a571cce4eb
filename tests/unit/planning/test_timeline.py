"""A plan as an operator sees it in the terminal, in both languages, without colour too."""

from __future__ import annotations

import re
from datetime import UTC, time, timedelta
from string import Formatter
from zoneinfo import ZoneInfo

import pytest

from cloudheal.cli.plan_texts import PLAN_TEXTS, why_broken, why_none, why_slot
from cloudheal.cli.timeline import Look, timeline
from cloudheal.decide.planning.load import profile_of
from cloudheal.decide.planning.planner import plan
from cloudheal.model.plan import STEP, Binding, Choice, PlanRequest, Policy, Schedule, Terms, TooLate
from cloudheal.model.window import Window
from tests.unit.planning.laws import HOUR, MINUTE, NOW, due

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


def test_reasons_are_told_in_full() -> None:
    """The window with its times, the traffic with its measure, and what stands in the way."""
    (row,) = plan(PlanRequest(NOW, (due("i-1", 9 * HOUR, group="web"),), TERMS)).rows
    assert why_slot(row, "en", UTC) == "in the window from 03-02 06:00 to 03-02 08:00"
    quiet = profile_of([(NOW + step * STEP, 1.0 + (step % 288 > 12)) for step in range(2016)])
    (row,) = plan(PlanRequest(NOW, (due("i-1", 9 * HOUR),), {"": Terms(profile=quiet)})).rows
    assert why_slot(row, "en", UTC) == "little traffic: 51% of the mean; 95% of the week is busier"
    (none,) = plan(PlanRequest(NOW, (due("i-1", 20 * MINUTE, too_late=TooLate.PLATFORM),))).unplaced
    assert why_none(none, "zh") == "截止时间之前已没有时间：交给平台"
    assert why_broken(NOW, Binding.TOO_LATE, "en", UTC) == (
        "the slot at 03-02 04:00 cannot be kept: it begins after the deadline"
    )
    assert why_broken(NOW, Binding.MISSED, "zh", UTC) == "无法保留 03-02 04:00 的时段：时间已过"


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
