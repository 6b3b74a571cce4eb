"""Who may answer: those whom the settings name, as the system knows them; anybody else is refused, on record."""

from __future__ import annotations

import json
import os
import pwd
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloudheal.app.rules import rules_of
from cloudheal.cli.desk import operator
from cloudheal.model.control import Answer, Approval
from cloudheal.model.decision import Reason
from cloudheal.model.incident import Mode, Run, RunState, Trouble
from cloudheal.pipeline.questions import Asked, question_of
from cloudheal.record.approvals import answer, ask, expire, open_questions
from cloudheal.record.database import Database
from cloudheal.record.incidents import add_run, open_incident
from cloudheal.record.ledger import Kind
from cloudheal.record.tables import LEDGER, RUN
from cloudheal.settings.schema import Settings
from tests.contract.shell import ACCOUNT, Shell, shell
from tests.contract.test_inbox import an_event

ME = pwd.getpwuid(os.getuid()).pw_name


def asked(database: Database, may: tuple[str, ...] = ()) -> None:
    """Let one run ask a question of some people, and another be parked."""
    now = datetime.now(UTC)
    with database.transaction() as connection:
        for name, trouble, state in (("asks", "stopped", RunState.ASKING), ("parked", "unreachable", RunState.PARKED)):
            open_incident(connection, f"inc-{name}", an_event(name), Trouble(trouble), "web", now)
            add_run(connection, Run(name, f"inc-{name}", "rule", "p", "d", Mode.ASK, state))
        ask(connection, Approval("q1", "asks", "restart i-1?", now, now + timedelta(hours=1), may_answer=may))


def refusals(database: Database) -> list[tuple[str, str, str]]:
    """Return who was refused, for which run and server."""
    chosen = sa.select(LEDGER.c.name, LEDGER.c.run, LEDGER.c.resource)
    with database.snapshot() as connection:
        rows = connection.execute(chosen.where(LEDGER.c.kind == Kind.APPROVAL_REFUSED.value).order_by(LEDGER.c.id))
        return [(row.name, row.run, row.resource) for row in rows]


@pytest.fixture
def ours(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A database; nobody stands behind the user of the system."""
    monkeypatch.delenv("SUDO_USER", raising=False)
    return database


def test_whoever_is_not_named_is_refused_and_nothing_else_changes(
    ours: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Yes, no, restart and abandon alike; also for one who calls themselves by another's name in the environment."""
    asked(ours, ("li", "wang"))
    at = shell(tmp_path, database_url, approvers=["li", "wang"])
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(variable, "li")
    for words in (("approve", "q1"), ("deny", "q1"), ("runs", "restart", "parked"), ("runs", "abandon", "parked")):
        refused = at(*words)
        assert refused.code == 1
        whose = "in the settings" if words[0] == "runs" else "of this question"
        assert f"{ME} may not answer; approvers {whose} are: li, wang [approval.refused]" in refused.text
    with ours.snapshot() as connection:
        assert [one.id for one in open_questions(connection, datetime.now(UTC))] == ["q1"]
        assert connection.scalar(sa.select(RUN.c.state).where(RUN.c.id == "parked")) == "parked"
    assert refusals(ours) == [(ME, run, "i-1") for run in ("asks", "asks", "parked", "parked")]
    assert "li" in at.done("approvals")
    assert at.json("approvals")[0]["may_answer"] == ["li", "wang"]
    assert "whoever can run the commands" not in at.done("approvals")
    assert at("approve", "q2").code == 1
    assert len(refusals(ours)) == 4


@pytest.mark.parametrize("approvers", [[], [ME, "li"]])
def test_whoever_is_named_is_heard(ours: Database, database_url: str, tmp_path: Path, approvers: list[str]) -> None:
    """And everybody is, until somebody is named; who said it is on record."""
    asked(ours, tuple(approvers))
    at: Shell = shell(tmp_path, database_url, approvers=approvers)
    at.done("approve", "q1")
    at.done("runs", "restart", "parked")
    with ours.snapshot() as connection:
        kinds = (Kind.APPROVAL_ANSWERED.value, Kind.RUN_RESTARTED.value)
        assert connection.scalars(sa.select(LEDGER.c.name).where(LEDGER.c.kind.in_(kinds))).all() == [ME, ME]
    assert refusals(ours) == []


def test_a_question_keeps_who_may_answer_whatever_settings_say_by_then(
    ours: Database, database_url: str, tmp_path: Path
) -> None:
    """A file of one's own makes nobody an approver of what is asked already, nor shuts out whom it was asked of."""
    asked(ours, ("li",))
    assert shell(tmp_path, database_url, approvers=[ME])("approve", "q1").code == 1
    with ours.transaction() as connection:
        assert not answer(connection, "q1", Answer.APPROVED, ME, datetime.now(UTC))
        assert answer(connection, "q1", Answer.DENIED, "li", datetime.now(UTC))
        (row,) = connection.execute(sa.select(LEDGER).where(LEDGER.c.kind == Kind.APPROVAL_ASKED.value)).mappings()
    assert json.loads(row["body"])["may_answer"] == ["li"]


def test_a_question_that_expires_is_for_those_who_are_named_by_then(ours: Database) -> None:
    """Else nobody could answer when all of whom it was asked have left; the record says who may."""
    asked(ours, ("li",))
    late = datetime.now(UTC) + timedelta(hours=2)
    with ours.transaction() as connection:
        assert expire(connection, late, ["wang"]) == 1
        assert not answer(connection, "q1", Answer.APPROVED, "li", late)
        assert answer(connection, "q1", Answer.APPROVED, "wang", late)
        told = sa.select(LEDGER.c.body).where(LEDGER.c.kind == Kind.APPROVAL_ANSWERED.value).order_by(LEDGER.c.id)
        assert [json.loads(body).get("may_answer") for body in connection.scalars(told)] == [["wang"], None]


def test_what_workers_ask_is_asked_of_those_whom_their_settings_name() -> None:
    """The rules that ask know them."""
    settings = Settings.model_validate({"accounts": [ACCOUNT], "approvers": ["li"]})
    assert rules_of(settings).approvers == ("li",)
    about = Asked("r", "rule", "p", an_event().subject, Trouble("stopped"), "web", rules_of(settings).approvers)
    for code in (Reason.STORM, Reason.ASK):
        assert question_of(about, code, "q", datetime.now(UTC))[0].may_answer == ("li",)


def test_only_root_is_believed_about_who_stands_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables of the environment are anybody's to set; a number without a name is told as a number."""
    monkeypatch.setenv("SUDO_USER", "li")
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert operator() == "li"
    monkeypatch.setattr(os, "getuid", lambda: 1_234_567_890)
    assert operator() == "uid 1234567890"
