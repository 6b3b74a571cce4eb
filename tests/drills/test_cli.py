"""The commands in this process: the library in both languages, and how a drill that cannot begin is told."""

from __future__ import annotations

import json
import os
import pwd
import re
import signal
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from cloudheal.cli import app
from cloudheal.cli.desk import desk
from cloudheal.cli.drill_run import Signals, ground_on, tell
from cloudheal.cli.texts import TEXTS
from cloudheal.drills.files import library
from cloudheal.drills.outcome import DrillReport, Result, Scope, StepResult
from cloudheal.drills.preflight import PreflightError
from cloudheal.drills.scenario import BEGIN
from cloudheal.errors import SettingsError
from tests.contract.shell import shell


def printed(*words: str) -> str:
    """Run a command that must succeed."""
    result = CliRunner(env={"COLUMNS": None}).invoke(app, [*words])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_library_is_listed_with_what_each_scenario_needs(language: str) -> None:
    """A newcomer sees every scenario by name, and where it can be run."""
    told = printed("drill", "scenarios", "--language", language)
    assert all(one.name in told for one in library())
    assert "--real-actions" in told
    assert (re.search(r"[\u4e00-\u9fff]", told) is not None) == (language == "zh")


def test_programs_read_the_library_and_the_schema() -> None:
    """Both are documents."""
    rows = json.loads(printed("drill", "scenarios", "--json"))
    assert {one["scenario"] for one in rows} == {one.name for one in library()}
    assert all(one["steps"] > 1 for one in rows)
    assert json.loads(printed("drill", "scenarios", "--schema"))["title"] == "Scenario"


def test_a_language_that_is_not_known_is_told() -> None:
    """The ones there are follow."""
    result = CliRunner().invoke(app, ["drill", "scenarios", "--language", "fr"])
    assert result.exit_code == 2
    assert "en, zh" in result.output


def test_a_real_account_refuses_chaos_and_hears_nothing_of_it(tmp_path: Path) -> None:
    """No address but a simulator's could receive it: the account has none of its own, so nothing is even asked."""
    at = shell(tmp_path, f"sqlite:///{tmp_path / 'c.db'}")
    before = signal.getsignal(signal.SIGINT)
    told = at("drill", "run", "stop-restarted")
    assert told.code == 1
    assert "step 1 (chaos do=power_off) can be done to a simulated cloud only, and this account is real" in told.text
    assert PreflightError.code in told.text
    assert signal.getsignal(signal.SIGINT) == before


def test_a_word_to_stop_is_heeded_and_a_second_one_breaks_off() -> None:
    """SIGTERM and Ctrl-C are the same word; whoever repeats it does not want to wait for the cleaning."""
    before = signal.getsignal(signal.SIGTERM)
    with Signals() as signals:
        assert not signals.told()
        signal.raise_signal(signal.SIGTERM)
        assert signals.told()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_wrong_file_is_told_by_its_line(tmp_path: Path) -> None:
    """The mistake is found before any settings are read."""
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nsteps: []\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["drill", "run", str(file), "-c", "nowhere.yaml"])
    assert isinstance(result.exception, SettingsError)
    assert f"{file}:2: steps" in str(result.exception)
    assert "nowhere" not in str(result.exception)


@pytest.mark.parametrize("option", ["--junit", "--html"])
def test_a_report_that_could_not_be_written_is_refused_before_the_drill(option: str, tmp_path: Path) -> None:
    """Nobody waits for a drill whose result is lost; no settings are read and nothing is caused."""
    for path in (tmp_path / "no such folder" / "drill.out", tmp_path):
        result = CliRunner(env={"COLUMNS": "200"}).invoke(
            app, ["drill", "run", "stop-restarted", "-c", "nowhere.yaml", option, str(path)]
        )
        assert result.exit_code == 2, result.output
        assert option in result.output
        assert "cannot be written" in result.output


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_drill_that_left_something_is_not_said_to_have_passed(
    language: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every step came out as it must, and the exit code, the page and the terminal say the same: failed."""
    scope = Scope("alibaba/1", "cn-hangzhou", ("i-a",), (), real=False, calls=1, scheduled=0)
    steps = (StepResult(1, "announce", "announce", Result.DONE, BEGIN),)
    report = DrillReport("run-1", "mine", "What it shows.", scope, BEGIN, BEGIN, steps, left=("e-1",))
    with desk(shell(tmp_path, f"sqlite:///{tmp_path / 'd.db'}", language=language).config) as at:
        tell(report, at)
        assert not report.passed
        told = capsys.readouterr().out
        assert "e-1" in told
        assert TEXTS[language]["drill.passed"].partition("{")[0].strip() not in told
        assert TEXTS[language]["drill.failed"].partition("{")[0].strip() in told


def test_whoever_drills_is_on_record_as_the_user_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for every other command: variables of the environment, which anybody can set, make nobody another one."""
    monkeypatch.delenv("SUDO_USER", raising=False)
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(variable, "li")
    for variable in ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"):
        monkeypatch.setenv(variable, "testid-of-nobody")
    config = tmp_path / "cloudheal.yaml"
    account = {"name": "prod", "cloud": "alibaba", "id": "1000000000000001", "regions": ["cn-hangzhou"]}
    config.write_text(
        yaml.safe_dump({"accounts": [account], "database": f"sqlite:///{tmp_path / 'd.db'}"}), encoding="utf-8"
    )
    with desk(config) as at:
        assert ground_on(at, Signals(), None).who == pwd.getpwuid(os.getuid()).pw_name
