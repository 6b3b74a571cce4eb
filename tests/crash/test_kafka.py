"""A worker is killed between its own commit and that of the topic: nothing is lost, nothing is taken in twice."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloudheal.record.database import open_database
from cloudheal.record.tables import EVENT
from tests.broker.broker import Broker
from tests.flow.operators import until
from tests.flow.tencent import pushed
from tests.zygote import Forked

AT = datetime(2026, 3, 2, 3, tzinfo=UTC)
MANY = 20


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A broker with a topic."""
    running = Broker().start()
    running.create("events")
    yield running
    running.stop()


def begun(url: str, broker: Broker) -> subprocess.Popen[str]:
    """Start a worker."""
    command = [sys.executable, "-m", "tests.crash.kafka_worker", url, broker.address]
    return Forked(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def taken(url: str) -> list[str]:
    """Return which servers the recorded events are about."""
    database = open_database(url)
    try:
        with database.snapshot() as connection:
            return sorted(connection.execute(sa.select(EVENT.c.resource)).scalars())
    finally:
        database.close()


def test_a_kill_between_the_two_commits_costs_nothing(broker: Broker, tmp_path: Path) -> None:
    """The events are on disk once, whoever was killed before the topic knew; the next worker tells it."""
    url = f"sqlite:///{tmp_path / 'k.db'}"
    servers = [f"ins-kill{number:04}" for number in range(MANY)]
    broker.put("events", *(pushed(one, "1", AT + timedelta(seconds=1)) for one in servers))
    first = begun(url, broker)

    def killed() -> bool:
        first.send_signal(signal.SIGKILL)
        return False

    broker.on_commit = killed
    try:
        assert first.wait(timeout=60) == -signal.SIGKILL
        assert taken(url) == servers
        assert broker.committed("cloudheal", "events") == -1
        broker.on_commit = lambda: True
        second = begun(url, broker)
        try:
            until(lambda: broker.committed("cloudheal", "events") == MANY, 40, "a commit of the second worker")
            assert taken(url) == servers
        finally:
            second.send_signal(signal.SIGKILL)
            second.communicate(timeout=20)
    finally:
        first.kill()
        first.communicate(timeout=20)
