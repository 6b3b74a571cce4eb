"""MNS through @alicloud/mns, the vendor's client for node: another language's reading of the protocol."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.sim.simulator import RunningSimulator

FOLDER = Path(__file__).parent / "node"
NODE = shutil.which("node")


@pytest.mark.node
@pytest.mark.skipif(NODE is None, reason="node was not found on this machine")
def test_the_client_for_node_is_content(sim: RunningSimulator) -> None:
    """Queues, messages, batches, topics and refusals are what it expects."""
    assert NODE is not None
    assert (FOLDER / "node_modules/@alicloud/mns").is_dir(), "run `make test`, which installs the packages for node"
    done = subprocess.run(
        [NODE, "mns.mjs", sim.url], cwd=FOLDER, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "is content" in done.stdout
