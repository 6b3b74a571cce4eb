"""What an operator types about drills: create, list, cancel; and one test message that touches nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.flow.operators import Operator, until
from tests.flow.test_restart import RULE

REGION, ACCOUNT = "cn-hangzhou", "1000000000000001"
WEB, PEER, TEST = "i-bp1web01", "i-bp1web02", "i-bp1test1"
REBOOT: dict[str, Any] = {
    "name": "reboot",
    "when": {"type": ["Instance:SystemMaintenance.Reboot"], "status": ["Scheduled"]},
    "resources": {"tags": {"env": ["prod"]}},
    "playbook": "reboot_in_window",
    "mode": "auto",
}
CREATE, CANCEL = "CreateSimulatedSystemEvents", "CancelSimulatedSystemEvents"


@pytest.fixture
def operator(at_hand: Operator) -> Operator:
    """Commands run in this process."""
    return at_hand


def fleet(operator: Operator, count: int) -> list[str]:
    """Put so many servers there; returns their ids."""
    operator.simulator.world(
        {"regions": [REGION], "alibaba": {"instances": [{"count": count, "prefix": "i-bp1fleet", "region": REGION}]}}
    )
    return [str(one["id"]) for one in operator.simulator.control("GET", "world")["alibaba"]["instances"]]


def statuses(operator: Operator) -> list[str]:
    """Return the statuses of the cloud's events."""
    return sorted(one["status"] for one in operator.simulator.control("GET", "world")["alibaba"]["system_events"])


def state(operator: Operator, server: str) -> str:
    """Return how a server is."""
    servers = operator.simulator.control("GET", "world")["alibaba"]["instances"]
    return next(str(one["status"]) for one in servers if one["id"] == server)


def queued(operator: Operator) -> int:
    """Count the messages on the queue."""
    (queue,) = operator.simulator.control("GET", "world")["alibaba"]["queues"]
    return len(queue["messages"])


def created(operator: Operator, *words: str) -> Any:
    """Create a drill; returns its document."""
    return operator.json("drill", "create", "--in", "2h", *words)


def test_two_hundred_and_fifty_servers_take_three_calls_there_and_back(operator: Operator) -> None:
    """250 ids are listed, each with its server; taking the drill back leaves nothing (S2.1, S2.3)."""
    servers = fleet(operator, 250)
    told = created(operator, *servers)
    assert len(operator.simulator.journal(action=CREATE)) == 3
    assert [one["resource"] for one in told["events"]] == sorted(servers)
    assert len({one["event"] for one in told["events"]} - {""}) == 250
    assert (told["real"], told["rules"]) == (False, [])
    shown = operator.json("drill", "list")
    assert {(one["state"], one["status"], one["drill_id"]) for one in shown} == {("open", "Scheduled", told["drill"])}
    assert "250 events were taken back." in operator.done("drill", "cancel", told["drill"])
    assert len(operator.simulator.journal(action=CANCEL)) == 3
    assert statuses(operator) == ["Canceled"] * 250
    assert operator.json("drill", "list") == []
    assert len(operator.json("drill", "list", "--all")) == 250


def test_what_cannot_be_is_refused_before_the_call(operator: Operator) -> None:
    """A past time, no time, nobody, an unknown server, an unknown type, the 1001st: nothing is created (S2.5)."""
    servers = fleet(operator, 1001)
    for words, code, said in [
        (["--at", "2020-01-01T00:00", servers[0]], 2, "has passed"),
        ([servers[0]], 2, "--in 2h"),
        (["--in", "2h"], 1, "Nothing is selected"),
        (["--in", "2h", "--tag", "env=prod"], 1, "Nothing is selected"),
        (["--in", "2h", "i-nobody"], 1, "i-nobody"),
        (["--in", "2h", "--type", "SystemFailure.Delete", servers[0]], 1, "known are"),
        (["--in", "2h", *servers], 1, "may have 1000 simulated events"),
    ]:
        refused = operator("drill", "create", *words)
        assert (refused.returncode, said in refused.stderr) == (code, True), (words[:3], refused)
    assert operator.simulator.journal(action=CREATE) == []
    assert operator.json("drill", "list", "--all", "--no-look") == []


