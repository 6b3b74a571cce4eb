"""What a worker that freezes keeps from others: one transaction's lock, and never one for each that waited for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from cloudheal.ports.store import is_away
from cloudheal.record.budget import lock_budget
from cloudheal.record.database import Database, open_database
from cloudheal.record.tables import LEASE

THREADS = 6
WAITING = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")


def test_one_transaction_of_a_worker_at_most_waits_for_the_budget_in_the_database(database: Database) -> None:
    """Were the worker frozen, each that waits there would be given the lock in turn, and keep it for ten seconds."""
    if database.is_sqlite:
        pytest.skip("SQLite has one worker")
    together, seen = threading.Barrier(THREADS), list[int]()

    def decide(_: int) -> None:
        together.wait()
        with database.transaction() as connection:
            lock_budget(connection)
            for _ in range(100):
                with database.snapshot() as beside:
                    seen.append(beside.scalar(WAITING) or 0)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(decide, range(THREADS)))
    assert (max(seen), len(seen)) == (0, THREADS * 100)


def test_another_worker_waits_for_the_lock_in_the_database(database: Database, database_url: str) -> None:
    """The line is each process's own: of two workers one is kept from counting until the other has committed."""
    if database.is_sqlite:
        pytest.skip("SQLite has one worker")
    other, order = open_database(database_url), list[str]()

    def wait() -> None:
        with other.transaction() as connection:
            lock_budget(connection)
            order.append("other")

    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as connection:
            lock_budget(connection)
            waits = pool.submit(wait)
            while True:
                with database.snapshot() as beside:
                    if beside.scalar(WAITING):
                        break
            order.append("first")
        waits.result()
    other.close()
    assert order == ["first", "other"]


def test_the_line_is_free_after_every_end_of_a_transaction(database: Database) -> None:
    """After a commit, a failure, and a connection that the database has ended; asked twice it is taken once."""
    for fails in (False, True):
        try:
            with database.transaction() as connection:
                lock_budget(connection)
                lock_budget(connection)
                assert database.line.locked() is not database.is_sqlite
                if fails:
                    connection.execute(sa.insert(LEASE).values(name=None))
        except sa.exc.IntegrityError:
            assert fails
        assert not database.line.locked()
    if not database.is_sqlite:
        with pytest.raises(sa.exc.OperationalError):
            _ended_by_the_database(database)
        assert not database.line.locked()


def test_a_connection_that_is_lost_in_a_transaction_that_may_be_undone_is_an_outage(database: Database) -> None:
    """It passes, and the end of a look is written when it has; any other failure would put the run aside."""
    if database.is_sqlite:
        pytest.skip("SQLite has no connection to lose")
    with pytest.raises(sa.exc.DBAPIError) as lost:
        _ended_by_the_database(database, check=lambda: None)
    assert is_away(lost.value)
    with database.transaction(check=lambda: None) as connection:
        assert connection.scalar(sa.select(1)) == 1


def _ended_by_the_database(database: Database, check: Callable[[], object] | None = None) -> None:
    with database.transaction(check) as connection:
        lock_budget(connection)
        connection.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))
