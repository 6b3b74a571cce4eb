"""The simulator process that the demo talks to. The demo knows it only by its command and its port."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloudheal.demo.fleet import world
from cloudheal.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Iterator


class DemoError(PermanentError):
    """A step of the demo did not come out as it must."""

    code = "demo.failed"


@dataclass(frozen=True, slots=True)
class SimulatedCloud:
    """Where the simulator answers."""

    url: str

    def control(self, method: str, path: str, body: object = None) -> Any:
        """Ask the simulator's control API."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_sim/{path}", data, method=method)  # noqa: S310 - our own process
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - same
            return json.load(answer)


@contextmanager
def simulated_cloud() -> Iterator[SimulatedCloud]:
    """Run a simulator on a free port until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "world.json"
        file.write_text(json.dumps(world()), encoding="utf-8")
        command = [sys.executable, "-m", "cloudheal_sim", "--port", "0", "--world", str(file), "--no-skew-check"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
            try:
                yield SimulatedCloud(_ready(process))
            finally:
                process.terminate()


def _ready(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline() if process.stdout else ""
    if " ready on " not in line:
        message = "the simulator did not start; its own message is above"
        raise DemoError(message)
    return line.split()[-1]
