"""A spot server that is taken away leaves its balancer in time and is replaced; real SDKs, over TCP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cloudheal.app import App
from cloudheal.clouds.alibaba.client import SLB, Client
from cloudheal.clouds.alibaba.events import event_of
from cloudheal.clouds.keys import Keys
from cloudheal.model.control import Hold
from cloudheal.model.event import Channel
from cloudheal.model.incident import Mode, Run, RunState, Trouble
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.playbooks.spot_evacuate import SPOT_EVACUATE
from cloudheal.record.budget import grant
from cloudheal.record.holds import EVERYTHING, add_hold
from cloudheal.record.incidents import add_run, open_incident
from cloudheal.record.tables import INCIDENT, MEMBERSHIP, STEP, WORKER
from cloudheal.settings.schema import Settings
from cloudheal.testing.messages import message
from tests.flow.operators import until
from tests.flow.test_restart import Healing
from tests.migrated import migrated
from tests.sim.simulator import RunningSimulator
from tests.usual import RULE

QUEUE, REGION = "ecs-cms-event", "cn-hangzhou"
SPOT, PEER = "i-bp1spot01", "i-bp1peer01"
TYPE, OTHER_TYPE = "ecs.g7.large", "ecs.c7.large"
CHECK = {"interval": 1, "healthy_threshold": 1, "unhealthy_threshold": 1}
WORLD: dict[str, Any] = {
    "regions": [REGION],
    "alibaba": {
        "instances": [
            {"id": SPOT, "region": REGION, "status": "Running", "name": "spot-01", "spot": True, "type": TYPE},
            {"id": PEER, "region": REGION, "status": "Running", "name": "peer-01"},
        ],
        "server_groups": [
            {
                "id": "rsp-web",
                "load_balancer": "lb-bp1shop",
                "backends": [
                    {"server_id": SPOT, "port": 8080, "weight": 30},
                    {"server_id": PEER, "port": 8080, "weight": 55},
                ],
            },
            {
                "id": "rsp-api",
                "load_balancer": "lb-bp1api",
                "backends": [
                    {"server_id": PEER, "port": 9090, "weight": 70},
                    {"server_id": SPOT, "port": 9090, "weight": 100},
                ],
            },
        ],
        "listeners": [
            {"load_balancer": "lb-bp1shop", "port": 80, "server_group": "rsp-web", **CHECK},
            {"load_balancer": "lb-bp1api", "port": 443, "server_group": "rsp-api", **CHECK},
        ],
        "queues": [{"name": QUEUE}],
        "event_rules": [
            {"name": "all", "pattern": {"product": "ECS", "names": ["*"]}, "targets": [{"mns": {"queue": QUEUE}}]}
        ],
        "durations": {"pending": 0.2, "starting": 0.3},
    },
}
PEERS = {"rsp-web": [(PEER, 8080, 55)], "rsp-api": [(PEER, 9090, 70)]}
REPLACE: dict[str, Any] = {"drain": "0s", "replace": True, "healthy_timeout": "20s"}


class Evacuating(Healing):
    """A worker with the rule for interruptions."""

    def world(self, **changes: object) -> None:
        """Put a changed world in place."""
        self.simulator.world({**WORLD, "alibaba": {**WORLD["alibaba"], **changes}})

    def reclaimed(self, seconds: float = 40) -> tuple[str, str, Mapping[str, str]]:
        """Have the spot server reclaimed; return verdict, code and evidence of what followed."""
        self.chaos("reclaim", SPOT)
        (incident,) = self.until_ended(1, seconds=seconds)
        evidence = json.loads(incident.evidence)
        return incident.verdict, evidence.pop("code"), evidence

    def groups(self) -> dict[str, list[tuple[str, int, int]]]:
        """Return who is in which group, with port and weight."""
        groups = self.simulator.control("GET", "world")["alibaba"]["server_groups"]
        return {
            group["id"]: [(one["server_id"], one["port"], one["weight"]) for one in group["backends"]]
            for group in groups
        }

    def servers(self) -> list[dict[str, Any]]:
        """Return every server there is."""
        found: list[dict[str, Any]] = self.simulator.control("GET", "world")["alibaba"]["instances"]
        return found

    def replacements(self) -> list[dict[str, Any]]:
        """Return the servers that were ordered in place of the spot server."""
        return [one for one in self.servers() if one["tags"].get("replaces") == SPOT]

    def calls(self, *actions: str) -> list[str]:
        """Return the changing calls, in order."""
        return [one["action"] for one in self.simulator.journal(kind="request") if one["action"] in actions]


Start = Callable[..., Evacuating]


@pytest.fixture
def start(simulator: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a worker whose rule for interruptions has these parameters, on a fresh database and a fresh world."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    simulator.control("POST", "reset")
    simulator.world(WORLD)
    account = {
        "name": "prod",
        "cloud": "alibaba",
        "id": "1000000000000001",
        "regions": [REGION],
        "endpoint": simulator.url,
        "queue": {"endpoint": simulator.url, "name": QUEUE, "wait_seconds": 1},
    }

    with ExitStack() as stack:

        def begin(*more_rules: Mapping[str, Any], **parameters: object) -> Evacuating:
            rule = {
                "name": "leave-before-release",
                "when": {"type": ["Instance:PreemptibleInstanceInterruption"]},
                "resources": {"all": True},
                "playbook": "spot_evacuate",
                "with": parameters,
                "mode": "auto",
            }
            document = {
                "accounts": [account],
                "database": f"sqlite:///{migrated(tmp_path / 'h.db')}",
                "rules": [rule, *more_rules],
                "settle_seconds": 0.5,
            }
            app = stack.enter_context(App(Settings.model_validate(document)).running())
            return Evacuating(app, simulator)

        yield begin


def test_every_port_of_every_group_is_left_and_nothing_else_is_touched(start: Start) -> None:
    """Ports 8080 and 9090 with weights 30 and 100 in two groups: both gone, the others as they were."""
    healing = start(drain="0s")
    verdict, code, evidence = healing.reclaimed()
    assert (verdict, code) == ("healed", "evacuated")
    assert healing.groups() == PEERS
    assert evidence == {"removed": "lb-bp1api/rsp-api 9090@100; lb-bp1shop/rsp-web 8080@30"}
    assert healing.replacements() == []


def test_groups_that_the_sweep_knew_are_left_before_all_balancers_are_looked_at(start: Start) -> None:
    """The first removal needs no list of balancers; a group joined since is found by the full scan."""
    healing = start(drain="0s")
    until(lambda: len(healing.rows(MEMBERSHIP)) == 4, what="the sweep")
    since = healing.simulator.journal()[-1]["seq"]
    backends = json.dumps([{"ServerId": SPOT, "Port": 7070, "Weight": 10}, {"ServerId": PEER, "Port": 7070}])
    late = {"LoadBalancerId": "lb-bp1api", "VServerGroupName": "late", "BackendServers": backends}
    Client(Keys("testid", "testsecret"), healing.simulator.url).call(SLB, "CreateVServerGroup", REGION, late, 5)
    assert healing.reclaimed()[:2] == ("healed", "evacuated")
    assert {server for members in healing.groups().values() for server, _, _ in members} == {PEER}
    actions = [one["action"] for one in healing.simulator.journal(since=since, kind="request", service="slb")]
    assert actions.index("RemoveVServerGroupBackendServers") < actions.index("DescribeLoadBalancers")


def test_a_false_notice_keeps_no_server_from_being_started(start: Start) -> None:
    """Somebody sends the notice of a server that is no spot server, which then stops: it is started all the same."""
    restart = {**RULE, "resources": {"all": True}, "limits": {"cool_down": "1s", "share": 1.0}}
    healing = start(restart)
    content = {"instanceId": PEER, "action": "delete"}
    server = ResourceId(Cloud.ALIBABA, "1000000000000001", REGION, "instance", PEER)
    notice = message(server, "Instance:PreemptibleInstanceInterruption", content, healing.app.clock.now())
    healing.simulator.control("POST", "events", {"raw": notice.decode(), "queue": QUEUE})
    healing.chaos("power_off", PEER)
    (healed,) = healing.until(lambda: [one for one in healing.rows(INCIDENT) if one.verdict == "healed"])
    assert (healed.resource, healed.trouble) == (PEER, "stopped")
    assert {one.trouble: one.verdict for one in healing.rows(INCIDENT)}["interruption"] == "not needed"


def test_the_server_is_drained_before_it_is_removed(start: Start) -> None:
    """Weight 0 shows first, in every group and for the set seconds; only then is it removed."""
    healing = start(drain="2s")
    healing.reclaimed()
    entries = [entry for entry in healing.simulator.journal() if entry.get("changes")]
    told = [
        (datetime.fromisoformat(entry["at"]), [one["weight"] for one in change["after"] if one["server_id"] == SPOT])
        for entry in entries
        for change in entry["changes"]
        if change["what"] == "group.backends"
    ]
    assert [weights for _, weights in told] == [[0], [0], [], []]
    assert told[2][0] - told[1][0] >= timedelta(seconds=2)


def test_the_replacement_takes_over_ports_and_weights(start: Start) -> None:
    """One like it is ordered and tagged; it is in the same groups with the same ports and weights, and healthy."""
    healing = start(**REPLACE)
    verdict, code, evidence = healing.reclaimed()
    assert (verdict, code) == ("healed", "evacuated")
    (new,) = healing.replacements()
    assert (new["type"], new["status"], new["spot"]["strategy"]) == (TYPE, "Running", "SpotAsPriceGo")
    assert healing.groups() == {
        "rsp-web": [*PEERS["rsp-web"], (new["id"], 8080, 30)],
        "rsp-api": [*PEERS["rsp-api"], (new["id"], 9090, 100)],
    }
    assert evidence["replacement"] == new["id"]
    actions = healing.calls("RunInstances", "RemoveVServerGroupBackendServers", "AddVServerGroupBackendServers")
    assert actions[0] == "RunInstances"
    assert actions[-1] == "AddVServerGroupBackendServers"


def test_the_order_comes_before_the_drain_and_the_replacement_is_added_last(start: Start) -> None:
    """It boots while the server drains: one order, then weight 0 and removal in both groups, then the two additions."""
    healing = start(**(REPLACE | {"drain": "1s"}))
    assert healing.reclaimed()[:2] == ("healed", "evacuated")
    drain, remove, add = "SetVServerGroupAttribute", *(f"{one}VServerGroupBackendServers" for one in ("Remove", "Add"))
    assert healing.calls("RunInstances", drain, remove, add) == [
        "RunInstances",
        *[drain] * 2,
        *[remove] * 2,
        *[add] * 2,
    ]


def test_a_replacement_that_is_slow_to_be_well_is_added_only_then(start: Start) -> None:
    """It hangs since before the drain is over, as the cloud shows: it is put into no group before it is well."""
    healing = start(**(REPLACE | {"drain": "5s"}))
    healing.chaos("reclaim", SPOT)
    until(lambda: [one["status"] for one in healing.replacements()] == ["Running"], what="a replacement that runs")
    (new,) = healing.replacements()
    healing.chaos("hang", new["id"])
    since = healing.simulator.journal()[-1]["seq"]
    asked = "DescribeInstancesFullStatus"
    until(lambda: len(healing.simulator.journal(since=since, action=asked)) >= 3, what="looks at its health")
    assert healing.calls("AddVServerGroupBackendServers") == []
    healing.chaos("unhang", new["id"])
    (incident,) = healing.until_ended(1)
    assert incident.verdict == "healed"
    assert healing.groups() == {
        "rsp-web": [*PEERS["rsp-web"], (new["id"], 8080, 30)],
        "rsp-api": [*PEERS["rsp-api"], (new["id"], 9090, 100)],
    }


def test_the_next_candidate_is_ordered_when_the_first_is_sold_out(start: Start) -> None:
    """No stock of the first type: the second one comes, and the evidence names both."""
    healing = start(**REPLACE, candidates=[{}, {"type": OTHER_TYPE}])
    healing.chaos("no_stock", SPOT)
    verdict, _, evidence = healing.reclaimed()
    assert verdict == "healed"
    (new,) = healing.replacements()
    assert new["type"] == OTHER_TYPE
    assert "OperationDenied.NoStock" in evidence["offers"]
    assert f"{OTHER_TYPE} in" in evidence["offers"]


def test_pay_as_you_go_follows_when_policy_allows_it(start: Start) -> None:
    """The spot market refuses the price; the same type is ordered at the full price."""
    healing = start(**REPLACE, pay_as_you_go=True)
    refused = {
        "action": "RunInstances",
        "times": 1,
        "fault": {"kind": "error", "status": 403, "code": "OperationDenied.NoStock", "message": "no"},
    }
    healing.simulator.control("PUT", "faults", [refused])
    assert healing.reclaimed()[0] == "healed"
    (new,) = healing.replacements()
    assert "spot" not in new


def test_without_any_offer_the_server_still_leaves_and_the_verdict_says_so(start: Start) -> None:
    """Nothing to buy is told exactly: out of the groups, not replaced."""
    healing = start(**REPLACE)
    healing.chaos("no_stock", SPOT)
    verdict, code, evidence = healing.reclaimed()
    assert (verdict, code) == ("not healed", "not_replaced")
    assert healing.groups() == PEERS
    assert set(evidence) == {"removed", "offers"}


def test_the_last_healthy_server_stays_without_the_override(start: Start) -> None:
    """Where nobody else serves, removing would end the service now instead of later; the other group is left."""
    healing = start(drain="0s")
    groups = [dict(one) for one in WORLD["alibaba"]["server_groups"]]
    groups[0]["backends"] = [{"server_id": SPOT, "port": 8080, "weight": 30}]
    healing.world(server_groups=groups)
    verdict, code, evidence = healing.reclaimed()
    assert (verdict, code) == ("not healed", "last_healthy")
    assert healing.groups() == {"rsp-web": [(SPOT, 8080, 30)], "rsp-api": PEERS["rsp-api"]}
    assert evidence == {"kept": "lb-bp1shop/rsp-web: last_healthy", "removed": "lb-bp1api/rsp-api 9090@100"}


def test_a_member_that_fails_its_check_does_not_count_as_another_healthy_one(start: Start) -> None:
    """Health decides, not the list: with the peer abnormal the spot server is the last one everywhere."""
    healing = start(drain="0s")
    instances = [WORLD["alibaba"]["instances"][0], {**WORLD["alibaba"]["instances"][1], "status": "Stopped"}]
    healing.world(instances=instances)
    assert healing.reclaimed()[:2] == ("not healed", "last_healthy")
    assert healing.calls("RemoveVServerGroupBackendServers") == []


def test_the_override_removes_the_last_one(start: Start) -> None:
    """`remove_last: true` is the operator's word."""
    healing = start(drain="0s", remove_last=True)
    alone = [{"id": "rsp-web", "load_balancer": "lb-bp1shop", "backends": [{"server_id": SPOT, "port": 8080}]}]
    healing.world(server_groups=alone, listeners=WORLD["alibaba"]["listeners"][:1])
    assert healing.reclaimed()[:2] == ("healed", "evacuated")
    assert healing.groups() == {"rsp-web": []}


