"""Every scenario that comes with the package does what it says on its own stage, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudheal.drills.files import library
from cloudheal.drills.scenario import Scenario
from tests.drills.rehearsals import rehearsed, shown, simulated_left
from tests.sim.simulator import RunningSimulator

#: A handler that is killed needs a process of its own; see test_process.
INSIDE = [one for one in library() if all(step.handler != "kill" for step in one.steps)]


@pytest.mark.parametrize("scenario", INSIDE, ids=lambda one: one.name)
def test_a_scenario_of_the_library_passes(scenario: Scenario, simulator: RunningSimulator, tmp_path: Path) -> None:
    """A working handler passes every drill, and no simulated event is left in the cloud."""
    report = rehearsed(simulator, scenario, tmp_path)
    assert report.passed, shown(report)
    assert simulated_left(simulator) == []
    assert simulator.control("GET", "faults")["rules"] == []
