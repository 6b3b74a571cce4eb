"""A worker's log tells what was decided, asked and done, server by server, in lines that programs can take apart."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cloudheal.app.narrator import narrate
from cloudheal.record.ledger import Entry, Kind

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def said(caplog: pytest.LogCaptureFixture, *entries: Entry) -> list[str]:
    """Return the lines that some rows of the ledger make."""
    caplog.clear()
    with caplog.at_level("INFO", logger="cloudheal.healing"):
        assert narrate([*entries, "no row"]) == len(caplog.messages)
    return caplog.messages


def test_a_healing_is_told_from_the_decision_to_the_verdict(caplog: pytest.LogCaptureFixture) -> None:
    """With the server, the rule, each step and how it ended."""
    code = {"code": "running", "state": "Running"}
    no = {"code": "InsufficientBalance"}
    assert said(
        caplog,
        Entry(Kind.DECISION, NOON, "i-web", "", "act", "restart", incident="inc1"),
        Entry(Kind.STEP_INTENDED, NOON, "i-web", "start 1", run="run1"),
        Entry(Kind.STEP_CONCLUDED, NOON, "i-web", "start 1", "refused", run="run1", body=no),
        Entry(Kind.INCIDENT_ENDED, NOON, "i-web", "stopped", "healed", "restart_stopped", run="run1", body=code),
    ) == [
        "decision resource=i-web rule=restart reason=act incident=inc1",
        "step.intended resource=i-web step='start 1' run=run1",
        "step.concluded resource=i-web step='start 1' outcome=refused code=InsufficientBalance run=run1",
        "incident.ended resource=i-web trouble=stopped verdict=healed playbook=restart_stopped code=running run=run1",
    ]


def test_a_question_to_a_person_is_told_with_its_number(caplog: pytest.LogCaptureFixture) -> None:
    """Also where nobody is notified."""
    body = {"id": "q1", "question": "Start i-web?", "expires": 0}
    assert said(caplog, Entry(Kind.APPROVAL_ASKED, NOON, "i-web", run="run1", body=body)) == [
        "approval.asked resource=i-web id=q1 question='Start i-web?' run=run1"
    ]


def test_what_only_informs_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    """Decisions that close, events and notes stay in the ledger."""
    closed = [Entry(Kind.DECISION, NOON, "i-web", result=one, name="r") for one in ("not_selected", "joined", "stale")]
    note = Entry(Kind.STEP_INTENDED, NOON, "i-web", type="evidence", body={"kind": "read"})
    assert said(caplog, *closed, note, Entry(Kind.HOLD_ADDED, NOON, "*")) == []


def test_a_stranger_cannot_write_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a name holds, it stays one word of one line."""
    (line,) = said(caplog, Entry(Kind.DECISION, NOON, "i\nincident.ended resource=x", result="shadow", name="a b"))
    assert line == "decision resource='i\\nincident.ended resource=x' rule='a b' reason=shadow"
