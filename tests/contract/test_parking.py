"""Parked runs go on or end at a person's word, by an id's first letters; both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloudheal.decide.rulebook import rule_book
from cloudheal.model.incident import Mode, Parked, Run, RunState, Trouble
from cloudheal.pipeline import Waker
from cloudheal.record.approvals import expire
from cloudheal.record.budget import grant
from cloudheal.record.database import Database
from cloudheal.record.incidents import add_run, open_incident, open_run
from cloudheal.record.parking import park_all, restart
from cloudheal.record.promotions import promote
from cloudheal.record.tables import APPROVAL, GRANT, INCIDENT, LEDGER, RUN
from cloudheal.record.waiting import due
from cloudheal.settings.rules import RuleFile
from cloudheal.testing.clock import VirtualClock
from cloudheal.testing.engine import Engine
from tests.contract.shell import Shell, shell
from tests.contract.test_budget import NOON as FELL
from tests.contract.test_budget import rules_with, stopped, worker
from tests.contract.test_inbox import NOON, an_event


@pytest.fixture
def operator(database: Database, database_url: str, tmp_path: Path) -> Shell:
    """A shell beside a database with one parked run and one at work."""
    with database.transaction() as connection:
        for run, state in (("aa1", RunState.PARKED), ("aa2", RunState.RUNNING)):
            open_incident(
                connection,
                f"inc-{run}",
                an_event(run)._replace(subject=replace(an_event().subject, id=f"i-{run}")),
                Trouble("stopped"),
                "web",
                NOON,
            )
            add_run(connection, Run(run, f"inc-{run}", "rule", "p", "old", Mode.AUTO, state, look=2))
            grant(connection, run, NOON)
    return shell(tmp_path, database_url)


def run_of(database: Database, run: str) -> sa.Row[tuple[object, ...]]:
    """Return a run's row."""
    with database.snapshot() as connection:
        return connection.execute(sa.select(RUN).where(RUN.c.id == run)).one()


def test_a_restarted_run_waits_for_its_next_walk_with_the_persons_approval(operator: Shell, database: Database) -> None:
    """One look further, bound to no playbook yet, without a place of its own; who said so is on record."""
    assert "is walked again" in operator.done("runs", "restart", "aa1")
    row = run_of(database, "aa1")
    assert (row.state, row.look, row.playbook_digest, row.waits_for) == ("waiting", 3, "", "restart")
    with database.snapshot() as connection:
        assert [one.run for one in due(connection, NOON)] == ["aa1"]
        said = connection.execute(sa.select(APPROVAL).where(APPROVAL.c.run == "aa1")).one()
        assert (said.answer, bool(said.answered_by)) == ("approved", True)
        assert connection.scalars(sa.select(GRANT.c.run)).all() == ["aa2"]
        assert "run.restarted" in connection.scalars(sa.select(LEDGER.c.kind)).all()


@pytest.mark.parametrize("expired", [False, True], ids=["unanswered", "expired"])
def test_a_restart_is_the_answer_that_the_rule_asks_for(database: Database, *, expired: bool) -> None:
    """A run that asked comes out of a backup: whoever restarts it is not asked again, and it begins."""
    rules = [one.model_copy(update={"mode": Mode.ASK}) for one in rules_with().rules]
    intake = worker(database, RuleFile(rules=rules), "w")
    with database.transaction() as connection:
        promote(connection, rules, "test", FELL)
    intake.take([stopped(0)])
    later = FELL + timedelta(hours=2)
    with database.transaction() as connection:
        assert expire(connection, later if expired else FELL) == expired
        (run,) = connection.scalars(sa.select(RUN.c.id)).all()
        assert park_all(connection, Parked.RESTORED, later) == 1
        assert restart(connection, run, "alice", later, "approval")
    waker = Waker(database, Engine(), rule_book(rules), VirtualClock(later), lambda: "new")
    assert waker.tick() == 1
    row = run_of(database, run)
    assert (row.state, row.approved_by) == ("starting", "alice")
    with database.snapshot() as connection:
        held = open_run(connection, run)
    assert held is not None
    assert held.approved


def test_an_abandoned_run_ends_its_incident_as_unknown(operator: Shell, database: Database) -> None:
    """With the code and the name of whoever said so; its place is free."""
    assert "is abandoned" in operator.done("runs", "abandon", "aa1")
    assert run_of(database, "aa1").state == "ended"
    with database.snapshot() as connection:
        row = connection.execute(sa.select(INCIDENT).where(INCIDENT.c.id == "inc-aa1")).one()
        assert connection.scalars(sa.select(GRANT.c.run)).all() == ["aa2"]
    assert row.verdict == "unknown"
    assert '"code": "abandoned"' in row.evidence


@pytest.mark.parametrize("deed", ["restart", "abandon"])
def test_what_is_not_parked_is_left_alone(operator: Shell, database: Database, deed: str) -> None:
    """A run at work, a run that is not there, and a second word on the same one."""
    for run in ("aa2", "zz"):
        refused = operator("runs", deed, run)
        assert refused.code == 1
        assert f"No single parked run {run}" in refused.text
    assert run_of(database, "aa2").state == "running"
    operator.done("runs", deed, "aa")
    assert operator("runs", deed, "aa1").code == 1


def test_runs_are_still_listed_by_the_bare_word(operator: Shell) -> None:
    """With the options that it had; the reason of a parked one is shown."""
    assert {row["id"] for row in operator.json("runs", "--open", "--limit", "5")} == {"aa1", "aa2"}
    assert "aa1" in operator.done("runs", "--resource", "i-aa1")
