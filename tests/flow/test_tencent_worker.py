"""A worker that watches servers of Tencent Cloud: by what the cloud tells over HTTP, and by looking itself."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cloudheal.cli import app as cli
from cloudheal.model.event import Channel
from cloudheal.record.inventory import everything
from cloudheal.record.promotions import promote
from cloudheal.record.tables import DECISION, EVENT, INCIDENT, SYSTEM_EVENT
from tests.flow.leaks import Leaks
from tests.flow.tencent import PING, RULE, account_of, pushed, settings_of
from tests.flow.watching import Watching, watching
from tests.sim.simulator import RunningSimulator

WEB, PEER = "ins-heal0001", "ins-heal0002"
SECRET = "0123456789abcdef0123456789abcdef"
RULES: list[dict[str, Any]] = [
    RULE | {"with": {"command": "true"}},
    {
        "name": "start",
        "when": {"source": ["tencent.cvm"], "type": ["Instance:StateChange"], "data": {"state": ["Stopped"]}},
        "resources": {"all": True},
        "desired": "on",
        "playbook": "restart_stopped",
        "mode": "auto",
    },
]


def world(simulator: RunningSimulator, **more: Any) -> None:
    """Build a world of two servers whose clock the test moves."""
    simulator.control("POST", "reset")
    servers = [{"id": WEB, "name": "web-1", "tags": {"app": "shop"}}, {"id": PEER, "name": "web-2"}]
    simulator.world({"tencent": {"instances": servers, **more}})
    simulator.control("PUT", "clock", {"mode": "stepped", "skew_check": "off"})


@pytest.fixture
def watch(simulator: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watching]:
    """A worker that listens to the cloud's pushes and callbacks, and looks when the test says so."""
    keys = {"TENCENTCLOUD_SECRET_ID": "AKIDtest", "TENCENTCLOUD_SECRET_KEY": "testsecret", "HOOK": SECRET}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    hook = f"http://127.0.0.1:{port}/ingest/cloud/{SECRET}"
    world(
        simulator,
        event_rules=[{"name": "all", "pattern": {"source": "cvm.cloud.tencent"}, "targets": [{"url": hook}]}],
        callbacks=[{"url": hook, "name": "ping", "events": ["ping_unreachable"]}],
    )
    listen = {"port": port, "sources": [{"name": "cloud", "proof": "path", "secret_env": "HOOK"}]}
    settings = settings_of(simulator.url, tmp_path, RULES, listen=listen)
    settings = settings.model_copy(
        update={"accounts": [settings.accounts[0].model_copy(update={"app_id": "", "group_by": "tag:app"})]}
    )
    with watching(simulator, settings) as running:
        with running.app.database.transaction() as connection:
            promote(connection, running.app.rules.rules.values(), "test", running.app.clock.now())
        yield running


def quiet(simulator: RunningSimulator) -> None:
    """Let the cloud tell nothing from now on."""
    document = simulator.control("GET", "world")
    document["tencent"] |= {"event_rules": [], "callbacks": []}
    simulator.world(document)


def later(watch: Watching) -> int:
    """Let more than a quarter of an hour pass, with its jitter, and make the looks that are due."""
    watch.advance(17 * 60)
    return watch.tick()


def test_an_outage_that_both_channels_tell_is_healed_once(watch: Watching) -> None:
    """Off and on again, told twice each way: one incident, one start, one command, and it ended well."""
    watch.tick()
    watch.chaos("power_off", WEB)
    (ended,) = watch.until_ended(1, 90)
    assert (ended.resource, ended.trouble, ended.verdict) == (WEB, "unreachable", "healed")
    for _ in range(600):
        if len(watch.rows(EVENT, EVENT.c.type == PING)) == 4:
            break
        watch.advance(5)
    told = {(one.source, one.status) for one in watch.rows(EVENT, EVENT.c.type == PING)}
    assert told == {(source, status) for source in ("tencent.cvm", "tencent.monitor") for status in ("1", "0")}
    assert len(watch.rows(INCIDENT)) == 1
    assert len(watch.calls("StartInstances")) == 1
    assert len(watch.calls("RunCommand")) == 1


def test_a_stop_that_nobody_told_is_found_and_healed(watch: Watching) -> None:
    """The same playbook as on the other cloud, from the same words."""
    watch.tick()
    quiet(watch.simulator)
    watch.chaos("power_off", WEB)
    assert later(watch) > 0
    (ended,) = watch.until_ended(1, 90)
    assert (ended.resource, ended.trouble, ended.verdict) == (WEB, "stopped", "healed")
    (event,) = watch.rows(EVENT)
    assert (event.source, event.type, event.status, event.channel) == (
        "tencent.cvm",
        "Instance:StateChange",
        "Stopped",
        "poll",
    )


def test_an_agent_that_fell_silent_is_found_once_and_so_is_its_return(watch: Watching) -> None:
    """It opens what lost pings would have opened; a second look finds nothing new."""
    watch.tick()
    quiet(watch.simulator)
    watch.chaos("agent_offline", WEB)
    later(watch)
    later(watch)
    (event,) = watch.rows(EVENT)
    assert (event.type, event.status, event.channel) == (PING, "1", "poll")
    (incident,) = watch.rows(INCIDENT)
    assert (incident.resource, incident.trouble) == (WEB, "unreachable")


