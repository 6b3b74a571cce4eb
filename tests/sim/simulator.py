"""A running simulator as the tests see it: a process on a free port, and its control API.

Nothing here imports the simulator: the tests meet it over TCP, as any client does.
"""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.zygote import Forked

ROOT = Path(__file__).resolve().parents[2]
#: Interpreters that own SDKs which cannot live beside each other; made by `make test`.
INTERPRETERS = {
    "main": Path(sys.executable),
    "classic": ROOT / ".venv-classic/bin/python",
    "mns115": ROOT / ".venv-mns115/bin/python",
}


class ControlRefusedError(Exception):
    """The control API answered with an error; `status` and its message are kept."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


@dataclass(slots=True)
class RunningSimulator:
    """One simulator process."""

    process: subprocess.Popen[str]
    url: str
    options: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """`host:port`, as SDK endpoints want it."""
        return self.url.removeprefix("http://")

    def control(self, method: str, path: str, body: object = None) -> Any:
        """Ask the control API; raises ControlRefusedError."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_sim/{path}", data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as problem:
            raise ControlRefusedError(problem.code, problem.read().decode()) from problem

    def advance(self, seconds: float) -> Any:
        """Move virtual time forward."""
        return self.control("POST", "clock/advance", {"seconds": seconds})

    def journal(self, **query: object) -> list[dict[str, Any]]:
        """Return journal entries, narrowed by action=, service=, kind=, resource=, since=."""
        text = "&".join(f"{name}={value}" for name, value in {"since": 0, "limit": 100000, **query}.items())
        entries: list[dict[str, Any]] = self.control("GET", f"journal?{text}")["entries"]
        return entries

    def world(self, document: dict[str, Any]) -> Any:
        """Replace the world."""
        return self.control("PUT", "world", document)

    def chaos(self, deed: str, *ids: str, **options: object) -> Any:
        """Do something to resources."""
        return self.control("POST", "chaos", {"do": deed, "instances": list(ids), **options})

    def stop(self) -> None:
        """Leave it: put back to how it began, it serves whoever starts the next one with the same options."""
        if self.process.poll() is None and "--world" not in self.options:
            self.control("POST", "reset")
            _IDLE[self.options].append(self)
        else:
            self.end()

    def end(self) -> int:
        """Ask the process to end and return its exit code."""
        self.process.terminate()
        code = self.process.wait(timeout=20)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


#: Processes that nobody uses now, by the options that they were started with: a start costs a second of a core.
_IDLE: defaultdict[tuple[str, ...], list[RunningSimulator]] = defaultdict(list)


def started(*options: str) -> RunningSimulator:
    """Start a simulator process on a free port and wait for its ready line, or take one that was left."""
    if _IDLE[options]:
        return _IDLE[options].pop()
    process = Forked(
        [sys.executable, "-m", "cloudheal_sim", "--port", "0", *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    simulator = RunningSimulator(process, line.split()[-1] if line else "", options)
    if not line.startswith("cloudheal_sim ready on "):
        pytest.fail(f"no ready line, got {line!r}, exit code {simulator.end()}")
    return simulator


@atexit.register
def _end_idle() -> None:
    for simulator in (one for idle in _IDLE.values() for one in idle):
        simulator.end()


def run_client(environment: str, script: str, *arguments: str, proxy: str = "") -> str:
    """Run a script of `clients/` under one of INTERPRETERS and return what it printed; it must exit with 0."""
    interpreter = INTERPRETERS[environment]
    assert interpreter.exists(), f"{interpreter} is missing: run `make test`, which makes it"
    done = subprocess.run(
        [interpreter, "-W", "ignore", Path(__file__).parent / "clients" / script, *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={"PATH": "/usr/bin:/bin", **({"HTTP_PROXY": proxy} if proxy else {})},
    )
    assert done.returncode == 0, f"{script} under {environment} failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout
