"""An operator with a simulator of the module, a fresh world and a folder of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.conftest import database_url, postgres_url
from tests.flow.operators import AtHand, Operator
from tests.flow.test_restart import WORLD
from tests.sim.simulator import RunningSimulator, started

__all__ = ["database_url", "postgres_url"]


@pytest.fixture(scope="module")
def shell_simulator() -> Iterator[RunningSimulator]:
    """One simulator for a module of command-line tests."""
    running = started()
    yield running
    running.stop()


@pytest.fixture
def operator(shell_simulator: RunningSimulator, tmp_path: Path) -> Operator:
    """An operator with a settings file, in a fresh world."""
    shell_simulator.control("POST", "reset")
    shell_simulator.world(WORLD)
    one = Operator(tmp_path, shell_simulator)
    one.settings()
    return one


@pytest.fixture
def at_hand(shell_simulator: RunningSimulator, tmp_path: Path) -> Operator:
    """An operator as above, whose commands run in this process, which is much faster."""
    shell_simulator.control("POST", "reset")
    shell_simulator.world(WORLD)
    one = AtHand(tmp_path, shell_simulator)
    one.settings()
    return one
