"""One simulator for a module of rehearsals, whose clock begins where stages do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloudheal.drills.stage.handler import KEYS
from tests.sim.simulator import RunningSimulator, started


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
