"""A whole worker is killed at any moment: every stop is healed once, acknowledged, and on record; both databases."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from cloudheal.record.database import open_database
from cloudheal.record.tables import INCIDENT
from tests.flow.test_restart import PROD, WORLD
from tests.sim.simulator import RunningSimulator
from tests.zygote import Forked

SERVERS = [f"i-bp1kill{n}" for n in range(6)]


@contextmanager
def worker(url: str, simulator: RunningSimulator) -> Iterator[subprocess.Popen[str]]:
    """Run a worker process; it is killed at the end of the block, if not before."""
    command = [sys.executable, "-m", "tests.crash.app_worker", url, simulator.url]
    with Forked(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def verdicts(url: str) -> list[tuple[str, str]]:
    """Return server and verdict of every incident that has ended."""
    database = open_database(url)
    try:
        with database.snapshot() as connection:
            rows = connection.execute(sa.select(INCIDENT).where(INCIDENT.c.ended.is_not(None)))
            return sorted((row.resource, row.verdict) for row in rows)
    finally:
        database.close()


def starts(simulator: RunningSimulator) -> Counter[str]:
    """Count how often each server went from Stopped to Starting."""
    changes = [change for entry in simulator.journal() for change in entry.get("changes", ())]
    began = [one for one in changes if one.get("before") == "Stopped" and one.get("after") == "Starting"]
    return Counter(change["id"] for change in began)


def killed_round(simulator: RunningSimulator, url: str, chance: random.Random) -> list[tuple[str, str]]:
    """Stop all servers, kill two workers at random moments, let the third finish; return the verdicts."""
    simulator.control("POST", "reset", {"seed": chance.randrange(1000)})
    servers = [{"id": id_, "region": "cn-hangzhou", "status": "Running", "name": id_, "tags": PROD} for id_ in SERVERS]
    simulator.world({**WORLD, "alibaba": {**WORLD["alibaba"], "instances": servers}})
    lost = {"service": "ecs", "action": "StartInstance", "probability": 0.3, "fault": "effect-then-5xx"}
    simulator.control("PUT", "faults", [lost])
    simulator.control("POST", "chaos", {"do": "power_off", "instances": SERVERS})
    for _ in range(2):
        with worker(url, simulator) as process:
            assert process.stdout is not None
            process.stdout.readline()
            threading.Event().wait(chance.uniform(0.1, 1.5))  # not a wait for something: the moment of the kill
            os.kill(process.pid, signal.SIGKILL)
    with worker(url, simulator):
        give_up, between = time.monotonic() + 60, threading.Event()
        while not (len(verdicts(url)) == len(SERVERS) and is_empty(simulator)) and time.monotonic() < give_up:
            between.wait(0.2)
    return verdicts(url)


def is_empty(simulator: RunningSimulator) -> bool:
    """Say whether nothing is on the queue any more, nor on its way there."""
    cloud = simulator.control("GET", "world")["alibaba"]
    return not cloud["event_deliveries"] and not any(queue["messages"] for queue in cloud["queues"])


@pytest.mark.timeout(180)
@pytest.mark.parametrize("database_url", ["postgresql", pytest.param("sqlite", marks=pytest.mark.soak)], indirect=True)
def test_kill_9_at_any_moment_costs_seconds(simulator: RunningSimulator, database_url: str) -> None:
    """Every server is healed by exactly one start, every incident ends, and the queue is empty in the end."""
    assert killed_round(simulator, database_url, random.Random(3)) == [(id_, "healed") for id_ in SERVERS]
    assert starts(simulator) == Counter(dict.fromkeys(SERVERS, 1))
    assert is_empty(simulator)
