"""System events are found by message and by look, joined by their id, on both databases, with pages and failures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cloudheal.errors import SettingsError
from cloudheal.model.event import Channel
from cloudheal.record.promotions import promote
from cloudheal.record.tables import DECISION, EVENT, INCIDENT, LEDGER, OUTBOX, POLL, RUN, SYSTEM_EVENT
from cloudheal.settings import load_settings
from tests.contract.conftest import postgres_url, usual_database_url
from tests.flow.operators import AtHand
from tests.flow.watching import ACCOUNT, REGION, Watching, settings_of, watching, world_of
from tests.sim.simulator import RunningSimulator

__all__ = ["postgres_url", "usual_database_url"]

OTHER = "cn-beijing"
NOW = "2026-03-02T04:00:00Z"
FAILURES = {
    "name": "after-failures",
    "when": {"type": [{"prefix": "Instance:SystemFailure."}, "Instance:InstanceFailure.Reboot"]},
    "resources": {"all": True},
    "playbook": "check_after_failure",
    "mode": "auto",
}
LOST = {"service": "cms", "fault": "lost-event"}
HISTORY = "DescribeInstanceHistoryEvents"
Worker = Callable[..., Watching]


@pytest.fixture
def worker(
    simulator: RunningSimulator, tmp_path: Path, usual_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Worker]:
    """Starts a worker on an empty database that has looked once, with its rules promoted."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    opened = []

    def start(
        *servers: dict[str, Any], events: Sequence[dict[str, Any]] = (), regions: tuple[str, ...] = (REGION,)
    ) -> Watching:
        simulator.control("POST", "reset")
        world = world_of(list(servers) or [{"id": "i-web1"}], system_events=list(events))
        simulator.world({"now": NOW, **world, "regions": list(regions)})
        simulator.control("PUT", "clock", {"mode": "stepped", "skew_check": "off"})
        settings = settings_of(simulator, tmp_path, rules=[FAILURES], database=usual_database_url)
        account = settings.accounts[0].model_copy(update={"regions": list(regions)})
        manager = watching(simulator, settings.model_copy(update={"accounts": [account]}))
        running = manager.__enter__()
        opened.append(manager)
        with running.app.database.transaction() as connection:
            promote(connection, running.app.rules.rules.values(), "test", running.app.clock.now())
        return running

    yield start
    for manager in opened:
        manager.__exit__(None, None, None)


