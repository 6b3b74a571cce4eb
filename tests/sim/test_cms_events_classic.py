"""CloudMonitor's event calls, made with the vendor's classic SDK (signature v1), by endpoint and by proxy."""

from __future__ import annotations

import pytest

from tests.sim.simulator import RunningSimulator, run_client


@pytest.mark.parametrize("way", ["endpoint", "proxied"])
def test_the_classic_sdk_manages_event_rules_and_asks_for_events(sim: RunningSimulator, way: str) -> None:
    """Rules, targets, catalogue, dry runs, custom events and queries work as the SDK writes and reads them."""
    sim.control("POST", "events", {"name": "Instance:StateChange", "instance_id": "i-bp1a"})
    proxy = sim.url if way == "proxied" else ""
    assert run_client("classic", "classic_cms_events.py", sim.url, way, proxy=proxy).strip() == "ok"
