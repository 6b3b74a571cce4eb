"""The page on alarms shows an alarm that really fires, and says what comes of it."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from cloudheal.app.log_alarms import guarded_of
from cloudheal.cli.log_definitions import definitions
from cloudheal.cli.log_lines import minutes_in
from cloudheal.logs.alarm_rehearsal import rehearsed
from cloudheal.settings.loader import load_settings
from tests.conftest import ROOT


def block(language: str, name: str) -> str:
    """Return a file that the page shows."""
    page = (ROOT / "docs" / language / "howto" / "log-alarms.md").read_text(encoding="utf-8")
    (found,) = re.findall(rf"```\w+\n# {name}\n(.*?)```", page, re.DOTALL)
    return str(found)


def test_the_alarm_of_the_page_fires_and_recovers_on_its_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the third of five bad minutes it is at `warn`, and then it is well again."""
    monkeypatch.chdir(tmp_path)
    for name in ("cloudheal.yaml", "lines.py"):
        (tmp_path / name).write_text(block("en", name), encoding="utf-8")
    runpy.run_path(str(tmp_path / "lines.py"))
    settings = load_settings(tmp_path / "cloudheal.yaml")
    (definition,) = definitions(settings, tmp_path / "cloudheal.yaml")
    fed, minutes = minutes_in(definition, None)
    assert (fed.lines, fed.counted) == (600, 600)
    begin = min(one.start for one in minutes)
    turns = [
        (one.alarm.name, (one.end - begin) // 60, one.before.word, one.after.word)
        for guarded in guarded_of(settings)
        for one in rehearsed(definition, guarded.alarm, minutes, ZoneInfo("UTC"))
    ]
    assert turns == [("errors", 5, "ok", "warn"), ("errors", 10, "warn", "ok")]


@pytest.mark.parametrize("name", ["cloudheal.yaml", "lines.py", "heal.yaml"])
def test_both_languages_show_the_same(name: str) -> None:
    """Word for word."""
    assert block("en", name) == block("zh", name)
