"""SLB, and where it is, for the classic SDK and the sample program's CommonRequest, unmodified."""

from __future__ import annotations

import pytest

from tests.sim.simulator import RunningSimulator, run_client


@pytest.mark.parametrize("way", ["endpoint", "proxied"])
def test_the_classic_sdk_manages_balancers(sim: RunningSimulator, way: str) -> None:
    """Members, weights, listeners, tags, refusals and endpoints work with and without a configured endpoint."""
    sim.world(
        {
            "alibaba": {
                "instances": [{"id": id_, "region": "cn-hangzhou"} for id_ in ("i-a", "i-b")],
                "server_groups": [{"id": "rsp-1", "load_balancer": "lb-1", "backends": ["i-a:80", "i-b:8080"]}],
            }
        }
    )
    proxy = sim.url if way == "proxied" else ""
    assert run_client("classic", "classic_slb.py", sim.url, way, proxy=proxy).strip() == "ok"
