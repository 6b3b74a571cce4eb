"""An event on the queue heals a server: queue, decision, durable run, real SDKs, verdict; against the simulator."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa

from cloudheal.app import App
from cloudheal.model.control import Hold
from cloudheal.model.event import Channel
from cloudheal.record.holds import EVERYTHING, add_hold, lift_holds
from cloudheal.record.promotions import promote
from cloudheal.record.tables import DEAD_LETTER, DECISION, EVENT, GRANT, INCIDENT, OUTBOX, RUN, STEP
from cloudheal.settings.schema import Settings
from tests.migrated import migrated
from tests.sim.simulator import RunningSimulator

T = TypeVar("T")
QUEUE = "ecs-cms-event"
PROD = {"env": "prod"}
WORLD: dict[str, Any] = {
    "regions": ["cn-hangzhou"],
    "alibaba": {
        "instances": [
            {"id": "i-bp1web01", "region": "cn-hangzhou", "status": "Running", "name": "web-01", "tags": PROD},
            {"id": "i-bp1web02", "region": "cn-hangzhou", "status": "Running", "name": "web-02", "tags": PROD},
            {"id": "i-bp1test1", "region": "cn-hangzhou", "status": "Running", "name": "test-01", "tags": {}},
        ],
        "queues": [{"name": QUEUE}],
        "event_rules": [
            {"name": "all", "pattern": {"product": "ECS", "names": ["*"]}, "targets": [{"mns": {"queue": QUEUE}}]}
        ],
        "durations": {"starting": 1, "stopping": 0.5},
    },
}
RULE: dict[str, Any] = {
    "name": "restart-unexpected-stop",
    "when": {"source": ["alibaba.ecs"], "type": ["Instance:StateChange"], "data": {"state": ["Stopped"]}},
    "resources": {"tags": {"env": ["prod"]}},
    "desired": "on",
    "playbook": "restart_stopped",
    "with": {"start_timeout": "20s", "backoff": "1s"},
    "mode": "auto",
    "limits": {"cool_down": "1s"},
}


class Healing:
    """A worker under test, with the simulator that it watches."""

    def __init__(self, app: App, simulator: RunningSimulator) -> None:
        self.app = app
        self.simulator = simulator
        with app.database.transaction() as connection:
            promote(connection, app.settings.rules, "test", app.clock.now())

    def drain_queue(self) -> int:
        """Take in everything that is on the queue."""
        return self.app.consume(self.app.settings.accounts[0], once=True)

    def until_ended(self, count: int, seconds: float = 60) -> list[sa.Row[Any]]:
        """Take in events until so many incidents have ended, and return them."""
        give_up = time.monotonic() + seconds
        while len(ended := self.rows(INCIDENT, INCIDENT.c.ended.is_not(None))) < count:
            assert time.monotonic() < give_up, f"only {len(ended)} incidents ended: {ended}"
            self.drain_queue()
        return ended

    def until(self, found: Callable[[], list[T]], seconds: float = 60) -> list[T]:
        """Take in events until something is found, and return it."""
        give_up = time.monotonic() + seconds
        while not (what := found()):
            assert time.monotonic() < give_up, (self.rows(RUN), self.rows(DECISION), self.rows(STEP))
            self.drain_queue()
        return what

    def rows(self, table: sa.Table, *where: sa.ColumnElement[bool]) -> list[sa.Row[Any]]:
        """Read rows of a table."""
        with self.app.database.snapshot() as connection:
            return list(connection.execute(sa.select(table).where(*where)).all())

    def reasons(self) -> list[str]:
        """Return the reasons of all decisions, in order."""
        return [row.reason for row in self.rows(DECISION)]

    def chaos(self, deed: str, *ids: str, **options: object) -> None:
        """Do something to servers."""
        self.simulator.control("POST", "chaos", {"do": deed, "instances": list(ids), **options})

    def starts(self) -> list[str]:
        """Return which servers the healer asked to start."""
        return [entry["resources"][0] for entry in self.simulator.journal(action="StartInstance")]


@pytest.fixture
def healing(simulator: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Healing]:
    """A worker with one rule, on a fresh database and a fresh world."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    simulator.control("POST", "reset")
    simulator.world(WORLD)
    account = {
        "name": "prod",
        "cloud": "alibaba",
        "id": "1000000000000001",
        "regions": ["cn-hangzhou"],
        "endpoint": simulator.url,
        "queue": {"endpoint": simulator.url, "name": QUEUE, "wait_seconds": 1},
    }
    settings = Settings.model_validate(
        {
            "accounts": [account],
            "database": f"sqlite:///{migrated(tmp_path / 'h.db')}",
            "rules": [RULE],
            "settle_seconds": 0.5,
        }
    )
    with App(settings).running() as app:
        yield Healing(app, simulator)


def test_an_unexpected_stop_is_healed_and_recorded(healing: Healing) -> None:
    """The server runs again, one start was asked for, the verdict has its evidence, the queue is empty."""
    healing.chaos("power_off", "i-bp1web01")
    (incident,) = healing.until_ended(1)
    assert (incident.resource, incident.verdict) == ("i-bp1web01", "healed")
    assert json.loads(incident.evidence)["code"] == "running"
    assert incident.occurred <= incident.detected <= incident.acted <= incident.ended
    assert healing.starts() == ["i-bp1web01"]
    healing.drain_queue()
    (queue,) = healing.simulator.control("GET", "world")["alibaba"]["queues"]
    assert queue["messages"] == []


