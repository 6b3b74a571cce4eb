"""Alarms on logs survive kill -9 of whoever evaluates them: none is lost or raised twice; on both databases."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise
from random import Random

import pytest
import sqlalchemy as sa

from cloudheal.model.alarm import Level
from cloudheal.record.database import Database, open_database
from cloudheal.record.schema import migrate
from cloudheal.record.tables import EVENT, OUTBOX
from tests.crash.log_alarms_worker import KEYS, PERIODS, done, expected_levels
from tests.zygote import Forked

KILLS = 2


def until_done(database: Database, count: int, seconds: float = 60) -> None:
    """Wait until so many periods were evaluated."""
    give_up, between = time.monotonic() + seconds, threading.Event()
    while done(database) < count:
        assert time.monotonic() < give_up, f"{done(database)} periods"
        between.wait(0.005)


@pytest.mark.parametrize("database_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.soak)], indirect=True)
def test_no_alarm_is_lost_or_raised_twice_although_its_worker_is_killed(database_url: str) -> None:
    """Two SIGKILLs in a hundred periods: exactly the turns of the definition are events, each once."""
    database = open_database(database_url)
    migrate(database)
    chance = Random(3)
    stops = sorted(chance.sample(range(10, PERIODS - 10), KILLS))
    for kill in (*stops, None):
        command = [sys.executable, "-m", "tests.crash.log_alarms_worker", database_url, f"w{kill}"]
        with Forked(command, stdout=subprocess.PIPE) as process:
            try:
                until_done(database, PERIODS if kill is None else kill)
            finally:
                os.kill(process.pid, signal.SIGKILL)
    levels = [[Level.OK] * len(KEYS), *expected_levels()]
    turns = [
        (after.word, before.word)
        for earlier, later in pairwise(levels)
        for before, after in zip(earlier, later, strict=True)
        if before is not after
    ]
    with database.snapshot() as connection:
        data = connection.scalars(sa.select(EVENT.c.data).order_by(EVENT.c.id)).all()
        keys = connection.scalars(sa.select(OUTBOX.c.key)).all()
    database.close()
    changes = [one for one in map(turn_of, data) if one[0] != one[1]]
    assert sorted(changes) == sorted(turns)
    assert len(data) == len(set(data))
    assert len(keys) > 0


def turn_of(data: str) -> tuple[str, str]:
    """Return the level of an event and the one before."""
    document: dict[str, str] = json.loads(data)
    return document["level"], document["before"]
