"""Disks that hang or break: heard of or found by a look, asked about with evidence, and over when the cloud says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudheal.model.deed import EVIDENCE
from cloudheal.record.promotions import promote
from cloudheal.record.tables import APPROVAL, DECISION, EVENT, INCIDENT, POLL, STEP, SYSTEM_EVENT
from tests.contract.conftest import postgres_url, usual_database_url
from tests.contract.test_backtest_worker import backtested
from tests.flow.operators import AtHand
from tests.flow.watching import REGION, Watching, settings_of, watching, world_of
from tests.sim.simulator import RunningSimulator

__all__ = ["postgres_url", "usual_database_url"]

WEB = "i-web1"
LIST = "DescribeDisksFullStatus"
ASK: dict[str, Any] = {
    "name": "ask-about-disks",
    "when": {"type": ["Disk:Stalled", "Disk:ErrorDetected"]},
    "resources": {"tags": {"env": ["prod"]}},
    "playbook": "ask_about_disk",
    "mode": "auto",
}
LOST = {"service": "cms", "fault": "lost-event"}


@pytest.fixture
def watch(
    simulator: RunningSimulator, tmp_path: Path, usual_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Watching]:
    """A worker with the rule, and two servers of which one is selected."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    simulator.control("POST", "reset")
    servers = [{"id": WEB, "tags": {"env": "prod"}}, {"id": "i-test1", "tags": {"env": "test"}}]
    simulator.world({"now": "2026-03-02T04:00:00Z", **world_of(servers)})
    simulator.control("PUT", "clock", {"mode": "stepped", "skew_check": "off"})
    with watching(simulator, settings_of(simulator, tmp_path, rules=[ASK], database=usual_database_url)) as running:
        with running.app.database.transaction() as connection:
            promote(connection, running.app.rules.rules.values(), "test", running.app.clock.now())
        yield running


def until_asked(watch: Watching) -> Any:
    """Let the run look, and return its question."""
    for _ in range(100):
        if asked := watch.rows(APPROVAL):
            return asked[0]
        watch.app.stopping.wait(0.1)
    raise AssertionError(watch.rows(INCIDENT))


def told_of_the_end(watch: Watching) -> tuple[str, str]:
    """Return the verdict of the one incident, and its code."""
    (ended,) = watch.rows(INCIDENT, INCIDENT.c.ended.is_not(None))
    return ended.verdict, json.loads(ended.evidence)["code"]


@pytest.mark.parametrize(("deed", "type_"), [("disk_stalled", "Disk:Stalled"), ("disk_error", "Disk:ErrorDetected")])
def test_a_disk_is_asked_about_as_the_trouble_of_its_server(watch: Watching, deed: str, type_: str) -> None:
    """The incident is the server's, the question names disk and advice, the evidence is kept, nothing is called."""
    watch.chaos(deed, WEB, seconds=900)
    watch.advance(1)
    watch.drain()
    question = until_asked(watch)
    (event,) = watch.rows(EVENT, EVENT.c.kind == "disk")
    assert event.type == type_
    (incident,) = watch.rows(INCIDENT)
    assert (incident.kind, incident.resource, incident.trouble) == ("instance", WEB, "disk")
    assert all(word in question.question for word in (type_, event.resource, WEB, "Nothing is done"))
    (kept,) = watch.rows(STEP, STEP.c.name == EVIDENCE)
    found = json.loads(kept.before)
    assert (found["event"]["disk"], found["server"]["state"]) == (event.resource, "Running")
    watch.advance(1000)
    watch.drain()
    assert told_of_the_end(watch) == ("not needed", "event_executed")
    changing = [one for one in watch.simulator.journal(service="ecs") if one.get("changes")]
    assert [one for one in changing if one.get("kind") == "request"] == []


def test_the_disk_of_a_server_that_no_rule_selects_is_recorded_only(watch: Watching) -> None:
    """The server's tags decide, not the disk's."""
    watch.chaos("disk_stalled", "i-test1", seconds=900)
    watch.advance(1)
    watch.drain()
    assert [row.reason for row in watch.rows(DECISION)] == ["not_selected"]
    assert (watch.rows(INCIDENT), len(watch.rows(SYSTEM_EVENT))) == ([], 1)


def test_a_backtest_decides_on_a_disk_as_the_worker_did(watch: Watching) -> None:
    """Asked about, not selected, over: what the record holds comes out again."""
    watch.chaos("disk_stalled", WEB, "i-test1", seconds=900)
    watch.advance(1)
    watch.drain()
    until_asked(watch)
    watch.advance(1000)
    watch.drain()
    report = backtested(watch.app)
    assert (report.differences, report.differing, report.held_against) == ((), 0, "record")
    assert {one.reason for one in report.counts} >= {"act", "not_selected"}


