"""CloudMonitor's monitoring calls, made with the vendor's classic SDK (signature v1), by endpoint and by proxy."""

from __future__ import annotations

import pytest

from tests.sim.simulator import RunningSimulator, run_client


@pytest.mark.parametrize("way", ["endpoint", "proxied"])
def test_the_classic_sdk_reads_metrics_and_manages_groups_rules_and_tasks(sim: RunningSimulator, way: str) -> None:
    """Metrics, contacts, groups, rules, templates, probes and log metrics work as the SDK writes and reads them."""
    fleet = [{"id": f"i-bp1c000{number}", "region": "cn-hangzhou", "name": f"web-{number}"} for number in range(2)]
    sim.world({"alibaba": {"instances": fleet}})
    proxy = sim.url if way == "proxied" else ""
    assert run_client("classic", "classic_cms.py", sim.url, way, proxy=proxy).strip() == "ok"
