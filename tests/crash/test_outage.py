"""A database that fails for a while, full or restarted, costs nothing: the worker lives and goes on."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.postgres import postgres
from tests.flow.operators import Operator, until
from tests.flow.test_restart import WORLD
from tests.sim.simulator import started

PATIENCE = 120
SIZE_MIB = 16


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    """An operator in a fresh world where a start takes five seconds."""
    simulator = started()
    simulator.world({**WORLD, "alibaba": {**WORLD["alibaba"], "durations": {"starting": 5, "stopping": 0.5}}})
    yield Operator(tmp_path, simulator)
    simulator.stop()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes; only root can mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = os.geteuid() == 0 and (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", str(folder)], check=False, capture_output=True
        ).returncode
        == 0
    )
    if not mounted:
        pytest.skip("mounting a small tmpfs needs root with the right to mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Use up a file system to its last byte."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return filler


@pytest.fixture
def port() -> int:
    """A port that is free now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def health(port: int) -> dict[str, Any]:
    """Ask a worker how it does."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=30) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as problem:
        with problem:
            return dict(json.load(problem))


def waiting_messages(operator: Operator) -> int:
    """Count the messages that nobody has deleted."""
    (queue,) = operator.simulator.control("GET", "world")["alibaba"]["queues"]
    return len(queue["messages"])


def healed(operator: Operator) -> list[str]:
    """Return the servers that were healed."""
    return sorted(row["resource"] for row in operator.json("incidents") if row["verdict"] == "healed")


@pytest.mark.timeout(600)
def test_a_full_disk_stops_acknowledging_and_loses_nothing(operator: Operator, small_disk: Path, port: int) -> None:
    """The worker lives and says so; what arrives stays queued; with room again both servers are healed, once each.

    One run is at work when the disk fills, one stop arrives while it is full.
    """
    database = f"sqlite:///{small_disk / 'c.db'}"
    operator.settings(database=database, listen={"port": port}, account={"queue": queue(operator)})
    operator.done("rules", "promote", "restart-unexpected-stop")
    with operator.worker() as worker:
        operator.chaos("power_off", "i-bp1web01")
        until(lambda: bool(operator.starts()), PATIENCE, "a start under way")
        filler = fill(small_disk)
        until(lambda: worker.logged("database.failed"), PATIENCE, "a failing database")
        operator.chaos("power_off", "i-bp1web02")
        until(lambda: waiting_messages(operator) >= 1, PATIENCE, "a message that stays")
        until(lambda: not health(port)["ok"], PATIENCE, "health that says so")
        assert "full" in str(health(port)["database"])
        assert worker.process.poll() is None
        assert sum("database.failed" in line for line in worker.lines) == 1
        filler.unlink()
        until(lambda: worker.logged("database.works_again"), PATIENCE, "a working database")
        until(lambda: healed(operator) == ["i-bp1web01", "i-bp1web02"], PATIENCE, "both heals")
        until(lambda: waiting_messages(operator) == 0, PATIENCE, "an empty queue")
        # So small a disk is rightly called low; the failure of the database is what must be over.
        until(lambda: health(port)["database"] == "ok", PATIENCE, "a healthy database")
        assert [one for one in health(port)["problems"] if one.startswith("database")] == []
        assert worker.stop() == 0
    assert sorted(operator.starts()) == ["i-bp1web01", "i-bp1web02"]
    operator.done("audit", "verify")


@pytest.mark.timeout(600)
def test_a_postgres_that_restarts_costs_nothing(operator: Operator, port: int) -> None:
    """The same with a server that is stopped for a while and started again."""
    with postgres() as server:
        operator.settings(database=server.get_uri(), listen={"port": port}, account={"queue": queue(operator)})
        operator.done("rules", "promote", "restart-unexpected-stop")
        with operator.worker() as worker:
            operator.chaos("power_off", "i-bp1web01")
            until(lambda: bool(operator.starts()), PATIENCE, "a start under way")
            server.stop()
            until(lambda: worker.logged("database.failed"), PATIENCE, "a failing database")
            operator.chaos("power_off", "i-bp1web02")
            until(lambda: waiting_messages(operator) >= 1, PATIENCE, "a message that stays")
            assert not health(port)["ok"]
            server.start()
            until(lambda: worker.logged("database.works_again"), PATIENCE, "a working database")
            until(lambda: healed(operator) == ["i-bp1web01", "i-bp1web02"], PATIENCE, "both heals")
            assert worker.stop() == 0
    assert sorted(operator.starts()) == ["i-bp1web01", "i-bp1web02"]


def queue(operator: Operator) -> dict[str, Any]:
    """Return the queue's settings, as the operator writes them by default."""
    return {"endpoint": operator.simulator.url, "name": WORLD["alibaba"]["queues"][0]["name"], "wait_seconds": 1}
