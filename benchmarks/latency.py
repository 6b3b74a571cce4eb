"""Latency: from an event on the queue to the first call about its server, by the simulator's own journal.

A worker process on SQLite, the real SDKs, real time. Stops take the normal lane, spot interruptions the fast one with a
queue of their own, as `setup alibaba` makes it; first with nothing else to do, then while other events come in. Each
line begins when what came of the one before has ended. The baseline of each line is the bare long poll of the same run:
from an event on the queue to the answer of the SDK's receive call in a loop that does nothing else.

Run: make bench, or python benchmarks/latency.py [ROUNDS]
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from bench.feed import REGION, rule
from bench.figures import met, percentile, shown
from bench.stage import KEY, QUEUE, SECRET, Simulator, command, settings, simulated, until, working

from cloudheal.clouds.alibaba.sources import MnsQueue
from cloudheal.clouds.keys import Keys

ROUNDS = 40
URGENT = "urgent"
INTERRUPTION = "Instance:PreemptibleInstanceInterruption"
NORMAL_MS, FAST_MS = 400, 100
#: Other events a second while the machine is said to be busy.
LOAD = 100
STOPS = [f"i-bp1stop-{number:04d}" for number in range(200)]
SPOTS = [f"i-bp1spot-{number:04d}" for number in range(200)]
ROOM = {"at_once": 1000, "per_hour": 100_000, "share": 1.0, "storm_share": 1.0, "storm_members": 100_000}


def world() -> dict[str, Any]:
    """Return servers that stop and servers that are taken away, in one fleet."""
    place = {"region": REGION, "status": "Running"}
    return {
        "regions": [REGION],
        "alibaba": {
            "instances": [
                *({"id": one, "tags": {"env": "prod"}, **place} for one in STOPS),
                *({"id": one, "spot": True, **place} for one in SPOTS),
                {"count": 2000, "prefix": "i-bp1crowd", **place},
            ],
            "queues": [{"name": QUEUE}, {"name": URGENT}, {"name": "bare"}],
            "event_rules": [
                {"name": name, "pattern": {"product": "ECS", "names": [wanted]}, "targets": [{"mns": {"queue": queue}}]}
                for name, wanted, queue in (("all", "*", QUEUE), ("urgent", INTERRUPTION, URGENT))
            ],
            "durations": {"starting": 0.5, "stopping": 0.2},
        },
    }


def rules() -> list[dict[str, Any]]:
    """Return a rule for either lane, with room for everything."""
    spot = rule(
        "leave-before-release",
        when={"type": [INTERRUPTION]},
        resources={"all": True},
        playbook="spot_evacuate",
        limits=ROOM,
    )
    return [rule("restart-unexpected-stop", limits=ROOM), spot]


def first_calls(simulator: Simulator, servers: Sequence[str], since: int) -> list[float]:
    """Return for each server the milliseconds from its first event on the queue to the first call that names it."""
    put, asked = moments(simulator, servers, since)
    return [asked[one] - put[one] for one in servers if one in asked]


def moments(simulator: Simulator, servers: Sequence[str], since: int) -> tuple[dict[str, float], dict[str, float]]:
    """Return when each server's first event was on the queue, and when the first call named it; milliseconds."""
    put: dict[str, float] = {}
    asked: dict[str, float] = {}
    wanted = set(servers)
    for entry in simulator.journal(since=since):
        for one in wanted.intersection(entry.get("resources", ())):
            if entry["kind"] == "delivery":
                put.setdefault(one, _millis(entry["at"]))
            elif entry["kind"] == "request" and entry["service"] == "ecs" and one in put:
                asked.setdefault(one, _millis(entry["at"]))
    return put, asked


def _millis(at: str) -> float:
    return datetime.fromisoformat(at).timestamp() * 1000


