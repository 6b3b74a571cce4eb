"""A mass outage: 10,000 of many servers stop within a minute, and spot servers are taken away in the middle of it.

A worker process on SQLite heals with the limits of a careful operator. While it does, every budget is read from the
tables ten times a second, the memory of the worker as often; afterwards the calls of each second and API are counted
in the simulator's own journal. Nothing may be over its limit at any moment. The baseline of the interruptions are those
before the outage, of the same run. Their messages come in a queue of their own, as `setup alibaba` makes it, or with
`one` behind all others in the one queue that there is then.

Run: make bench, or python benchmarks/mass.py [SERVERS [SECONDS [one]]]
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from bench.feed import REGION, rule
from bench.figures import met, percentile, resident_mib, shown
from bench.stage import QUEUE, Simulator, command, settings, simulated, until, working
from latency import moments

from cloudheal.record.database import Database, open_database
from cloudheal.record.tables import EVENT, GRANT, INCIDENT, LEDGER, RESOURCE

SERVERS, SECONDS, OTHERS = 10_000, 60, 10_000
URGENT = "urgent"
#: In how many bits the servers of one second stop.
EACH_SECOND = 10
#: Servers that are taken away before the outage, and in it.
BEFORE = [f"i-bp1spot-a{number:02d}" for number in range(12)]
AMID = [f"i-bp1spot-b{number:02d}" for number in range(24)]
INTERRUPTION = "Instance:PreemptibleInstanceInterruption"
AT_ONCE, PER_HOUR, CALLS_PER_SECOND = 20, 500, 20.0
FAST_MS, MOST_GROWTH_MIB = 100, 40
#: What a token bucket may let through in one second after a quiet time: two seconds' worth, and that second's own.
BURST = 3
LIMITS = {"at_once": AT_ONCE, "per_hour": PER_HOUR, "share": 1.0, "storm_share": 1.0, "storm_members": 1_000_000}


def world(servers: int, others: int) -> dict[str, Any]:
    """Return servers that will fall, servers that will not, spot servers, and two queues."""
    place = {"region": REGION, "status": "Running"}
    return {
        "regions": [REGION],
        "alibaba": {
            "instances": [
                {"count": servers, "prefix": "i-bp1fall", "tags": {"env": "prod"}, **place},
                {"count": others, "prefix": "i-bp1stay", "tags": {"env": "prod"}, **place},
                *({"id": one, "spot": True, **place} for one in (*BEFORE, *AMID)),
            ],
            "queues": [{"name": QUEUE}, {"name": URGENT}],
            "event_rules": [
                {"name": name, "pattern": {"product": "ECS", "names": [wanted]}, "targets": [{"mns": {"queue": queue}}]}
                for name, wanted, queue in (("all", "*", QUEUE), ("urgent", INTERRUPTION, URGENT))
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


def sighted(database: Database) -> int:
    """Count the servers that a sweep has found."""
    with database.snapshot() as connection:
        return (
            connection.scalar(sa.select(sa.func.count()).select_from(RESOURCE).where(RESOURCE.c.described.is_not(None)))
            or 0
        )


def reclaimed(simulator: Simulator, servers: Sequence[str], over: float) -> int:
    """Have servers taken away, one after the other within so many seconds; return where the journal was before."""
    since = int(simulator.control("GET", "health")["journal"])
    for one in servers:
        simulator.chaos("reclaim", [one])
        time.sleep(over / len(servers))
    return since


def stages(simulator: Simulator, database: Database, servers: Sequence[str], since: int) -> dict[str, list[float]]:
    """Return for each stage of an interruption's beginning how many milliseconds it took, by server."""
    with database.snapshot() as connection:
        read = sa.select(EVENT.c.resource, EVENT.c.received).where(EVENT.c.type == INTERRUPTION)
        received = {one: float(at) for one, at in connection.execute(read)}
        claimed = sa.select(LEDGER.c.resource, sa.func.min(LEDGER.c.at)).where(LEDGER.c.kind == "run.begun")
        begun = {one: float(at) for one, at in connection.execute(claimed.group_by(LEDGER.c.resource))}
    put, asked = moments(simulator, servers, since)
    assert set(servers) == asked.keys(), sorted(set(servers) - asked.keys())
    return {
        "from the queue to its reader": [received[one] - put[one] for one in servers],
        "until its run has begun": [begun[one] - received[one] for one in servers],
        "until its first call": [asked[one] - begun[one] for one in servers],
        "together": [asked[one] - put[one] for one in servers],
    }


