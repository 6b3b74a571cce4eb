"""Tables for people, however narrow their terminal is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cloudheal.cli.show import Show
from cloudheal.record.lists import RunRow

COLUMNS = ("id", "resource", "rule", "playbook", "state", "attempts", "waits_for", "next_eligible", "escalated")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_narrow_terminal_breaks_no_short_id(
    language: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a person is to type again stands in one piece."""
    monkeypatch.setenv("COLUMNS", "80")
    names = ("0123456789abcdef", "incident", "i-bp1gtjxuuvwj17zr", "restart-unexpected-stop", "restart_stopped")
    later = datetime(2026, 3, 2, 12, tzinfo=UTC)
    row = RunRow(*names, "auto", "waiting", 1, 1, "", "cooling_down", later, None)
    Show(language, UTC).rows("title.runs", [row], COLUMNS, brief=("id",))
    assert " 01234567 " in capsys.readouterr().out
