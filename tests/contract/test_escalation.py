"""People hear who waits too long: a look that changes nothing ends no wait, an attempt does; on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from cloudheal.model.control import Hold
from cloudheal.model.incident import RunState, StepKind, Trouble
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.record.database import Database
from cloudheal.record.escalation import SLICE, long_waits, write_waits
from cloudheal.record.facts import Counting, Windows
from cloudheal.record.holds import EVERYTHING, add_hold
from cloudheal.record.promotions import promote
from cloudheal.record.steps import Wanted, conclude, write_intent
from cloudheal.record.tables import INCIDENT, RUN
from cloudheal.record.waiting import Rest, begin, rest
from cloudheal.record.workers import claim
from tests.contract.test_budget import NOON, rules_with, stopped, worker
from tests.contract.walks import walks

HOUR = timedelta(hours=1)


@pytest.fixture
def run(database: Database) -> str:
    """A run that waits."""
    rules = rules_with()
    with database.transaction() as connection:
        promote(connection, rules.rules, "test", NOON)
        add_hold(connection, Hold(EVERYTHING, "ops", "look", NOON))
    worker(database, rules, "w").take([stopped(0)])
    with database.snapshot() as connection:
        return str(connection.scalars(sa.select(RUN.c.id)).one())


def told(database: Database, at: datetime) -> int:
    """Look at the waits at a time; returns how many are told."""
    with database.snapshot() as connection:
        parts = list(long_waits(connection, HOUR, at))
    with database.transaction() as connection:
        return sum(write_waits(connection, part, HOUR, at) for part in parts)


def look(database: Database, run: str, number: int, at: datetime, kind: StepKind | None) -> int:
    """Look at what a run waits for, and let the watch see it at that; perhaps with a deed. Returns what was told."""
    with database.transaction() as connection:
        assert begin(connection, run, number, at=at)
        held = claim(connection, run, "w", number, at)
        assert held is not None
        if kind is not None:
            intent = write_intent(connection, held, number, Wanted("deed", {}, kind), at=at)
            assert intent is not None
            assert conclude(connection, run, intent.number, "ok", at=at)
    seen = told(database, at)
    with database.transaction() as connection:
        assert rest(connection, held, Rest(RunState.WAITING, "locked.financial", at + HOUR / 4), at)
    return seen


def test_a_lock_that_is_looked_at_again_and_again_is_told_after_an_hour(database: Database, run: str) -> None:
    """Every look finds it locked still: it has waited since the first, and is told once."""
    assert told(database, NOON) == 0
    for number in (1, 2, 3):
        assert look(database, run, number, NOON + HOUR / 4 * number, None) == 0
    assert told(database, NOON + HOUR) == 1
    assert look(database, run, 4, NOON + HOUR, None) == 0
    assert told(database, NOON + HOUR * 3) == 0


def test_an_attempt_ends_the_wait_before_it(database: Database, run: str) -> None:
    """What was done half an hour ago has half an hour left before people hear that nothing happens."""
    assert told(database, NOON) == 0
    assert look(database, run, 1, NOON + HOUR / 2, StepKind.ACT) == 0
    assert told(database, NOON + HOUR / 2) == 0
    assert told(database, NOON + HOUR) == 0
    assert told(database, NOON + HOUR * 3 / 2) == 1


def test_tens_of_thousands_that_wait_are_told_of_in_parts(database: Database) -> None:
    """Nothing waits for all of them; each is told once, and one that goes on meanwhile is not told of."""
    rules, count = rules_with(), 2 * SLICE + 5
    with database.transaction() as connection:
        promote(connection, rules.rules, "test", NOON)
        add_hold(connection, Hold(EVERYTHING, "ops", "look", NOON))
    worker(database, rules, "w").take([stopped(number) for number in range(count)])
    assert told(database, NOON) == 0
    with database.snapshot() as connection:
        parts = list(long_waits(connection, HOUR, NOON + HOUR))
    with database.transaction() as connection:
        assert begin(connection, parts[0].late[0], 1, at=NOON + HOUR)
    written = []
    for part in parts:
        with database.transaction() as connection:
            written.append(write_waits(connection, part, HOUR, NOON + HOUR))
    assert written == [SLICE - 1, SLICE, 5]
    assert told(database, NOON + HOUR) == 0


def test_who_waits_and_what_was_done_lately_is_found_without_a_walk_through_the_record(
    database: Database, run: str
) -> None:
    """Both are asked again and again, of a record of hundreds of thousands of runs that have ended."""
    assert told(database, NOON) == 0
    with database.snapshot() as connection:
        row = connection.execute(sa.select(INCIDENT).join(RUN, RUN.c.incident == INCIDENT.c.id)).one()
    server = ResourceId(Cloud(row.cloud), row.account, row.region, row.kind, row.resource)

    def waits(connection: sa.Connection) -> object:
        return list(long_waits(connection, HOUR, NOON + HOUR))

    def deeds(connection: sa.Connection) -> object:
        return Counting(connection).of(server, Trouble("stopped"), NOON, Windows(HOUR, HOUR))

    assert (walks(database, waits), walks(database, deeds)) == ([], []), run