def test_a_server_outside_the_rule_is_left_alone_with_the_reason(healing: Healing) -> None:
    """Not selected is a decision too; nothing is called."""
    healing.chaos("power_off", "i-bp1test1")
    while not healing.reasons():
        healing.drain_queue()
    assert healing.reasons() == ["not_selected"]
    assert healing.starts() == []


def test_a_locked_server_is_not_started(healing: Healing) -> None:
    """What the vendor locked is not undone: the run waits as a row that names the lock, and gives its room back."""
    healing.chaos("lock", "i-bp1web01", reason="security")
    healing.chaos("power_off", "i-bp1web01")
    (run,) = healing.until(lambda: healing.rows(RUN, RUN.c.waits_for == "locked.security"))
    assert (run.state, run.look, run.owner) == ("waiting", 1, "")
    assert run.next_eligible > healing.app.clock.now().timestamp() * 1000
    assert healing.rows(GRANT) == healing.starts() == []
    # The first sweep may find the same stop, before or after the message: one of both is stale then.
    assert [one for one in healing.reasons() if one != "stale"] == ["act", "locked"]


def test_a_start_that_always_fails_is_given_up(healing: Healing) -> None:
    """Three starts, then a person is asked, once; the run says until when it gave up."""
    healing.chaos("fail_start", "i-bp1web01")
    healing.chaos("power_off", "i-bp1web01")
    (run,) = healing.until(lambda: healing.rows(RUN, RUN.c.waits_for == "attempts_used"), 60)
    assert healing.starts() == ["i-bp1web01"] * 3
    steps = healing.rows(STEP)
    assert (run.state, run.attempt) == ("asking", 3)
    assert run.next_eligible == min(step.at for step in steps) + 30 * 60_000
    assert len(healing.rows(OUTBOX, OUTBOX.c.topic == "escalated")) == 1


def test_a_pause_stops_new_actions_until_it_is_lifted(healing: Healing) -> None:
    """A person's word comes first; the decision says who paused and why."""
    now = healing.app.clock.now()
    with healing.app.database.transaction() as connection:
        add_hold(connection, Hold(EVERYTHING, "ops", "release tonight", now))
    healing.chaos("power_off", "i-bp1web01")
    while not healing.reasons():
        healing.drain_queue()
    assert healing.reasons() == ["paused"]
    assert healing.starts() == []
    with healing.app.database.transaction() as connection:
        assert lift_holds(connection, EVERYTHING, now) == 1
    healing.chaos("power_off", "i-bp1web02")
    healed = healing.until_ended(2)
    assert {incident.resource for incident in healed} == {"i-bp1web01", "i-bp1web02"}


def test_duplicates_and_poison_change_nothing(healing: Healing) -> None:
    """A doubled event is one event; garbage is a dead letter with its reason; the loop lives."""
    healing.simulator.control("PUT", "faults", [{"service": "cms", "fault": "duplicated-event"}])
    healing.simulator.control("POST", "events", {"raw": "not json at all", "queue": QUEUE})
    healing.chaos("power_off", "i-bp1web01")
    healing.until_ended(1)
    healing.drain_queue()
    assert healing.starts() == ["i-bp1web01"]
    (letter,) = healing.rows(DEAD_LETTER)
    assert "neither JSON nor Base64" in letter.reason
    keys = [row.key for row in healing.rows(EVENT)]
    assert len(keys) == len(set(keys))


def test_the_answer_to_a_start_may_be_lost(healing: Healing) -> None:
    """The start happened although its answer did not come: it is settled by reading, not by a second start."""
    lost = {"service": "ecs", "action": "StartInstance", "times": 1, "fault": "effect-then-5xx"}
    healing.simulator.control("PUT", "faults", [lost])
    healing.chaos("power_off", "i-bp1web01")
    (incident,) = healing.until_ended(1, seconds=40)
    assert incident.verdict == "healed"
    assert healing.starts() == ["i-bp1web01"]


def test_throttling_delays_and_costs_no_attempt(healing: Healing) -> None:
    """Reads and calls that the cloud throttles are made again after a pause; the server is healed by one start."""
    throttle = {"service": "ecs", "every": 2, "fault": "throttle"}
    healing.simulator.control("PUT", "faults", [throttle])
    healing.chaos("power_off", "i-bp1web01")
    (incident,) = healing.until_ended(1, seconds=40)
    assert incident.verdict == "healed"
    assert json.loads(incident.evidence)["attempts"] == "1"


def test_raw_and_base64_bodies_are_read_alike(healing: Healing) -> None:
    """A message that another tool put on the queue without Base64 is the same event."""
    body = json.dumps(
        {
            "product": "ECS",
            "name": "Instance:StateChange",
            "resourceId": "acs:ecs:cn-hangzhou:1000000000000001:instance/i-bp1test1",
            "eventTime": "20260302T110026.922+0800",
            "content": {"resourceId": "i-bp1test1", "state": "Stopped"},
        }
    )
    taken = healing.app.take([body.encode(), base64.b64encode(body.encode())], "test", Channel.FILE)
    assert (taken.new, taken.duplicates, taken.dead) == (1, 1, 0)
