"""A plan of many servers is written a few rows at a time, is whole in the end, and is cheap to ask about; on both."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa

from cloudheal.pipeline.plans import SLICE, Planner
from cloudheal.record.database import Database, DatabaseUnreachableError
from cloudheal.record.plans import ended_since, is_stale, somebody_wants_room
from cloudheal.record.tables import LEASE, PLAN
from tests.contract.test_plans import HOUR, NIGHT, NOON, Plans, start

__all__ = ["start"]


def many(plans: Plans, count: int) -> Plans:
    """Let reboots of so many servers be announced."""
    for number in range(count):
        plans.told(f"i-{number:03}", f"e-{number:03}", NOON + 48 * HOUR)
    return plans


def slots(plans: Plans) -> dict[str, datetime | None]:
    """Return the slot of each server."""
    return {row.subject.id: row.begin for row in plans.rows()}


class Between:
    """The database of a planner; something happens after each of its transactions."""

    def __init__(self, database: Database, happens: Callable[[], object]) -> None:
        self._database, self._happens = database, happens

    @contextmanager
    def transaction(self, check: Callable[[], object] | None = None) -> Iterator[sa.Connection]:
        """Commit, and let it happen."""
        with self._database.transaction(check) as connection:
            yield connection
        self._happens()

    @property
    def writing(self) -> sa.Engine:
        """Write as ever."""
        return self._database.writing

    def snapshot(self) -> AbstractContextManager[sa.Connection]:
        """Read as ever."""
        return self._database.snapshot()


def test_a_plan_is_written_a_few_rows_at_a_time(start: Callable[..., Plans]) -> None:
    """Nothing that hurries waits for the whole of it: after each part others get at the database."""
    plans = many(start(), 3 * SLICE)
    written: list[int] = []
    store = Between(plans.database, lambda: written.append(plans.select(PLAN.c.stale).count(False)))
    assert replace(plans.planner, store=store).tick() == 3 * SLICE
    assert written == [0, SLICE, 2 * SLICE, 3 * SLICE]


def test_a_plan_whose_writing_broke_off_is_made_whole(start: Callable[..., Plans], database: Database) -> None:
    """The database failed in the middle: the next look gives every server its slot, one after another as ever."""
    plans, times = many(start(), SLICE + 20), itertools.count()

    def fails(_connection: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("UPDATE") and "plan" in statement[:14] and next(times) == SLICE + 10:
            raise sa.exc.OperationalError(statement, None, OSError("no more room"))

    sa.event.listen(database.writing, "before_cursor_execute", fails)
    with pytest.raises((sa.exc.OperationalError, DatabaseUnreachableError)):
        plans.planner.tick()
    sa.event.remove(database.writing, "before_cursor_execute", fails)
    assert list(slots(plans).values()).count(None) == 20
    plans.planner.tick()
    found = slots(plans).values()
    assert (None in found, len(set(found))) == (False, SLICE + 20)


def test_a_planner_that_lost_its_lease_leaves_the_rest_to_the_other(start: Callable[..., Plans]) -> None:
    """What it wrote stays; whoever has the lease then finds the rows that wait, and writes them."""
    plans, parts = many(start(), 2 * SLICE), itertools.count()

    def another(holder: str) -> None:
        with plans.database.transaction() as connection:
            connection.execute(sa.update(LEASE).values(holder=holder))

    store = Between(plans.database, lambda: another("another") if next(parts) == 1 else None)
    mine, other = replace(plans.planner, store=store), plans.planner_of(Planner)
    assert mine.tick() == SLICE
    assert mine.tick() == 0
    another(other.worker)
    assert other.tick() == SLICE
    assert None not in slots(plans).values()


def test_what_is_asked_every_second_walks_through_no_table(start: Callable[..., Plans], database: Database) -> None:
    """The database's own plans of the statements name an index for each; a plan may have a hundred thousand rows."""
    plans = many(start({"with": {"lasts": "2h"}}, windows=[NIGHT]), 20)  # more than there is room for
    plans.planner.tick()
    told: list[str] = []

    def explain(connection: sa.Connection, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if statement.startswith("SELECT"):
            how = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
            told.extend(str(row) for row in connection.exec_driver_sql(f"{how} {statement}", parameters))

    with database.snapshot() as connection:
        if not database.is_sqlite:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # few rows are read faster without an index
        sa.event.listen(connection, "before_cursor_execute", explain)
        assert not is_stale(connection, first=False)
        assert somebody_wants_room(connection)
        assert not ended_since(connection, NOON)
    walks = [one for one in told if "SCAN" in one or "Seq Scan" in one]
    assert (walks, bool(told)) == ([], True)
