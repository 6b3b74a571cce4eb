"""A worker whose looks at the cloud the test makes by hand, on a clock that the test moves with the simulator's."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cloudheal.app import App
from cloudheal.model.incident import RunState
from cloudheal.record.tables import INCIDENT, RUN
from cloudheal.settings.schema import Settings
from tests.migrated import migrated
from tests.sim.simulator import RunningSimulator

ACCOUNT = "1000000000000001"
REGION = "cn-hangzhou"
QUEUE = "ecs-cms-event"


class SimulatorClock:
    """The simulator's time, asked for at every look at the clock; between two milliseconds, as real ones mostly are."""

    def __init__(self, simulator: RunningSimulator) -> None:
        self._simulator = simulator

    def now(self) -> datetime:
        """Return the simulator's present."""
        now = datetime.fromisoformat(self._simulator.control("GET", "clock")["now"]).astimezone(UTC)
        return now + timedelta(microseconds=700)


class Watching:
    """A worker under test and the simulator that it watches."""

    def __init__(self, app: App, simulator: RunningSimulator) -> None:
        self.app = app
        self.simulator = simulator

    def advance(self, seconds: float) -> None:
        """Move everyone's time."""
        self.simulator.advance(seconds)

    def tick(self) -> int:
        """Make the looks that are due."""
        return self.app.poller.tick()

    def drain(self) -> int:
        """Take in everything that is on the queue."""
        return self.app.consume(self.app.settings.accounts[0], once=True)

    def chaos(self, deed: str, *ids: str, **options: object) -> None:
        """Do something to servers."""
        self.simulator.control("POST", "chaos", {"do": deed, "instances": list(ids), **options})

    def rows(self, table: sa.Table, *where: sa.ColumnElement[bool]) -> list[sa.Row[Any]]:
        """Read rows of a table."""
        with self.app.database.snapshot() as connection:
            return list(connection.execute(sa.select(table).where(*where)).all())

    def until_ended(self, count: int, seconds: float = 60) -> list[sa.Row[Any]]:
        """Wait in real time until so many incidents have ended, while the simulator's time goes on."""
        give_up = time.monotonic() + seconds
        while len(ended := self.rows(INCIDENT, INCIDENT.c.ended.is_not(None))) < count:
            assert time.monotonic() < give_up, self.rows(INCIDENT)
            self.advance(1)
        return ended

    def until_waiting(self, count: int, seconds: float = 60) -> list[sa.Row[Any]]:
        """Wait in real time until so many runs wait for something to change."""
        give_up = time.monotonic() + seconds
        while len(waiting := self.rows(RUN, RUN.c.state == RunState.WAITING.value)) < count:
            assert time.monotonic() < give_up, self.rows(RUN)
            self.advance(1)
        return waiting

    def calls(self, action: str) -> list[dict[str, Any]]:
        """Return the journal's calls of an action."""
        return self.simulator.journal(action=action)


def settings_of(simulator: RunningSimulator, folder: Path, **more: object) -> Settings:
    """Return settings of one account on the simulator."""
    account = {
        "name": "prod",
        "cloud": "alibaba",
        "id": ACCOUNT,
        "regions": [REGION],
        "endpoint": simulator.url,
        "calls_per_second": 1000,
        "queue": {"endpoint": simulator.url, "name": QUEUE, "wait_seconds": 0},
    }
    rest = {"database": f"sqlite:///{migrated(folder / 'watch.db')}", "settle_seconds": 0.5, **more}
    return Settings.model_validate({"accounts": [account], **rest})


@contextmanager
def watching(simulator: RunningSimulator, settings: Settings) -> Iterator[Watching]:
    """Run a worker that looks when the test says so, and only then."""
    app = App(settings, SimulatorClock(simulator))
    app.poll = lambda: None  # type: ignore[method-assign]  # its thread would look in between
    with app.running():
        yield Watching(app, simulator)


def world_of(instances: Sequence[Mapping[str, Any]], **more: object) -> dict[str, Any]:
    """Return a world whose events all reach the queue."""
    return {
        "regions": [REGION],
        "alibaba": {
            "instances": [{"region": REGION, "status": "Running", **one} for one in instances],
            "queues": [{"name": QUEUE}],
            "event_rules": [
                {"name": "all", "pattern": {"product": "ECS", "names": ["*"]}, "targets": [{"mns": {"queue": QUEUE}}]}
            ],
            "durations": {"starting": 1, "stopping": 0.5},
            **more,
        },
    }
