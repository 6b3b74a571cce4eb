"""What a person wants and what a stop means: the table of S0.8, evidence from tags, events and the audit trail."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cloudheal.model.event import Channel
from cloudheal.model.incident import Mode, Run, RunState, Trouble
from cloudheal.pipeline.explaining import explained
from cloudheal.record.inbox import event_by_key
from cloudheal.record.incidents import add_run, note_action, open_incident
from cloudheal.record.promotions import promote
from cloudheal.record.steps import Wanted, write_intent
from cloudheal.record.tables import DECISION, EVENT, INCIDENT, RUN
from cloudheal.record.workers import claim
from tests.flow.watching import ACCOUNT, REGION, Watching, settings_of, watching, world_of
from tests.sim.simulator import RunningSimulator

NOW = "2026-03-02T04:00:00Z"  # noon in Shanghai
SHOP = {"app": "shop"}
NIGHT = {"from": "22:00", "lasts": "8h", "timezone": "Asia/Shanghai"}
DAY = {"from": "08:00", "lasts": "12h", "timezone": "Asia/Shanghai"}
RULE: dict[str, Any] = {
    "name": "restart",
    "when": {"type": ["Instance:StateChange"], "data": {"state": ["Stopped"]}},
    "resources": {"tags": {"app": ["shop"]}},
    "desired": "on",
    "playbook": "restart_stopped",
    "mode": "auto",
    "limits": {"cool_down": "1s", "at_once": 50, "share": 1.0, "storm_members": 100, "storm_share": 1.0},
}
Worker = Callable[..., Watching]


@pytest.fixture
def worker(simulator: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """Starts a worker that has swept a world, with its rules promoted."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    opened = []

    def start(servers: list[dict[str, Any]], *rules: dict[str, Any], **account: object) -> Watching:
        more = account.pop("world", {})
        assert isinstance(more, dict)
        simulator.control("POST", "reset")
        simulator.world({"now": NOW, **world_of(servers, **more)})
        simulator.control("PUT", "clock", {"mode": "stepped", "skew_check": "off"})
        settings = settings_of(simulator, tmp_path, rules=list(rules or (RULE,)))
        changed = settings.accounts[0].model_copy(update=account)
        manager = watching(simulator, settings.model_copy(update={"accounts": [changed]}))
        running = manager.__enter__()
        opened.append(manager)
        with running.app.database.transaction() as connection:
            promote(connection, running.app.rules.rules.values(), "test", running.app.clock.now())
        running.tick()
        running.advance(1)
        return running

    yield start
    for manager in opened:
        manager.__exit__(None, None, None)


def fates(watch: Watching) -> dict[str, str]:
    """Return by server what its incident waits for, or with which code it ended; empty while it is being done."""
    runs = {row.incident: row.waits_for for row in watch.rows(RUN)}
    return {
        row.resource: json.loads(row.evidence).get("code", "") or runs.get(row.id, "") for row in watch.rows(INCIDENT)
    }


def settled(watch: Watching, count: int) -> dict[str, str]:
    """Let time pass until so many incidents wait or have ended, and return what became of them."""
    give_up, tick = time.monotonic() + 60, threading.Event()
    while time.monotonic() < give_up:
        watch.drain()
        found = fates(watch)
        if len(found) >= count and all(found.values()):
            return found
        watch.advance(1)
        tick.wait(0.1)
    raise AssertionError(fates(watch))


def started_by_us(watch: Watching) -> list[str]:
    """Return the servers that StartInstance had an effect on."""
    return [one["resources"][0] for one in watch.calls("StartInstance") if one.get("changes")]


LOCKS = ("financial", "security", "Recycling", "dedicatedhostfinancial", "refunded")
#: The table of S0.8: the server, and the stable code of what becomes of it.
CASES = {
    "i-healthy": "running",
    "i-running-again": "recovered",
    **{f"i-lock-{lock.lower()}": f"locked.{lock.lower()}" for lock in LOCKS},
    "i-expired": "locked.financial",
    "i-hold-tag": "held",
    "i-off-window": "off_hours",
    "i-own-reboot": "intended",
    "i-no-stock": "OperationDenied.NoStock",
}