def test_the_last_one_leaves_once_its_replacement_serves(start: Start) -> None:
    """The group is never without anybody: first the new one joins and is healthy, then the old one leaves."""
    healing = start(**REPLACE)
    backends = [{"server_id": SPOT, "port": 8080, "weight": 30}]
    alone = [{"id": "rsp-web", "load_balancer": "lb-bp1shop", "backends": backends}]
    healing.world(server_groups=alone, listeners=WORLD["alibaba"]["listeners"][:1])
    assert healing.reclaimed()[:2] == ("healed", "evacuated")
    (new,) = healing.replacements()
    assert healing.groups() == {"rsp-web": [(new["id"], 8080, 30)]}
    assert healing.calls("AddVServerGroupBackendServers", "RemoveVServerGroupBackendServers") == [
        "AddVServerGroupBackendServers",
        "RemoveVServerGroupBackendServers",
    ]


def test_a_server_that_is_only_stopped_keeps_its_membership_with_weight_0(start: Start) -> None:
    """A stopped spot server does not come back by itself, but may be started again: it is drained, not removed."""
    healing = start(drain="0s")
    spot = {**WORLD["alibaba"]["instances"][0], "spot": {"behavior": "Stop"}}
    healing.world(instances=[spot, WORLD["alibaba"]["instances"][1]])
    verdict, _, evidence = healing.reclaimed()
    assert verdict == "healed"
    assert healing.groups() == {
        "rsp-web": [(SPOT, 8080, 0), (PEER, 8080, 55)],
        "rsp-api": [(PEER, 9090, 70), (SPOT, 9090, 0)],
    }
    assert evidence == {"drained": "lb-bp1api/rsp-api 9090@100; lb-bp1shop/rsp-web 8080@30"}


