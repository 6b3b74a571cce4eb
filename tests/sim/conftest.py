"""Fixtures of the simulator's tests: one process per module, reset before every test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sim.simulator import RunningSimulator, started

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def _process() -> Iterator[RunningSimulator]:
    simulator = started("--seed", "7")
    yield simulator
    simulator.stop()


@pytest.fixture
def sim(_process: RunningSimulator) -> RunningSimulator:
    """A simulator in its first state on a real clock, skew check on."""
    _process.control("POST", "reset")
    return _process


@pytest.fixture
def stepped(sim: RunningSimulator) -> RunningSimulator:
    """A simulator whose time moves only by `advance`; it takes any timestamp."""
    sim.control("PUT", "clock", {"mode": "stepped", "skew_check": False})
    return sim
