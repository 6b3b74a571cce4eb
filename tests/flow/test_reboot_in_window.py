"""An announced reboot is answered ahead of time: queue, durable run, real SDKs over TCP; on both databases."""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cloudheal.app import App
from cloudheal.clouds.alibaba.client import ECS, Client
from cloudheal.clouds.alibaba.policy import playbook_statements
from cloudheal.clouds.keys import Keys
from cloudheal.model.control import Hold
from cloudheal.model.deed import EVIDENCE
from cloudheal.model.drill import Allowance
from cloudheal.model.system_event import SystemEvent
from cloudheal.playbooks import aftermath
from cloudheal.playbooks.ask_about_event import ASK_ABOUT_EVENT
from cloudheal.playbooks.reboot_in_window import REBOOT_IN_WINDOW
from cloudheal.record.holds import add_hold
from cloudheal.record.tables import APPROVAL, EVENT, INCIDENT, OUTBOX, RUN, STEP
from cloudheal.settings.schema import Settings
from tests.contract.conftest import postgres_url, usual_database_url
from tests.crash.scenarios import FREE, PLAYBOOKS
from tests.flow.operators import AtHand
from tests.flow.test_restart import QUEUE, Healing
from tests.sim.simulator import RunningSimulator

__all__ = ["postgres_url", "usual_database_url"]

REGION, ACCOUNT = "cn-hangzhou", "1000000000000001"
WEB, PEER = "i-bp1web01", "i-bp1web02"
REBOOTED = "Instance:SystemMaintenance.Reboot"
CHECK = {"interval": 1, "healthy_threshold": 1, "unhealthy_threshold": 1}
WEIGHTS = {(WEB, 8080): 30, (WEB, 9090): 100, (PEER, 8080): 55, (PEER, 9090): 70}
#: An owner's answer is noticed at once; nothing takes long.
QUICK, NEVER = {"avoiding": 0.3, "executing": 0.3}, {"avoiding": 86_400, "executing": 0.3}
REFUSED = {"kind": "error", "status": 403, "message": "no"}


def world(events: Mapping[str, float] = QUICK, status: str = "Running", **more: object) -> dict[str, Any]:
    """Return two servers behind one balancer."""
    backends = [{"server_id": one, "port": port, "weight": weight} for (one, port), weight in WEIGHTS.items()]
    parts = {
        "instances": [
            {"id": WEB, "region": REGION, "status": status, "name": "web-01"},
            {"id": PEER, "region": REGION, "status": "Running", "name": "web-02"},
        ],
        "server_groups": [{"id": "rsp-web", "load_balancer": "lb-bp1shop", "backends": backends}],
        "listeners": [{"load_balancer": "lb-bp1shop", "port": 80, "server_group": "rsp-web", **CHECK}],
        "queues": [{"name": QUEUE}],
        "event_rules": [
            {"name": "all", "pattern": {"product": "ECS", "names": ["*"]}, "targets": [{"mns": {"queue": QUEUE}}]}
        ],
        "durations": {"rebooting_stopping": 0.3, "rebooting_starting": 0.5, "creating_snapshot": 0.4},
        "event_durations": dict(events),
    }
    return {"regions": [REGION], "alibaba": {**parts, **more}}