@pytest.mark.parametrize("fault", ["effect-then-5xx", "5xx", "throttle"])
def test_a_lost_or_refused_answer_of_any_call_changes_nothing_in_the_end(start: Start, fault: str) -> None:
    """Each changing call fails once, with or without effect: the outcome is the same, and one server was bought."""
    healing = start(**(REPLACE | {"drain": "1s"}))
    changing = ("RunInstances", "SetVServerGroup*", "RemoveVServerGroup*", "AddVServerGroup*")
    healing.simulator.control("PUT", "faults", [{"action": one, "times": 1, "fault": fault} for one in changing])
    assert healing.reclaimed(seconds=60)[:2] == ("healed", "evacuated")
    (new,) = healing.replacements()
    assert healing.groups() == {
        "rsp-web": [*PEERS["rsp-web"], (new["id"], 8080, 30)],
        "rsp-api": [*PEERS["rsp-api"], (new["id"], 9090, 100)],
    }


def test_a_busy_balancer_is_waited_for(start: Start) -> None:
    """While an earlier change is rolled out the next is refused; it is sent again and the verdict is the same."""
    healing = start(drain="1s")
    healing.world(slb_configuring_seconds=2)
    assert healing.reclaimed(seconds=60)[:2] == ("healed", "evacuated")
    assert healing.groups() == PEERS