def test_repair_tasks_are_known_with_the_time_at_which_they_begin(watch: Watching) -> None:
    """Yesterday's too, which the list leaves out unless it is asked for them."""
    document = watch.simulator.control("GET", "world")
    tasks = [
        {"id": "rep-heal0001", "instance": WEB, "type": 101},
        {"id": "rep-heal0002", "instance": PEER, "status": 3},
    ]
    document["tencent"]["repair_tasks"] = tasks
    watch.simulator.world(document)
    watch.advance(26 * 3600)
    watch.tick()
    found = {one.id: (one.resource, one.type, one.status) for one in watch.rows(SYSTEM_EVENT)}
    risks = "cvm:ErrorEvent:InstanceRunningRisks"
    assert found == {"rep-heal0001": (WEB, risks, "Scheduled"), "rep-heal0002": (PEER, risks, "Executed")}
    (first,) = (one for one in watch.rows(SYSTEM_EVENT) if one.id == "rep-heal0001")
    shown = next(
        one for one in watch.simulator.control("GET", "world")["tencent"]["repair_tasks"] if one["id"] == "rep-heal0001"
    )
    assert first.not_before is not None, shown


def test_a_sweep_knows_names_tags_groups_and_agents(watch: Watching) -> None:
    """As on the other cloud; the group is made by a tag here."""
    watch.tick()
    with watch.app.database.snapshot() as connection:
        found = {one.resource.id.id: one for one in everything(connection)}
    web = found[WEB]
    assert (web.resource.name, web.resource.state, web.resource.group) == ("web-1", "Running", "tag:app=shop")
    assert found[PEER].resource.group == ""
    assert web.attributes["cloudheal:agent"] == "Online"


def test_check_names_a_missing_role_and_policy_needs_no_key(
    simulator: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the fix; once it is there all is well. The policy holds what the rules' playbooks need, and no more."""
    world(simulator, service_roles=[])
    document = {"accounts": [account_of(simulator.url, app_id="")], "rules": RULES, "clock": {"follow": simulator.url}}
    config = tmp_path / "cloudheal.yaml"
    config.write_text(json.dumps({**document, "database": f"sqlite:///{tmp_path / 'check.db'}"}))
    monkeypatch.delenv("TENCENTCLOUD_SECRET_ID", raising=False)
    policy = json.loads(CliRunner().invoke(cli, ["policy", "-c", str(config)]).stdout)
    (statement,) = policy["statement"]
    assert {"tat:RunCommand", "cvm:StartInstances", "cvm:DescribeInstances"} <= set(statement["action"])
    assert "cvm:TerminateInstances" not in statement["action"]
    monkeypatch.setenv("TENCENTCLOUD_SECRET_ID", "AKIDtest")
    monkeypatch.setenv("TENCENTCLOUD_SECRET_KEY", "testsecret")
    rows = json.loads(CliRunner().invoke(cli, ["check", "-c", str(config), "--json"]).stdout)
    bad = {one["code"]: one for one in rows if one["level"] == "error"}
    assert set(bad) == {"role.missing"}
    assert "TAT_QCSLinkedRoleInCommand" in bad["role.missing"]["fix"]
    world(simulator)
    rows = json.loads(CliRunner().invoke(cli, ["check", "-c", str(config), "--json"]).stdout)
    assert [one["code"] for one in rows if one["level"] == "error"] == []
    assert {"key.ok", "clock.ok", "permission.ok"} <= {one["code"] for one in rows}
    assert [one for one in simulator.journal(kind="change") if one.get("action") == "RunCommand"] == []


def test_each_decision_is_there_to_be_explained(watch: Watching) -> None:
    """A recovery that comes alone is recorded and decides nothing."""
    watch.simulator.control(
        "POST", "events", {"source": "cvm.cloud.tencent", "type": PING, "subject": WEB, "status": "0"}
    )
    for _ in range(60):
        if watch.rows(EVENT):
            break
        watch.advance(1)
    assert [one.status for one in watch.rows(EVENT)] == ["0"]
    assert (watch.rows(INCIDENT), watch.rows(DECISION)) == ([], [])


def test_keys_and_tokens_show_nowhere_also_when_the_cloud_refuses_them(
    simulator: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in logs of any library and level, nor in tables, health, metrics or the answers to pushes."""
    secrets = {
        "TENCENTCLOUD_SECRET_ID": "AKIDcarelessCarelessCareless01",
        "TENCENTCLOUD_SECRET_KEY": "carelessKeyCarelessKeyCareless02",
        "TENCENTCLOUD_TOKEN": "carelessTokenOfAnHourCareless03",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    world(simulator)
    caplog.set_level(logging.DEBUG)
    leaks = Leaks(secrets, [])
    settings = settings_of(simulator.url, tmp_path, RULES)
    with watching(simulator, settings) as worker:
        worker.tick()
        now = worker.app.clock.now()
        odd = pushed(WEB, "1", now, type_=secrets["TENCENTCLOUD_SECRET_KEY"], time=secrets["TENCENTCLOUD_TOKEN"])
        worker.app.take([pushed(WEB, "1", now), odd], "test", Channel.WEBHOOK)
        leaks.look("health", json.dumps(worker.app.watch.health(), default=str))
        leaks.look("metrics", worker.app.watch.metrics())
    leaks.look("log", caplog.text)
    leaks.look_at_tables(settings.database, frozenset({("dead_letter", "raw")}))
    assert leaks.found == []
    assert "poll.incomplete" in caplog.text
