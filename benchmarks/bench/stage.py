"""The stage of a benchmark: a simulated cloud and a worker, each a process of its own, met over TCP as operators do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bench.feed import ACCOUNT, REGION

QUEUE = "events"
KEY, SECRET = "testid", "testsecret"
KEYS = {"ALIBABA_CLOUD_ACCESS_KEY_ID": KEY, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": SECRET}


@dataclass(slots=True)
class Simulator:
    """A simulated cloud."""

    process: subprocess.Popen[str]
    url: str

    def control(self, method: str, path: str, body: object = None) -> Any:
        """Ask the control API."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_sim/{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)

    def chaos(self, deed: str, ids: Sequence[str], **options: object) -> Any:
        """Do something to servers."""
        return self.control("POST", "chaos", {"do": deed, "instances": list(ids), **options})

    def journal(self, **query: object) -> list[dict[str, Any]]:
        """Return the entries that fit, oldest first."""
        text = "&".join(f"{name}={value}" for name, value in {"since": 0, "limit": 200_000, **query}.items())
        entries: list[dict[str, Any]] = self.control("GET", f"journal?{text}")["entries"]
        return entries


@contextmanager
def simulated(world: Mapping[str, Any]) -> Iterator[Simulator]:
    """Run a simulated cloud with a world until the block ends."""
    command = [sys.executable, "-m", "cloudheal_sim", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            simulator = Simulator(process, process.stdout.readline().split()[-1])
            simulator.control("PUT", "world", world)
            yield simulator
        finally:
            process.terminate()


@dataclass
class Worker:
    """A running `cloudheal run`, and the folder that holds its settings and its database."""

    process: subprocess.Popen[str]
    folder: Path
    seconds_to_ready: float
    lines: list[str] = field(default_factory=list)


def settings(folder: Path, url: str, rules: Sequence[Mapping[str, Any]], **changes: Any) -> Path:
    """Write the settings of one account at a simulator."""
    account = {
        "name": "prod",
        "cloud": "alibaba",
        "id": ACCOUNT,
        "regions": [REGION],
        "endpoint": url,
        "queue": {"endpoint": url, "name": QUEUE, "wait_seconds": 5},
        **changes.pop("account", {}),
    }
    document = {"accounts": [account], "database": f"sqlite:///{folder / 'c.db'}", "rules": list(rules), **changes}
    path = folder / "cloudheal.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


def command(folder: Path, *words: str) -> str:
    """Run a command of cloudheal to its end and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "cloudheal", *words],
        cwd=folder,
        env={**os.environ, **KEYS},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


@contextmanager
def working(folder: Path) -> Iterator[Worker]:
    """Have a worker at work until the block ends."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "cloudheal", "run"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, **KEYS},
    )
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if "run.ready" in line:
            break
    worker = Worker(process, folder, time.perf_counter() - began, lines)
    threading.Thread(target=lambda: lines.extend(process.stderr or ()), daemon=True).start()
    try:
        assert process.poll() is None, lines
        yield worker
    finally:
        process.terminate()
        process.wait(timeout=60)


def until(condition: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait on a condition; returns the seconds that it took."""
    began = time.perf_counter()
    while not condition():
        assert time.perf_counter() - began < seconds, f"{what} did not come about in {seconds} s"
        time.sleep(0.05)
    return time.perf_counter() - began
