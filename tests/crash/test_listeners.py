"""A worker with listeners is killed at any moment: each is told of every event at least once, and nothing is lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloudheal.record.database import Database, open_database
from cloudheal.record.ledger import Kind
from cloudheal.record.schema import migrate
from cloudheal.record.tables import EVENT, LEDGER, LISTENER_TASK
from tests.crash.listeners_worker import QUEUE, REGION
from tests.flow.operators import until
from tests.sim.simulator import RunningSimulator, started
from tests.zygote import Forked

SERVERS = [f"i-bp1told{n:02}" for n in range(12)]
LISTENERS = ("first", "second")
KILLS = 3


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    """A simulator whose messages come again soon when nobody deletes them."""
    running = started()
    servers = [{"id": id_, "region": REGION, "status": "Running"} for id_ in SERVERS]
    rule = {"name": "all", "pattern": {"product": "ECS", "names": ["*"]}, "targets": [{"mns": {"queue": QUEUE}}]}
    queue = {"name": QUEUE, "visibility_timeout": 2}
    running.world({
        "regions": [REGION],
        "alibaba": {"instances": servers, "queues": [queue], "event_rules": [rule]},
    })  # fmt: skip
    yield running
    running.stop()


@contextmanager
def worker(url: str, simulator: RunningSimulator, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a worker process, ready; it is killed at the end of the block."""
    command = [sys.executable, "-m", "tests.crash.listeners_worker", url, simulator.url, str(folder)]
    with Forked(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            os.kill(process.pid, signal.SIGKILL)


def lines(folder: Path, listener: str, what: str) -> Counter[str]:
    """Count what a listener wrote of each event: that its call began, or ended."""
    file = folder / listener
    written = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return Counter(line.removeprefix(what + " ") for line in written if line.startswith(what))


def until_called(folder: Path, times: int) -> None:
    """Wait until a listener was called so often."""
    until(lambda: lines(folder, "first", "begun").total() >= times, 60, f"{times} calls")


def all_heard(database: Database) -> bool:
    """Say whether every server's stop was taken in and no listener is owed anything."""
    with database.snapshot() as connection:
        stops = connection.scalar(sa.select(sa.func.count()).select_from(EVENT).where(EVENT.c.status == "Stopped"))
        owed = connection.scalar(
            sa.select(sa.func.count()).select_from(LISTENER_TASK).where(LISTENER_TASK.c.done.is_(None))
        )
    return (stops, owed) == (len(SERVERS), 0)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("database_url", ["postgresql", pytest.param("sqlite", marks=pytest.mark.soak)], indirect=True)
def test_kill_9_costs_no_listener_an_event(
    simulator: RunningSimulator, database_url: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Killed several times while both are being told: each heard all, none more than once for each kill besides.

    A row ends once, and the ledger has it once for each listener and event.
    """
    chance = random.Random(9)
    database = open_database(database_url)
    migrate(database)
    simulator.control("POST", "chaos", {"do": "power_off", "instances": SERVERS})
    for kill in range(1, KILLS + 1):
        with worker(database_url, simulator, tmp_path):
            until_called(tmp_path, 4 * kill)
            threading.Event().wait(chance.uniform(0, 0.02))  # not for something: the moment of the kill
    with worker(database_url, simulator, tmp_path):
        until(lambda: all_heard(database), 60, "listeners that heard everything")
    with database.snapshot() as connection:
        rows = connection.execute(sa.select(LISTENER_TASK.c.event, LISTENER_TASK.c.listener)).all()
        outcomes = set(connection.scalars(sa.select(LISTENER_TASK.c.outcome)))
        told = connection.execute(sa.select(LEDGER.c.name, LEDGER.c.body).where(LEDGER.c.kind == Kind.LISTENER_DONE))
        ended = Counter((row.name, row.body) for row in told)
    database.close()
    assert outcomes == {"heard"}
    assert set(ended.values()) == {1}
    assert len(ended) == len(rows)
    repeats = 0
    for name in LISTENERS:
        heard = lines(tmp_path, name, "ended")
        assert {f"{id_} Stopped" for id_ in SERVERS} <= set(heard)
        events = sum(row.listener == f"scribes.{name}" for row in rows)
        assert len(heard) <= events
        again = lines(tmp_path, name, "begun").total() - events
        assert 0 <= again <= KILLS
        repeats += again
    calls = len(rows)
    record_property("summary", f"listeners: {KILLS} kills, {calls} calls owed, 0 lost, {repeats} made twice")
