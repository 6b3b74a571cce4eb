"""The ledger arrives elsewhere although whoever carries it is killed: no row is lost, a repeat is known by its mark."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest
import sqlalchemy as sa

from cloudheal.record.database import Database, open_database
from cloudheal.record.ledger_outlets import carried
from cloudheal.record.schema import migrate
from cloudheal.record.tables import LEDGER
from tests.contract.ledger_receivers import Hook
from tests.contract.log_receivers import Receiver, receiving
from tests.contract.test_ledger import filled
from tests.zygote import Forked

#: Rows that are added before each start, and the excerpt after which the process is killed: once it is stored and not
#: answered yet, so that the place was not noted.
ROWS, KILLS = 30, (1, 2, 1)


def until_carried(database: Database, seconds: float = 30) -> int:
    """Wait until no row waits; returns the last one."""
    give_up, between = time.monotonic() + seconds, threading.Event()
    while True:
        with database.snapshot() as connection:
            found = carried(connection, "audit")
        if found.waits == 0:
            return found.last
        assert time.monotonic() < give_up, found
        between.wait(0.02)


def killed_at(hook: Hook, excerpts: int, process: int) -> threading.Event:
    """Kill a process when the webhook has stored so many excerpts, before it answers; returns what tells of it."""
    killed = threading.Event()

    def stored() -> None:
        if len(hook.marks) == excerpts:
            os.kill(process, signal.SIGKILL)
            killed.set()

    hook.stored = stored
    return killed


@pytest.mark.parametrize("database_url", ["postgresql", pytest.param("sqlite", marks=pytest.mark.soak)], indirect=True)
def test_every_row_arrives_although_the_carrier_is_killed(database_url: str) -> None:
    """Three SIGKILLs between an excerpt and its answer: each row is there by seal and number, repeats have one mark."""
    database = open_database(database_url)
    migrate(database)
    hook = Hook()
    with receiving(Receiver(hook.answer)) as receiver:
        command = [sys.executable, "-m", "tests.crash.ledger_worker", database_url, receiver.url]
        for start, kill in enumerate((*KILLS, None)):
            filled(database, ROWS, start * ROWS)
            with Forked(command, stdout=subprocess.PIPE) as process:
                if kill is None:
                    until_carried(database)
                    os.kill(process.pid, signal.SIGKILL)
                    break
                killed = killed_at(hook, len(hook.marks) + kill, process.pid)
                assert killed.wait(30)
    with database.snapshot() as connection:
        ids = list(connection.scalars(sa.select(LEDGER.c.id).order_by(LEDGER.c.id)))
    database.close()
    assert sorted(number for _, number in hook.rows) == ids
    assert len(ids) == ROWS * (1 + len(KILLS))
    assert sum(count - 1 for count in Counter(hook.marks).values()) == len(KILLS)
