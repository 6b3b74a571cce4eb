"""What the guards count, from the tables; on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from cloudheal.model.incident import Mode, Run, RunState, Trouble
from cloudheal.record.budget import grant
from cloudheal.record.database import Database
from cloudheal.record.facts import Counting, Windows
from cloudheal.record.inbox import add_events
from cloudheal.record.incidents import add_run, note_action, open_incident
from cloudheal.record.workers import claim
from tests.contract.intents import intend
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
            trouble: Counting(connection).of(event.subject, trouble, NOON, Windows(HOUR, HOUR)).attempts
            for trouble in (INTERRUPTION, STOPPED)
        }
    assert counted == {INTERRUPTION: 2, STOPPED: 1}


def test_what_a_batch_counts_once_is_what_it_would_count_anew(database: Database) -> None:
    """While incidents are opened and grants given, the kept numbers and fresh ones never differ."""
    windows, subjects = (
        Windows(HOUR, HOUR),
        [replace(an_event().subject, id=f"i-{number}") for number in range(4)],
    )
    events = [an_event(f"e-{one.id}")._replace(subject=one) for one in subjects]
    with database.transaction() as connection:
        add_events(connection, events)
        kept = Counting(connection)
        assert kept.expect(event.subject for event in events) == len(events)
        for number, event in enumerate(events):
            group = "web" if number < 3 else "db"
            assert kept.of(event.subject, STOPPED, NOON, windows).open_incident is None
            open_incident(connection, f"n{number}", event, STOPPED, group, NOON)
            kept.opened(event.subject, STOPPED, group)
            add_run(connection, Run(f"r{number}", f"n{number}", "rule", "p", "d", Mode.AUTO, RunState.STARTING))
            if number != 1:
                grant(connection, f"r{number}", NOON)
                kept.granted()
            for other in events:
                mine = kept.of(other.subject, STOPPED, NOON, windows)
                assert mine == Counting(connection).of(other.subject, STOPPED, NOON, windows)
            for name in ("web", "db"):
                crowd = kept.crowd(subjects[0], name, STOPPED, NOON - HOUR)
                assert crowd == Counting(connection).crowd(subjects[0], name, STOPPED, NOON - HOUR)
        last = kept.of(events[0].subject, STOPPED, NOON, windows)
        elsewhere = replace(subjects[0], account="2000000000000002")
        assert kept.crowd(elsewhere, "web", STOPPED, NOON - HOUR) == (0, 0)
    assert (last.at_once, last.in_last_hour, *kept.crowd(subjects[0], "web", STOPPED, NOON - HOUR)) == (3, 3, 2, 3)
    assert last.open_incident == "n0"