def told(stage: Sequence[float]) -> str:
    """Say the median and the most."""
    return f"{percentile(stage, 0.5):,.0f} / {max(stage):,.0f} ms"


def main() -> int:
    """Measure and print everything."""
    servers = int(sys.argv[1]) if len(sys.argv) > 1 else SERVERS
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else SECONDS
    spot = rule(
        "leave-before-release",
        when={"type": [INTERRUPTION]},
        resources={"all": True},
        playbook="spot_evacuate",
    )
    with tempfile.TemporaryDirectory(prefix="cloudheal-benchmark-") as name, simulated(world(servers, OTHERS)) as cloud:
        folder = Path(name)
        queue = {"endpoint": cloud.url, "name": QUEUE, "urgent": "" if "one" in sys.argv else URGENT}
        account = {"calls_per_second": CALLS_PER_SECOND, "queue": queue}
        settings(folder, cloud.url, [rule("restart-unexpected-stop", limits=LIMITS), spot], account=account)
        command(folder, "rules", "promote", "restart-unexpected-stop")
        command(folder, "rules", "promote", "leave-before-release")
        database = open_database(f"sqlite:///{folder / 'c.db'}")
        with working(folder) as worker:
            everyone = servers + OTHERS + len(BEFORE) + len(AMID)
            until(lambda: sighted(database) >= everyone, 120, "a sweep of everything")
            since = reclaimed(cloud, BEFORE, 6)
            watch = Watch(database, worker.process.pid)
            began = time.perf_counter()
            left, bits = iter(AMID), seconds * EACH_SECOND
            for bit in range(bits):
                ids = range(servers * bit // bits, servers * (bit + 1) // bits)
                cloud.chaos("power_off", [f"i-bp1fall-{number + 1:06d}" for number in ids])
                for one in islice(left, 1 if bit * len(AMID) // bits > (bit - 1) * len(AMID) // bits else 0):
                    cloud.chaos("reclaim", [one])
                time.sleep(max(0.0, began + seconds * (bit + 1) / bits - time.perf_counter()))
            fell = time.perf_counter() - began
            known = until(lambda: count(database) >= servers + len(BEFORE) + len(AMID), 600, "an incident for each")
            time.sleep(5)
            watch.stop()
            alone, amid = (stages(cloud, database, some, since) for some in (BEFORE, AMID))
            healed = count(database, INCIDENT.c.verdict == "healed", INCIDENT.c.trouble == "stopped")
            with database.snapshot() as connection:
                events = connection.scalar(sa.select(sa.func.count()).select_from(EVENT)) or 0
        database.close()
        action, calls = most_calls(cloud)
    shown(f"{servers:,} servers stopped, in", f"{fell:.0f} s", f"within {SECONDS} s: {met(fell <= SECONDS * 1.1)}")
    shown("every one has its incident, seconds after the last fell", f"{known:.0f} s ({events:,} events)")
    shown("healed so far", f"{healed:,}")
    # Interruptions have room beside the limit.
    for what, limit in {"at once": AT_ONCE + len(BEFORE) + len(AMID), "in the hour": PER_HOUR}.items():
        most = watch.most[what]
        shown(f"most {what}, read 10 times a second", f"{most}", f"<= {limit}: {met(most <= limit)}")
    most = round(BURST * CALLS_PER_SECOND)
    shown(f"most calls of one API in one second ({action})", f"{calls}", f"<= {most}: {met(calls <= most)}")
    third = len(watch.memory) // 3
    early, late = max(watch.memory[: third or 1]), max(watch.memory[-third or 0 :])
    grown = late - early
    goal = f"+ {MOST_GROWTH_MIB} MiB: {met(grown <= MOST_GROWTH_MIB)}"
    shown("memory, most of the first and of the last third", f"{early:.0f} / {late:.0f} MiB", goal)
    for name, some in alone.items():
        shown(f"interruptions before the outage, {name}, median / most", told(some), "- (baseline)")
    for name, some in amid.items():
        shown(f"interruptions in the middle of it, {name}, median / most", told(some))
    shown(
        "most of an interruption in the outage",
        f"{max(amid['together']):,.0f} ms",
        f"<= {FAST_MS} ms: {met(max(amid['together']) <= FAST_MS)}",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
