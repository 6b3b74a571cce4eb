"""What thousands wait for may end for all at once: they are taken up a few at a time, each once; on both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from cloudheal.decide.rulebook import rule_book
from cloudheal.model.control import Approval, Hold
from cloudheal.pipeline import Waker
from cloudheal.pipeline.courtesy import Courtesy, OvertakenError
from cloudheal.pipeline.waking import SLICE
from cloudheal.record.approvals import ask
from cloudheal.record.database import Database
from cloudheal.record.holds import EVERYTHING, add_hold, lift_holds
from cloudheal.record.promotions import promote
from cloudheal.record.tables import APPROVAL, RUN
from cloudheal.record.waiting import still_due
from cloudheal.testing.clock import VirtualClock
from cloudheal.testing.engine import Engine
from tests.contract.test_budget import IDS, NOON, granted, rules_with, stopped, waiting_for, worker
from tests.contract.test_plan_of_many import Between
from tests.contract.walks import plans

MANY = 2 * SLICE + 5
HOUR = timedelta(hours=1)


def paused(database: Database, count: int) -> Waker:
    """Let so many servers stop in a pause, and end it."""
    rules = rules_with()
    with database.transaction() as connection:
        promote(connection, rules.rules, "test", NOON)
        add_hold(connection, Hold(EVERYTHING, "alice", "storm", NOON))
    worker(database, rules, "w").take([stopped(number) for number in range(count)])
    with database.transaction() as connection:
        lift_holds(connection, EVERYTHING, NOON)
    return Waker(database, Engine(), rule_book(rules.rules), VirtualClock(NOON), lambda: f"{next(IDS)}")


def test_the_end_of_a_pause_wakes_them_a_few_at_a_time(database: Database) -> None:
    """Whoever decides meanwhile waits for a few of them, not for all."""
    waker, begun = paused(database, MANY), list[int]()
    assert replace(waker, store=Between(database, lambda: begun.append(granted(database)))).tick() == MANY
    assert begun == [0, SLICE, 2 * SLICE, MANY]
    assert waiting_for(database) == []


def test_what_became_of_one_meanwhile_is_heeded(database: Database) -> None:
    """Another worker woke it, and it waits again, after its turn was noted and before it came."""
    waker, parts = paused(database, MANY), list[int]()

    def another() -> None:
        parts.append(granted(database))
        if len(parts) == 2:
            with database.transaction() as connection:
                last = sa.select(sa.func.max(RUN.c.occurred)).where(RUN.c.state == "waiting").scalar_subquery()
                again = {"look": 1, "waits_for": "cooling_down", "next_eligible": (NOON + HOUR).timestamp() * 1000}
                connection.execute(sa.update(RUN).where(RUN.c.occurred == last).values(again))

    assert replace(waker, store=Between(database, another)).tick() == MANY - 1
    assert waiting_for(database) == ["cooling_down"]


@pytest.mark.parametrize("after", [1, 2])
def test_what_hurries_undoes_a_few_of_them_and_all_are_woken(database: Database, after: int) -> None:
    """An urgent message in the middle takes back the part that is under way, and no part before it."""
    waker, begun = paused(database, MANY), list[int]()

    class Interrupted(Courtesy):
        def check(self) -> None:
            if len(begun) == after and not self.seen:
                self.seen.append(True)
                raise OvertakenError

        seen: list[bool] = []  # noqa: RUF012 - one for this test

    store = Between(database, lambda: begun.append(granted(database)))
    assert replace(waker, store=store, courtesy=Interrupted()).tick() == MANY
    assert begun == [0, SLICE, 2 * SLICE, MANY]


def test_questions_run_out_a_few_at_a_time(database: Database) -> None:
    """Thousands were asked in one storm, and nobody answered: the end of their time is written in parts as well."""
    waker = paused(database, 0)
    with database.transaction() as connection:
        for number in range(MANY):
            ask(connection, Approval(f"q{number}", f"r{number}", "May it?", NOON - HOUR, NOON))

    def late() -> int:
        with database.snapshot() as connection:
            expired = sa.select(sa.func.count()).where(APPROVAL.c.answer == "expired")
            return connection.scalar(expired) or 0

    over: list[int] = []
    happens: Callable[[], object] = lambda: over.append(late())  # noqa: E731 - read after each transaction
    replace(waker, store=Between(database, happens)).tick()
    assert over == [SLICE, 2 * SLICE, MANY]


def test_a_few_of_them_are_found_by_their_names_alone(database: Database) -> None:
    """Each few would else be looked for among all that wait, in the transaction that others wait for."""
    paused(database, 3)
    with database.snapshot() as connection:
        runs = list(connection.scalars(sa.select(RUN.c.id)))
    asked = plans(database, lambda connection: still_due(connection, runs, NOON))
    assert not [one for one in asked if "run_by_state" in one or "run_by_wait" in one]
