"""An evacuation survives kill -9 at any moment: one replacement, nothing left behind; on both databases."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cloudheal.clouds.alibaba.events import INTERRUPTION
from tests.crash.spot_worker import URGENT
from tests.crash.test_app import verdicts
from tests.flow.test_spot import PEERS, SPOT, WORLD
from tests.sim.simulator import RunningSimulator
from tests.zygote import Forked

#: What is taken away is told in either queue; a worker may die between them.
TWICE_TOLD = {
    **WORLD,
    "alibaba": {
        **WORLD["alibaba"],
        "queues": [*WORLD["alibaba"]["queues"], {"name": URGENT}],
        "event_rules": [
            *WORLD["alibaba"]["event_rules"],
            {"name": "urgent", "pattern": {"names": [INTERRUPTION]}, "targets": [{"mns": {"queue": URGENT}}]},
        ],
    },
}
FAULTS = [
    {"service": "slb", "action": "RemoveVServerGroup*", "probability": 0.3, "fault": "effect-then-5xx"},
    {"service": "ecs", "action": "RunInstances", "probability": 0.3, "fault": "effect-then-5xx"},
    {"service": "slb", "action": "AddVServerGroup*", "probability": 0.3, "fault": "5xx"},
]


@contextmanager
def worker(url: str, simulator: RunningSimulator) -> Iterator[subprocess.Popen[str]]:
    """Run a worker process; it is killed at the end of the block, if not before."""
    command = [sys.executable, "-m", "tests.crash.spot_worker", url, simulator.url]
    with Forked(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def killed_round(simulator: RunningSimulator, url: str, chance: random.Random) -> list[tuple[str, str]]:
    """Reclaim a server, kill two workers at random moments, let the third finish; return the verdicts."""
    simulator.control("POST", "reset", {"seed": chance.randrange(1000)})
    simulator.world(TWICE_TOLD)
    simulator.control("PUT", "faults", FAULTS)
    simulator.control("POST", "chaos", {"do": "reclaim", "instances": [SPOT]})
    for _ in range(2):
        with worker(url, simulator) as process:
            assert process.stdout is not None
            process.stdout.readline()
            threading.Event().wait(chance.uniform(0.1, 3))  # not a wait for something: the moment of the kill
            os.kill(process.pid, signal.SIGKILL)
    with worker(url, simulator):
        give_up, between = time.monotonic() + 80, threading.Event()
        while not verdicts(url) and time.monotonic() < give_up:
            between.wait(0.2)
    return verdicts(url)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_kill_9_at_any_moment_buys_one_server_and_leaves_nothing(
    simulator: RunningSimulator, database_url: str, seed: int
) -> None:
    """One replacement with the same ports and weights, the spot server in no group, one incident that ended healed."""
    assert killed_round(simulator, database_url, random.Random(seed)) == [(SPOT, "healed")]
    world = simulator.control("GET", "world")["alibaba"]
    bought = [one["id"] for one in world["instances"] if one["tags"].get("replaces") == SPOT]
    assert len(bought) == 1
    groups = {
        group["id"]: {(one["server_id"], one["port"], one["weight"]) for one in group["backends"]}
        for group in world["server_groups"]
    }
    assert groups == {
        "rsp-web": {*PEERS["rsp-web"], (bought[0], 8080, 30)},
        "rsp-api": {*PEERS["rsp-api"], (bought[0], 9090, 100)},
    }
