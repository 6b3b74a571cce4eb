"""A rehearsal of a scenario: the stage of `drill run --simulator`, with the handler inside the test's own process.

Everything else is as an operator has it: a simulator over TCP, a database, the same runner. A process of its own costs
seconds; where it must be killed, the tests start one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloudheal.app import App
from cloudheal.app.drilling import ground_of
from cloudheal.drills.outcome import DrillReport
from cloudheal.drills.runner import Watcher, run_drill
from cloudheal.drills.scenario import Scenario
from cloudheal.drills.stage.fleet import settings_of, world_of
from cloudheal.drills.stage.setting_up import staged
from cloudheal.drills.stage.simulator import SimulatedCloud
from cloudheal.record.database import open_database
from cloudheal.settings.schema import Settings
from cloudheal.sources.followed_clock import clock_of
from tests.migrated import migrated
from tests.sim.simulator import RunningSimulator

Change = Callable[[dict[str, Any]], object]


@dataclass
class HandlerInside:
    """A worker in a thread of the test."""

    settings: Settings
    _stack: ExitStack = field(default_factory=ExitStack)
    _app: App | None = None
    _thread: threading.Thread | None = None

    @property
    def lives(self) -> bool:
        """True between start and stop."""
        return self._app is not None

    def start(self) -> int:
        """Be at work, with a thread for the queue."""
        self._app = self._stack.enter_context(App(self.settings).running())
        self._thread = threading.Thread(target=self._app.consume, args=(self.settings.accounts[0],), daemon=True)
        self._thread.start()
        return 0

    def stop(self) -> None:
        """End in order."""
        if self._app is not None and self._thread is not None:
            self._app.stopping.set()
            self._thread.join(timeout=20)
            self._app = None
        self._stack.close()

    def kill(self) -> int:
        """Nobody can be killed inside another process."""
        raise NotImplementedError


def rehearsed(
    simulator: RunningSimulator,
    scenario: Scenario,
    folder: Path,
    change: Change = lambda _document: None,
    *,
    told: Callable[[], bool] = lambda: False,
) -> DrillReport:
    """Run a scenario on its stage and return what came of it; `change` breaks the handler's settings."""
    simulator.control("POST", "reset")
    simulator.world(world_of(scenario))
    document = settings_of(scenario, simulator.url, folder, "en")
    migrated(folder / "cloudheal.db")
    change(document)
    settings = Settings.model_validate(document, context={"folder": folder})
    cloud = SimulatedCloud(simulator.url)
    with staged(trusting(scenario, settings), cloud, document, HandlerInside(settings), folder) as stage:
        database = open_database(settings.database)
        try:
            ground = ground_of(settings, database, clock_of(settings.clock), told, stage, who="tests")
            return run_drill(ground, scenario, Watcher())
        finally:
            database.close()


def trusting(scenario: Scenario, settings: Settings) -> Scenario:
    """Return a scenario whose handler is trusted as far as its rules ask, also when they were changed."""
    stage = scenario.stage.model_copy(update={"rules": list(settings.rules)})
    return scenario.model_copy(update={"stage": stage})


def shown(report: DrillReport) -> str:
    """Return a report as a failing test shows it."""
    lines = [f"{one.number} {one.title}: {one.result} {one.latency} {list(one.seen)} {one.why}" for one in report.steps]
    return "\n".join([*lines, report.problem, *report.left])


def simulated_left(simulator: RunningSimulator) -> list[Mapping[str, Any]]:
    """Return the simulated events that the cloud still has before it."""
    events = simulator.control("GET", "world")["alibaba"].get("system_events", ())
    return [one for one in events if one.get("simulated") and one["status"] in {"Scheduled", "Executing"}]
