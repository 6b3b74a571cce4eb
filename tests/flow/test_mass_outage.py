"""Very many servers fail at once: every budget holds at every moment, no call is over quota, the fast lane stays fast.

How room was given stands in a table that the database wrote itself, grant by grant (`moments`); what was done stands in
the simulator's journal. Neither is sampled. `make test` lets hundreds fall, `make soak` ten thousand.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cloudheal.record.database import Database, open_database
from cloudheal.record.outbox import Topic
from cloudheal.record.schema import migrate
from cloudheal.record.tables import APPROVAL, DECISION, GRANT, INCIDENT, OUTBOX, RESOURCE, RUN
from tests.flow.moments import Moment, keep_moments, moments
from tests.flow.operators import Operator, Worker, until
from tests.flow.test_restart import QUEUE, RULE
from tests.sim.simulator import RunningSimulator, started

REGION = "cn-hangzhou"
#: Members of each group; of one in seven groups one member falls, of the next two, and so on.
MEMBERS, MOST_FALLEN = 10, 7
SHARE, STORM_SHARE = 0.25, 0.5
#: How long a received notice of interruption may wait for its first call, on machines as busy as those that test.
FAST_SECONDS = 5.0
#: Seconds' worth of calls that may come at once after a quiet time, and those that the network may push together.
BURST_SECONDS, JITTER_SECONDS = 2.0, 1.0
MOST_GROWTH_MIB = 40


@dataclass(frozen=True, slots=True)
class Size:
    """How much falls, and how much may be done about it."""

    cells: int
    at_once: int
    per_hour: int
    calls_per_second: int
    patience: float

    @property
    def fallen(self) -> list[str]:
        """Return who falls, group by group, as a rack does."""
        return [f"{cell(n)}-{m + 1:06}" for n in range(self.cells) for m in range(n % MOST_FALLEN + 1)]

    @property
    def stormy(self) -> set[str]:
        """Return the groups of which so many fall that it is a storm."""
        many = math.ceil(MEMBERS * STORM_SHARE)
        return {f"tag:cell={cell(n)}" for n in range(self.cells) if n % MOST_FALLEN + 1 >= many}


HUNDREDS = Size(cells=70, at_once=8, per_hour=24, calls_per_second=10, patience=240)
TEN_THOUSAND = Size(cells=2500, at_once=20, per_hour=500, calls_per_second=20, patience=900)
SPOTS = [f"i-bp1spot{n}" for n in range(4)]


def cell(number: int) -> str:
    """Name a group, which is the prefix of its members' ids."""
    return f"i-bp1c{number:04}"


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    """A simulated cloud."""
    running = started()
    yield running
    running.stop()


def world(size: Size) -> dict[str, Any]:
    """Return groups of ten, and some spot servers."""
    place = {"region": REGION, "status": "Running"}
    cells = [
        {"count": MEMBERS, "prefix": cell(n), "tags": {"env": "prod", "cell": cell(n)}, **place}
        for n in range(size.cells)
    ]
    everything = {"name": "all", "pattern": {"product": "ECS", "names": ["*"]}, "targets": [{"mns": {"queue": QUEUE}}]}
    return {
        "regions": [REGION],
        "alibaba": {
            "instances": [*cells, *({"id": id_, "spot": True, **place} for id_ in SPOTS)],
            "queues": [{"name": QUEUE}],
            "event_rules": [everything],
            "durations": {"starting": 0.5, "stopping": 0.2},
        },
    }


def settings(size: Size, database_url: str) -> dict[str, Any]:
    """Return what an operator who is careful writes."""
    limits = {
        "at_once": size.at_once,
        "per_hour": size.per_hour,
        "share": SHARE,
        "storm_share": STORM_SHARE,
        "storm_members": 1000,
        "storm_window": "1h",
    }
    leave = {
        "name": "leave",
        "when": {"type": ["Instance:PreemptibleInstanceInterruption"]},
        "resources": {"all": True},
        "playbook": "spot_evacuate",
        "mode": "auto",
    }
    account = {"group_by": "tag:cell", "calls_per_second": size.calls_per_second}
    return {"account": account, "database": database_url, "rules": [{**RULE, "limits": limits}, leave]}


