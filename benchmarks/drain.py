"""Draining: messages taken from MNS on the simulator, beside a bare loop of the same SDK that keeps nothing.

The worker receives, commits to SQLite and deletes; the bare loop receives and deletes, with as many threads. The
simulator's CPU time says whose limit was reached. Run: make bench, or python benchmarks/drain.py [MESSAGES]
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import sqlalchemy as sa
from bench.feed import feed, rule
from bench.figures import cpu_seconds, met, shown
from bench.stage import KEY, KEYS, QUEUE, SECRET, Simulator, settings, simulated, until, working

from cloudheal.clouds.alibaba.sources import MnsQueue
from cloudheal.clouds.keys import Keys
from cloudheal.record.database import Database, open_database
from cloudheal.record.schema import migrate
from cloudheal.record.tables import EVENT
from cloudheal.settings import load_settings

MESSAGES = 4_000
LEAST_SHARE = 0.9


def put(simulator: Simulator, queue: str, count: int) -> None:
    """Put messages of a fleet on a queue."""
    for message in feed(count):
        simulator.control("POST", "events", {"raw": message.decode(), "queue": queue})


def left(simulator: Simulator, queue: str) -> int:
    """Return how many messages a queue still holds."""
    queues = simulator.control("GET", "world")["alibaba"]["queues"]
    return sum(len(one["messages"]) for one in queues if one["name"] == queue)


def events(database: Database) -> int:
    """Return how many events are committed; asking the simulator again and again would cost it what is measured."""
    with database.snapshot() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(EVENT)) or 0


def bare(simulator: Simulator, count: int, threads: int) -> float:
    """Receive and delete everything; returns the seconds."""
    taken: list[int] = []

    def drain() -> None:
        queue = MnsQueue(simulator.url, Keys(KEY, SECRET), "bare")
        while messages := queue.receive(0):
            queue.acknowledge([one.handle for one in messages])
            taken.append(len(messages))
        queue.close()

    began = time.perf_counter()
    workers = [threading.Thread(target=drain) for _ in range(threads)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert sum(taken) == count, (sum(taken), count)
    return time.perf_counter() - began


def main() -> int:
    """Measure and print everything."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES
    os.environ |= KEYS
    world = {"alibaba": {"queues": [{"name": QUEUE}, {"name": "bare"}]}}
    with simulated(world) as simulator, tempfile.TemporaryDirectory(prefix="cloudheal-benchmark-") as name:
        threads = _receivers(settings(Path(name), simulator.url, [rule("restart-unexpected-stop")]))
        put(simulator, "bare", count)
        cpu = cpu_seconds(simulator.process.pid)
        plain = bare(simulator, count, threads)
        spent = cpu_seconds(simulator.process.pid) - cpu
        figure = f"{count / plain:,.0f} (simulator busy {spent / plain:.0%})"
        shown(f"bare receive and delete, {threads} thread(s), messages a second", figure, "- (baseline)")
        put(simulator, QUEUE, count)
        different = len(set(feed(count)))
        database = open_database(f"sqlite:///{Path(name) / 'c.db'}")
        migrate(database)
        cpu = cpu_seconds(simulator.process.pid)
        with working(Path(name)) as worker:
            own = cpu_seconds(worker.process.pid)
            taken = until(lambda: events(database) >= different, 300, "every message as an event")
            own = cpu_seconds(worker.process.pid) - own
            until(lambda: not left(simulator, QUEUE), 30, "an empty queue")
        database.close()
        spent = cpu_seconds(simulator.process.pid) - cpu
        figure = f"{count / taken:,.0f} (worker busy {own / taken:.0%})"
        shown("a worker that commits before it deletes, messages a second", figure)
        share = plain / taken
        shown("as a share of the bare loop", f"{share:.2f}", f">= {LEAST_SHARE}: {met(share >= LEAST_SHARE)}")
    return 0


def _receivers(path: Path) -> int:
    """Return how many receivers a worker has for one queue."""
    queue = load_settings(path).accounts[0].queue
    return queue.receivers if queue else 1


if __name__ == "__main__":
    sys.exit(main())
