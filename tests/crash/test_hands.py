"""An effect happens at most once: through kill -9 at any moment, lost answers and throttling; on both databases."""

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

from tests.sim.simulator import RunningSimulator
from tests.zygote import Forked

SERVERS = [f"i-bp1crash{n}" for n in range(8)]
#: Reboots take far longer than a round, so that a look at the server tells whether one was asked for.
WORLD = {
    "alibaba": {
        "instances": [{"id": id_, "region": "cn-hangzhou", "status": "Running"} for id_ in SERVERS],
        "durations": {"stopping": 600, "starting": 600},
    }
}
FAULTS = [
    {"service": "ecs", "action": "RebootInstance", "probability": 0.3, "fault": "effect-then-5xx"},
    {"service": "ecs", "action": "RebootInstance", "probability": 0.2, "fault": "throttle"},
    {"service": "ecs", "action": "RebootInstance", "probability": 0.2, "fault": "5xx"},
]


@contextmanager
def worker(url: str, name: str, address: str, *runs: str) -> Iterator[subprocess.Popen[str]]:
    """Run a worker process; it is killed at the end of the block, if not before."""
    command = [sys.executable, "-m", "tests.crash.reboot_worker", url, name, address, *runs]
    with Forked(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def reboots(simulator: RunningSimulator) -> Counter[str]:
    """Count how often each server began to reboot, as the simulator's journal tells it."""
    changes = [change for entry in simulator.journal() for change in entry.get("changes", ())]
    return Counter(change["id"] for change in changes if change.get("after") == "Stopping")


def killed_round(simulator: RunningSimulator, url: str, chance: random.Random, name: str = "run") -> Counter[str]:
    """Kill workers at random moments until one is left to finish; return the reboots."""
    runs = [f"{name}:{server}" for server in SERVERS]
    simulator.control("POST", "reset", {"seed": chance.randrange(1000)})
    simulator.world(WORLD)
    simulator.control("PUT", "faults", FAULTS)
    for number in range(3):
        with worker(url, f"{name}-{number}", simulator.address, *(runs if number == 0 else ())) as process:
            assert is_ready(process)
            threading.Event().wait(chance.uniform(0, 0.6))  # not a wait for something: the moment of the kill
            os.kill(process.pid, signal.SIGKILL)
    with worker(url, f"{name}-last", simulator.address):
        wait_for_all(simulator)
    return reboots(simulator)


def is_ready(process: subprocess.Popen[str]) -> bool:
    """Wait until a worker is ready; what it tells of runs that the round before had left to it comes first."""
    assert process.stdout is not None
    return any(line == "ready\n" for line in process.stdout)


def wait_for_all(simulator: RunningSimulator, seconds: float = 120) -> None:
    """Wait until every server was rebooted, or time is up."""
    give_up, between = time.monotonic() + seconds, threading.Event()
    while len(reboots(simulator)) < len(SERVERS) and time.monotonic() < give_up:
        between.wait(0.1)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_every_server_is_rebooted_exactly_once_whatever_is_killed(
    simulator: RunningSimulator, database_url: str, seed: int
) -> None:
    """Three workers are killed at random moments under faults; the fourth finishes, nothing lost, nothing doubled."""
    assert killed_round(simulator, database_url, random.Random(seed)) == Counter(dict.fromkeys(SERVERS, 1))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_hundreds_of_rounds_lose_and_double_nothing(simulator: RunningSimulator, database_url: str) -> None:
    """The same with a fresh seed each round; prints lost, doubled and rounds."""
    chance, lost, doubled, rounds = random.Random(), 0, 0, 100
    for number in range(rounds):
        counted = killed_round(simulator, database_url, chance, f"round{number}")
        lost += len(SERVERS) - len(counted)
        doubled += sum(count > 1 for count in counted.values())
        print(f"lost {lost}, doubled {doubled}, rounds {number + 1}")
    assert (lost, doubled) == (0, 0)
