"""The vendor's core client for Node.js, unmodified: a witness in another language."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.sim.simulator import RunningSimulator

FOLDER = Path(__file__).parent / "node"
NODE = shutil.which("node")


@pytest.mark.node
@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_pop_core_calls_every_service(sim: RunningSimulator) -> None:
    """GET, POST, arrays, other alphabets, errors, wrong keys and temporary keys work as with the real cloud."""
    assert (FOLDER / "node_modules/@alicloud/pop-core").is_dir(), "run `make test`, which installs tests/sim/node"
    sim.world(
        {
            "alibaba": {
                "instances": [{"id": "i-a", "region": "cn-hangzhou"}],
                "server_groups": [{"id": "rsp-1", "load_balancer": "lb-1", "backends": ["i-a:80"]}],
            }
        }
    )
    done = subprocess.run(
        [str(NODE), FOLDER / "pop-core.mjs", sim.url], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "ok"), done.stderr[-3000:]
