"""Draining: messages taken from MNS on the simulator, beside bare loops that keep nothing.

The worker receives, commits to SQLite and deletes; the bare loops receive and delete, with as many threads: one with
the vendor's SDK as it is, one with the product's own reader of answers, which comes nearer to the simulator's limit.
The CPU time of both sides says whose limit was reached. The messages are of now, as those of a queue are.
Run: make bench, or python benchmarks/drain.py [MESSAGES]
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from bench.feed import feed, rule
from bench.figures import cpu_seconds, met, shown, spending
from bench.stage import KEY, KEYS, QUEUE, SECRET, Simulator, settings, simulated, until, working
from mns.account import Account
from mns.mns_exception import MNSServerException

from cloudheal.clouds.alibaba.sources import MnsQueue
from cloudheal.clouds.keys import Keys
from cloudheal.record.database import Database, open_database
from cloudheal.record.schema import migrate
from cloudheal.record.tables import EVENT
from cloudheal.settings import load_settings

MESSAGES = 4_000
LEAST_SHARE = 0.9
NOW = datetime.now(UTC)


def put(simulator: Simulator, queue: str, count: int) -> None:
    """Put messages of a fleet on a queue."""
    for message in feed(count, begin=NOW):
        simulator.control("POST", "events", {"raw": message.decode(), "queue": queue})


def left(simulator: Simulator, queue: str) -> int:
    """Return how many messages a queue still holds."""
    queues = simulator.control("GET", "world")["alibaba"]["queues"]
    return sum(len(one["messages"]) for one in queues if one["name"] == queue)


def events(database: Database) -> int:
    """Return how many events are committed; asking the simulator again and again would cost it what is measured."""
    with database.snapshot() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(EVENT)) or 0


def with_the_sdk(url: str) -> int:
    """Take everything from a queue as the vendor's samples do; returns how many messages."""
    account = Account(url, KEY, SECRET)
    queue, taken = account.get_queue("sdk"), 0
    queue.set_encoding(False)
    try:
        while True:
            messages = queue.batch_receive_message(16, 0)
            queue.batch_delete_message([one.receipt_handle for one in messages])
            taken += len(messages)
    except MNSServerException:
        account.mns_client.close_connection()
    return taken


def with_our_reader(url: str) -> int:
    """Take everything from a queue as the product does, without keeping it; returns how many messages."""
    queue, taken = MnsQueue(url, Keys(KEY, SECRET), "bare"), 0
    while messages := queue.receive(0):
        queue.acknowledge([one.handle for one in messages])
        taken += len(messages)
    queue.close()
    return taken


def bare(simulator: Simulator, drain: Callable[[str], int], count: int, threads: int) -> tuple[float, str]:
    """Receive and delete everything; returns the seconds, and how busy both sides were."""
    taken: list[int] = []
    workers = [threading.Thread(target=lambda: taken.append(drain(simulator.url))) for _ in range(threads)]
    theirs = cpu_seconds(simulator.process.pid)
    with spending() as spent:
        for one in workers:
            one.start()
        for one in workers:
            one.join()
    assert sum(taken) == count, (sum(taken), count)
    theirs = cpu_seconds(simulator.process.pid) - theirs
    return (
        spent.wall,
        f"{count / spent.wall:,.0f} (busy {spent.cpu / spent.wall:.0%}, simulator {theirs / spent.wall:.0%})",
    )


def main() -> int:
    """Measure and print everything."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES
    os.environ |= KEYS
    world = {"alibaba": {"queues": [{"name": name} for name in (QUEUE, "sdk", "bare")]}}
    with simulated(world) as simulator, tempfile.TemporaryDirectory(prefix="cloudheal-benchmark-") as name:
        threads = _receivers(settings(Path(name), simulator.url, [rule("restart-unexpected-stop")]))
        put(simulator, "sdk", count)
        plain, figure = bare(simulator, with_the_sdk, count, threads)
        shown(f"bare loop of the SDK, {threads} thread(s), messages a second", figure, "- (baseline)")
        put(simulator, "bare", count)
        quick, figure = bare(simulator, with_our_reader, count, threads)
        shown("the same with our reader of answers", figure, "- (baseline)")
        put(simulator, QUEUE, count)
        different = len(set(feed(count, begin=NOW)))
        database = open_database(f"sqlite:///{Path(name) / 'c.db'}")
        migrate(database)
        theirs = cpu_seconds(simulator.process.pid)
        with working(Path(name)) as worker:
            own = cpu_seconds(worker.process.pid)
            taken = until(lambda: events(database) >= different, 300, "every message as an event")
            own = cpu_seconds(worker.process.pid) - own
            theirs = cpu_seconds(simulator.process.pid) - theirs
            until(lambda: not left(simulator, QUEUE), 30, "an empty queue")
        database.close()
        figure = f"{count / taken:,.0f} (busy {own / taken:.0%}, simulator {theirs / taken:.0%})"
        shown("a worker that commits before it deletes, messages a second", figure)
        shown("as a share of the SDK's loop", f"{plain / taken:.2f}")
        share = quick / taken
        shown("as a share of the quicker loop", f"{share:.2f}", f">= {LEAST_SHARE}: {met(share >= LEAST_SHARE)}")
    return 0


def _receivers(path: Path) -> int:
    """Return how many receivers a worker has for one queue."""
    queue = load_settings(path).accounts[0].queue
    return queue.receivers if queue else 1


if __name__ == "__main__":
    sys.exit(main())
