"""Faults and quotas mean the same in every service, each in its own words: one table, one row a service."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.sim import tencent
from tests.sim.signing import ACTIONTRAIL, CMS, ECS, LOCATION, SLB, STS, VPC, Answer, HandSigned
from tests.sim.simulator import RunningSimulator

SERVER, BALANCER = "i-bp1a", "lb-a"
CVM, LISTENER = "ins-a", "lbl-a"
WORLD: dict[str, Any] = {
    "alibaba": {
        "instances": [{"id": SERVER, "status": "Stopped"}],
        "load_balancers": [{"id": BALANCER}],
        "queues": [{"name": "q"}],
    },
    "tencent": {
        "instances": [{"id": CVM, "status": "STOPPED"}],
        "balancers": [{"id": "lb-b", "listeners": [{"id": LISTENER, "port": 80, "targets": [f"{CVM}:80"]}]}],
        "clb_task_seconds": 0,
    },
}
Call = Callable[[HandSigned], Answer]


@dataclass(frozen=True, slots=True)
class Row:
    """One service: a call, how it says "too often", and, where it keeps anything, a change and how a read shows it."""

    service: str
    action: str
    call: Call
    throttled: tuple[int, str] = (400, "Throttling.User")
    broken: tuple[int, str] = (500, "InternalError")
    seen: Callable[[HandSigned], bool] | None = None


def rpc(version: str, action: str, **parameters: object) -> Call:
    """Return the call with these parameters."""
    return lambda hand: hand.rpc(version, action, **parameters)


@dataclass(frozen=True, slots=True)
class Api3Answer(Answer):
    """An answer of Tencent Cloud, whose errors travel with HTTP 200."""

    @property
    def code(self) -> str:
        """The error code, empty on success."""
        return str(self.json["Response"].get("Error", {}).get("Code", ""))


def api3(version: str, action: str, **parameters: object) -> Call:
    """Return the call to Tencent Cloud with these parameters."""

    def call(hand: HandSigned) -> Answer:
        signed = tencent.Tc3.of(action, version, **parameters)
        answer = hand.send("POST", "/", signed.body, signed.headers())
        return Api3Answer(answer.status, answer.headers, answer.body)

    return call


#: How Tencent Cloud says "too often", and that it is broken.
TOO_OFTEN, BROKEN = (200, "RequestLimitExceeded"), (200, "InternalError")
ROWS = (
    Row(
        "ecs",
        "StartInstance",
        rpc(ECS, "StartInstance", InstanceId=SERVER),
        seen=lambda hand: b"Stopped" not in hand.rpc(ECS, "DescribeInstanceStatus").body,
    ),
    Row(
        "slb",
        "CreateVServerGroup",
        rpc(SLB, "CreateVServerGroup", LoadBalancerId=BALANCER, VServerGroupName="made"),
        seen=lambda hand: b"made" in hand.rpc(SLB, "DescribeVServerGroups", LoadBalancerId=BALANCER).body,
    ),
    Row(
        "cms",
        "PutEventRule",
        rpc(CMS, "PutEventRule", **{"RuleName": "made", "EventPattern.1.Product": "ECS"}),
        seen=lambda hand: b"made" in hand.rpc(CMS, "DescribeEventRuleList").body,
    ),
    Row(
        "mns",
        "CreateQueue",
        lambda hand: hand.mns("PUT", "/queues/made", "<Queue/>"),
        throttled=(400, "QpsLimitExceeded"),
        seen=lambda hand: b"/queues/made" in hand.mns("GET", "/queues").body,
    ),
    Row("sts", "GetCallerIdentity", rpc(STS, "GetCallerIdentity")),
    Row("actiontrail", "LookupEvents", rpc(ACTIONTRAIL, "LookupEvents")),
    Row("vpc", "DescribeVSwitches", rpc(VPC, "DescribeVSwitches")),
    Row(
        "location",
        "DescribeEndpoints",
        rpc(LOCATION, "DescribeEndpoints", Id="cn-hangzhou", ServiceCode="ecs", Type="openAPI"),
    ),
    Row(
        "cvm",
        "StartInstances",
        api3(tencent.CVM, "StartInstances", InstanceIds=[CVM]),
        throttled=TOO_OFTEN,
        broken=BROKEN,
        seen=lambda hand: b"STOPPED" not in api3(tencent.CVM, "DescribeInstancesStatus")(hand).body,
    ),
    Row(
        "clb",
        "DeregisterTargets",
        api3(
            tencent.CLB,
            "DeregisterTargets",
            LoadBalancerId="lb-b",
            ListenerId=LISTENER,
            Targets=[{"InstanceId": CVM, "Port": 80}],
        ),
        throttled=TOO_OFTEN,
        broken=BROKEN,
        seen=lambda hand: CVM.encode() not in api3(tencent.CLB, "DescribeTargets", LoadBalancerId="lb-b")(hand).body,
    ),
    Row("tat", "DescribeCommands", api3(tencent.TAT, "DescribeCommands"), throttled=TOO_OFTEN, broken=BROKEN),
    Row(
        "monitor",
        "DescribeBaseMetrics",
        api3(tencent.MONITOR, "DescribeBaseMetrics", Namespace="QCE/CVM"),
        throttled=TOO_OFTEN,
        broken=BROKEN,
    ),
)
KEEPING = tuple(row for row in ROWS if row.seen)
every_service = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.service)
keeping_services = pytest.mark.parametrize("row", KEEPING, ids=lambda row: row.service)


@pytest.fixture
def hand(stepped: RunningSimulator) -> Iterator[HandSigned]:
    """A signer for a small world."""
    stepped.world(WORLD)
    with HandSigned(stepped.address) as signer:
        yield signer


def fault(sim: RunningSimulator, row: Row, what: object, **when: object) -> None:
    """Let something go wrong with the row's call, and with nothing else."""
    rule = {"match": {"service": row.service, "action": row.action}, "when": when, "fault": what}
    sim.control("PUT", "faults", [rule])


