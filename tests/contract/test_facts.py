"""What the guards count, from the tables; on both databases."""

from __future__ import annotations

from datetime import timedelta

from cloudheal.model.incident import Mode, Run, RunState, Trouble
from cloudheal.record.database import Database
from cloudheal.record.facts import Windows, count
from cloudheal.record.inbox import add_events
from cloudheal.record.incidents import add_run, note_action, open_incident
from cloudheal.record.steps import intend
from cloudheal.record.workers import claim
from tests.contract.test_inbox import NOON, an_event

HOUR = timedelta(hours=1)
INTERRUPTION, STOPPED = Trouble("interruption"), Trouble("stopped")


def test_leaving_a_balancer_is_no_attempt_at_starting(database: Database) -> None:
    """Attempts at an interruption and attempts at everything else are counted apart."""
    event = an_event()
    with database.transaction() as connection:
        add_events(connection, [event])
        for number, trouble in enumerate((INTERRUPTION, INTERRUPTION, STOPPED)):
            name = f"{trouble}{number}"
            if number != 1:
                open_incident(connection, name, event, trouble, "web", NOON)
                add_run(connection, Run(name, name, "rule", "playbook", "d", Mode.AUTO, RunState.STARTING))
            run = "interruption0" if number == 1 else name
            held = claim(connection, run, "worker", 0)
            assert held is not None
            assert intend(connection, held, 0, f"act-{number}", {}) is not None
            note_action(connection, run, NOON)
        counted = {
            trouble: count(connection, event.subject, trouble, "web", NOON, Windows(HOUR, HOUR, HOUR)).attempts
            for trouble in (INTERRUPTION, STOPPED)
        }
    assert counted == {INTERRUPTION: 2, STOPPED: 1}
