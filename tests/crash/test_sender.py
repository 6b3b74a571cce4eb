"""Notices survive kill -9 of the sender: each is delivered at least once and marked once; on both databases."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from cloudheal.record.database import Database, open_database
from cloudheal.record.outbox import Notice, Topic, tell
from cloudheal.record.schema import migrate
from cloudheal.record.tables import DELIVERY, OUTBOX
from tests.contract.receivers import Webhook, serving
from tests.zygote import Forked

NOTICES = 24
#: The sender is killed when the receiver has so many messages.
KILLS = (2, 4, 6)


def unsent(database: Database) -> int:
    """Count the notices that are not done."""
    with database.snapshot() as connection:
        return connection.scalar(sa.select(sa.func.count()).where(OUTBOX.c.done.is_(None))) or 0


def until_received(webhook: Webhook, count: int, seconds: float = 30) -> None:
    """Wait until the receiver has so many messages."""
    give_up = time.monotonic() + seconds
    while len(webhook.received) < count:
        assert webhook.arrived.acquire(timeout=max(0.0, give_up - time.monotonic())), webhook.received


@pytest.mark.parametrize("database_url", ["postgresql", pytest.param("sqlite", marks=pytest.mark.soak)], indirect=True)
def test_every_notice_arrives_although_the_sender_is_killed(database_url: str) -> None:
    """Three SIGKILLs, one of them between sending and marking: nothing is lost, at most one repeat for each kill."""
    database = open_database(database_url)
    migrate(database)
    now = datetime.now(UTC)
    with database.transaction() as connection:
        for number in range(NOTICES):
            facts = {"worker": f"w{number:02}", "heir": "h", "runs": "1"}
            tell(connection, Notice(Topic.WORKER_DEAD, now, f"dead|{number}", f"dead|{number}", facts))
    with serving(Webhook()) as webhook:
        for kill in (*KILLS, None):
            command = [sys.executable, "-m", "tests.crash.sender_worker", database_url, f"s{kill}"]
            with Forked([*command, f"json://{webhook.address}/x"], stdout=subprocess.PIPE) as process:
                try:
                    if kill is None:
                        until_done(database)
                    else:
                        until_received(webhook, kill)
                finally:
                    os.kill(process.pid, signal.SIGKILL)
        text = "\n".join(webhook.bodies)
    told = Counter(f"w{number:02}" for number in range(NOTICES) for _ in range(text.count(f"Worker w{number:02} ")))
    assert set(told) == {f"w{number:02}" for number in range(NOTICES)}
    assert max(told.values()) <= 1 + len(KILLS)
    with database.snapshot() as connection:
        marks = connection.execute(sa.select(DELIVERY.c.notice, DELIVERY.c.sent)).all()
    database.close()
    assert len(marks) == NOTICES
    assert all(row.sent is not None for row in marks)


def until_done(database: Database, seconds: float = 30) -> None:
    """Wait until every notice is marked."""
    give_up, between = time.monotonic() + seconds, threading.Event()
    while unsent(database):
        assert time.monotonic() < give_up, f"{unsent(database)} notices are not done"
        between.wait(0.02)
