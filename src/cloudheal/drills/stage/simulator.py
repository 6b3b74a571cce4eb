"""The simulator process of a stage, known by its command and its port; and the control API of any simulator."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudheal.drills.stage.leash import on_leash, tell_all
from cloudheal.errors import PermanentError


class StageError(PermanentError):
    """The simulated cloud or the handler did not do what it was told to."""

    code = "stage.failed"


@dataclass(frozen=True, slots=True)
class SimulatedCloud:
    """Where the simulator answers."""

    url: str

    def control(self, method: str, path: str, body: object = None) -> Any:
        """Ask the simulator's control API. Raises StageError with its answer when it refuses."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_sim/{path}", data, method=method)  # noqa: S310 - a simulator
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - same
                return json.load(answer)
        except urllib.error.HTTPError as problem:
            said = problem.read().decode(errors="replace")
            raise StageError(f"the simulated cloud refused {method} {path}: {said[:500]}") from problem

    def messages(self) -> int:
        """Count the messages of all queues, those in a receiver's hands included, and the pushes under way."""
        world = self.control("GET", "world")
        queues = world.get("alibaba", {}).get("queues", ())
        return sum(len(one.get("messages", ())) for one in queues) + _pushes(world)

    def pushes(self) -> int:
        """Count the pushes that are not answered yet."""
        return _pushes(self.control("GET", "world"))


def _pushes(world: Mapping[str, Any]) -> int:
    return len(world.get("tencent", {}).get("event_deliveries", ()))


@contextmanager
def simulated_cloud(world: Mapping[str, object]) -> Iterator[SimulatedCloud]:
    """Run a simulator on a free port until the block ends; Ctrl-C does not reach it, a death of ours does."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "world.json"
        file.write_text(json.dumps(world, default=str), encoding="utf-8")
        command = [sys.executable, "-m", "cloudheal_sim", "--port", "0", "--world", str(file), "--no-skew-check"]
        with subprocess.Popen(  # noqa: S603 - our own program
            on_leash(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        ) as process:
            try:
                yield SimulatedCloud(_ready(process))
            finally:
                tell_all(process)


def _ready(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline() if process.stdout else ""
    if " ready on " not in line:
        message = "the simulator did not start; its own message is above"
        raise StageError(message)
    return line.split()[-1]
