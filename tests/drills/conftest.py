"""One simulator for a module of rehearsals, whose clock begins where stages do; and one stage on it, where wanted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloudheal.app.drilling import ground_of
from cloudheal.drills.files import scenario_named
from cloudheal.drills.ground import Ground
from cloudheal.drills.stage.fleet import settings_of, world_of
from cloudheal.drills.stage.handler import KEYS
from cloudheal.drills.stage.setting_up import Stage, staged
from cloudheal.drills.stage.simulator import SimulatedCloud
from cloudheal.record.database import open_database
from cloudheal.settings.schema import Settings
from cloudheal.sources.followed_clock import clock_of
from tests.drills.rehearsals import HandlerInside
from tests.sim.simulator import RunningSimulator, started

HANDLED = scenario_named("maintenance-reboot-handled")


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    """One simulator for the module."""
    running = started("--no-skew-check", "--now", "2026-03-06T10:00:00")
    yield running
    running.stop()


@pytest.fixture(autouse=True, scope="module")
def keys() -> Iterator[None]:
    """The simulator's own keys, and no others, are in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def staging(simulator: RunningSimulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, Settings]]:
    """One stage with a handler at work, for the module."""
    folder = tmp_path_factory.mktemp("stage")
    simulator.world(world_of(HANDLED))
    document = settings_of(HANDLED, simulator.url, folder, "en")
    settings = Settings.model_validate(document)
    with staged(HANDLED, SimulatedCloud(simulator.url), document, HandlerInside(settings), folder) as stage:
        yield stage, settings


@pytest.fixture
def ground(staging: tuple[Stage, Settings]) -> Iterator[Ground]:
    """The ground of a drill on that stage, with nothing held."""
    stage, settings = staging
    database = open_database(settings.database)
    yield ground_of(settings, database, clock_of(settings.clock), lambda: False, stage, who="tests")
    database.close()