def test_what_no_message_told_is_found_by_a_look_and_so_is_its_end(watch: Watching) -> None:
    """Both messages are lost: one question, ended when the list has shown the event no more for ten minutes."""
    watch.simulator.control("PUT", "faults", [LOST])
    watch.chaos("disk_stalled", WEB, seconds=1500)
    watch.advance(1200)
    watch.tick()
    until_asked(watch)
    assert [row.outcome for row in watch.rows(POLL, POLL.c.name.like("disk_events/%"))] == ["complete"]
    for _ in range(3):
        watch.advance(1100)
        watch.tick()
    assert told_of_the_end(watch) == ("not needed", "event_executed")
    assert [(row.status, row.channels) for row in watch.rows(SYSTEM_EVENT)] == [("Executed", "poll")]
    assert len(watch.rows(INCIDENT)) == 1


def test_the_list_is_read_page_by_page(watch: Watching) -> None:
    """More disks than a page holds hang at once, and no message tells of any."""
    ids = [f"i-many{number:03}" for number in range(120)]
    watch.simulator.world({"now": "2026-03-02T04:00:00Z", **world_of([{"id": one} for one in ids])})
    watch.simulator.control("PUT", "faults", [LOST])
    watch.chaos("disk_stalled", *ids, seconds=None)
    watch.advance(1200)
    watch.tick()
    assert len(watch.rows(SYSTEM_EVENT)) == 120
    assert len(watch.calls(LIST)) == 4


def test_a_message_that_the_list_does_not_show_yet_is_not_taken_for_over(watch: Watching) -> None:
    """A list that lags behind shows nothing: the event stays open for ten minutes."""
    watch.chaos("disk_stalled", WEB, seconds=None)
    watch.advance(1)
    watch.drain()
    until_asked(watch)
    lagging = {"action": LIST, "fault": {"kind": "stale-read", "age_seconds": 400}}
    watch.simulator.control("PUT", "faults", [lagging])
    watch.advance(300)
    watch.tick()
    assert [row.status for row in watch.rows(SYSTEM_EVENT)] == ["Executing"]
    watch.simulator.control("PUT", "faults", [])
    for _ in range(3):
        watch.advance(1100)
        watch.tick()
    assert [row.status for row in watch.rows(SYSTEM_EVENT)] == ["Executing"]
    assert watch.rows(INCIDENT, INCIDENT.c.ended.is_not(None)) == []


def test_the_end_that_comes_before_the_beginning_opens_nothing(watch: Watching) -> None:
    """Messages out of order lead to the same end: nobody is asked about what is over."""
    delayed = {"service": "cms", "fault": {"kind": "delayed-event", "delay_seconds": 600}, "times": 1}
    watch.simulator.control("PUT", "faults", [delayed])
    watch.chaos("disk_stalled", WEB, seconds=60)
    watch.advance(120)
    watch.drain()
    assert [row.status for row in watch.rows(EVENT, EVENT.c.kind == "disk")] == ["Executed"]
    watch.advance(600)
    watch.drain()
    assert len(watch.rows(EVENT, EVENT.c.kind == "disk")) == 2
    assert [row.reason for row in watch.rows(DECISION)] == ["stale"]
    assert (watch.rows(INCIDENT), watch.rows(APPROVAL)) == ([], [])


def test_disks_are_listed_only_where_a_rule_wants_them(
    watch: Watching, simulator: RunningSimulator, tmp_path: Path
) -> None:
    """By type, never all disks; the policy and the check name the permission."""
    watch.advance(1200)
    watch.tick()
    asked = [one["parameters"] for one in watch.calls(LIST)]
    assert {one["EventType"] for one in asked} == {"Stalled", "SeverelyDegraded", "ErrorDetected"}
    typing = AtHand(tmp_path, simulator)
    typing.settings(rules=[{**ASK, "mode": "shadow"}])
    assert "ecs:DescribeDisksFullStatus" in typing("policy").stdout
    typing.settings(
        rules=[{**ASK, "playbook": "check_after_failure", "when": {"type": ["Instance:SystemFailure.Stop"]}}]
    )
    assert "ecs:DescribeDisksFullStatus" not in typing("policy").stdout


def test_rules_test_tells_what_a_message_about_a_disk_would_do(
    watch: Watching, simulator: RunningSimulator, tmp_path: Path
) -> None:
    """The server that it names is the one whose tags are asked."""
    content = {"eventId": "e-9", "diskId": "d-9", "eventType": "Stalled", "ecsInstanceId": WEB}
    message = {
        "ver": "1.0",
        "product": "ECS",
        "name": "Disk:Stalled:Executing",
        "resourceId": f"acs:ecs:{REGION}:1000000000000001:disk/d-9",
        "regionId": REGION,
        "userId": "1000000000000001",
        "eventTime": "20260302T120000.000+0800",
        "content": content,
    }
    (tmp_path / "message.json").write_text(json.dumps(message))
    watch.advance(1200)
    watch.tick()
    typing = AtHand(tmp_path, simulator)
    typing.settings(rules=[ASK], database=watch.app.settings.database)
    (told,) = json.loads(typing("rules", "test", "message.json", "--json").stdout)
    assert told["resource"] == "d-9"
    assert [(one["rule"], one["reason"]) for one in told["rules"]] != [("ask-about-disks", "not_selected")]
    assert told["rules"][0]["failures"] == []
