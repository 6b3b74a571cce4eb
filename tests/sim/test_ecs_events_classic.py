"""System events, maintenance and commands with the vendor's classic SDK (signature v1), by endpoint and by proxy."""

from __future__ import annotations

import pytest

from tests.sim.ecs import events, steps
from tests.sim.simulator import RunningSimulator, run_client


@pytest.mark.parametrize("way", ["endpoint", "proxied"])
def test_the_classic_sdk_drills_and_commands(sim: RunningSimulator, way: str) -> None:
    """A drill is avoided by a reboot, one canceled, one executed; attributes stay; a command ends with its own code."""
    quick = {
        "event_durations": {"avoiding": 0.3, "executing": 0.3},
        "durations": {"rebooting_stopping": 0.1, "rebooting_starting": 0.1},
    }
    sim.world({"alibaba": {"instances": [{"id": "i-bp1one"}, {"id": "i-bp1two"}], **quick}})
    proxy = sim.url if way == "proxied" else ""
    assert run_client("classic", "classic_events.py", sim.url, way, proxy=proxy).strip() == "ok"
    told = [name.rpartition(":")[2] for name, _ in events(sim, "i-bp1two") if "SystemMaintenance" in name]
    assert told == ["Scheduled", "Canceled", "Scheduled", "Executing", "Executed"]
    assert steps(sim, "i-bp1one") == ["Stopping", "Starting", "Running"]
    assert steps(sim, "i-bp1two") == []
