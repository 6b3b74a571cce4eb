"""Tables for people, however narrow their terminal is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cloudheal.cli.drill_lines import COLUMNS as DRILL_COLUMNS
from cloudheal.cli.drill_lines import DrillLine
from cloudheal.cli.show import Show
from cloudheal.record.lists import RunRow

COLUMNS = ("id", "resource", "rule", "playbook", "state", "attempts", "waits_for", "next_eligible", "escalated")


def run_row() -> RunRow:
    """Return a run as it is listed."""
    names = ("7c1e40b9d35f48aa", "incident", "i-bp1gtjxuuvwj17zr", "restart-unexpected-stop", "restart_stopped")
    later = datetime(2026, 3, 2, 12, tzinfo=UTC)
    return RunRow(*names, "auto", "waiting", 1, 1, "", "cooling_down", later, None)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_narrow_terminal_breaks_no_short_id(
    language: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a person is to type again stands in one piece."""
    monkeypatch.setenv("COLUMNS", "80")
    row = run_row()
    Show(language, UTC).rows("title.runs", [row], COLUMNS, brief=("id",))
    assert "7c1e40b9" in capsys.readouterr().out.split()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_state_of_a_drill_is_told_from_that_of_its_event(
    language: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each stands behind a head of its own; programs read the fields as they are."""
    monkeypatch.setenv("COLUMNS", "80")
    event = ("e-bp1jma4jpxvgojlirxef", "SystemMaintenance.Reboot")
    times = (datetime(2026, 3, 2, 12, tzinfo=UTC),) * 3
    place = ("i-bp67acfmxazb4p1wcrk9", "cn-hangzhou", "1000000000000001")
    line = DrillLine("drill-1f0c2a9b", "", *place, *event, times[0], False, "open", "Scheduled", "", "ops", *times[1:])
    Show(language, UTC).rows("title.drills", [line], DRILL_COLUMNS)
    heads = [shown.split("  ")[0] for shown in capsys.readouterr().out.splitlines()[1:10]]
    assert len(set(heads)) == 9
    assert "in_cloud" not in Show.records([line])[0]


def test_a_list_that_is_cut_says_that_there_may_be_more(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody takes the first rows for all of them."""
    for limit, told in ((2, True), (3, False)):
        Show("en", UTC).rows("title.runs", [run_row()] * 2, COLUMNS, limit=limit)
        assert ("There may be more; --limit" in capsys.readouterr().out) is told