def test_only_the_healthy_candidate_is_started(worker: Worker) -> None:
    """Twelve stopped servers: one is started; each of the others has a reason code that stays."""
    off = {**RULE, "name": "night", "resources": {"ids": ["i-off-window"]}, "hours": [NIGHT]}
    servers: list[dict[str, Any]] = [{"id": id_, "tags": SHOP} for id_ in CASES if id_ != "i-off-window"]
    servers.append({"id": "i-off-window"})
    by_id = {one["id"]: one for one in servers}
    by_id["i-hold-tag"]["tags"] = {**SHOP, "cloudheal:hold": "alice repairs it"}
    by_id["i-no-stock"].update({"type": "ecs.rare", "zone": "cn-hangzhou-k", "stopped_mode": "StopCharging"})
    watch = worker(servers, RULE, off)
    under_reboot(watch, "i-own-reboot")
    for lock in LOCKS:
        watch.chaos("lock", f"i-lock-{lock.lower()}", reason=lock)
    watch.chaos("power_off", *CASES.keys() - {"i-expired", "i-running-again"})
    watch.chaos("expire", "i-expired")
    no_stock = {"kind": "error", "status": 403, "code": "OperationDenied.NoStock", "message": "no"}
    faults = [{"service": "ecs", "action": "StartInstance", "resource": "i-no-stock", "fault": no_stock}]
    watch.simulator.control("PUT", "faults", faults)
    watch.advance(3)
    told_stopped(watch, "i-running-again")
    assert settled(watch, len(CASES)) == CASES
    assert started_by_us(watch) == ["i-healthy"]


def told_stopped(watch: Watching, server: str) -> None:
    """Take in the event of a stop that is over by the time of the look."""
    body = (
        f'{{"product":"ECS","name":"Instance:StateChange","regionId":"{REGION}","userId":"{ACCOUNT}",'
        f'"eventTime":{round(watch.app.clock.now().timestamp())},"content":{{"resourceId":"{server}","state":"Stopped"}}}}'
    )
    watch.app.take([body.encode()], "test", Channel.FILE)


def under_reboot(watch: Watching, server: str) -> None:
    """Let a run of ours be rebooting a server."""
    app = watch.app
    body = (
        f'{{"product":"ECS","name":"Instance:SystemMaintenance.Reboot:Scheduled","regionId":"{REGION}",'
        f'"userId":"{ACCOUNT}","eventTime":{round(app.clock.now().timestamp())},'
        f'"content":{{"instanceId":"{server}","eventId":"e-1","eventStatus":"Scheduled"}}}}'
    )
    app.take([body.encode()], "test", Channel.FILE)
    (row,) = watch.rows(EVENT, EVENT.c.resource == server)
    now = app.clock.now()
    with app.database.transaction() as connection:
        event = event_by_key(connection, row.key)
        assert event is not None
        assert open_incident(connection, "inc-reboot", event, Trouble("maintenance", "e-1"), "", now)
        add_run(connection, Run("run-reboot", "inc-reboot", "r", "reboot", "d", Mode.AUTO, RunState.STARTING))
        held = claim(connection, "run-reboot", app.worker, 0)
        assert held is not None
        note_action(connection, "inc-reboot", now)
        assert write_intent(connection, held, 0, Wanted("reboot 1", {}), at=now) is not None


def story(watch: Watching, language: str = "en") -> str:
    """Explain the newest event that was decided on."""
    number = max(row.event for row in watch.rows(DECISION))
    with watch.app.database.snapshot() as connection:
        rules = watch.app.rules.rules.values()
        lines = explained(connection, rules, str(number), language, ZoneInfo("Asia/Shanghai"))
    assert lines is not None
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("tags", "desired", "code"),
    [
        ({}, None, "unexplained"),
        ({}, "on", "running"),
        ({"cloudheal:desired": "on"}, None, "running"),
        ({"cloudheal:desired": "off"}, "on", "intended"),
        ({}, {"schedule": [DAY]}, "running"),
        ({}, {"schedule": [NIGHT]}, "intended"),
        ({"cloudheal:desired": "on"}, {"schedule": [NIGHT]}, "running"),
    ],
    ids=["nothing", "rule", "tag on", "tag off", "in schedule", "out of schedule", "tag before schedule"],
)
def test_the_desired_state_decides(worker: Worker, tags: dict[str, str], desired: object, code: str) -> None:
    """By tag, by schedule or by rule; without any of them nobody can say, and a person is asked."""
    watch = worker([{"id": "i-a", "tags": {**SHOP, **tags}}], {**RULE, "desired": desired})
    watch.chaos("power_off", "i-a")
    assert settled(watch, 1) == {"i-a": code}
    assert started_by_us(watch) == (["i-a"] if code == "running" else [])