def test_real_actions_are_asked_about_with_everything_that_they_reach(operator: Operator) -> None:
    """How many, which rules in which mode, until when; no is no, and where nobody can answer --yes is wanted."""
    operator.settings(rules=[REBOOT])
    operator.done("rules", "promote", "reboot")
    words = ("drill", "create", "--in", "2h", "--real-actions", WEB, PEER, TEST)
    declined = operator(*words, typed="n\n")
    assert declined.returncode == 1
    assert "3 servers" in declined.stdout
    assert "mode auto) is for 2 of them" in declined.stdout
    assert "REAL until" in declined.stdout
    assert operator(*words, "--json").returncode == 2
    assert operator.simulator.journal(action=CREATE) == []
    agreed = operator.done(*words, "--expires", "30m", typed="y\n")
    assert "Drill drill-" in agreed
    (asked,) = operator.simulator.journal(action=CREATE)
    # Real actions are ours to take: the vendor is never asked to do anything to the servers.
    assert asked["parameters"]["EventType"] == "SystemMaintenance.Reboot"
    assert "TriggerRealOps" not in asked["parameters"]
    rows = operator.json("drill", "list")
    assert {one["real"] for one in rows} == {True}
    assert all(one["created"] < one["expires"] < one["not_before"] for one in rows)
    operator.settings(rules=[REBOOT], language="zh")
    dry = operator.done("drill", "create", "--in", "2h", TEST)
    assert "操作为空跑" in dry
    assert "没有适用的规则" in dry


def test_servers_are_selected_as_rules_select(operator: Operator) -> None:
    """By tag, from what the inventory knows."""
    with operator.worker():
        until(lambda: len(operator.json("instances")) == 3, 60, what="an inventory")
    told = created(operator, "--tag", "env=prod", "--region", REGION)
    assert [one["resource"] for one in told["events"]] == [WEB, PEER]
    assert created(operator, WEB, TEST, "--tag", "env=prod")["events"][0]["resource"] == WEB


def test_what_cannot_be_taken_back_is_named_and_left_alone(operator: Operator) -> None:
    """A real event, one that is over, one that does not exist; somebody else's is taken back by its id."""
    operator.simulator.chaos("maintenance_event", WEB, in_seconds=7200)
    (real,) = (one["id"] for one in operator.simulator.control("GET", "world")["alibaba"]["system_events"])
    first, other = created(operator, PEER, TEST)["events"]
    assert operator("drill", "cancel", first["event"]).returncode == 0
    (line,) = operator.json("drill", "list")
    assert (line["event"], line["resource"]) == (other["event"], TEST if first["resource"] == PEER else PEER)
    operator.settings(database=f"sqlite:///{operator.folder / 'somebody-else.db'}")
    (stranger,) = operator.json("drill", "list")
    assert (stranger["event"], stranger["drill_id"], stranger["state"]) == (other["event"], "", "")
    done = operator("drill", "cancel", real, other["event"], first["event"], "e-none")
    assert done.returncode == 1
    assert "1 event was taken back" in done.stdout
    assert f"{real} was left alone: it is a real event" in done.stdout
    assert f"{first['event']} was left alone: it is over: Canceled" in done.stdout
    assert "e-none was left alone: the cloud does not show it, and no drill on record is called so" in done.stdout
    assert statuses(operator) == ["Canceled", "Canceled", "Scheduled"]
    operator.settings()
    assert operator.json("drill", "cancel", "--all") == []


