"""What a real worker recorded on either database, durable engine and all, comes out of a backtest as it was decided."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from cloudheal.app import App, extensions_of, rules_of
from cloudheal.model.control import Answer, Hold
from cloudheal.pipeline.backtest import Report, Terms, World, against_record
from cloudheal.record.approvals import answer, open_questions
from cloudheal.record.history import recorded
from cloudheal.record.holds import EVERYTHING, add_hold, lift_holds
from cloudheal.record.inventory import everything
from cloudheal.record.tables import RUN
from cloudheal.settings.schema import Settings
from tests.flow.test_restart import QUEUE, RULE, WORLD, Healing
from tests.sim.simulator import RunningSimulator

ONE, OTHER, UNSELECTED = "i-bp1web01", "i-bp1web02", "i-bp1test1"
LIMITS = {"cool_down": "1s", "at_once": 1, "share": 1.0, "storm_share": 1.0, "attempts": 2}


@pytest.fixture
def healing(
    simulator: RunningSimulator, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Healing]:
    """A worker that may start one server at a time."""
    monkeypatch.chdir(tmp_path)
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
    document = {"accounts": [account], "database": database_url, "settle_seconds": 0.5}
    settings = Settings.model_validate({**document, "rules": [{**RULE, "limits": LIMITS}]})
    with App(settings).running() as app:
        yield Healing(app, simulator)


def backtested(app: App) -> Report:
    """Hold the rules of a worker against its record."""
    extensions = extensions_of(app.settings)
    with app.database.snapshot() as connection:
        known = list(everything(connection))
        playbooks, troubles = extensions.library.playbooks, extensions.trouble_of
        world = World(playbooks, troubles, known, timedelta(minutes=1), as_promoted=True)
        return against_record(recorded(connection), rules_of(app.settings), world, Terms())


def test_an_evening_of_a_real_worker_is_decided_again_as_it_was(healing: Healing) -> None:
    """Two servers that fall at once, one that nobody selects, a pause, a server out of attempts, a person's answer."""
    healing.chaos("power_off", ONE, OTHER, UNSELECTED)
    healing.until_ended(2, seconds=40)
    with healing.app.database.transaction() as connection:
        add_hold(connection, Hold(EVERYTHING, "ops", "release", healing.app.clock.now()))
    healing.chaos("power_off", ONE)
    healing.until(lambda: healing.rows(RUN, RUN.c.waits_for == "paused"))
    with healing.app.database.transaction() as connection:
        lift_holds(connection, EVERYTHING, healing.app.clock.now())
    healing.until_ended(3, seconds=40)
    healing.chaos("power_off", ONE)
    healing.until(lambda: healing.rows(RUN, RUN.c.waits_for == "attempts_used"))
    with healing.app.database.transaction() as connection:
        (question,) = open_questions(connection, healing.app.clock.now())
        assert answer(connection, question.id, Answer.APPROVED, "ops", healing.app.clock.now())
    healing.until_ended(4, seconds=40)
    report = backtested(healing.app)
    assert (report.differences, report.differing, report.held_against) == ((), 0, "record")
    assert {one.reason for one in report.counts} >= {"act", "budget.at_once", "paused", "attempts_used", "not_selected"}
    assert all(one.would == one.other for one in report.counts)
