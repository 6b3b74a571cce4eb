"""ECS with the vendor's classic SDK (signature v1), by endpoint and by proxy."""

from __future__ import annotations

import pytest

from tests.sim.ecs import steps
from tests.sim.simulator import RunningSimulator, run_client


@pytest.mark.parametrize("way", ["endpoint", "proxied"])
def test_the_classic_sdk_runs_a_fleet(sim: RunningSimulator, way: str) -> None:
    """Lists, power calls, orders, snapshots, tags and refusals, with the codes that the SDK's exceptions carry."""
    fleet = {"count": 12, "prefix": "i-bp1web", "tags": {"role": "web"}}
    quick = {"pending": 0.1, "starting": 1, "stopping_forced": 0.5}
    instances = [{"id": "i-bp1off", "status": "Stopped"}, fleet]
    sim.world({"alibaba": {"instances": instances, "durations": quick}})
    proxy = sim.url if way == "proxied" else ""
    assert run_client("classic", "classic_ecs.py", sim.url, way, proxy=proxy).strip() == "ok"
    assert steps(sim, "i-bp1off") == ["Starting", "Running"]
    assert {entry["verdict"] for entry in sim.journal(kind="request")} == {
        "valid",
        "InvalidAccessKeyId.NotFound",
        "SignatureDoesNotMatch",
    }