def test_a_notice_that_the_cloud_does_not_confirm_changes_nothing(start: Start) -> None:
    """An event is a hint: without the lock nothing is touched, whoever sent it."""
    healing = start(drain="0s")
    healing.world(instances=[{**WORLD["alibaba"]["instances"][0], "spot": False}, WORLD["alibaba"]["instances"][1]])
    healing.simulator.control(
        "POST",
        "events",
        {
            "product": "ECS",
            "name": "Instance:PreemptibleInstanceInterruption",
            "resource": SPOT,
            "content": {"instanceId": SPOT, "action": "delete"},
        },
    )
    (incident,) = healing.until_ended(1)
    assert (incident.verdict, json.loads(incident.evidence)["code"]) == ("not needed", "not_spot")
    assert healing.rows(STEP, sa.true()) == []


SLOW = [f"i-bp1slow{n:02d}" for n in range(50)]
RESTART: dict[str, Any] = {
    "name": "restart",
    "when": {"type": ["Instance:StateChange"], "data": {"state": ["Stopped"]}},
    "resources": {"all": True},
    "desired": "on",
    "playbook": "restart_stopped",
    "mode": "auto",
    "limits": {"at_once": 100, "share": 1.0, "per_hour": 1000, "storm_members": 100, "storm_share": 1.0},
}