def test_a_drills_event_is_listed_with_the_real_ones_and_marked_as_simulated(operator: Operator) -> None:
    """Only messages told of both, and they do not say so: `cloudheal maintenance` does, in either language (S2.4)."""
    operator.settings(poll={"system_events": None})
    operator.simulator.chaos("maintenance_event", PEER, in_seconds=7200)
    (event,) = created(operator, WEB)["events"]
    with operator.worker():
        until(lambda: len(json.loads(operator("maintenance", "--json").stdout)["events"]) == 2, 60, what="both events")
    listed = {one["resource"]: one for one in operator.json("maintenance")["events"]}
    assert listed[WEB]["id"] == event["event"]
    assert {name: one["simulated"] for name, one in listed.items()} == {WEB: True, PEER: False}
    for language, yes in (("en", "yes"), ("zh", "是")):
        operator.settings(poll={"system_events": None}, language=language)
        rows = operator.done("maintenance").splitlines()
        assert {name: any(name in row and yes in row for row in rows) for name in (WEB, PEER)} == {
            WEB: True,
            PEER: False,
        }


def test_a_cloud_that_cannot_be_read_is_said_so(operator: Operator) -> None:
    """The list shows what is on record and ends with 1."""
    created(operator, WEB)
    refused = {"kind": "error", "status": 403, "code": "Forbidden.RAM"}
    operator.simulator.control("PUT", "faults", [{"action": "DescribeInstanceHistoryEvents", "fault": refused}])
    shown = operator("drill", "list")
    assert (shown.returncode, WEB in shown.stdout, "Forbidden.RAM" in shown.stdout) == (1, True, True)


def test_the_policy_for_drills_names_their_calls(operator: Operator) -> None:
    """Only when it is asked for, and never the switch that makes simulated events real."""
    plain, more = operator.done("policy"), operator.done("policy", "--drills")
    assert "SimulatedSystemEvents" not in plain
    for call in (f"ecs:{CREATE}", f"ecs:{CANCEL}", "cms:SendDryRunSystemEvent"):
        assert call in more


# --- rules fire -------------------------------------------------------------------------------------------


def test_a_test_message_takes_the_whole_way_and_nothing_follows(operator: Operator) -> None:
    """One message on the queue with the server's id (S2.7); the worker records it, though the server really is down."""
    operator.done("rules", "promote", RULE["name"])
    operator.simulator.control("PUT", "faults", [{"service": "cms", "fault": "lost-event"}])
    operator.simulator.chaos("power_off", WEB)
    until(lambda: state(operator, WEB) == "Stopped", what="a stopped server")
    operator.simulator.control("PUT", "faults", [])
    told = operator.json("rules", "fire", RULE["name"], "--instance", WEB)
    assert (told["type"], told["status"], told["rules"]) == ("Instance:StateChange", "Stopped", [RULE["name"]])
    until(lambda: queued(operator) == 1, what="one message on the queue")
    operator.done("run", "--once")
    (event,) = operator.json("events")
    assert (event["resource"], event["status"], event["simulated"]) == (WEB, "Stopped", True)
    assert event["decisions"] == [f"{RULE['name']}: dry_run"]
    assert operator.json("incidents") == []
    assert operator.starts() == []
    assert "test message" in operator.done("explain", str(event["number"]))


def test_an_event_can_be_fired_by_its_name_about_a_server_that_need_not_exist(operator: Operator) -> None:
    """The id is the operator's; whom it is for is said; a rule that does not exist is answered with the rules."""
    name = "Instance:SystemMaintenance.Reboot:Scheduled"
    done = operator.done("rules", "fire", "--event", name, "--instance", "i-bp1anything")
    assert "about i-bp1anything" in done
    assert "No rule is for it" in done
    until(lambda: queued(operator) == 1, what="one message on the queue")
    operator.done("run", "--once")
    assert operator.json("maintenance")["events"] == []
    missing = operator("rules", "fire", "restrat", "--instance", WEB)
    assert (missing.returncode, RULE["name"] in missing.stderr) == (1, True)
    shown = json.loads(operator.done("rules", "fire", RULE["name"], "--instance", TEST, "--json"))
    assert (shown["rules"], shown["not_selecting"]) == ([], [RULE["name"]])
