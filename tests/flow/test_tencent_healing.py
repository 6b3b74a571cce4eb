"""An outage on Tencent Cloud from its first event to its end: real calls and pushes over TCP, on the simulator's clock.

The server falls, EventBridge pushes that it does not answer, and one incident starts it, waits for its agent, and
brings its process back. What the second event, the recovery, does is to join.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cloudheal.app import App
from cloudheal.record.promotions import promote
from cloudheal.record.tables import DECISION, EVENT, INCIDENT, RUN
from tests.flow.tencent import PING, RULE, settings_of
from tests.flow.watching import SimulatorClock, Watching
from tests.sim.simulator import RunningSimulator

WEB, PEER = "ins-heal0001", "ins-heal0002"
PATH = "0123456789abcdef0123456789abcdef"
LISTEN = {"port": 0, "sources": [{"name": "eventbridge", "proof": "path", "secret_env": "HOOK_PATH"}]}
RESTORE = {"check": "pgrep -x app", "start": "nohup /srv/app >/dev/null 2>&1 &"}
APP = {"name": "app", "command": "/srv/app", "starts_at_boot": False, "port": 8080}


def world(port: int, **changes: object) -> dict[str, Any]:
    """Return a world whose error events are pushed to a worker."""
    target = {"url": f"http://127.0.0.1:{port}/ingest/eventbridge/{PATH}"}
    rule = {"id": "rule-heal0001", "pattern": {"source": "cvm.cloud.tencent"}, "targets": [target]}
    instance = {"id": WEB, "tags": {"app": "shop"}, "guest": {"processes": ["sshd", APP]}, **changes}
    return {"tencent": {"instances": [instance], "event_rules": [rule]}}


@contextmanager
def healing(simulator: RunningSimulator, folder: Path, **rule: Any) -> Iterator[Watching]:
    """Run a worker that is pushed to, with one server whose process does not start by itself."""
    simulator.control("POST", "reset")
    simulator.control("PUT", "clock", {"mode": "stepped", "skew_check": "off"})
    mine = {**RULE, "with": {**RESTORE, **rule.pop("parameters", {})}, **rule}
    app = App(settings_of(simulator.url, folder, [mine], listen=LISTEN), SimulatorClock(simulator))
    app.poll = lambda: None  # type: ignore[method-assign]  # its thread would look in between
    with app.running():
        with app.database.transaction() as connection:
            promote(connection, app.rules.rules.values(), "test", app.clock.now())
        assert app.listener is not None
        simulator.world(world(app.listener.port))
        yield Watching(app, simulator)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the simulator's keys into the environment."""
    for name, value in (("ID", "AKIDtest"), ("KEY", "testsecret")):
        monkeypatch.setenv(f"TENCENTCLOUD_SECRET_{name}", value)
    monkeypatch.setenv("HOOK_PATH", PATH)


def processes(watch: Watching) -> list[str]:
    """Return what runs inside the server."""
    (instance,) = watch.simulator.control("GET", "world")["tencent"]["instances"]
    return sorted(one["name"] for one in instance["guest"]["processes"] if one["running"])


def joined(watch: Watching, incident: str) -> set[str]:
    """Return the statuses of the events about the ping that belong to an incident."""
    chosen = sa.select(EVENT.c.status).join(DECISION, DECISION.c.event == EVENT.c.id)
    with watch.app.database.snapshot() as connection:
        return set(connection.scalars(chosen.where(DECISION.c.incident == incident, EVENT.c.type == PING)))


def test_an_outage_is_one_incident_with_one_start_and_one_command(
    shell_simulator: RunningSimulator, tmp_path: Path
) -> None:
    """Power off, ping lost, started, agent online, command, process back: healed; both events belong to it."""
    with healing(shell_simulator, tmp_path) as watch:
        watch.chaos("power_off", WEB)
        (incident,) = watch.until_ended(1)
        assert (incident.resource, incident.trouble, incident.verdict) == (WEB, "unreachable", "healed")
        assert (len(watch.calls("StartInstances")), len(watch.calls("RunCommand"))) == (1, 1)
        assert processes(watch) == ["app", "sshd"]
        while joined(watch, incident.id) != {"1", "0"}:
            watch.advance(1)
        assert len(watch.rows(INCIDENT)) == 1
        assert incident.occurred < incident.acted <= incident.ended


def test_a_server_that_hangs_while_running_gets_no_command(shell_simulator: RunningSimulator, tmp_path: Path) -> None:
    """RUNNING only means powered on: its agent does not answer within the limit, and people are told."""
    with healing(shell_simulator, tmp_path, parameters={"limit": "50s"}) as watch:
        watch.chaos("hang", WEB)
        (incident,) = watch.until_ended(1)
        evidence = json.loads(incident.evidence)
        assert (incident.verdict, evidence["code"]) == ("not healed", "not_ready")
        assert (evidence["state"], evidence["agent"]) == ("Running", "offline")
        assert watch.calls("RunCommand") == watch.calls("StartInstances") == []


