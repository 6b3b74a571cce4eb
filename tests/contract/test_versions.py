"""Operators are told which workers still go by another version of the rules than the file; both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cloudheal.model.incident import Mode
from cloudheal.record.database import Database
from cloudheal.record.promotions import promote
from cloudheal.record.versions import Outdated, note_rules, outdated
from cloudheal.record.workers import enlist
from cloudheal.settings.rules import Rule
from tests.contract.shell import Shell, shell

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DOCUMENT: dict[str, Any] = {
    "name": "restart",
    "when": {"type": ["Instance:StateChange"]},
    "resources": {"all": True},
    "playbook": "restart_stopped",
    "mode": "auto",
}
AUTO = Rule.model_validate(DOCUMENT)
CALM = Rule.model_validate(DOCUMENT | {"mode": "shadow"})
CHANGED = Rule.model_validate(DOCUMENT | {"resources": {"ids": ["i-web"]}})
OTHER = Rule.model_validate(DOCUMENT | {"name": "other"})


@pytest.fixture
def worker(database: Database) -> str:
    """A living worker whose rule was promoted, and one that ended long ago without a word."""
    with database.transaction() as connection:
        promote(connection, [AUTO], "alice", NOON)
        for name in ("w1", "w2"):
            enlist(connection, name, "host")
            assert note_rules(connection, name, [AUTO])
        connection.exec_driver_sql("UPDATE worker SET heartbeat = 0 WHERE id = 'w2'")
    return "w1"


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ([AUTO], []),
        ([CALM], [("restart", Mode.AUTO)]),
        ([CHANGED], [("restart", Mode.AUTO)]),
        ([], [("restart", Mode.AUTO)]),
        ([AUTO, OTHER], [("other", None)]),
    ],
)
def test_a_rule_that_a_living_worker_has_otherwise_is_told_with_the_mode_there(
    database: Database, worker: str, rules: list[Rule], told: list[tuple[str, Mode | None]]
) -> None:
    """Calmed, changed, taken out or added since it started; what a dead one had is of no matter."""
    with database.snapshot() as connection:
        assert outdated(connection, rules) == [Outdated(worker, *one) for one in told]


@pytest.fixture
def calmed(database: Database, worker: str, database_url: str, tmp_path: Path) -> Shell:
    """An operator who has just written `mode: shadow` into the file."""
    assert worker
    return shell(tmp_path, database_url, rules=[DOCUMENT | {"mode": "shadow"}], lease_seconds=3600)


def test_whoever_calms_a_rule_in_the_file_reads_that_a_worker_still_acts(calmed: Shell) -> None:
    """With the worker's name, the mode in force there, and the way to stop it at once."""
    told = " ".join(calmed.done("rules", "list").split())
    assert "Worker w1 still has another version of rule restart, with auto in force: start it anew" in told
    (row,) = calmed.json("rules", "list")
    assert (row["effective"], row["workers"]) == ("shadow", {"w1": "auto"})
    assert "still has another version of rule restart" in " ".join(calmed("check").text.replace("│", " ").split())