def fleet(count: int, region: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return servers of a region and a scheduled reboot of each, of which no message ever told."""
    ids = [f"i-{region}-{number:03}" for number in range(count)]
    events = [
        {"instance": one, "id": f"e-{one}", "type": "SystemMaintenance.Reboot", "not_before": "2026-03-04T04:00:00Z"}
        for one in ids
    ]
    return [{"id": one, "region": region} for one in ids], events


def outcomes(watch: Watching) -> dict[str, str]:
    """Return how the lists of system events ended, by region."""
    rows = watch.rows(POLL, POLL.c.name.like("system_events/%"))
    return {row.name.rpartition("/")[2]: row.outcome for row in rows}


def settle(watch: Watching, condition: Callable[[], bool], *, rounds: int = 60, seconds: float = 20) -> None:
    """Let time pass, messages come and looks be made, until something holds."""
    for _ in range(rounds):
        watch.drain()
        watch.tick()
        if condition():
            return
        watch.advance(seconds)
        watch.app.waker.tick()
        watch.app.stopping.wait(0.2)
    raise AssertionError([watch.rows(INCIDENT), watch.rows(RUN), watch.rows(EVENT)])


def test_every_event_of_every_region_is_found_page_by_page(worker: Worker) -> None:
    """137 scheduled events in two regions, more than a page of them in one: 137 found, by the cheap call only."""
    servers, events = fleet(120, REGION)
    more, further = fleet(17, OTHER)
    watch = worker(*servers, *more, events=events + further, regions=(REGION, OTHER))
    watch.tick()
    rows = watch.rows(SYSTEM_EVENT)
    assert len(rows) == 137
    assert {(row.status, row.type, row.channels) for row in rows} == {
        ("Scheduled", "Instance:SystemMaintenance.Reboot", "poll")
    }
    assert outcomes(watch) == {REGION: "complete", OTHER: "complete"}
    assert len(watch.calls(HISTORY)) == 3
    assert watch.calls("DescribeInstancesFullStatus") == []
    assert len(watch.rows(EVENT, EVENT.c.key.like("system|%"))) == 137


def test_a_page_that_stumbles_is_read_again(worker: Worker) -> None:
    """One failure of the service on the second page: nothing is missing, and nothing is said to be."""
    servers, events = fleet(120, REGION)
    watch = worker(*servers, events=events)
    watch.simulator.control("PUT", "faults", [{"action": HISTORY, "fault": "5xx", "every": 2, "times": 1}])
    watch.tick()
    assert len(watch.rows(SYSTEM_EVENT)) == 120
    assert outcomes(watch) == {REGION: "complete"}


def test_a_second_page_that_cannot_be_read_keeps_the_first_and_says_so(
    worker: Worker, simulator: RunningSimulator, tmp_path: Path
) -> None:
    """Page two fails however often it is read: the hundred of page one stay, and nobody is told that this is all."""
    servers, events = fleet(120, REGION)
    watch = worker(*servers, events=events)
    first_page = {"action": HISTORY, "fault": {"kind": "stale-read", "age_seconds": 0}, "times": 1}
    watch.simulator.control("PUT", "faults", [first_page, {"action": HISTORY, "fault": "5xx"}])
    watch.tick()
    assert len(watch.rows(SYSTEM_EVENT)) == 100
    assert outcomes(watch)[REGION] not in {"complete", ""}
    asked = len(watch.calls(HISTORY))
    assert asked > 2
    typing = AtHand(tmp_path, simulator)
    typing.settings(database=watch.app.settings.database)
    told = typing("maintenance")
    assert (told.returncode, "INCOMPLETE" in told.stdout, "broke off" in told.stdout) == (1, True, True)
    shown = typing("maintenance", "--limit", "500", "--json")
    document = json.loads(shown.stdout)
    assert (shown.returncode, len(document["events"])) == (1, 100)
    assert [(one["region"], one["whole"]) for one in document["regions"]] == [(REGION, False)]
    watch.simulator.control("PUT", "faults", [])
    watch.advance(150)
    watch.tick()
    assert (len(watch.rows(SYSTEM_EVENT)), typing("maintenance").returncode) == (120, 0)


def test_a_region_that_fails_is_incomplete_and_keeps_no_other_from_being_read(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    """The log, /healthz and the metrics say so; what was found stays; it is read again soon, and whole then."""
    servers, events = fleet(3, REGION)
    more, further = fleet(2, OTHER)
    watch = worker(*servers, *more, events=events + further, regions=(REGION, OTHER))
    watch.simulator.control("PUT", "faults", [{"action": HISTORY, "region": REGION, "fault": "5xx"}])
    watch.tick()
    found = outcomes(watch)
    assert found[OTHER] == "complete"
    assert found[REGION] not in {"complete", ""}
    name = f"system_events/alibaba/{ACCOUNT}/{REGION}"
    assert f"poll.incomplete poll={name} code={found[REGION]}" in caplog.text
    health = watch.app.watch.health()
    assert f"poll.incomplete {name} code={found[REGION]}" in health["warnings"]  # type: ignore[operator]
    metrics = watch.app.watch.metrics()
    assert f'cloudheal_poll_incomplete{{poll="{name}"}} 1' in metrics
    assert f'cloudheal_poll_incomplete{{poll="system_events/alibaba/{ACCOUNT}/{OTHER}"}} 0' in metrics
    assert {row.region for row in watch.rows(SYSTEM_EVENT)} == {OTHER}
    watch.simulator.control("PUT", "faults", [])
    watch.advance(150)
    watch.tick()
    assert outcomes(watch) == {REGION: "complete", OTHER: "complete"}
    assert len(watch.rows(SYSTEM_EVENT)) == 5
    assert "poll.incomplete" not in str(watch.app.watch.health()["warnings"])


def test_a_day_of_listing_stays_within_a_hundred_calls(worker: Worker) -> None:
    """The default cadence: at most 100 list calls in each region and day."""
    watch = worker()
    for _ in range(24 * 6):
        watch.advance(600)
        watch.tick()
    assert 40 <= len(watch.calls(HISTORY)) <= 100


def test_a_message_and_a_look_tell_of_one_event(worker: Worker) -> None:
    """Whichever is first: one row, one event for each status, and the look knows more than the message did."""
    watch = worker({"id": "i-web1"}, {"id": "i-web2"})
    watch.chaos("maintenance_event", "i-web1")
    watch.advance(1)
    watch.drain()
    watch.chaos("maintenance_event", "i-web2")
    watch.advance(1000)
    watch.tick()
    watch.drain()
    rows = {row.resource: row for row in watch.rows(SYSTEM_EVENT)}
    assert {name: row.channels for name, row in rows.items()} == {"i-web1": "queue poll", "i-web2": "poll queue"}
    assert all("System maintenance" in row.reason and row.impact == "100" for row in rows.values())
    assert len(watch.rows(EVENT, EVENT.c.key.like("system|%"))) == 2


def test_a_lost_message_is_found_by_the_next_look(worker: Worker) -> None:
    """Published, lost, and listed 15 minutes later with everything that the message would have said."""
    watch = worker()
    watch.tick()
    watch.simulator.control("PUT", "faults", [LOST])
    watch.chaos("maintenance_event", "i-web1", type="SystemMaintenance.Redeploy")
    watch.advance(1000)
    assert watch.drain() == 0
    watch.tick()
    (row,) = watch.rows(EVENT, EVENT.c.key.like("system|%"))
    assert (row.channel, row.type, row.status) == ("poll", "Instance:SystemMaintenance.Redeploy", "Scheduled")
    told = json.loads(row.data)
    assert datetime.fromisoformat(told["not_before"]) > datetime.fromisoformat(told["published"])
    assert json.loads(bytes(row.raw))["name"] == "Instance:SystemMaintenance.Redeploy:Scheduled"


def test_a_drill_is_known_when_the_list_has_told(worker: Worker) -> None:
    """Messages do not say that an event is simulated; the list does, and the row stays a drill."""
    event = {"instance": "i-web1", "id": "e-drill", "type": "SystemMaintenance.Reboot", "simulated": True}
    watch = worker({"id": "i-web1"}, events=[{**event, "not_before": "2026-03-04T04:00:00Z"}])
    content = {"eventId": "e-drill", "instanceId": "i-web1", "eventStatus": "Scheduled"}
    body = {
        "product": "ECS", "name": "Instance:SystemMaintenance.Reboot:Scheduled", "userId": ACCOUNT,
        "regionId": REGION, "eventTime": "20260302T120000.000+0800", "content": content,
    }  # fmt: skip
    watch.app.take([json.dumps(body).encode()], "test", Channel.FILE)
    assert [row.simulated for row in watch.rows(SYSTEM_EVENT)] == [False]
    watch.tick()
    assert [row.simulated for row in watch.rows(SYSTEM_EVENT)] == [True]


def test_a_failure_is_looked_into_once_and_nothing_is_rebooted(worker: Worker) -> None:
    """Executing, then Executed, told by messages and by looks: one incident, healed, one check, no changing call."""
    watch = worker({"id": "i-web1"})
    watch.tick()
    watch.chaos("system_failure", "i-web1")
    settle(watch, lambda: len(watch.rows(INCIDENT, INCIDENT.c.ended.is_not(None))) == 1)
    watch.advance(2000)
    watch.tick()
    watch.drain()
    (incident,) = watch.rows(INCIDENT)
    assert (incident.trouble, incident.verdict) == ("failure", "healed")
    evidence = json.loads(incident.evidence)
    assert (evidence["code"], evidence["event"], evidence["state"]) == ("running", "Executed", "Running")
    assert len(watch.rows(RUN)) == 1
    assert watch.calls("RebootInstance") + watch.calls("StartInstance") == []
    told = {row.status for row in watch.rows(EVENT, EVENT.c.key.like("system|%"))}
    assert told == {"Executing", "Executed"}
    assert len(watch.rows(SYSTEM_EVENT)) == 1
    assert [row.topic for row in watch.rows(OUTBOX)] == ["failure.survived"]


def test_a_failure_that_was_mended_before_anybody_looked_is_still_looked_into(worker: Worker) -> None:
    """Every message lost, the event over and gone from the open ones: history tells, and the server is checked."""
    watch = worker({"id": "i-web1"})
    watch.tick()
    watch.simulator.control("PUT", "faults", [LOST])
    watch.chaos("instance_failure", "i-web1")
    watch.advance(1000)
    settle(watch, lambda: len(watch.rows(INCIDENT, INCIDENT.c.ended.is_not(None))) == 1)
    (event,) = watch.rows(EVENT, EVENT.c.key.like("system|%"))
    assert (event.type, event.status, event.channel) == ("Instance:InstanceFailure.Reboot", "Executed", "poll")
    assert [row.verdict for row in watch.rows(INCIDENT)] == ["healed"]


def test_a_server_that_does_not_come_up_is_told(worker: Worker) -> None:
    """Its owner wished that it stays down when its host fails: people are told, and it is not started here."""
    watch = worker({"id": "i-web1", "maintenance": {"action_on_maintenance": "Stop"}})
    watch.tick()
    watch.chaos("system_failure", "i-web1")
    settle(watch, lambda: len(watch.rows(INCIDENT, INCIDENT.c.ended.is_not(None))) == 1, seconds=61)
    (incident,) = watch.rows(INCIDENT)
    assert (incident.verdict, json.loads(incident.evidence)["code"]) == ("not healed", "not_running")
    assert [row.topic for row in watch.rows(OUTBOX)] == ["incident.not_healed"]
    assert watch.calls("StartInstance") == []


def test_many_that_fail_at_once_are_all_looked_into(worker: Worker) -> None:
    """What only looks is held back by no budget and no storm, and takes no room from what acts."""
    watch = worker(*({"id": f"i-web{n:02}"} for n in range(24)))
    watch.tick()
    watch.chaos("system_failure", *(f"i-web{n:02}" for n in range(24)))
    settle(watch, lambda: len(watch.rows(INCIDENT, INCIDENT.c.ended.is_not(None))) == 24)
    assert {row.verdict for row in watch.rows(INCIDENT)} == {"healed"}
    assert {row.reason for row in watch.rows(DECISION)} <= {"act", "joined", "underway", "stale"}
    assert {row.result for row in watch.rows(LEDGER, LEDGER.c.kind == "run.waits")} <= {"underway"}


def test_listing_too_often_is_refused_with_the_reason(tmp_path: Path) -> None:
    """The file, the line, the floor and why there is one."""
    file = tmp_path / "cloudheal.yaml"
    file.write_text(
        "accounts:\n- {name: a, cloud: alibaba, id: '1000000000000001', regions: [cn-hangzhou]}\n"
        "poll:\n  system_events: 59s\n"
    )
    with pytest.raises(SettingsError, match=r"(?s)poll\.system_events.*1m or more.*quota"):
        load_settings(file)