def test_a_command_whose_answer_is_lost_runs_once_and_arrives_byte_for_byte(
    shell_simulator: RunningSimulator, tmp_path: Path
) -> None:
    """Before it is sent again it is looked for by its name; it fails, and its exit code and output are told."""
    text = 'echo "it\'s a \\\\ backslash, \\$HOME, 服务"; echo `hostname`; exit 3'
    with healing(shell_simulator, tmp_path, parameters={"command": text, "check": "", "start": ""}) as watch:
        lost = {"match": {"action": "RunCommand"}, "when": {"times": 1}, "fault": {"kind": "effect-then-5xx"}}
        watch.simulator.control("PUT", "faults", [lost])
        watch.chaos("power_off", WEB)
        (incident,) = watch.until_ended(1)
        evidence = json.loads(incident.evidence)
        assert (incident.verdict, evidence["code"], evidence["exit_code"]) == ("not healed", "command_failed", "3")
        assert "服务" in evidence["output"]
        world = watch.simulator.control("GET", "world")["tencent"]
        (command,) = world["commands"]
        assert command["content"] == text
        assert len(world["invocations"]) == 1


def test_what_the_kernel_killed_is_started_again(shell_simulator: RunningSimulator, tmp_path: Path) -> None:
    """The event of an alarm brings its own playbook: it finds out, keeps that, starts the unit."""
    rule = {"playbook": "out_of_memory", "when": {"type": ["cvm:ErrorEvent:GuestOom"]}, "desired": None}
    parameters = {"unit": "app", "check": "", "start": ""}
    with healing(shell_simulator, tmp_path, parameters=parameters, **rule) as watch:
        watch.chaos("oom_kill", WEB, process="app")
        (incident,) = watch.until_ended(1)
        assert (incident.trouble, incident.trouble_id, incident.verdict) == ("alarm", "GuestOom", "healed")
        assert "Killed process" in str(json.loads(incident.evidence)["printed"])
        assert processes(watch) == ["app", "sshd"]


def test_a_server_that_hangs_is_rebooted_where_the_rule_says_so(
    shell_simulator: RunningSimulator, tmp_path: Path
) -> None:
    """Once, by force; after it the agent answers, and the process is brought back."""
    parameters = {"reboot": "force", "reboot_after": "20s", "limit": "3m"}
    with healing(shell_simulator, tmp_path, parameters=parameters) as watch:
        watch.chaos("hang", WEB)
        (incident,) = watch.until_ended(1)
        assert (incident.verdict, json.loads(incident.evidence)["code"]) == ("healed", "restored")
        assert (len(watch.calls("RebootInstances")), len(watch.calls("RunCommand"))) == (1, 1)
        assert processes(watch) == ["app", "sshd"]


BALANCER = {
    "id": "lb-heal0001",
    "listeners": [
        {
            "id": "lbl-heal0001",
            "port": 80,
            "targets": [{"server": WEB, "port": 8080, "weight": 30}, {"server": PEER, "port": 8080, "weight": 10}],
        }
    ],
}


def weights(watch: Watching) -> list[int]:
    """Return the weights behind the balancer."""
    (balancer,) = watch.simulator.control("GET", "world")["tencent"]["balancers"]
    return [one["weight"] for listener in balancer["listeners"] for one in listener["targets"]]


@pytest.mark.parametrize("lost", [False, True])
def test_a_repair_task_is_authorised_once_in_its_slot_and_the_server_serves_again(
    shell_simulator: RunningSimulator, tmp_path: Path, *, lost: bool
) -> None:
    """Found by looking, planned, drained, authorised, repaired, back; also when the answer to the call is lost."""
    type_ = "cvm:ErrorEvent:InstanceRunningRisks"
    rule = {"when": {"type": [type_]}, "desired": None, "with": {"drain": "1s"}}
    guest = {"guest": {"processes": [{**APP, "starts_at_boot": True}]}}
    with healing(shell_simulator, tmp_path, playbook="repair_task_in_window", **rule) as watch:
        instances = [{"id": WEB, **guest}, {"id": PEER, **guest}]
        watch.simulator.world({"tencent": {"instances": instances, "balancers": [BALANCER]}})
        if lost:
            fault = {"match": {"action": "RepairTaskControl"}, "when": {"times": 1}}
            watch.simulator.control("PUT", "faults", [{**fault, "fault": {"kind": "effect-then-5xx"}}])
        watch.chaos("repair_task", WEB)
        watch.tick()
        assert [one.playbook for one in watch.rows(RUN)] == ["repair_task_in_window"]
        (incident,) = watch.until_ended(1)
        evidence = json.loads(incident.evidence)
        assert (incident.trouble, incident.verdict, evidence["code"]) == ("maintenance", "healed", "repaired")
        (call,) = watch.calls("RepairTaskControl")
        assert "OrderAuthTime" not in call["parameters"]
        assert "TaskSubMethod" not in call["parameters"]
        (task,) = watch.simulator.control("GET", "world")["tencent"]["repair_tasks"]
        assert (task["id"], task["auth_source"]) == (incident.trouble_id, "Customer_auth")
        assert (weights(watch), evidence["agent"]) == ([30, 10], "online")