def test_an_interruption_is_not_queued_behind_slow_work(start: Start) -> None:
    """Fifty starts that take ten minutes are under way or waiting; the removal is asked for long before one ends."""
    healing = start(RESTART, drain="0s")
    slow = [{"id": one, "region": REGION, "status": "Running"} for one in SLOW]
    healing.world(instances=[*WORLD["alibaba"]["instances"], *slow])
    healing.chaos("slow_boot", *SLOW, seconds=600)
    healing.chaos("power_off", *SLOW)
    while healing.reasons().count("act") < len(SLOW):
        healing.drain_queue()
    healing.chaos("reclaim", SPOT)
    (incident,) = healing.until_ended(1)
    assert (incident.resource, incident.verdict) == (SPOT, "healed")
    (first, *_) = healing.simulator.journal(action="RemoveVServerGroupBackendServers")
    asked = datetime.fromisoformat(first["at"]).timestamp() * 1000
    assert asked - incident.detected < 30_000


def test_an_interruption_ends_the_restart_of_the_same_server(start: Start) -> None:
    """One resource, one run at a time: the restart ends superseded, and what the reclaim stops is not started again."""
    healing = start(RESTART, drain="0s")
    healing.chaos("slow_boot", SPOT, seconds=600)
    healing.chaos("power_off", SPOT)
    while not healing.calls("StartInstance"):
        healing.drain_queue()
    healing.chaos("reclaim", SPOT)
    ended = {one.trouble: one for one in healing.until_ended(2)}
    assert ended["interruption"].verdict in {"healed", "not healed"}
    evidence = json.loads(ended["stopped"].evidence)
    assert (ended["stopped"].verdict, evidence["code"]) == ("not needed", "superseded")
    assert evidence["by"] == ended["interruption"].id
    assert healing.calls("StartInstance") == ["StartInstance"]


