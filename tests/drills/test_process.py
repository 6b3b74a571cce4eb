"""Drills as an operator runs them, as real processes: what they create is gone afterwards, however they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from cloudheal.app.drilling import ground_of
from cloudheal.drills.files import scenario_named
from cloudheal.drills.outcome import Result, Why
from cloudheal.drills.runner import Watcher, run_drill
from cloudheal.drills.stage.fleet import settings_of, world_of
from cloudheal.drills.stage.handler import KEYS, HandlerProcess
from cloudheal.drills.stage.setting_up import staged
from cloudheal.drills.stage.simulator import SimulatedCloud
from cloudheal.record.database import open_database
from cloudheal.settings.schema import Settings
from cloudheal.sources.followed_clock import clock_of
from tests.drills.rehearsals import HandlerInside, shown, simulated_left
from tests.flow.operators import until
from tests.sim.simulator import RunningSimulator
from tests.zygote import Forked, run

#: Each test starts a few programs, which takes long on a machine with much else to do.
pytestmark = pytest.mark.timeout(300)
HANDLED = scenario_named("maintenance-reboot-handled")
COMMAND = [sys.executable, "-m", "cloudheal", "drill", "run"]
#: A drill that goes on until somebody ends it: nobody handles what it waits for.
ENDLESS = {
    "name": "endless",
    "description": {"en": "It waits.", "zh": "等待。"},
    "targets": {"names": ["web-*"], "count": 3},
    "steps": [
        {"announce": {"type": "SystemMaintenance.Reboot", "in": "6h"}},
        {"verdict": {"healed": "healed"}, "within": "5h"},
    ],
}


@pytest.fixture
def shop(simulator: RunningSimulator, tmp_path: Path) -> Iterator[Path]:
    """A folder with settings, whose handler is at work before a fresh world in real time."""
    simulator.control("POST", "reset")
    simulator.world(world_of(HANDLED))
    document = settings_of(HANDLED, simulator.url, tmp_path, "en")
    (tmp_path / "cloudheal.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    (tmp_path / "endless.yaml").write_text(yaml.safe_dump(ENDLESS), encoding="utf-8")
    handler = HandlerInside(Settings.model_validate(document))
    with staged(HANDLED, SimulatedCloud(simulator.url), document, handler, tmp_path / "cloudheal.yaml"):
        yield tmp_path


def started(folder: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    """Start `drill run`."""
    environment = {**os.environ, **KEYS, **environment}
    pipes: Mapping[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return Forked([*COMMAND, *words], cwd=folder, env=environment, **pipes)


def test_a_drill_fails_at_the_step_that_a_killed_handler_missed(simulator: RunningSimulator, tmp_path: Path) -> None:
    """The report names the run that did not begin, and no simulated event is left in the cloud."""
    scenario = scenario_named("handler-killed")
    simulator.control("POST", "reset")
    simulator.world(world_of(scenario))
    document = settings_of(scenario, simulator.url, tmp_path, "en")
    settings, cloud = Settings.model_validate(document), SimulatedCloud(simulator.url)
    handler = HandlerProcess(tmp_path, document)
    with staged(scenario, cloud, document, handler, handler.config) as stage:
        database = open_database(settings.database)
        ground = ground_of(settings, database, clock_of(settings.clock), lambda: False, stage, who="tests")
        report = run_drill(ground, scenario, Watcher())
        database.close()
    assert not report.passed
    assert report.failed is not None, shown(report)
    assert report.failed.title == scenario.fails_at
    assert report.failed.missing == ("i-bp1web01",)
    assert report.failed.why is Why.LATE_ALONE
    assert [one.result for one in report.steps][-1] is Result.SKIPPED
    assert report.cancelled == 1
    assert simulated_left(simulator) == []


def test_what_a_killed_drill_left_is_taken_back_by_the_next_one(shop: Path, simulator: RunningSimulator) -> None:
    """Kill -9 leaves events behind; the next drill takes them back first, says so, and passes."""
    drill = started(shop, "endless.yaml")
    until(lambda: len(simulated_left(simulator)) == 3, 200, "three simulated events")
    drill.kill()
    drill.communicate(timeout=20)
    assert len(simulated_left(simulator)) == 3
    quick = {**ENDLESS, "steps": [ENDLESS["steps"][0], {"event": {"status": "Scheduled"}, "within": "1m"}]}  # type: ignore[index]
    (shop / "quick.yaml").write_text(yaml.safe_dump(quick), encoding="utf-8")
    following = started(shop, "quick.yaml")
    told, problems = following.communicate(timeout=200)
    assert following.returncode == 0, told + problems
    assert "A drill that did not end left 3 simulated events; they were taken back." in told
    assert simulated_left(simulator) == []


def test_a_drill_that_is_told_to_stop_takes_everything_back(shop: Path, simulator: RunningSimulator) -> None:
    """A second drill is refused while it runs. Ctrl-C ends it with 1, and neither cloud nor record has its events."""
    drill = started(shop, "endless.yaml", "--junit", "report.xml")
    until(lambda: len(simulated_left(simulator)) == 3, 200, "three simulated events")
    second = started(shop, "endless.yaml")
    _, refusal = second.communicate(timeout=200)
    assert second.returncode == 1
    assert "another drill runs here" in refusal
    assert len(simulated_left(simulator)) == 3
    drill.send_signal(signal.SIGINT)
    told, problems = drill.communicate(timeout=200)
    assert drill.returncode == 1, problems
    assert "stopped by a person" in told
    assert "Taken back: 3 simulated events; none is left." in told
    assert simulated_left(simulator) == []
    suite = ET.parse(shop / "report.xml").getroot().find("testsuite")
    assert suite is not None
    assert suite.get("errors") == "1"


def test_a_killed_drill_takes_its_own_cloud_and_handler_along(tmp_path: Path) -> None:
    """Nobody is left to end them, so they end when they notice."""
    (tmp_path / "endless.yaml").write_text(yaml.safe_dump(ENDLESS), encoding="utf-8")
    drill = started(tmp_path, "endless.yaml", "--simulator", TMPDIR=str(tmp_path))
    until(lambda: any("run.ready" in one.read_text() for one in tmp_path.glob("*/cloudheal.log")), 200, "a handler")
    drill.kill()
    drill.communicate(timeout=20)
    (log,) = tmp_path.glob("*/cloudheal.log")
    url = yaml.safe_load((log.parent / "cloudheal.yaml").read_text())["clock"]["follow"]
    until(lambda: not answers(url), 30, "the end of the simulator")
    until(lambda: "run.ended" in log.read_text(), 30, "the end of the handler")


def answers(url: str) -> bool:
    """Say whether a simulator is there."""
    try:
        return bool(SimulatedCloud(url).control("GET", "health"))
    except OSError:
        return False


def test_a_newcomer_runs_a_scenario_without_any_settings(tmp_path: Path) -> None:
    """One command brings cloud, handler and verdict; a program reads every step with its latency."""
    words = ["stop-restarted", "--simulator", "--json", "--html", "page.html"]
    begun = time.monotonic()
    drill = started(tmp_path, *words)
    told, problems = drill.communicate(timeout=200)
    assert drill.returncode == 0, told + problems
    report = json.loads(told)
    assert report["passed"] is True
    assert [one["result"] for one in report["steps"]] == ["done", *["pass"] * 6]
    assert all(0 <= one["latency"] < time.monotonic() - begun for one in report["steps"] if one["latency"] is not None)
    assert "<h1>Drill stop-restarted</h1>" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("deed", "servers"),
    [
        ("power_off", ["ins-stage001", "ins-mine0001"]),
        pytest.param("hang", ["ins-stage002"], marks=pytest.mark.soak),
        pytest.param("power_off", [f"ins-stage{number:03}" for number in range(1, 11)], marks=pytest.mark.soak),
    ],
    ids=["two", "hang", "ten"],
)
def test_servers_of_tencent_cloud_get_their_process_back(deed: str, servers: list[str], tmp_path: Path) -> None:
    """S3.8, S3.9: each outage two alarms, one incident, one command, the process back; one table tells all of it."""
    words = ["drill", "chaos", deed, *servers, "--simulator", "--json"]
    done = run([sys.executable, "-m", "cloudheal", *words], cwd=tmp_path, timeout=290)
    told = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (told["passed"], told["healed"], told["rate"]) == (True, len(servers), 1.0)
    assert [one["server"] for one in told["rounds"]] == servers
    for one in told["rounds"]:
        assert {step["result"] for step in one["report"]["steps"]} == {"pass", "done"}
        assert one["verdict"] == "healed"
