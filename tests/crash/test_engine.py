"""The durable engine survives kill -9: looks continue elsewhere from their last checkpoint; on both databases."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloudheal.act.engine import Engine, LookLeft
from cloudheal.record.database import open_database
from cloudheal.record.schema import migrate
from tests.crash.engine_worker import MARK, STEPS
from tests.zygote import Forked

RUNS = [f"run{n}" for n in range(6)]


@contextmanager
def worker(url: str, name: str, *runs: str) -> Iterator[subprocess.Popen[str]]:
    """Run a worker process; it is killed at the end of the block, if not before."""
    command = [sys.executable, "-m", "tests.crash.engine_worker", url, name, *runs]
    with Forked(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], lines: int) -> list[str]:
    """Read so many lines of what a worker reports."""
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(lines)]


def marks(url: str) -> list[str]:
    """Return what was done, in order of names."""
    database = open_database(url)
    try:
        with database.snapshot() as connection:
            return sorted(connection.scalars(sa.select(MARK.c.what)))
    finally:
        database.close()


def eventually(url: str, wanted: list[str], seconds: float = 30) -> list[str]:
    """Return what was done once it is what was wanted, or what there is when time is up."""
    give_up = time.monotonic() + seconds
    between = threading.Event()
    while set(done := marks(url)) != set(wanted) and time.monotonic() < give_up:
        between.wait(0.02)
    return done


ALL = sorted(f"{run}/{number}" for run in RUNS for number in range(STEPS))


@pytest.mark.parametrize("lines", [1, 4, 9])
def test_a_killed_workers_looks_are_finished_by_another(database_url: str, lines: int) -> None:
    """Whenever the first worker dies, the second one finishes every run, and no finished step is done again."""
    with worker(database_url, "first", *RUNS) as process:
        read_until(process, lines)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    reported = marks(database_url)
    with worker(database_url, "second"):
        done = eventually(database_url, ALL)
    assert sorted(set(done)) == ALL
    # A mark whose checkpoint was not yet written may be made again; that gap is what intents close.
    assert len(done) - len(ALL) <= len(RUNS)
    assert len(reported) <= len(done)


def test_a_look_is_queued_with_its_rows_or_not_at_all(database_url: str) -> None:
    """A worker that dies before its commit leaves neither row nor look."""
    with worker(database_url, "first", "same", "same") as process:
        assert process.wait(timeout=30) != 0  # the second insert of one id fails, and with it the whole transaction
    with worker(database_url, "second") as process:
        assert read_until(process, 1) == ["ready"]
    assert marks(database_url) == []


@pytest.mark.parametrize("left", [True, False])
def test_an_engine_says_at_its_end_whether_a_look_is_left(database_url: str, left: bool) -> None:  # noqa: FBT001
    """A look that was begun and not ended is for others to resume, also when it had no time to claim its run."""
    begun, database = threading.Event(), open_database(database_url)

    def body(_run: str, _look: int) -> None:
        begun.set()
        if left:
            raise LookLeft

    migrate(database)
    engine = Engine(database, "leaver", body).start()
    with database.transaction() as connection:
        engine.enqueue(connection, "run", 0)
    assert begun.wait(30)
    assert engine.stop() is not left
    database.close()


def test_an_engine_that_could_not_start_leaves_room_for_another(tmp_path: Path) -> None:
    """A database that is not there is an error of that start alone."""
    gone = open_database(f"sqlite:///{tmp_path / 'gone' / 'c.db'}")
    with pytest.raises(sa.exc.OperationalError):
        Engine(gone, "first", lambda _run, _look: None).start()
    gone.close()
    there = open_database(f"sqlite:///{tmp_path / 'c.db'}")
    assert Engine(there, "second", lambda _run, _look: None).start().stop()
    there.close()