class Maintaining(Healing):
    """A worker with a rule for announced reboots."""

    def announce(self, in_seconds: float = 7200, **options: object) -> None:
        """Have a reboot of the server announced."""
        self.simulator.chaos("maintenance_event", WEB, in_seconds=in_seconds, **options)

    def ended(self, count: int = 1, seconds: float = 60) -> tuple[str, str, Mapping[str, str]]:
        """Take events in until so many incidents have ended; return verdict, code and evidence of the last."""
        incident = self.until_ended(count, seconds=seconds)[-1]
        evidence = json.loads(incident.evidence)
        return incident.verdict, evidence.pop("code"), evidence

    def reboots(self) -> int:
        """Count the calls that began a reboot."""
        return sum(bool(one.get("changes")) for one in self.simulator.journal(action="RebootInstance"))

    def weights(self) -> dict[tuple[str, int], int]:
        """Return the weights that everybody has by now."""
        (group,) = self.simulator.control("GET", "world")["alibaba"]["server_groups"]
        return {(one["server_id"], one["port"]): one["weight"] for one in group["backends"]}

    def events(self) -> list[str]:
        """Return the statuses of the system events."""
        return [one["status"] for one in self.simulator.control("GET", "world")["alibaba"]["system_events"]]

    def fault(self, action: str, fault: object, **more: object) -> None:
        """Let calls go wrong from now on."""
        self.simulator.control("PUT", "faults", [{"action": action, "fault": fault, **more}])

    def topics(self) -> list[str]:
        """Return what people were told."""
        return [row.topic for row in self.rows(OUTBOX)]


Start = Callable[..., Maintaining]