def test_tags_are_read_afresh_at_the_look(worker: Worker) -> None:
    """What the inventory does not know yet counts: the tag was set after the sweep; then the inventory knows it too."""
    watch = worker([{"id": "i-a", "tags": SHOP}])
    world = watch.simulator.control("GET", "world")
    world["alibaba"]["instances"][0]["tags"]["cloudheal:hold"] = "2026-03-02T12:01+08:00"
    watch.simulator.world(world)
    watch.simulator.control("PUT", "clock", {"mode": "stepped", "skew_check": "off"})
    watch.chaos("power_off", "i-a")
    assert settled(watch, 1) == {"i-a": "held"}
    assert started_by_us(watch) == []
    assert "cloudheal:hold" in story(watch)
    watch.advance(60)
    (healed,) = watch.until_ended(1)
    assert healed.verdict == "healed"
    assert started_by_us(watch) == ["i-a"]


def test_a_failure_that_the_cloud_reported_explains_a_stop(worker: Worker) -> None:
    """Nobody declared anything, but the host failed: the server is started, and explain says why in both languages."""
    watch = worker([{"id": "i-a", "tags": SHOP}], {**RULE, "desired": None})
    body = (
        f'{{"product":"ECS","name":"Instance:SystemFailure.Reboot:Executing","regionId":"{REGION}","userId":"{ACCOUNT}",'
        f'"eventTime":{round(watch.app.clock.now().timestamp())},'
        '"content":{"instanceId":"i-a","eventId":"e-9","eventStatus":"Executing"}}'
    )
    watch.app.take([body.encode()], "test", Channel.FILE)
    watch.chaos("power_off", "i-a")
    assert settled(watch, 1) == {"i-a": "running"}
    said = "the cloud reported a failure at that time [Instance:SystemFailure.Reboot at 2026-03-02 12:00"
    assert said in story(watch)
    assert "云平台当时上报了故障" in story(watch, "zh")


def test_a_stop_at_the_console_is_not_undone(worker: Worker) -> None:
    """The trail shows who it was: on purpose, although the rule wants the server on; explain names them."""
    watch = worker([{"id": "i-a", "tags": SHOP}], audit_trail=True)
    watch.chaos("console_stop", "i-a", user="alice")
    assert settled(watch, 1) == {"i-a": "intended"}
    assert started_by_us(watch) == []
    assert "It was stopped on purpose: the audit trail shows who stopped it [StopInstance by alice at" in story(watch)
    assert "操作审计显示了停机者" in story(watch, "zh")


def test_a_trail_that_is_silent_says_so(worker: Worker) -> None:
    """Nothing else speaks and the trail lags: a person is asked, and reads that it may still come."""
    watch = worker([{"id": "i-a", "tags": SHOP}], {**RULE, "desired": None}, audit_trail=True)
    watch.chaos("power_off", "i-a")
    assert settled(watch, 1) == {"i-a": "unexplained"}


@pytest.mark.parametrize("trouble", [{"kind": "error", "status": 403, "code": "NoPermission", "message": "no"}, "5xx"])
def test_a_trail_that_cannot_be_read_is_no_evidence(worker: Worker, trouble: object) -> None:
    """Refused or broken: the rest decides, here the rule that wants the server on."""
    watch = worker([{"id": "i-a", "tags": SHOP}], audit_trail=True)
    watch.simulator.control("PUT", "faults", [{"service": "actiontrail", "fault": trouble}])
    watch.chaos("console_stop", "i-a", user="alice")
    assert settled(watch, 1) == {"i-a": "running"}
    (incident,) = watch.rows(INCIDENT)
    assert json.loads(incident.evidence)["could_not_say"].startswith("trail.unread")


def test_our_own_calls_are_nobody_elses_will(worker: Worker) -> None:
    """The trail shows our own start too; a second fall is still an accident."""
    watch = worker([{"id": "i-a", "tags": SHOP}], {**RULE, "limits": {"cool_down": "1s"}}, audit_trail=True)
    for falls in (1, 2):
        watch.chaos("power_off", "i-a")
        watch.advance(1)
        watch.drain()
        watch.until_ended(falls)
        watch.advance(5)
    assert started_by_us(watch) == ["i-a", "i-a"]
    assert [json.loads(row.evidence)["code"] for row in watch.rows(INCIDENT)] == ["running", "running"]
