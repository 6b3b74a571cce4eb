"""A mass outage: 10,000 of many servers stop within a minute, and a spot server is taken away in the middle of it.

A worker process on SQLite heals with the limits of a careful operator. While it does, every budget is read from the
tables ten times a second, the memory of the worker as often; afterwards the calls of each second and API are counted
in the simulator's own journal. Nothing may be over its limit at any moment. The baseline of the interruption is one
before the outage, of the same run.

Run: make bench, or python benchmarks/mass.py [SERVERS [SECONDS]]
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from bench.feed import REGION, rule
from bench.figures import met, resident_mib, shown
from bench.stage import QUEUE, Simulator, command, settings, simulated, until, working
from latency import first_calls

from cloudheal.record.database import Database, open_database
from cloudheal.record.tables import EVENT, GRANT, INCIDENT

SERVERS, SECONDS, OTHERS = 10_000, 60, 10_000
AT_ONCE, PER_HOUR, CALLS_PER_SECOND = 20, 500, 20.0
FAST_MS, MOST_GROWTH_MIB = 100, 40
#: What a token bucket may let through in one second after a quiet time: two seconds' worth, and that second's own.
BURST = 3
LIMITS = {"at_once": AT_ONCE, "per_hour": PER_HOUR, "share": 1.0, "storm_share": 1.0, "storm_members": 1_000_000}


def world(servers: int, others: int) -> dict[str, Any]:
    """Return servers that will fall, servers that will not, and two spot servers."""
    place = {"region": REGION, "status": "Running"}
    return {
        "regions": [REGION],
        "alibaba": {
            "instances": [
                {"count": servers, "prefix": "i-bp1fall", "tags": {"env": "prod"}, **place},
                {"count": others, "prefix": "i-bp1stay", "tags": {"env": "prod"}, **place},
                {"id": "i-bp1spot-a", "spot": True, **place},
                {"id": "i-bp1spot-b", "spot": True, **place},
            ],
            "queues": [{"name": QUEUE}],
            "event_rules": [
                {"name": "all", "pattern": {"product": "ECS", "names": ["*"]}, "targets": [{"mns": {"queue": QUEUE}}]}
            ],
            "durations": {"starting": 2, "stopping": 0.5},
        },
    }


class Watch:
    """Reads budgets and memory until told to stop, and keeps the most that it saw."""

    def __init__(self, database: Database, process: int) -> None:
        self.most: Counter[str] = Counter()
        self.memory: list[float] = []
        self._database, self._process, self._over = database, process, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Read no more."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            with self._database.snapshot() as connection:
                grants = connection.scalar(sa.select(sa.func.count()).select_from(GRANT)) or 0
                acted = sa.select(sa.func.count()).where(INCIDENT.c.acted.is_not(None), INCIDENT.c.trouble == "stopped")
                self.most["at once"] = max(self.most["at once"], grants)
                self.most["in the hour"] = max(self.most["in the hour"], connection.scalar(acted) or 0)
            self.memory.append(resident_mib(self._process))


def most_calls(simulator: Simulator) -> tuple[str, int]:
    """Return the API that was called most often within one second, and how often."""
    moments: dict[str, list[float]] = {}
    for entry in simulator.journal(kind="request"):
        if entry["service"] in {"ecs", "slb"}:
            moments.setdefault(entry["action"], []).append(datetime.fromisoformat(entry["at"]).timestamp())
    most = ("", 0)
    for action, times in moments.items():
        begin = 0
        for end, at in enumerate(times):
            while times[begin] <= at - 1:
                begin += 1
            most = max(most, (action, end - begin + 1), key=lambda one: one[1])
    return most


def count(database: Database, *where: sa.ColumnElement[bool]) -> int:
    """Count incidents."""
    with database.snapshot() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(INCIDENT).where(*where)) or 0


def reclaimed(simulator: Simulator, server: str) -> float:
    """Have a server taken away; return the milliseconds to the first call about it."""
    since = simulator.control("GET", "health")["journal"]
    simulator.chaos("reclaim", [server])
    until(lambda: bool(first_calls(simulator, [server], since)), 120, f"a call about {server}")
    return first_calls(simulator, [server], since)[0]


def main() -> int:
    """Measure and print everything."""
    servers = int(sys.argv[1]) if len(sys.argv) > 1 else SERVERS
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else SECONDS
    spot = rule(
        "leave-before-release",
        when={"type": ["Instance:PreemptibleInstanceInterruption"]},
        resources={"all": True},
        playbook="spot_evacuate",
    )
    with tempfile.TemporaryDirectory(prefix="cloudheal-benchmark-") as name, simulated(world(servers, OTHERS)) as cloud:
        folder = Path(name)
        account = {"calls_per_second": CALLS_PER_SECOND, "queue": {"endpoint": cloud.url, "name": QUEUE}}
        settings(folder, cloud.url, [rule("restart-unexpected-stop", limits=LIMITS), spot], account=account)
        command(folder, "rules", "promote", "restart-unexpected-stop")
        command(folder, "rules", "promote", "leave-before-release")
        database = open_database(f"sqlite:///{folder / 'c.db'}")
        with working(folder) as worker:
            time.sleep(3)
            alone = reclaimed(cloud, "i-bp1spot-a")
            watch = Watch(database, worker.process.pid)
            began = time.perf_counter()
            since = 0
            step = max(1, servers // seconds)
            for start in range(0, servers, step):
                ids = [f"i-bp1fall-{number + 1:06d}" for number in range(start, min(start + step, servers))]
                cloud.chaos("power_off", ids)
                if start <= servers // 2 < start + step:
                    since = cloud.control("GET", "health")["journal"]
                    cloud.chaos("reclaim", ["i-bp1spot-b"])
                time.sleep(max(0.0, began + seconds * (start + step) / servers - time.perf_counter()))
            fell = time.perf_counter() - began
            known = until(lambda: count(database) >= servers + 2, 600, "an incident for every server")
            time.sleep(5)
            watch.stop()
            (amid,) = first_calls(cloud, ["i-bp1spot-b"], since)
            healed = count(database, INCIDENT.c.verdict == "healed", INCIDENT.c.trouble == "stopped")
            with database.snapshot() as connection:
                events = connection.scalar(sa.select(sa.func.count()).select_from(EVENT)) or 0
        database.close()
        action, calls = most_calls(cloud)
    shown(f"{servers:,} servers stopped, in", f"{fell:.0f} s", f"within {SECONDS} s: {met(fell <= SECONDS * 1.1)}")
    shown("every one has its incident, seconds after the last fell", f"{known:.0f} s ({events:,} events)")
    shown("healed so far", f"{healed:,}")
    told = {"at once": AT_ONCE + 2, "in the hour": PER_HOUR}  # an interruption has room beside the limit
    for what, limit in told.items():
        most = watch.most[what]
        shown(f"most {what}, read 10 times a second", f"{most}", f"<= {limit}: {met(most <= limit)}")
    most = round(BURST * CALLS_PER_SECOND)
    shown(f"most calls of one API in one second ({action})", f"{calls}", f"<= {most}: {met(calls <= most)}")
    third = len(watch.memory) // 3
    early, late = max(watch.memory[: third or 1]), max(watch.memory[-third or 0 :])
    grown = late - early
    goal = f"+ {MOST_GROWTH_MIB} MiB: {met(grown <= MOST_GROWTH_MIB)}"
    shown("memory, most of the first and of the last third", f"{early:.0f} / {late:.0f} MiB", goal)
    shown("interruption before the outage, to the first call", f"{alone:.0f} ms", "- (baseline)")
    goal = f"<= {FAST_MS} ms: {met(amid <= FAST_MS)}"
    shown("interruption in the middle of it, to the first call", f"{amid:.0f} ms", goal)
    return 0


if __name__ == "__main__":
    sys.exit(main())