@pytest.fixture
def start(simulator: RunningSimulator, usual_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a worker whose rule for announced reboots has these parameters, before a fresh world."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    with ExitStack() as stack:

        def begin(before: Mapping[str, Any] | None = None, **parameters: object) -> Maintaining:
            simulator.control("POST", "reset")
            simulator.world(dict(before or world()))
            settings = settings_of(simulator, usual_database_url, parameters)
            app = stack.enter_context(App(settings).running())
            return Maintaining(app, simulator)

        yield begin


def settings_of(simulator: RunningSimulator, database: str, parameters: Mapping[str, object]) -> Settings:
    """Return settings with two rules: reboots are answered at once, unless planned, everything else is asked about."""
    parameters = dict(parameters)
    playbook = "reboot_in_window" if parameters.pop("planned", False) else "reboot_at_once"
    account = {
        "name": "prod",
        "cloud": "alibaba",
        "id": ACCOUNT,
        "regions": [REGION],
        "endpoint": simulator.url,
        "calls_per_second": 1000,
        "queue": {"endpoint": simulator.url, "name": QUEUE, "wait_seconds": 1},
    }
    usual = {"resources": {"all": True}, "mode": "auto", "limits": FREE}
    quick = {"drain": "0s", "reboot_timeout": "6s", "avoided_timeout": "4s", "unread_timeout": "3s", **parameters}
    reboot = {
        "name": "reboot",
        "when": {"type": ["Instance:SystemMaintenance.Reboot"], "status": ["Scheduled"]},
        "playbook": playbook,
        "with": quick,
        **usual,
    }
    ask = {
        "name": "ask",
        "when": {"type": [{"prefix": "Instance:SystemMaintenance."}]},
        "playbook": "ask_about_event",
        **usual,
    }
    document = {"accounts": [account], "database": database, "rules": [reboot, ask], "settle_seconds": 0.5}
    return Settings.model_validate({**document, "extensions": {"folders": [str(PLAYBOOKS)]}})


# --- S1.10, S1.12: one reboot, proven, and everything as it was before --------------------------------


def test_a_reboot_is_avoided_and_the_old_weights_are_back(start: Start) -> None:
    """Weight 0 on both ports while it reboots, 30 and 100 afterwards; the event is read as Avoided."""
    healing = start()
    healing.announce()
    verdict, code, evidence = healing.ended()
    assert (verdict, code, evidence["event"]) == ("healed", "avoided", "Avoided")
    assert healing.reboots() == 1
    assert healing.events() == ["Avoided"]
    assert healing.weights() == WEIGHTS
    changes = [change for one in healing.simulator.journal() for change in one.get("changes", ())]
    told = [
        sorted(one["weight"] for one in change["after"] if one["server_id"] == WEB)
        for change in changes
        if change["what"] == "group.backends"
    ]
    assert told == [[0, 0], [30, 100]]
    assert evidence["put_back"] == "lb-bp1shop/rsp-web 8080@30,9090@100"


def test_the_evidence_is_kept_before_anything_is_done(start: Start) -> None:
    """Event, server, console and ledger stand in the first step of the run; the call comes after it."""
    healing = start(snapshot=True)
    healing.announce()
    healing.ended()
    steps = sorted(healing.rows(STEP), key=lambda row: row.number)
    assert [row.name for row in steps][:3] == [EVIDENCE, "take on", f"snapshot {_disk(healing)} 1"]
    bundle = json.loads(steps[0].before)
    assert bundle["event"]["type"] == "Instance:SystemMaintenance.Reboot"
    assert bundle["server"]["state"] == "Running"
    assert "login:" in bundle["console"]
    assert any("incident.opened" in line for line in bundle["ledger"])


def test_a_stopped_server_is_recorded_as_such_and_not_rebooted(start: Start) -> None:
    """No call, and no success."""
    healing = start(world(status="Stopped"))
    healing.announce()
    assert healing.ended()[:2] == ("not needed", "stopped")
    assert healing.simulator.journal(action="RebootInstance") == []


def test_a_reboot_that_the_cloud_refuses_is_recorded_as_refused(start: Start) -> None:
    """It stopped between the look and the call: the vendor's code is the verdict's, the weights are as before."""
    healing = start()
    healing.fault("RebootInstance", {**REFUSED, "code": "IncorrectInstanceStatus"})
    healing.announce()
    assert healing.ended()[:2] == ("not healed", "IncorrectInstanceStatus")
    assert (healing.reboots(), healing.weights()) == (0, WEIGHTS)


# --- S1.13: six ends, six codes ------------------------------------------------------------------------


def test_an_event_that_the_platform_executes_after_all_is_overtaken(start: Start) -> None:
    """Our reboot answers nothing in time, the platform does its own."""
    healing = start(world(NEVER), avoided_timeout="60s")
    healing.announce()
    _rebooted(healing)
    _move(healing, "Executed")
    assert healing.ended()[:2] == ("not healed", "overtaken")


def test_an_event_that_is_canceled_is_moot(start: Start) -> None:
    """It was called off after our reboot."""
    healing = start(world(NEVER), avoided_timeout="60s")
    healing.announce()
    _rebooted(healing)
    _move(healing, "Canceled")
    assert healing.ended()[:2] == ("not needed", "canceled")


def test_an_event_that_stays_scheduled_is_a_failure_that_people_are_told_of(start: Start) -> None:
    """Nothing changes in time: no second reboot."""
    healing = start(world(NEVER))
    healing.announce()
    assert healing.ended()[:2] == ("not healed", "still_scheduled")
    assert healing.reboots() == 1
    assert "incident.not_healed" in healing.topics()


def test_an_event_that_cannot_be_read_is_unknown_and_never_avoided(start: Start) -> None:
    """The list fails for good after the reboot, although the event is Avoided by then."""
    healing = start(world({"avoiding": 3, "executing": 0.3}))
    healing.announce()
    _rebooted(healing)
    healing.simulator.control("PUT", "faults", [_UNREADABLE, {"service": "cms", "fault": "lost-event"}])
    assert healing.ended()[:2] == ("unknown", "event_unread")


def test_errors_for_a_while_are_waited_out(start: Start) -> None:
    """The list fails for some reads, then it is read as Avoided."""
    healing = start(avoided_timeout="60s")
    healing.announce()
    _rebooted(healing)
    healing.fault("DescribeInstanceHistoryEvents", "5xx", times=6)
    assert healing.ended()[:2] == ("healed", "avoided")


def test_a_server_that_is_gone_ends_it(start: Start) -> None:
    """Somebody released it after the reboot."""
    healing = start(world(NEVER), avoided_timeout="60s")
    healing.announce()
    _rebooted(healing)
    healing.chaos("release", WEB)
    assert healing.ended()[:2] == ("not needed", "gone")
    assert healing.reboots() == 1


# --- S1.8: two events, two consumers, one reboot -------------------------------------------------------


def test_two_events_on_one_server_share_one_reboot(start: Start) -> None:
    """Both are told twice and taken by two consumers at the same time; one call answers both.

    The second run waits for the first; it finds its event answered before or after it begins.
    """
    healing = start()
    twice = {"service": "cms", "fault": {"kind": "duplicated-event", "copies": 2}}
    healing.simulator.control("PUT", "faults", [twice])
    healing.announce()
    healing.announce()
    consumers = [threading.Thread(target=healing.drain_queue) for _ in range(2)]
    for one in consumers:
        one.start()
    for one in consumers:
        one.join()
    ended = healing.until_ended(2, seconds=60)
    first, second = sorted((one.verdict, json.loads(one.evidence)["code"]) for one in ended)
    assert first == ("healed", "avoided")
    assert second in {("healed", "avoided"), ("not needed", "event_avoided")}
    assert healing.reboots() == 1
    assert healing.events() == ["Avoided", "Avoided"]
    assert healing.weights() == WEIGHTS
    assert len(healing.rows(INCIDENT)) == 2


# --- the server itself is asked ------------------------------------------------------------------------


@pytest.mark.parametrize("answers", [True, False])
def test_a_server_that_does_not_answer_its_probe_is_not_put_back(start: Start, *, answers: bool) -> None:
    """A real port at the address that the cloud describes: open, the weights are back; closed, they stay 0."""
    before = world()
    before["alibaba"]["instances"][0]["network"] = {"private_ip": "127.0.0.1"}
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        if not answers:
            door.close()
        healing = start(before, probe={"tcp": port, "within": "2s"})
        healing.announce()
        verdict, code, evidence = healing.ended()
    assert healing.reboots() == 1
    if answers:
        assert (verdict, code, healing.weights()) == ("healed", "avoided", WEIGHTS)
        assert evidence["probe"] == f"tcp {port}: connected"
    else:
        assert (verdict, code) == ("not healed", "probe_failed")
        assert healing.weights() == {**WEIGHTS, (WEB, 8080): 0, (WEB, 9090): 0}
        (told,) = [row for row in healing.rows(OUTBOX) if row.topic == "incident.not_healed"]
        assert "not put back into its balancers: lb-bp1shop/rsp-web 8080@30,9090@100" in told.facts


# --- in its slot ---------------------------------------------------------------------------------------


def test_a_planned_reboot_begins_in_its_slot_and_goes_on_until_it_is_done(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No slot is left, so it begins now; a look that only waits for the event does not send it back into the plan."""
    monkeypatch.setattr(aftermath, "PATIENCE", timedelta(seconds=1))
    slow = world({"avoiding": 4, "executing": 0.3})
    healing = start(slow, planned=True, too_late="act_now", avoided_timeout="60s")
    healing.announce(in_seconds=900)
    assert healing.ended()[:2] == ("healed", "avoided")
    assert healing.reboots() == 1
    (run,) = healing.rows(RUN)
    assert run.look >= 1


# --- S1.9: preparations ---------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["abort", "continue"])
def test_a_failed_snapshot_is_handled_as_the_rule_says(start: Start, policy: str) -> None:
    """Abort: no reboot, the event is untouched, people are told. Continue: rebooted, with the warning on record."""
    healing = start(snapshot=True, if_not_prepared=policy)
    healing.fault("CreateSnapshot", {**REFUSED, "code": "QuotaExceed.Snapshot"})
    healing.announce()
    verdict, code, evidence = healing.ended()
    if policy == "abort":
        assert (verdict, code, healing.reboots()) == ("not healed", "snapshot_failed", 0)
        assert healing.events() == ["Scheduled"]
        assert "incident.not_healed" in healing.topics()
    else:
        assert (verdict, code, healing.reboots()) == ("healed", "avoided", 1)
        assert "QuotaExceed.Snapshot" in evidence["warnings"]
    assert healing.weights() == WEIGHTS


def test_a_snapshot_and_a_command_come_before_the_reboot(start: Start) -> None:
    """In this order, each once."""
    healing = start(snapshot=True, command="true")
    healing.announce()
    assert healing.ended()[:2] == ("healed", "avoided")
    done = [one["action"] for one in healing.simulator.journal(kind="request") if one.get("changes")]
    wanted = ["CreateSnapshot", "SetVServerGroupAttribute", "RunCommand", "RebootInstance", "SetVServerGroupAttribute"]
    assert [one for one in done if one in wanted] == wanted


# --- law 10 ---------------------------------------------------------------------------------------------


def test_a_simulated_event_never_reboots_anything(start: Start) -> None:
    """Its message looks like any other; read by its id it is a drill: a dry step, no call, and the verdict says so."""
    healing = start(snapshot=True)
    _simulate(healing)
    assert healing.ended()[:2] == ("not needed", "simulated")
    changing = {"RebootInstance", "CreateSnapshot", "SetVServerGroupAttribute", "RunCommand"}
    assert not [one for one in healing.simulator.journal(kind="request") if one["action"] in changing]
    assert [row.name for row in healing.rows(STEP, STEP.c.kind != "read")] == ["dry reboot"]


def test_a_drill_that_allows_it_is_acted_on_for_real(start: Start) -> None:
    """The hook says yes for this event on this server, and only then."""
    healing = start()
    asked: list[tuple[str, str]] = []

    def allowed(resource: Any, event: SystemEvent) -> Allowance:
        asked.append((resource.id, event.id))
        return Allowance.REAL

    object.__setattr__(healing.app.healer, "allowance", allowed)
    (event,) = _simulate(healing)
    assert healing.ended()[:2] == ("healed", "avoided")
    assert healing.reboots() == 1
    assert set(asked) == {(WEB, event)}


# --- everything else is asked about -----------------------------------------------------------------------


def test_other_types_are_asked_about_with_evidence_and_nothing_is_called(start: Start) -> None:
    """The question names what would answer it; the end of the event, or of the server, ends it without an answer."""
    healing = start()
    healing.announce(type="SystemMaintenance.Redeploy")
    (question,) = healing.until(lambda: healing.rows(APPROVAL))
    assert "SystemMaintenance.Redeploy" in question.question
    assert "RedeployInstance" in question.question
    assert "Nothing is done about it by cloudheal" in question.question
    (kept,) = healing.rows(STEP)
    assert (kept.name, kept.kind, json.loads(kept.before)["server"]["state"]) == (EVIDENCE, "read", "Running")
    healing.chaos("release", WEB)
    verdict, code, _ = healing.ended()
    # Two messages tell of it, and either may come first: the event is canceled, and the server is no more.
    assert (verdict, code in {"event_canceled", "gone"}) == ("not needed", True)
    assert healing.reboots() == 0


@pytest.mark.parametrize(
    ("playbook", "wanted", "unwanted"),
    [
        (
            REBOOT_IN_WINDOW,
            {"ecs:RebootInstance", "ecs:CreateSnapshot", "ecs:RunCommand", "ecs:DescribeInstanceHistoryEvents"},
            {"ecs:StartInstance", "ecs:RunInstances", "slb:RemoveVServerGroupBackendServers"},
        ),
        (ASK_ABOUT_EVENT, {"ecs:GetInstanceConsoleOutput"}, {"ecs:RebootInstance", "ecs:RunCommand"}),
    ],
    ids=["reboot", "ask"],
)
def test_the_policy_allows_what_the_playbook_asks_for_and_no_more(
    playbook: Any, wanted: set[str], unwanted: set[str]
) -> None:
    """What `cloudheal policy` prints is made from the verbs that the playbook declares."""
    statements = playbook_statements(ACCOUNT, [REGION], frozenset(playbook.verbs))
    allowed = {action for one in statements for action in one["Action"]}
    assert wanted <= allowed
    assert not unwanted & allowed


_UNREADABLE = {"action": "DescribeInstanceHistoryEvents", "fault": "5xx"}


def _disk(healing: Maintaining) -> str:
    disks = healing.simulator.control("GET", "world")["alibaba"]["disks"]
    return next(str(one["id"]) for one in disks if one["instance"] == WEB)


def _rebooted(healing: Maintaining) -> Sequence[bool]:
    """Take events in until the reboot has begun."""
    return healing.until(lambda: [True] if healing.reboots() else [])


def _simulate(healing: Maintaining) -> list[str]:
    query = {"EventType": "SystemMaintenance.Reboot", "NotBefore": "2099-01-01T00:00:00Z", "InstanceId.1": WEB}
    client = Client(Keys("testid", "testsecret"), healing.simulator.url)
    reply = client.call(ECS, "CreateSimulatedSystemEvents", REGION, query, 5)
    return [str(one) for one in reply["EventIdSet"]["EventId"]]


def _move(healing: Maintaining, status: str) -> None:
    """Let the one event take a status, as the platform would."""
    document = healing.simulator.control("GET", "world")
    (event,) = document["alibaba"]["system_events"]
    event |= {"status": status, "step": None, "execute_finish": document["now"]}
    healing.simulator.world(document)


# --- looking back --------------------------------------------------------------------------------------


def whole_second(text: str) -> datetime:
    """Read a time as the cloud's messages write it, to the second."""
    return datetime.fromisoformat(text).replace(microsecond=0)


def test_the_report_says_what_a_hand_count_of_the_cloud_says(start: Start, tmp_path: Path) -> None:
    """One reboot that we answered, one that a hold left to the platform: endings, rate, types and times (S1.14)."""
    healing = start()
    with healing.app.database.transaction() as connection:
        add_hold(connection, Hold(PEER, "ops", "leave it", healing.app.clock.now()))
    healing.announce()
    healing.simulator.chaos("maintenance_event", PEER, in_seconds=3)
    healing.ended(2)
    published = [one for one in healing.simulator.journal(kind="event") if one["action"].startswith(f"{REBOOTED}:")]
    assert len(published) == 5
    healing.until(lambda: healing.rows(EVENT, EVENT.c.type == REBOOTED)[len(published) - 1 :])
    typing = AtHand(tmp_path, healing.simulator)
    typing.settings(database=healing.app.settings.database)
    report = typing.json("report")

    of_cloud = {one["id"]: one for one in healing.simulator.control("GET", "world")["alibaba"]["system_events"]}
    ends = Counter(one["status"] for one in of_cloud.values())
    assert report["endings"] == ends == {"Avoided": 1, "Executed": 1}
    assert report["avoided_rate"] == ends["Avoided"] / len(of_cloud)
    assert {one["type"]: one["events"] for one in report["tallies"]}[REBOOTED] == len(published)

    announced = {one["event"]: one for one in report["announced"]}
    assert announced.keys() == of_cloud.keys()
    for id_, shown in announced.items():
        real = of_cloud[id_]
        assert (shown["type"], shown["resource"]) == (f"Instance:{real['type']}", real["instance"])
        for name in ("published", "not_before"):
            assert whole_second(shown[name]) == whole_second(real[name])
    rows = {one["resource"]: one for one in announced.values()}
    assert (rows[PEER]["acted"], rows[PEER]["left"], rows[PEER]["verdict"]) == (None, None, "not needed")
    first = next(one for one in healing.simulator.journal(kind="request", service="slb") if one.get("changes"))
    called, acted = (datetime.fromisoformat(one) for one in (first["at"], rows[WEB]["acted"]))
    assert timedelta() <= called - acted < timedelta(seconds=10)
    assert rows[WEB]["left"] == (datetime.fromisoformat(rows[WEB]["not_before"]) - acted).total_seconds()
    assert (report["left"]["count"], report["left"]["median"]) == (1, rows[WEB]["left"])
    (remedy,) = report["remedies"]
    assert (remedy["incidents"], remedy["healed"], remedy["not_needed"], remedy["rate"]) == (2, 1, 1, 1.0)
    assert (healing.reboots(), remedy["to_heal"]["count"]) == (1, 1)