def told(sim: RunningSimulator, row: Row) -> dict[str, Any]:
    """Return what the journal says of the row's only call."""
    (entry,) = sim.journal(kind="request", action=row.action)
    return entry


def outcome(answer: Answer) -> tuple[int, str]:
    """Return status and code."""
    return answer.status, answer.code


@every_service
@pytest.mark.parametrize(("kind", "wanted"), [("throttle", "throttled"), ("5xx", "broken")])
def test_a_call_that_is_turned_away_has_no_effect(
    stepped: RunningSimulator, hand: HandSigned, row: Row, kind: str, wanted: str
) -> None:
    """The refusal is in the service's words, named in the journal, and nothing changed; the next call works."""
    fault(stepped, row, kind, times=1)
    assert outcome(row.call(hand)) == getattr(row, wanted)
    entry = told(stepped, row)
    assert (entry["fault"], entry.get("changes", [])) == (kind, [])
    assert row.seen is None or not row.seen(hand)
    assert row.call(hand).status < 300


@keeping_services
@pytest.mark.parametrize("kind", ["effect-then-5xx", "truncated-body", "effect-then-timeout"])
def test_an_effect_survives_its_lost_answer(stepped: RunningSimulator, hand: HandSigned, row: Row, kind: str) -> None:
    """Whoever asks afterwards sees the effect, and the journal has it under the call that seemed to fail."""
    fault(stepped, row, {"kind": kind, "hold_seconds": 0.1})
    if kind == "effect-then-5xx":
        assert outcome(row.call(hand)) == row.broken
    else:
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            row.call(hand)
        hand.close()
    assert row.seen is not None
    assert row.seen(hand)
    entry = told(stepped, row)
    assert entry["fault"] == kind
    assert entry["changes"]


@keeping_services
def test_a_reset_connection_has_no_effect(stepped: RunningSimulator, hand: HandSigned, row: Row) -> None:
    """`reset` happens before the call is served."""
    fault(stepped, row, "reset")
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        row.call(hand)
    assert row.seen is not None
    assert not row.seen(hand)


@keeping_services
def test_a_stale_read_does_not_see_what_was_just_done(stepped: RunningSimulator, hand: HandSigned, row: Row) -> None:
    """For as long as the fault says the answer is the old one, then the new."""
    assert row.seen is not None
    stepped.advance(20)
    assert row.call(hand).status < 300
    stale = {"kind": "stale-read", "age_seconds": 5}
    stepped.control("PUT", "faults", [{"match": {"service": row.service}, "fault": stale}])
    stepped.advance(1)
    assert not row.seen(hand)
    stepped.advance(4)
    assert row.seen(hand)


@every_service
def test_a_quota_is_of_one_second_and_one_key(stepped: RunningSimulator, hand: HandSigned, row: Row) -> None:
    """The call over the quota is refused in the service's words until the next second of virtual time begins."""
    stepped.world({**WORLD, "quotas": {f"{row.service}:{row.action}": 1}})
    row.call(hand)
    assert outcome(row.call(hand)) == row.throttled
    stepped.advance(1)
    assert outcome(row.call(hand)) != row.throttled
