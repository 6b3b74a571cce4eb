"""One engine process per SQLite file: the second is refused by name, and a killed one's work goes on at once."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloudheal.record.database import open_database
from cloudheal.record.schema import migrate
from cloudheal.record.sole import InUseError, sole_engine
from cloudheal.record.tables import RUN, WORKER
from tests.flow.operators import Operator, until
from tests.flow.test_restart import WORLD
from tests.sim.simulator import started

#: Far above the patience of these tests: whoever waits for a lease to end fails.
LEASE_SECONDS = 600


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    """An operator whose leases are long."""
    simulator = started()
    simulator.world({**WORLD, "alibaba": {**WORLD["alibaba"], "durations": {"starting": 5, "stopping": 0.5}}})
    one = Operator(tmp_path, simulator)
    one.settings(lease_seconds=LEASE_SECONDS)
    yield one
    simulator.stop()


@pytest.mark.timeout(300)
def test_a_second_worker_on_the_file_is_refused_with_the_pid_of_the_first(operator: Operator) -> None:
    """It ends with 1 and says who is at work; commands and `feed` beside the worker go on as ever."""
    with operator.worker() as worker:
        second = operator("run")
        assert second.returncode == 1
        assert f"process {worker.process.pid} works on this database" in second.stderr
        assert "postgresql://" in second.stderr
        operator.done("pause", "maintenance")
        operator.done("feed", "-", typed="")
        assert worker.stop() == 0
    with operator.worker() as worker:
        assert worker.stop() == 0


@pytest.mark.timeout(300)
def test_what_a_killed_worker_left_goes_on_as_soon_as_another_starts(operator: Operator) -> None:
    """No lease is waited for: on a file that one process owns, every other worker on record is dead."""
    database = open_database(f"sqlite:///{operator.folder / 'c.db'}")
    migrate(database)

    def owner() -> str:
        with database.snapshot() as connection:
            return connection.scalar(sa.select(RUN.c.owner).where(RUN.c.state == "running")) or ""

    operator.done("rules", "promote", "restart-unexpected-stop")
    with operator.worker() as worker:
        operator.chaos("power_off", "i-bp1web01")
        until(lambda: bool(operator.starts()), 90, what="a start under way")
        first = owner()
        assert worker.stop(signal.SIGKILL) == -signal.SIGKILL
    assert owner() == first
    with operator.worker() as worker:
        began = time.monotonic()
        until(lambda: owner() not in {"", first}, 60, "another owner")
        assert time.monotonic() - began < LEASE_SECONDS / 10
        with database.snapshot() as connection:
            assert first not in connection.scalars(sa.select(WORKER.c.id)).all()
        until(lambda: operator.json("incidents")[0]["verdict"] == "healed", 90, "the heal")
        assert worker.stop() == 0
    assert list(operator.starts()) == ["i-bp1web01"]
    database.close()


def test_the_lock_is_for_files_of_sqlite_only(tmp_path: Path) -> None:
    """A database in memory and PostgreSQL have nothing to lock; a file has, and gives it back."""
    file = open_database(f"sqlite:///{tmp_path / 'c.db'}")
    with sole_engine(file) as alone:
        assert alone
        with pytest.raises(InUseError), sole_engine(file):
            pass
    with sole_engine(file) as alone:
        assert alone
    for url in ("sqlite://", "postgresql://nobody@localhost/none"):
        database = open_database(url)
        with sole_engine(database) as alone:
            assert not alone
        database.close()
    file.close()
