"""A healing leaves a whole ledger, a story, and no secret anywhere; what was not healed reaches people."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloudheal.app import App
from cloudheal.ports.store import Store
from cloudheal.record.history import exported
from cloudheal.record.ledger import Entry, Kind, append
from cloudheal.record.seal import Sealer
from cloudheal.record.tables import METADATA
from cloudheal.record.verifying import verify
from cloudheal.settings.schema import Settings
from tests.contract.receivers import Webhook, serving
from tests.flow.test_restart import QUEUE, RULE, WORLD, Healing
from tests.migrated import migrated
from tests.sim.simulator import RunningSimulator

SECRET = "geheim4711"


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A receiver of notices."""
    with serving(Webhook()) as server:
        yield server


@pytest.fixture
def settings(
    simulator: RunningSimulator, webhook: Webhook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings with one rule and one target, on a fresh database and a fresh world."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    monkeypatch.setenv("OPS_URL", f"json://{webhook.address}/{SECRET}")
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
    document = {"accounts": [account], "database": f"sqlite:///{migrated(tmp_path / 'h.db')}", "rules": [RULE]}
    notify = {"targets": [{"name": "ops", "url_env": "OPS_URL"}], "gather": "1s"}
    return Settings.model_validate({**document, "settle_seconds": 0.5, "notify": notify})


def test_a_worker_seals_what_happened_and_tells_people_without_any_secret(
    settings: Settings, simulator: RunningSimulator, webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    """What was not healed is told within seconds, the ledger is sealed and whole, and no secret is anywhere."""
    caplog.set_level(logging.DEBUG, logger="cloudheal")
    refusal = {"kind": "error", "status": 403, "code": "InsufficientBalance", "message": "no"}
    simulator.control("PUT", "faults", [{"service": "ecs", "action": "StartInstance", "fault": refusal}])
    with App(settings).running() as app:
        healing = Healing(app, simulator)
        healing.chaos("power_off", "i-bp1web01")
        (incident,) = healing.until_ended(1)
        assert incident.verdict == "not healed"
        assert webhook.arrived.acquire(timeout=20)
        assert until_sealed(app) > 0
        found = verify(app.database)
        with app.database.snapshot() as connection:
            kinds = [json.loads(line)["kind"] for line in exported(connection)]
            rows = [repr(connection.execute(sa.select(table)).all()) for table in METADATA.sorted_tables]
    assert found.whole
    assert {"event", "decision", "run.begun", "step.intended", "step.concluded", "incident.ended"} <= set(kinds)
    assert "i-bp1web01 (stopped) was not healed: InsufficientBalance. top up the account" in webhook.bodies[0]
    for secret in (SECRET, "testsecret"):
        assert secret not in caplog.text
        assert not [row for row in rows if secret in row]


class Died(Exception):
    """The process ended here."""


class Dying(Sealer):
    """Dies when it is to seal, with a row that is new."""

    def seal(self) -> int:
        """Write a row, and die."""
        write_row(self.store)
        raise Died


def write_row(store: Store) -> None:
    """Write a row into the ledger."""
    with store.transaction() as connection:
        append(connection, [Entry(Kind.DRAIN_BEGUN, None)])


def sealing_until_it_dies(app: App) -> None:
    """Be a worker that has sealed something, signs off, and dies before it seals the rest."""
    with app.running():
        write_row(app.database)
        assert until_sealed(app) == 1
        app.heart.sealer = Dying(app.database, app.worker)


def test_what_a_worker_left_unsealed_at_its_end_the_next_one_seals_at_once(settings: Settings) -> None:
    """Who dies between signing off and sealing leaves no lease behind, though nobody inherits from it any more."""
    app = App(settings)
    with pytest.raises(Died):
        sealing_until_it_dies(app)
    assert verify(app.database).unsealed.rows == 1
    assert Sealer(app.database, "next").seal() == 1
    app.database.close()


def until_sealed(app: App, seconds: float = 20) -> int:
    """Wait until everything that is told is sealed by the worker itself; returns the number of rows."""
    give_up, between = time.monotonic() + seconds, threading.Event()
    while (found := verify(app.database)).unsealed.rows:
        assert time.monotonic() < give_up, found
        between.wait(0.1)
    return found.sealed.rows