def test_what_stops_while_it_is_reclaimed_joins_the_interruption(start: Start) -> None:
    """The stop is the reclaim's own doing: it opens nothing beside it."""
    healing = start(RESTART, drain="90s")
    healing.chaos("reclaim", SPOT)
    while not healing.calls("SetVServerGroupAttribute"):
        healing.drain_queue()
    healing.chaos("power_off", SPOT)
    while len(healing.reasons()) < 2:
        healing.drain_queue()
    begun, *rest = healing.reasons()
    assert begun == "act"
    assert set(rest) <= {"joined", "stale"}  # stale where a look at the cloud, or a later message, came before it
    assert healing.calls("StartInstance") == []


def test_a_notice_that_comes_too_late_is_expired(start: Start) -> None:
    """Five minutes after the notice the server is gone: nothing is begun, and the decision says why."""
    healing = start(drain="0s")
    late = datetime.now(UTC) - timedelta(minutes=6)
    body = {
        "product": "ECS",
        "name": "Instance:PreemptibleInstanceInterruption",
        "resourceId": f"acs:ecs:{REGION}:1000000000000001:instance/{SPOT}",
        "eventTime": late.strftime("%Y%m%dT%H%M%S.000+0000"),
        "content": {"instanceId": SPOT, "action": "delete"},
    }
    healing.app.take([json.dumps(body).encode()], "test", Channel.FILE)
    assert healing.reasons() == ["expired"]
    assert healing.calls("RemoveVServerGroupBackendServers") == []


def test_a_pause_stops_an_interruption_too_and_says_so(start: Start) -> None:
    """A person's will wins even over a deadline; a hold of the one server does not."""
    healing = start(drain="0s")
    now = healing.app.clock.now()
    with healing.app.database.transaction() as connection:
        add_hold(connection, Hold(SPOT, "ops", "I am debugging it", now))
    assert healing.reclaimed()[:2] == ("healed", "evacuated")
    with healing.app.database.transaction() as connection:
        add_hold(connection, Hold(EVERYTHING, "ops", "release tonight", now))
    other = {**WORLD["alibaba"]["instances"][0], "id": "i-bp1spot02"}
    healing.world(instances=[other, WORLD["alibaba"]["instances"][1]], server_groups=[], listeners=[])
    healing.chaos("reclaim", "i-bp1spot02")
    while len(healing.reasons()) < 2:
        healing.drain_queue()
    begun, held, *again = healing.reasons()
    assert (begun, held) == ("act", "paused")
    assert set(again) <= {"stale"}  # the message of what a look at the cloud had found before it


def test_a_run_whose_worker_died_before_beginning_it_is_begun_by_the_heir(start: Start) -> None:
    """Runs of the fast lane are not queued: what a dead worker committed and did not begin, its heir begins."""
    healing = start(drain="0s")
    healing.chaos("reclaim", SPOT)
    now = healing.app.clock.now()
    body = {
        "product": "ECS",
        "name": "Instance:PreemptibleInstanceInterruption",
        "resourceId": f"acs:ecs:{REGION}:1000000000000001:instance/{SPOT}",
        "eventTime": now.strftime("%Y%m%dT%H%M%S.000+0000"),
        "content": {"instanceId": SPOT, "action": "delete"},
    }
    event = event_of(json.dumps(body).encode(), now, Channel.QUEUE)
    run = Run(
        "run-1", "inc-1", "leave-before-release", "spot_evacuate", SPOT_EVACUATE.digest, Mode.AUTO, RunState.STARTING
    )
    with healing.app.database.transaction() as connection:
        connection.execute(sa.insert(WORKER).values(id="dead", host="gone", heartbeat=0))
        assert open_incident(connection, "inc-1", event, Trouble("interruption"), "", now)
        add_run(connection, run, at=now, owner="dead")
        grant(connection, run.id, now)
    (incident,) = healing.until_ended(1)
    assert (incident.id, incident.verdict) == ("inc-1", "healed")
    assert healing.groups() == PEERS
