"""MNS through the vendor's older Python client, aliyun-mns 1.1.5, in an environment of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sim.simulator import run_client

if TYPE_CHECKING:
    from tests.sim.simulator import RunningSimulator


def test_the_older_client_is_content(sim: RunningSimulator) -> None:
    """Queues, messages, batches, topics and refusals are what it expects; every signature held but the wrong one."""
    assert "is content" in run_client("mns115", "mns_115.py", sim.url)
    verdicts = [entry["verdict"] for entry in sim.journal(service="mns")]
    assert verdicts[-1] == "SignatureDoesNotMatch"
    assert set(verdicts[:-1]) == {"valid"}
