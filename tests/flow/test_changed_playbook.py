"""A run goes on only with the playbook that it began with: where that was changed or is gone, a person chooses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloudheal.app import App
from cloudheal.record.parking import restart
from cloudheal.record.promotions import promote
from cloudheal.record.tables import OUTBOX, RUN, STEP
from tests.flow.operators import until
from tests.flow.watching import SimulatorClock, Watching, settings_of, watching, world_of
from tests.sim.simulator import RunningSimulator

WEB = "i-bp1web1"
RULE: dict[str, Any] = {
    "name": "mine",
    "when": {"type": ["Instance:StateChange"], "data": {"state": ["Stopped"]}},
    "resources": {"all": True},
    "desired": "on",
    "playbook": "mine",
    "mode": "auto",
}
#: A playbook that looks once; its file is what is changed.
TEXT = '''
from pydantic import BaseModel
from cloudheal.extend import Case, End, Hands, Healed, Playbook


class Nothing(BaseModel):
    """No parameters."""


def run(case: Case, hands: Hands) -> End:
    """Look."""
    hands.read("look", dict)
    return End(Healed.HEALED, "{code}", {{}})


PLAYBOOK = Playbook("mine", ("stopped",), Nothing, ("servers",), reversible=True, run=run)
'''


def written(folder: Path, code: str) -> dict[str, Any]:
    """Write a version of the playbook; returns the settings with the rule for it."""
    folder.mkdir()
    (folder / "mine.py").write_text(TEXT.format(code=code))
    return {"rules": [RULE], "extensions": {"folders": [str(folder)]}}


def changed(folder: Path) -> dict[str, Any]:
    """Return settings with another version; a process reads a folder once, so it has one of its own."""
    return written(folder, "second")


def gone(_folder: Path) -> dict[str, Any]:
    """Return settings that can do without the playbook."""
    return {"rules": [RULE | {"playbook": "restart_stopped"}]}


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the simulator's keys where a worker looks for them."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("change", [changed, gone])
def test_a_run_whose_playbook_is_another_one_by_now_is_parked_before_any_step(
    simulator: RunningSimulator, tmp_path: Path, change: Callable[[Path], dict[str, Any]]
) -> None:
    """Nothing was done by the new one; people are told; at an operator's word it goes on with what is there now."""
    simulator.control("POST", "reset")
    simulator.world(world_of([{"id": WEB}]))
    wanted = settings_of(simulator, tmp_path, **written(tmp_path / "before", "first"))
    with App(wanted, SimulatorClock(simulator)).entering() as app:
        worker = Watching(app, simulator)
        trust(worker)
        worker.chaos("power_off", WEB)
        worker.advance(1)
        until(lambda: worker.drain() == 0 and bool(worker.rows(RUN)), what="a run that nobody has begun")
    later = tmp_path / "later"
    later.mkdir()
    now = settings_of(simulator, later, **change(tmp_path / "after") | {"database": wanted.database})
    with watching(simulator, now) as worker:
        trust(worker)
        until(lambda: [one.state for one in worker.rows(RUN)] == ["parked"], what="the run to be parked")
        (run,) = worker.rows(RUN)
        assert (run.waits_for, worker.rows(STEP)) == ("playbook_changed", [])
        assert "run.parked" in [one.topic for one in worker.rows(OUTBOX)]
        with worker.app.database.transaction() as connection:
            assert restart(connection, run.id, "alice", worker.app.clock.now(), "approval")
        if change is changed:
            (ended,) = worker.until_ended(1)
            assert (ended.verdict, "second" in ended.evidence) == ("healed", True)


def trust(worker: Watching) -> None:
    """Let the rules act."""
    with worker.app.database.transaction() as connection:
        promote(connection, worker.app.settings.rules, "test", worker.app.clock.now())
