"""What is asked of questions, notices and locks costs by what it finds, not by what is on record; on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from cloudheal.model.control import Approval
from cloudheal.model.incident import Healed, Mode, Run, RunState, Trouble, Verdict
from cloudheal.model.resource import ResourceId
from cloudheal.record.approvals import ask, open_questions
from cloudheal.record.database import Database
from cloudheal.record.inbox import add_events
from cloudheal.record.incidents import add_run, end_incident, open_incident
from cloudheal.record.outbox import Notice, Topic, address, due, mark_failed, mark_sent, tell
from cloudheal.record.retention import remove_old_incidents, remove_old_system_events
from cloudheal.record.tables import APPROVAL, DELIVERY, RUN
from cloudheal.record.waiting import wake_unlocked
from tests.contract.test_inbox import NOON
from tests.contract.test_retention import DAY, LATER, stop_of
from tests.contract.walks import walks

MANY = 1200


@pytest.fixture
def server(database: Database) -> ResourceId:
    """One that is locked, and whose run asked a question; that of another has ended."""
    with database.transaction() as connection:
        for number in range(2):
            event = stop_of(f"i-{number}")
            add_events(connection, [event])
            open_incident(connection, f"inc{number}", event, Trouble("stopped"), "", NOON)
            run = Run(f"run{number}", f"inc{number}", "restart", "restart_stopped", "d", Mode.AUTO, RunState.WAITING)
            add_run(connection, run)
            ask(connection, Approval(f"q{number}", run.id, "May it?", NOON, NOON + DAY))
        later = (NOON + DAY).timestamp() * 1000
        connection.execute(sa.update(RUN).values(waits_for="locked.financial", next_eligible=later))
        connection.execute(sa.update(RUN).where(RUN.c.id == "run1").values(state="ended"))
        end_incident(connection, Verdict("inc1", Healed.HEALED, NOON), "run1")
        return stop_of("i-0").subject


def test_nothing_walks_through_the_record(database: Database, server: ResourceId) -> None:
    """Whoever runs out of time asks for the open questions, a sweep wakes by the page, retention removes by the slice.

    Each once went through every run on record for every question: a minute, of which writers waited for half.
    """
    asked: list[Callable[[sa.Connection], object]] = [
        lambda connection: open_questions(connection, NOON),
        lambda connection: wake_unlocked(connection, [server], NOON),
        lambda connection: remove_old_incidents(connection, LATER),
        lambda connection: remove_old_system_events(connection, LATER),
    ]
    assert [walks(database, one) for one in asked] == [[], [], [], []]


def test_a_question_leaves_with_its_run_and_that_of_an_open_one_stays(database: Database, server: ResourceId) -> None:
    """By whichever of both the run is found: as the one that was asked for, or as one that asks the same."""
    with database.transaction() as connection:
        assert remove_old_incidents(connection, LATER) == 1
        assert connection.scalars(sa.select(APPROVAL.c.id)).all() == ["q0"], server


def test_a_lock_that_is_gone_wakes_its_own_server_only(database: Database, server: ResourceId) -> None:
    """The page of a sweep shows a hundred servers without locks, few of which a run waits for."""
    with database.transaction() as connection:
        assert wake_unlocked(connection, [stop_of("i-7").subject, server], NOON) == 1
        assert wake_unlocked(connection, [server], NOON) == 0


@pytest.mark.parametrize("reached", [True, False])
def test_a_message_about_a_thousand_is_marked_in_a_few_statements(database: Database, *, reached: bool) -> None:
    """The writing of others waits for it: thousands of statements took a second, and on a server a quarter minute."""
    with database.transaction() as connection:
        for number in range(MANY):
            tell(connection, Notice(Topic.WAITS_LONG, NOON, f"k{number}", "storm", {}))
        address(connection, ["ops", "boss"], timedelta(0), NOON)
    with database.snapshot() as connection:
        found = due(connection, "ops", NOON)
    statements: list[str] = []
    with database.transaction() as connection:
        sa.event.listen(connection, "before_cursor_execute", lambda *told: statements.append(told[2]))
        marked = mark_sent(connection, found, NOON) if reached else mark_failed(connection, found, "away", NOON + DAY)
    assert (len(found), marked, len(statements) < 20) == (MANY, MANY, True)
    with database.snapshot() as connection:
        open_ = sa.select(DELIVERY.c.target).where(DELIVERY.c.sent.is_(None), DELIVERY.c.attempts == 0)
        assert set(connection.scalars(open_)) == {"boss"}
