"""One round of the crash matrix: trouble, a worker that dies, a worker that finishes, and the books checked.

The checker reads the simulator's journal and world, and the database. It knows no playbook: what healing does to the
cloud is compared with what it does when nothing dies.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import yaml

from cloudheal.model.control import Answer
from cloudheal.record.approvals import answer
from cloudheal.record.database import Database, open_database
from cloudheal.record.ledger import Kind
from cloudheal.record.promotions import promote
from cloudheal.record.schema import migrate
from cloudheal.record.tables import APPROVAL, EVENT, GRANT, INCIDENT, LEDGER, RUN, STEP, WORKER
from cloudheal.record.verifying import verify
from cloudheal.settings.schema import Settings
from tests.crash.matrix_worker import main
from tests.crash.scenarios import Scenario
from tests.migrated import cleared, migrated
from tests.sim.simulator import RunningSimulator

KILLED = -9
#: How long a whole healing may take; a lease, a settling and a redelivery are in it.
SECONDS = 120.0
_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload(["tests.crash.matrix_worker"])


@dataclass(frozen=True, slots=True)
class Seen:
    """What was there after a round: the effects on the cloud, and everything that is wrong, in words."""

    effects: Counter[str]
    problems: tuple[str, ...]
    died: bool
    trace: tuple[str, ...] = field(repr=False)
    output: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Round:
    """Where a round happens."""

    simulator: RunningSimulator
    url: str
    folder: Path
    scenario: Scenario
    lease_seconds: float = 1

    def prepare(self) -> None:
        """Make the database, the settings and the world, and let the trouble begin."""
        settings = self.settings()
        database = open_database(self.url)
        migrate(database)
        with database.transaction() as connection:
            promote(connection, Settings.model_validate(settings).rules, "test", datetime.now(UTC))
        database.close()
        self.simulator.control("POST", "reset", {"seed": 7})
        self.simulator.world(dict(self.scenario.world))
        self.simulator.control("PUT", "faults", [dict(one) for one in self.scenario.faults])
        self.simulator.chaos(self.scenario.chaos, self.scenario.server, **self.scenario.options)
        if self.scenario.event:
            self.simulator.control("POST", "events", dict(self.scenario.event))

    def run(self, deadly: str = "", kill_after: float | None = None) -> Seen:
        """Let a worker die at a point or after so many seconds, and another one finish."""
        first = self.worker("first", deadly)
        try:
            if kill_after is not None:
                first.join(kill_after)
                first.kill()
            self.until(lambda: not first.is_alive() or self.over())
            died = self.ended(first) == KILLED
            if died:
                dead, second = self.workers(), self.worker("second")
                try:
                    self.until(lambda: self._is_taken_over(dead) and self.over())
                finally:
                    self.ended(second)
            return self.seen(died=died)
        finally:
            first.kill()

    def settings(self, url: str = "") -> dict[str, Any]:
        """Return the settings of a worker that finds the database there."""
        return self.scenario.settings(self.simulator.url, url or self.url, lease_seconds=self.lease_seconds)

    def worker(
        self, name: str, deadly: str = "", number: int = signal.SIGKILL, url: str = "", network: str = ""
    ) -> BaseProcess:
        """Start a worker, which gets a signal at a point; on a host of its own when that is named."""
        file = self.folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(self.settings(url)))
        output, trace = str(self.folder / "output"), str(self.folder / f"trace-{name}")
        process = _FORKED.Process(target=main, args=(str(file), output, trace, deadly, int(number), network))
        process.start()
        return process

    def over(self) -> bool:
        """Say whether everything has come to its end; on the way there somebody answers what is asked."""
        with self._open() as connection:
            if self.scenario.somebody_approves and approve_all(connection):
                self._deal_with_it()
            return not unfinished(connection) and not self._queued()

    def _is_taken_over(self, dead: set[str]) -> bool:
        """Say whether somebody is there instead of the dead; who died while signing off is on no list."""
        alive = self.workers()
        return bool(alive) and not dead & alive

    def workers(self) -> set[str]:
        """Return the workers on the list."""
        with self._open() as connection:
            return set(connection.scalars(sa.select(WORKER.c.id)))

    def seen(self, *, died: bool) -> Seen:
        """Read the books."""
        database = open_database(self.url)
        try:
            problems = [
                *faults_of(database, self.scenario.verdict),
                *(f"still queued: {one}" for one in self._queued()),
            ]
        finally:
            database.close()
        trace = list(self.passed("first"))
        output = (self.folder / "output").read_text()
        return Seen(effects(self.simulator, known_ids(self.scenario)), tuple(problems), died, tuple(trace), output)

    def passed(self, name: str) -> dict[str, float]:
        """Return the points that a worker has passed so far, and when, in seconds of the machine."""
        file = self.folder / f"trace-{name}"
        lines = [line.partition(" ") for line in file.read_text().splitlines()] if file.exists() else []
        return {point: float(moment) for moment, _, point in lines}

    def _deal_with_it(self) -> None:
        servers = self.simulator.control("GET", "world")["alibaba"]["instances"]
        if self.scenario.deals_with_it and any(one["id"] == self.scenario.server for one in servers):
            self.simulator.chaos(self.scenario.deals_with_it, self.scenario.server)

    def _open(self) -> sa.Connection:
        # No pool: a round has a database of its own, which the next one drops.
        return sa.create_engine(open_url(self.url), poolclass=sa.NullPool).connect()

    def _queued(self) -> list[str]:
        cloud = self.simulator.control("GET", "world")["alibaba"]
        under_way = [f"event on its way by {one['rule']}" for one in cloud["event_deliveries"]]
        return [*(one["id"] for queue in cloud["queues"] for one in queue["messages"]), *under_way]

    @staticmethod
    def until(holds: Callable[[], bool]) -> bool:
        """Wait until something holds; False when time is up."""
        give_up, between = time.monotonic() + SECONDS, threading.Event()
        while not holds():
            if time.monotonic() > give_up:
                return False
            between.wait(0.1)
        return True

    @staticmethod
    def ended(process: BaseProcess) -> int | None:
        """Stop a worker in order, with force when it does not; return its exit code."""
        if process.is_alive():
            process.terminate()
        process.join(30)
        if process.is_alive():
            process.kill()
            process.join()
            return None
        return process.exitcode


def open_url(url: str) -> sa.URL:
    """Return the URL with the driver that is installed."""
    address = sa.make_url(url)
    return address.set(drivername="postgresql+psycopg") if address.get_backend_name() == "postgresql" else address


def unfinished(connection: sa.Connection) -> list[str]:
    """Say what has not come to an end: no incident yet, open ones, grants, runs and looks."""
    rows: Mapping[str, sa.Select[Any]] = {
        "incident": sa.select(INCIDENT.c.id).where(INCIDENT.c.ended.is_(None)),
        "grant": sa.select(GRANT.c.run),
        "run": sa.select(RUN.c.id).where(RUN.c.state != "ended"),
        "intent": sa.select(STEP.c.run).where(STEP.c.done.is_(None)),
    }
    # Asked first, because it may come while the others are asked.
    found = [] if connection.scalar(sa.select(sa.func.count()).select_from(INCIDENT)) else ["no incident"]
    found += [f"open {what}: {one}" for what, query in rows.items() for one in connection.scalars(query)]
    schema = "dbos." if connection.dialect.name == "postgresql" else ""
    name = "workflow_status"
    if sa.inspect(connection).has_table(name, schema="dbos" if schema else None):
        query = f"SELECT workflow_uuid, status FROM {schema}{name} WHERE status IN ('PENDING', 'ENQUEUED')"
        found += [f"open workflow: {one} {status}" for one, status in connection.execute(sa.text(query))]
    return found


def approve_all(connection: sa.Connection) -> int:
    """Answer every open question with yes; returns how many."""
    if not sa.inspect(connection).has_table("approval"):
        return 0
    asked = connection.scalars(sa.select(APPROVAL.c.id).where(APPROVAL.c.answer == "")).all()
    answered = sum(answer(connection, one, Answer.APPROVED, "somebody", datetime.now(UTC)) for one in asked)
    connection.commit()
    return answered


def faults_of(database: Database, verdict: str = "healed") -> Iterator[str]:
    """Say everything that is wrong with a database whose workers have ended."""
    with database.snapshot() as connection:
        yield from unfinished(connection)
        yield from gaps(connection)
        yield from (f"worker on the list: {one}" for one in connection.scalars(sa.select(WORKER.c.id)))
        verdicts = connection.execute(sa.select(INCIDENT.c.resource, INCIDENT.c.verdict, INCIDENT.c.evidence))
        yield from (f"{one.resource}: {one.verdict} {one.evidence}" for one in verdicts if one.verdict != verdict)
    book = verify(database)
    if not book.whole or book.unsealed.rows:
        yield f"ledger: {len(book.findings)} findings, {book.unsealed.rows} rows not sealed"


def gaps(connection: sa.Connection) -> Iterator[str]:
    """Say what happened and is not in the ledger, or more often than once."""
    rows = connection.execute(sa.select(LEDGER.c.kind, LEDGER.c.event, LEDGER.c.incident, LEDGER.c.run, LEDGER.c.body))
    told: Counter[tuple[str, str]] = Counter()
    for row in rows:
        number = json.loads(row.body).get("number") if row.kind.startswith("step.") else None
        about = row.event if row.kind == Kind.EVENT else row.run or row.incident
        told[row.kind, f"{about}/{number}" if number else str(about)] += 1
    events = [str(one) for one in connection.scalars(sa.select(EVENT.c.id))]
    incidents = connection.scalars(sa.select(INCIDENT.c.id)).all()
    runs = connection.execute(sa.select(RUN.c.id, RUN.c.incident)).all()
    steps = [f"{one.run}/{one.number}" for one in connection.execute(sa.select(STEP.c.run, STEP.c.number))]
    once = [
        *((Kind.EVENT, one) for one in events),
        *((Kind.RUN_ADDED, one.id) for one in runs),
        *((Kind.INCIDENT_ENDED, one.id) for one in runs),
        *((kind, one) for kind in (Kind.STEP_INTENDED, Kind.STEP_CONCLUDED) for one in steps),
        *((Kind.INCIDENT_OPENED, one) for one in incidents),
    ]
    for kind, about in once:
        if told[kind, about] != 1:
            yield f"ledger tells {kind} of {about} {told[kind, about]} times"
    yield from (f"ledger never tells that run {one.id} began" for one in runs if not told[Kind.RUN_BEGUN, one.id])


def known_ids(scenario: Scenario) -> set[str]:
    """Return the ids that a world begins with."""
    parts = scenario.world[scenario.cloud]
    return {one["id"] for name in ("instances", "server_groups") for one in parts.get(name, ())}


def effects(simulator: RunningSimulator, known: set[str]) -> Counter[str]:
    """Count what our calls changed in the cloud; things that were made meanwhile are all called `new`."""
    counted: Counter[str] = Counter()
    for entry in simulator.journal(kind="request"):
        for change in entry.get("changes", ()) if entry["service"] != "mns" else ():
            before, after = change.get("before"), change.get("after")
            if isinstance(before, list) and isinstance(after, list):
                text = f"-{[one for one in before if one not in after]} +{[one for one in after if one not in before]}"
            else:
                text = f"{before} > {after}"
            counted[_anonymous(f"{change['what']} {change['id']} {text}", known)] += 1
    return counted


def _anonymous(text: str, known: set[str]) -> str:
    words = _TIMES.sub("then", text).replace("'", " ").replace(",", " ").split()
    return " ".join("new" if one.startswith(_MADE) and one not in known else one for one in words)


#: When something happened, which no two rounds have alike.
_TIMES = re.compile(r"\b\d{4}-\d\d-\d\dT[\d:.]+Z")
#: How the ids begin of what a round makes: servers, snapshots, commands and their runs.
_MADE = ("i-", "s-", "c-", "t-")


def fresh(url: str) -> None:
    """Take everything out of a database that the last round left; its tables are there, as those of a worker are."""
    address = open_url(url)
    if address.get_backend_name() != "sqlite":
        cleared(url)
        return
    for suffix in ("", "-wal", "-shm"):
        Path(f"{address.database}{suffix}").unlink(missing_ok=True)
    migrated(Path(str(address.database)))


def keys() -> None:
    """Put the simulator's keys into the environment that workers inherit."""
    os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"] = "testid"
    os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] = "testsecret"
    os.environ["TENCENTCLOUD_SECRET_ID"] = "AKIDtest"
    os.environ["TENCENTCLOUD_SECRET_KEY"] = "testsecret"