def provoked(simulator: Simulator, deed: str, servers: Sequence[str]) -> list[float]:
    """Do something to servers, a tenth of a second and a bit apart; return the milliseconds to the first calls."""
    since = simulator.control("GET", "health")["journal"]
    for number, server in enumerate(servers):
        simulator.chaos(deed, [server])
        time.sleep(0.1 + 0.037 * (number % 5))
    until(lambda: len(first_calls(simulator, servers, since)) == len(servers), 60, f"a call about every {deed}")
    return first_calls(simulator, servers, since)


@contextmanager
def busy(simulator: Simulator) -> Iterator[None]:
    """Have other servers report that they run, many times a second, until the block ends."""
    over = threading.Event()

    def publish() -> None:
        number = 0
        while not over.wait(1 / LOAD):
            number += 1
            event = {"product": "ECS", "name": "Instance:StateChange", "content": {"state": "Running"}}
            server = {"instance_id": f"i-bp1crowd-{number % 2000 + 1:06d}"}
            simulator.control("POST", "events", {**event, **server})

    thread = threading.Thread(target=publish, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def bare_poll(simulator: Simulator, rounds: int) -> list[float]:
    """Return the milliseconds from a message put to the receive call that brings it, in a loop that only receives."""
    queue, sent = MnsQueue(simulator.url, Keys(KEY, SECRET), "bare"), [0.0]
    times: list[float] = []

    def receive() -> None:
        while len(times) < rounds:
            for one in queue.receive(5):
                times.append((time.perf_counter() - sent[0]) * 1000)
                queue.acknowledge([one.handle])

    thread = threading.Thread(target=receive, daemon=True)
    thread.start()
    for number in range(rounds):
        time.sleep(0.1)
        sent[0] = time.perf_counter()
        simulator.control("POST", "events", {"raw": f"{{{number}}}", "queue": "bare"})
        until(partial(_has_more_than, times, number), 10, "the message")
    return times


def ended(folder: Path) -> float:
    """Wait until no run is at work or waits."""
    return until(lambda: json.loads(command(folder, "runs", "--open", "--json")) == [], 120, "the end of every run")


def _has_more_than(times: Sequence[float], number: int) -> bool:
    return len(times) > number


def told(what: str, times: Sequence[float], most: float | None, baseline: float) -> None:
    """Print median and 99th percentile of some times, beside the goal and the baseline."""
    middle, worst = percentile(times, 0.5), percentile(times, 0.99)
    goal = f"p99 <= {most:.0f} ms: {met(worst <= most)}" if most else "- (baseline)"
    shown(f"{what}, p50 / p99 (p50 over baseline)", f"{middle:.0f} / {worst:.0f} ms ({middle - baseline:+.0f})", goal)


def main() -> int:
    """Measure and print everything."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory(prefix="cloudheal-benchmark-") as name, simulated(world()) as simulator:
        folder = Path(name)
        queue = {"endpoint": simulator.url, "name": QUEUE, "urgent": URGENT, "wait_seconds": 5}
        settings(folder, simulator.url, rules(), account={"calls_per_second": 1000, "queue": queue})
        command(folder, "rules", "promote", "restart-unexpected-stop")
        command(folder, "rules", "promote", "leave-before-release")
        bare = bare_poll(simulator, rounds)
        middle = percentile(bare, 0.5)
        told("bare long poll with the SDK", bare, None, middle)
        with working(folder):
            listed = ("instances", "--limit", "100000", "--json")
            until(lambda: command(folder, *listed).count("i-bp1crowd") > 1000, 60, "the first sweep")
            again = slice(rounds, 2 * rounds)
            lanes = (("normal", "power_off", STOPS, NORMAL_MS), ("fast", "reclaim", SPOTS, FAST_MS))
            for lane, deed, servers, most in lanes:
                told(f"{lane} lane, idle", provoked(simulator, deed, servers[:rounds]), most, middle)
                ended(folder)
            for lane, deed, servers, most in lanes:
                with busy(simulator):
                    times = provoked(simulator, deed, servers[again])
                told(f"{lane} lane, {LOAD} other events a second", times, most, middle)
                ended(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
