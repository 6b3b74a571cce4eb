"""`backtest` from the command line: its sources, its exit codes, its tables and documents; on both databases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudheal.record.database import Database
from cloudheal.testing import FakeCloud
from tests.contract.shell import Shell, shell
from tests.flow.test_backtest import FALLS, TIGHT, Night

WIDE = TIGHT | {"limits": {"at_once": 3, "share": 1.0, "storm_share": 1.0}}


@pytest.fixture
def night(database: Database, database_url: str, tmp_path: Path) -> Shell:
    """A shell beside a database in which the pipeline recorded a night under the rule that is in the settings."""
    Night([TIGHT], FALLS, boot=90).play(database)
    return shell(tmp_path, database_url, rules=[TIGHT])


def rule_file(folder: Path, rule: dict[str, Any]) -> str:
    """Write a file that holds nothing but rules."""
    path = folder / "tried.yaml"
    path.write_text(yaml.safe_dump({"rules": [rule]}), encoding="utf-8")
    return str(path)


def test_rules_that_have_not_changed_decide_as_they_did(night: Shell) -> None:
    """The pipeline's own record on either database: exit code 0, every event compared, none differs."""
    found = night("backtest", "--as-promoted")
    assert found.code == 0
    assert "No difference from what is recorded" in found.text
    document = night.json("backtest")
    assert (document["held_against"], document["differing"]) == ("record", 0)
    assert document["compared"] == document["events"] == len(FALLS)
    counted = {one["reason"]: (one["outcome"], one["would"], one["other"]) for one in document["counts"]}
    assert counted["budget.at_once"][0] == "wait"
    assert all(would == other for _, would, other in counted.values())


def test_changed_rules_end_with_three_and_say_what_differs(night: Shell, tmp_path: Path) -> None:
    """A script sees the difference by the exit code, a person by the tables, a program in the document."""
    tried = rule_file(tmp_path, WIDE)
    found = night("backtest", "--rules", tried)
    assert found.code == 3
    assert "differ from what is recorded" in found.text
    assert "What became what" in found.text
    document = night.json("backtest", "--rules", tried)
    (change,) = document["changes"]
    assert (change["other"], change["would"]) == ("restart: budget.at_once", "restart: act")
    assert {one["resource"] for one in document["differences"]} == {"i-1", "i-2"}


def test_two_rule_files_are_held_against_each_other(night: Shell, tmp_path: Path) -> None:
    """`--against` compares with another file, here the settings file itself; the same file twice does not differ."""
    tried = rule_file(tmp_path, WIDE)
    assert night("backtest", "--rules", tried, "--against", tried).code == 0
    found = night("backtest", "--rules", tried, "--against", str(night.config))
    assert found.code == 3
    assert "`was` is what --against would do" in found.text


def test_a_history_comes_from_a_file_or_a_pipe_too(night: Shell, tmp_path: Path) -> None:
    """What `audit export` wrote says the same as the record; all decisions go to a file as JSON lines."""
    history, decisions = tmp_path / "ledger.jsonl", tmp_path / "decisions.jsonl"
    night.done("audit", "export", "-o", str(history))
    own, there = night.json("backtest"), night.json("backtest", str(history))
    assert own == there
    printed = night.done("backtest", str(history), "-o", str(decisions), "--limit", "1")
    lines = [json.loads(line) for line in decisions.read_text(encoding="utf-8").splitlines()]
    assert f"{len(lines)} decisions written" in printed
    assert {one["reason"] for one in lines} >= {"act", "budget.at_once"}


def test_a_pause_of_before_the_beginning_stands_in_a_file_too(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    """A person's words are read however long ago they were said: an export from then on decides as the record does."""
    rule = TIGHT | {"limits": {"within": "30m", "flap_window": "30m", "storm_window": "10m"}}
    Night([rule], [("pause", 0, 0), ("fall", 1, 200)]).play(database)
    bench, history = shell(tmp_path, database_url, rules=[rule]), tmp_path / "ledger.jsonl"
    bench.done("audit", "export", "-o", str(history))
    span = ("--since", "2026-03-02T14:00", "--as-promoted")
    own, there = bench.json("backtest", *span), bench.json("backtest", str(history), *span)
    assert [(one["reason"], one["would"], one["other"]) for one in own["counts"]] == [("paused", 1, 1)]
    assert own == there


def test_a_list_of_messages_in_a_line_is_taken_apart_as_feed_does(night: Shell, tmp_path: Path) -> None:
    """What EventBridge pushes at once is one line of a file: each message counts, the broken one as unreadable."""
    cloud = FakeCloud()
    first, second = (json.loads(cloud.power_off(cloud.server(f"i-{number}"))) for number in range(2))
    history = tmp_path / "messages.jsonl"
    history.write_text(f"{json.dumps([first, second])}\n{json.dumps([second, 7])}\n", encoding="utf-8")
    found = night.json("backtest", str(history))
    assert (found["events"], found["duplicates"], found["unreadable"]) == (2, 1, 1)


def test_a_rule_file_with_a_mistake_is_told_by_its_line(night: Shell, tmp_path: Path) -> None:
    """Field, line and file of what was named by --rules, not of the settings."""
    found = night("backtest", "--rules", rule_file(tmp_path, TIGHT | {"mode": "always"}))
    assert found.code == 1
    assert "tried.yaml:" in found.text
    assert "rules.0.mode" in found.text
    found = night("backtest", "--rules", rule_file(tmp_path, TIGHT | {"playbook": "none"}))
    assert "no playbook 'none'" in found.text
    assert night("backtest", "no such file").code == 1
    assert night("backtest", "--heal-time", "soon").code == 2