class Memory:
    """Reads what processes hold until told to stop."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._files = [Path(f"/proc/{one.process.pid}/status") for one in workers]
        self._read: list[list[float]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            self._read.append([_mebibytes(file) for file in self._files])

    def stop(self) -> None:
        """Read no more."""
        self._over.set()
        self._thread.join()

    def growth(self) -> float:
        """Return by how much the last third is above the second at its most, of the worker that grew most."""
        self.stop()
        third = len(self._read) // 3
        middle, last = self._most(third, 2 * third), self._most(2 * third, len(self._read))
        return max(after - before for before, after in zip(middle, last, strict=True))

    def _most(self, begin: int, end: int) -> list[float]:
        """Return the most that each process held in a part of the time."""
        return [max(one) for one in zip(*self._read[begin:end], strict=True)]


def _mebibytes(status: Path) -> float:
    lines = status.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def count(database: Database, table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
    """Count rows."""
    with database.snapshot() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table).where(*where)) or 0


def has_settled(database: Database, incidents: int) -> bool:
    """Say whether everything that fell has its incident, and nothing more is being done."""
    active = RUN.c.state.in_(("starting", "running"))
    return (count(database, INCIDENT), count(database, GRANT), count(database, RUN, active)) == (incidents, 0, 0)


def assert_every_budget_held(size: Size, kept: Sequence[Moment], *, alone: bool) -> None:
    """Look at every moment at which room was given to a stopped server."""
    allowed, many = max(1, math.floor(MEMBERS * SHARE)), math.ceil(MEMBERS * STORM_SHARE)
    stops = [one for one in kept if one.trouble == "stopped"]
    assert {one.known for one in stops} == {MEMBERS}
    assert [one for one in stops if one.at_once > size.at_once] == []
    assert [one for one in stops if one.in_hour > size.per_hour] == []
    assert [one for one in stops if one.helped > allowed] == []
    # Another worker may have taken in that a member fell after this one had counted.
    down = [one for one in stops if one.helped > 1 and one.helped + one.down > allowed]
    assert not alone or down == []
    assert [one for one in stops if one.fell > many] == []
    assert (max(one.at_once for one in stops), max(one.in_hour for one in stops)) == (size.at_once, size.per_hour)


def assert_no_call_was_over_quota(journal: Sequence[dict[str, Any]], rate: float) -> None:
    """In no stretch of time, however long, were there more calls of an API than the rate allows for it.

    What an interruption needs is called on credit; all others wait for it, so it is left out.
    """
    moments_: dict[str, list[float]] = {}
    for entry in journal:
        if not set(entry.get("resources", ())) & set(SPOTS) and entry["service"] != "mns":
            moments_.setdefault(entry["action"], []).append(_seconds(entry["at"]))
    assert {"DescribeInstances", "StartInstance"} <= set(moments_)
    for action, times in moments_.items():
        # Of a stretch from call i to call j there are j - i + 1: that is at most burst + rate * (their distance).
        excess = [number - rate * at for number, at in enumerate(times)]
        lowest, worst = excess[0], 0.0
        for one in excess:
            lowest = min(lowest, one)
            worst = max(worst, one - lowest + 1)
        assert worst <= rate * (BURST_SECONDS + JITTER_SECONDS), action


def delays(database: Database, journal: Sequence[dict[str, Any]]) -> list[float]:
    """Return for each interruption the seconds from its receipt to the first call that names its server."""
    chosen = sa.select(INCIDENT.c.resource, INCIDENT.c.detected).where(INCIDENT.c.trouble == "interruption")
    with database.snapshot() as connection:
        told = {row.resource: row.detected / 1000 for row in connection.execute(chosen)}
    called: dict[str, float] = {}
    for entry in journal:
        for one in set(entry.get("resources", ())) & set(told) if entry["service"] == "ecs" else ():
            called.setdefault(one, _seconds(entry["at"]))
    assert set(told) == set(called) == set(SPOTS)
    return [called[one] - told[one] for one in SPOTS]


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()


def starts(journal: Sequence[dict[str, Any]]) -> Counter[str]:
    """Count how often each server was started."""
    changes = [change for entry in journal for change in entry.get("changes", ())]
    return Counter(one["id"] for one in changes if (one.get("before"), one.get("after")) == ("Stopped", "Starting"))


def assert_storms_were_held(database: Database, size: Size) -> None:
    """Every limit was met. Of each group that a storm holds back, one question and one notice; of no other any."""
    with database.snapshot() as connection:
        asked = sa.select(INCIDENT.c.group).join(RUN, RUN.c.incident == INCIDENT.c.id)
        groups = Counter(connection.scalars(asked.join(APPROVAL, APPROVAL.c.run == RUN.c.id)))
        stormed = set(connection.scalars(asked.where(RUN.c.waits_for == "storm")))
        reasons = set(connection.scalars(sa.select(DECISION.c.reason)))
    assert {"budget.at_once", "budget.share", "budget.rate", "storm"} <= reasons
    assert set(groups) == stormed <= size.stormy
    assert set(groups.values()) == {1}
    assert count(database, OUTBOX, OUTBOX.c.topic == Topic.STORM.value) == len(stormed)


def outage(operator: Operator, database: Database, size: Size, workers: int) -> float:
    """Let everything fall, with an interruption before, amid and after; returns by how much memory grew."""
    with ExitStack() as stack:
        shift = [stack.enter_context(operator.worker()) for _ in range(workers)]
        servers = size.cells * MEMBERS + len(SPOTS)
        until(lambda: count(database, RESOURCE, RESOURCE.c.described.is_not(None)) == servers, 120, "a sweep")
        operator.chaos("reclaim", SPOTS[0])
        memory, step = Memory(shift), math.ceil(len(size.fallen) / 12)
        stack.callback(memory.stop)
        for turn, start in enumerate(range(0, len(size.fallen), step)):
            operator.chaos("power_off", *size.fallen[start : start + step])
            if turn in {4, 8}:
                operator.chaos("reclaim", SPOTS[turn // 4])
        incidents = len(size.fallen) + len(SPOTS) - 1
        until(lambda: has_settled(database, incidents), size.patience, "room that is used up")
        operator.chaos("reclaim", SPOTS[3])
        until(lambda: has_settled(database, incidents + 1), 60, "an interruption when there is no room")
        return memory.growth()


def played(
    simulator: RunningSimulator, folder: Path, url: str, size: Size, workers: int, told: Callable[[str, object], None]
) -> None:
    """Play an outage and look at everything that must hold."""
    simulator.world(world(size))
    operator = Operator(folder, simulator)
    operator.settings(**settings(size, url))
    database = open_database(url)
    migrate(database)
    keep_moments(database)
    for rule in (RULE["name"], "leave"):
        operator.done("rules", "promote", rule)
    grown = outage(operator, database, size, workers)
    kept, journal = moments(database), simulator.journal(kind="request")
    waited, events = delays(database, journal), starts(simulator.journal())
    assert_every_budget_held(size, kept, alone=workers == 1)
    assert_storms_were_held(database, size)
    healed = count(database, INCIDENT, INCIDENT.c.verdict == "healed", INCIDENT.c.trouble == "stopped")
    database.close()
    assert_no_call_was_over_quota(journal, size.calls_per_second * workers)
    assert set(events.values()) == {1}
    assert len(events) == healed == size.per_hour
    assert max(waited) < FAST_SECONDS
    assert grown < MOST_GROWTH_MIB
    numbers = f"{len(size.fallen)} fell, {healed} healed within every limit at {len(kept)} moments"
    told(
        "summary", f"mass outage ({url.partition(':')[0]}): {numbers}, {grown:+.0f} MiB, fast lane {max(waited):.2f} s"
    )


@pytest.mark.timeout(400)
@pytest.mark.parametrize("database_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.soak)], indirect=True)
def test_hundreds_of_servers_that_fail_at_once_are_healed_within_every_limit(
    simulator: RunningSimulator, tmp_path: Path, database_url: str, record_property: Callable[[str, object], None]
) -> None:
    """At once, share, rate and storm hold at every grant; calls keep to the quota; interruptions do not wait.

    On PostgreSQL two workers take from one budget.
    """
    workers = 1 if database_url.startswith("sqlite") else 2
    played(simulator, tmp_path, database_url, HUNDREDS, workers, record_property)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_ten_thousand_servers_that_fail_at_once_are_healed_within_every_limit(
    simulator: RunningSimulator, tmp_path: Path, database_url: str, record_property: Callable[[str, object], None]
) -> None:
    """The same with ten thousand, on both databases."""
    played(simulator, tmp_path, database_url, TEN_THOUSAND, 1, record_property)
