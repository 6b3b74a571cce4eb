"""CLB: what stands behind a balancer, how it is changed by tasks, and what the health checks show."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tencentcloud.clb.v20180317 import models as clb
from tencentcloud.clb.v20180317.clb_client import ClbClient

from cloudheal_sim.kernel.faults import Rule
from tests.sim.simulator import RunningSimulator
from tests.sim.tencent import CLB, Inside, asked, sdk

WEB, DB, DOWN = "ins-heal0001", "ins-heal0002", "ins-heal0003"
LB, TCP, HTTP, LOCATION = "lb-heal0001", "lbl-heal0001", "lbl-http0001", "loc-heal0001"
CHECK = {"interval": 5, "healthy": 3, "unhealthy": 3}
WORLD: dict[str, Any] = {
    "instances": [
        {"id": WEB, "name": "web-1", "network": {"private_ip": "10.0.0.11", "public_ips": ["203.0.113.11"]}},
        {"id": DB, "network": {"private_ip": "10.0.0.12"}},
        {"id": DOWN, "status": "STOPPED"},
    ],
    "balancers": [
        {
            "id": LB,
            "name": "shop",
            "created": "2026-01-01T00:00:00Z",
            "listeners": [
                {"id": TCP, "port": 8080, "targets": [f"{WEB}:8080", {"server": DOWN, "port": 8080, "weight": 50}]},
                {"id": HTTP, "protocol": "HTTP", "port": 80, "rules": [{"id": LOCATION, "domain": "a.example"}]},
            ],
        },
        {"id": "lb-empty001", "type": "INTERNAL", "region": "ap-guangzhou", "addresses": ["10.0.0.100"]},
        {"id": "lb-far00001", "region": "ap-shanghai"},
    ],
}


@pytest.fixture
def inside() -> Inside:
    """A simulator with a balancer before three servers."""
    return Inside(WORLD)


async def targets(inside: Inside, listener: str = TCP) -> dict[str, int]:
    """Return the weights of what stands behind a listener, by server."""
    answer = await inside.done("DescribeTargets", CLB, LoadBalancerId=LB, ListenerIds=[listener])
    (found,) = answer["Listeners"]
    held = found["Targets"] if found["Rules"] is None else found["Rules"][0]["Targets"]
    return {one["InstanceId"] or one["PrivateIpAddresses"][0]: one["Weight"] for one in held}


async def health(inside: Inside) -> dict[str, str]:
    """Return what the checks show behind the TCP listener, by server."""
    answer = await inside.done("DescribeTargetHealth", CLB, LoadBalancerIds=[LB], ListenerIds=[TCP])
    (listener,) = answer["LoadBalancers"][0]["Listeners"]
    return {one["TargetId"]: one["HealthStatusDetail"] for one in listener["Rules"][0]["Targets"]}


async def write(inside: Inside, action: str, *targets_: dict[str, object], **more: object) -> str:
    """Make a write that is accepted; returns the id of its task."""
    given = {"LoadBalancerId": LB, "ListenerId": TCP, "Targets": list(targets_), **more}
    return str((await inside.done(action, CLB, **given))["RequestId"])


async def status(inside: Inside, task: str) -> int:
    """Return how a task is getting on."""
    return int((await inside.done("DescribeTaskStatus", CLB, TaskId=task))["Status"])


def at(server: str, port: int = 8080, **more: object) -> dict[str, object]:
    """Write a target."""
    return {"InstanceId": server, "Port": port, **more}


async def test_targets_are_shown_with_what_cvm_knows_of_them(inside: Inside) -> None:
    """Layer 4 shows them on the listener and null for rules, layer 7 the other way round."""
    answer = await inside.done("DescribeTargets", CLB, LoadBalancerId=LB)
    layer_4, layer_7 = answer["Listeners"]
    assert layer_4["Rules"] is None
    assert layer_4["Targets"][0] == {
        "Type": "CVM",
        "InstanceId": WEB,
        "Port": 8080,
        "Weight": 10,
        "PublicIpAddresses": ["203.0.113.11"],
        "PrivateIpAddresses": ["10.0.0.11"],
        "InstanceName": "web-1",
        "RegisteredTime": "2026-03-01 11:00:00",
        "EniId": "",
        "Tag": "",
        "Zone": "ap-guangzhou-6",
    }
    assert layer_7["Targets"] is None
    assert layer_7["Rules"] == [{"LocationId": LOCATION, "Domain": "a.example", "Url": "/", "Targets": []}]


async def test_a_weight_of_zero_drains_when_the_task_has_ended(inside: Inside) -> None:
    """Accepted at once, in effect and told when the task is through; the weight inside a target wins."""
    task = await write(inside, "ModifyTargetWeight", at(WEB), at(DOWN, Weight=7), Weight=0)
    assert (await status(inside, task), await targets(inside)) == (2, {WEB: 10, DOWN: 50})
    inside.advance(1)
    assert (await status(inside, task), await targets(inside)) == (0, {WEB: 0, DOWN: 7})


async def test_a_target_is_taken_away_and_put_back(inside: Inside) -> None:
    """Deregister and Register by tasks; the weight is the one given, 10 otherwise."""
    task = await write(inside, "DeregisterTargets", at(WEB))
    inside.advance(1)
    assert (await status(inside, task), await targets(inside)) == (0, {DOWN: 50})
    await write(inside, "RegisterTargets", at(WEB, Weight=10), at(DB))
    assert await targets(inside.advance(1)) == {DOWN: 50, WEB: 10, DB: 10}


async def test_a_rule_holds_targets_too(inside: Inside) -> None:
    """By location, or by domain and URL; a rule that is not there is refused."""
    await write(inside, "RegisterTargets", at(WEB, 80), ListenerId=HTTP, LocationId=LOCATION)
    assert await targets(inside.advance(1), HTTP) == {WEB: 10}
    await write(inside, "ModifyTargetWeight", at(WEB, 80), ListenerId=HTTP, Domain="a.example", Url="/", Weight=3)
    assert await targets(inside.advance(1), HTTP) == {WEB: 3}
    asked_ = {"LoadBalancerId": LB, "ListenerId": HTTP, "Targets": [at(WEB, 80)]}
    assert await inside.refused("DeregisterTargets", CLB, **asked_) == "InvalidParameter.LocationNotFound"


async def test_addresses_are_targets_as_well(inside: Inside) -> None:
    """An address of an instance is that instance; any other stands for itself and is taken to answer."""
    await write(inside, "RegisterTargets", {"EniIp": "10.0.0.12", "Port": 8080}, {"EniIp": "192.0.2.1", "Port": 8080})
    assert await targets(inside.advance(1)) == {WEB: 10, DOWN: 50, DB: 10, "192.0.2.1": 10}
    assert (await health(inside.advance(15)))[DB] == "Alive"
    await write(inside, "DeregisterTargets", {"EniIp": "192.0.2.1", "Port": 8080}, at(DB))
    assert await targets(inside.advance(1)) == {WEB: 10, DOWN: 50}


async def test_one_change_at_a_time(inside: Inside) -> None:
    """While a task of the balancer runs, every other write is refused; reads are not."""
    await write(inside, "ModifyTargetWeight", at(WEB), Weight=0)
    for action in ("ModifyTargetWeight", "RegisterTargets", "DeregisterTargets"):
        asked_ = {"LoadBalancerId": LB, "ListenerId": TCP, "Targets": [at(DB if action == "RegisterTargets" else WEB)]}
        assert await inside.refused(action, CLB, **asked_) == "FailedOperation.ResourceInOperating"
    assert await targets(inside) == {WEB: 10, DOWN: 50}
    inside.advance(1)
    await write(inside, "ModifyTargetWeight", at(WEB), Weight=1)


async def test_weights_can_be_changed_in_several_places_at_once(inside: Inside) -> None:
    """One task for all of them."""
    await write(inside, "RegisterTargets", at(WEB, 80), ListenerId=HTTP, LocationId=LOCATION)
    rules = [
        {"ListenerId": TCP, "Targets": [at(WEB), at(DOWN, Weight=1)], "Weight": 2},
        {"ListenerId": HTTP, "LocationId": LOCATION, "Targets": [at(WEB, 80)], "Weight": 3},
    ]
    answer = await inside.advance(1).done("BatchModifyTargetWeight", CLB, LoadBalancerId=LB, ModifyList=rules)
    inside.advance(1)
    assert await status(inside, answer["RequestId"]) == 0
    assert (await targets(inside), await targets(inside, HTTP)) == ({WEB: 2, DOWN: 1}, {WEB: 3})


async def test_a_batch_is_taken_away_at_once_and_tells_what_failed(inside: Inside) -> None:
    """The answer names the listeners where a target was not bound."""
    batch = [at(WEB, ListenerId=TCP), at(DB, ListenerId=TCP), at(DB, 80, ListenerId=HTTP, LocationId=LOCATION)]
    answer = await inside.done("BatchDeregisterTargets", CLB, LoadBalancerId=LB, Targets=batch)
    assert answer["FailListenerIdSet"] == [TCP, HTTP]
    assert await targets(inside) == {DOWN: 50}


@pytest.mark.parametrize(
    ("action", "change", "code"),
    [
        ("RegisterTargets", {"Targets": [at(WEB)]}, "InvalidParameterValue.Duplicate"),
        ("RegisterTargets", {"Targets": [at(DB), at(DB)]}, "InvalidParameterValue.Duplicate"),
        ("RegisterTargets", {"Targets": [at("ins-nothere1")]}, "InvalidParameterValue"),
        ("RegisterTargets", {"Targets": [at(DB, port) for port in range(1, 22)]}, "InvalidParameterValue.Length"),
        ("RegisterTargets", {"Targets": []}, "InvalidParameterValue"),
        ("RegisterTargets", {"Targets": [{"Port": 80}]}, "InvalidParameterValue"),
        ("RegisterTargets", {"Targets": [at(DB, EniIp="10.0.0.12")]}, "InvalidParameterValue"),
        ("RegisterTargets", {"Targets": [{"EniIp": "here", "Port": 80}]}, "InvalidParameter.FormatError"),
        ("RegisterTargets", {"Targets": [at(DB, 70000)]}, "InvalidParameter"),
        ("RegisterTargets", {"Targets": [at(DB, Weight=101)]}, "InvalidParameter"),
        ("DeregisterTargets", {"Targets": [at(DB)]}, "InvalidParameterValue"),
        ("ModifyTargetWeight", {"Targets": [at(WEB, 81)]}, "InvalidParameterValue"),
        ("ModifyTargetWeight", {"Weight": 101}, "InvalidParameter"),
        ("ModifyTargetWeight", {"LoadBalancerId": "lb-nothere1"}, "InvalidParameter.LBIdNotFound"),
        ("ModifyTargetWeight", {"LoadBalancerId": "lb-far00001"}, "InvalidParameter.LBIdNotFound"),
        ("ModifyTargetWeight", {"LoadBalancerId": "shop"}, "InvalidParameter.FormatError"),
        ("ModifyTargetWeight", {"ListenerId": "lbl-nothere1"}, "InvalidParameter.ListenerIdNotFound"),
        ("ModifyTargetWeight", {"LocationId": LOCATION}, "InvalidParameter.LocationNotFound"),
    ],
)
async def test_a_change_that_cannot_be_is_refused_whole(
    inside: Inside, action: str, change: dict[str, object], code: str
) -> None:
    """Nothing has changed, and no task was begun."""
    given = {"LoadBalancerId": LB, "ListenerId": TCP, "Targets": [at(WEB)], **change}
    assert await inside.refused(action, CLB, **given) == code
    assert await targets(inside.advance(5)) == {WEB: 10, DOWN: 50}


async def test_health_follows_the_server_after_so_many_checks(inside: Inside) -> None:
    """A hang shows after three checks of five seconds, a recovery after three more; a reboot too."""
    assert await health(inside) == {WEB: "Alive", DOWN: "Dead"}
    inside.chaos("hang", WEB)
    assert (await health(inside.advance(14)))[WEB] == "Alive"
    assert (await health(inside.advance(1)))[WEB] == "Dead"
    inside.chaos("unhang", WEB)
    assert (await health(inside.advance(15)))[WEB] == "Alive"
    await inside.done("StartInstances", InstanceIds=[DOWN])
    assert (await health(inside.advance(8 + 15)))[DOWN] == "Alive"
    told = [one for entry in inside.simulator.kernel.journal.entries() for one in entry.changes]
    seen = [(one.before, one.after) for one in told if one.what == "backend.health" and WEB in one.id]
    assert seen == [("normal", "abnormal"), ("abnormal", "normal")]


async def test_a_new_target_is_unknown_until_it_was_checked(inside: Inside) -> None:
    """Unknown is not healthy; a released server stays and is dead."""
    await write(inside, "RegisterTargets", at(DB))
    assert (await health(inside.advance(2)))[DB] == "Unknown"
    assert (await health(inside.advance(15)))[DB] == "Alive"
    inside.chaos("release", DB)
    assert (await health(inside.advance(15)))[DB] == "Dead"


async def test_balancers_are_found_by_what_stands_behind_them(inside: Inside) -> None:
    """The reverse look-up of a healer: which balancers hold this address."""

    async def found(**parameters: object) -> list[str]:
        answer = await inside.done("DescribeLoadBalancers", CLB, **parameters)
        assert answer["TotalCount"] == len(answer["LoadBalancerSet"])
        return [one["LoadBalancerId"] for one in answer["LoadBalancerSet"]]

    assert await found() == ["lb-empty001", LB]
    assert await found(OrderType=0) == [LB, "lb-empty001"]
    assert await found(BackendPrivateIps=["10.0.0.11"]) == [LB]
    assert await found(BackendPublicIps=["203.0.113.11"]) == [LB]
    assert await found(BackendPrivateIps=["10.9.9.9"]) == []
    assert await found(LoadBalancerType="INTERNAL") == ["lb-empty001"]
    assert await found(LoadBalancerName="sho") == [LB]
    assert await found(SearchKey="10.0.0.100") == ["lb-empty001"]
    assert await found(LoadBalancerIds=[LB], WithRs=1) == [LB]
    assert await found(WithRs=0) == ["lb-empty001"]
    assert await inside.refused("DescribeLoadBalancers", CLB, Limit=101) == "InvalidParameterValue.LimitExceeded"


async def test_reads_can_be_narrowed(inside: Inside) -> None:
    """By protocol, port, address, location and tag."""

    async def shown(**parameters: object) -> list[str]:
        answer = await inside.done("DescribeTargets", CLB, LoadBalancerId=LB, **parameters)
        return [one["InstanceId"] for listener in answer["Listeners"] for one in listener["Targets"] or ()]

    assert await shown(Protocol="TCP") == [WEB, DOWN]
    assert await shown(Port=80) == []
    assert await shown(Filters=[{"Name": "private-ip-address", "Values": ["10.0.0.11"]}]) == [WEB]
    assert await shown(Filters=[{"Name": "tag", "Values": ["x"]}]) == []
    bad = {"LoadBalancerId": LB, "Filters": [{"Name": "colour", "Values": []}]}
    assert await inside.refused("DescribeTargets", CLB, **bad) == "InvalidParameterValue"
    listeners = (await inside.done("DescribeListeners", CLB, LoadBalancerId=LB))["Listeners"]
    assert [(one["ListenerId"], one["Protocol"], one["Rules"] is None) for one in listeners] == [
        (TCP, "TCP", True),
        (HTTP, "HTTP", False),
    ]


async def test_a_task_that_nobody_began_is_unknown(inside: Inside) -> None:
    """And one must be named."""
    assert await inside.refused("DescribeTaskStatus", CLB, TaskId="x") == "InvalidParameter"
    assert await inside.refused("DescribeTaskStatus", CLB) == "MissingParameter"


async def test_a_partial_fault_makes_the_task_fail_with_half_of_it_done(inside: Inside) -> None:
    """The call was accepted; only the task tells, and the membership."""
    rule = {"action": "ModifyTargetWeight", "fault": {"partial-batch": {"share": 0.5}}}
    inside.simulator.kernel.faults.replace([Rule.model_validate(rule)])
    task = await write(inside, "ModifyTargetWeight", at(WEB), at(DOWN), Weight=0)
    inside.advance(1)
    answer = await inside.done("DescribeTaskStatus", CLB, TaskId=task)
    assert (answer["Status"], answer["Message"]) == (1, "1 targets could not be changed")
    assert len([weight for weight in (await targets(inside)).values() if weight == 0]) == 1


async def test_a_stale_read_shows_targets_as_they_were(inside: Inside) -> None:
    """Consistency is eventual when a fault says so."""
    await write(inside, "DeregisterTargets", at(WEB))
    inside.advance(1)
    rule = {"action": "DescribeTargets", "fault": {"stale-read": {"age_seconds": 10}}}
    inside.simulator.kernel.faults.replace([Rule.model_validate(rule)])
    assert await targets(inside.advance(5)) == {WEB: 10, DOWN: 50}
    assert await targets(inside.advance(6)) == {DOWN: 50}


async def test_a_world_with_a_task_under_way_goes_on(inside: Inside) -> None:
    """Tasks, health still to come and what checks have seen are in the document."""
    await write(inside, "ModifyTargetWeight", at(WEB), Weight=0)
    inside.chaos("hang", WEB)
    document = json.loads(json.dumps(inside.simulator.world.dump()))
    other = Inside()
    other.simulator.world.load(document)
    assert json.loads(json.dumps(other.simulator.world.dump())) == document
    for one in (inside, other):
        one.advance(15)
    assert await targets(other) == await targets(inside) == {WEB: 0, DOWN: 50}
    assert await health(other) == await health(inside) == {WEB: "Dead", DOWN: "Dead"}


@pytest.mark.parametrize(
    ("balancer", "said"),
    [
        ({"id": "shop"}, "tencent.balancers.0.id"),
        ({"id": LB, "region": "cn-hangzhou"}, "no region 'cn-hangzhou'"),
        ({"id": LB, "listeners": [{"id": "l", "port": 1}, {"id": "l", "port": 2}]}, "'l' is there twice"),
        ({"id": LB, "listeners": [{"id": "l", "port": 1, "rules": [{"id": "r"}]}]}, "targets and no rules"),
        ({"id": LB, "listeners": [{"id": "l", "port": 1, "protocol": "HTTP", "targets": ["x:1"]}]}, "in rules"),
    ],
)
def test_a_balancer_that_cannot_be_is_refused_by_place(balancer: dict[str, Any], said: str) -> None:
    """The message names the place and what was expected."""
    with pytest.raises(ValueError, match=said):
        Inside({"balancers": [balancer]})


def test_the_official_client_drains_and_puts_back(stepped: RunningSimulator) -> None:
    """tencentcloud-sdk-python: weight 0, task, deregister, register, health."""
    stepped.world({"tencent": WORLD})
    client = sdk(ClbClient, stepped.address)
    where = {"LoadBalancerId": LB, "ListenerId": TCP, "Targets": [at(WEB)]}
    behind = client.DescribeLoadBalancers(asked(clb.DescribeLoadBalancersRequest(), BackendPrivateIps=["10.0.0.11"]))
    assert [one.LoadBalancerId for one in behind.LoadBalancerSet] == [LB]
    drained = client.ModifyTargetWeight(asked(clb.ModifyTargetWeightRequest(), Weight=0, **where))
    task = asked(clb.DescribeTaskStatusRequest(), TaskId=drained.RequestId)
    assert client.DescribeTaskStatus(task).Status == 2
    stepped.advance(1)
    assert client.DescribeTaskStatus(task).Status == 0
    client.DeregisterTargets(asked(clb.DeregisterTargetsRequest(), **where))
    stepped.advance(1)
    client.RegisterTargets(asked(clb.RegisterTargetsRequest(), **where))
    stepped.advance(20)
    shown = client.DescribeTargets(asked(clb.DescribeTargetsRequest(), LoadBalancerId=LB)).Listeners[0].Targets
    assert [(one.InstanceId, one.Weight) for one in shown] == [(DOWN, 50), (WEB, 10)]
    seen = client.DescribeTargetHealth(asked(clb.DescribeTargetHealthRequest(), LoadBalancerIds=[LB]))
    found = seen.LoadBalancers[0].Listeners[0].Rules[0].Targets
    assert [(one.TargetId, one.HealthStatus) for one in found] == [(DOWN, False), (WEB, True)]
    rule = {"ListenerId": TCP, "Targets": [at(WEB)], "Weight": 4}
    client.BatchModifyTargetWeight(asked(clb.BatchModifyTargetWeightRequest(), LoadBalancerId=LB, ModifyList=[rule]))
    stepped.advance(1)
    batch = {"LoadBalancerId": LB, "Targets": [at(WEB, ListenerId=TCP)]}
    gone = client.BatchDeregisterTargets(asked(clb.BatchDeregisterTargetsRequest(), **batch))
    assert gone.FailListenerIdSet == []
    listed = client.DescribeListeners(asked(clb.DescribeListenersRequest(), LoadBalancerId=LB))
    assert listed.Listeners[1].Rules[0].Domain == "a.example"
