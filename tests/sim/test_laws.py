"""The laws of the simulator that no service can keep alone: worlds go on, seeds repeat, a reset is a beginning."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any

import pytest

from tests.sim.busy import Caller, make_busy, make_more
from tests.sim.raw_mns import polls, until
from tests.sim.receiver import receiving
from tests.sim.signing import ECS, SLB, HandSigned
from tests.sim.simulator import RunningSimulator, started

HOUR = 3600


@pytest.fixture(scope="module")
def _second_process() -> Iterator[RunningSimulator]:
    simulator = started("--seed", "7")
    yield simulator
    simulator.stop()


@pytest.fixture
def second(_second_process: RunningSimulator) -> RunningSimulator:
    """Another simulator process, in its first state, whose time moves only by `advance`."""
    begin_again(_second_process)
    return _second_process


def begin_again(sim: RunningSimulator) -> None:
    """Reset, and let time move only by `advance`."""
    sim.control("POST", "reset")
    sim.control("PUT", "clock", {"mode": "stepped", "skew_check": False})


def test_a_busy_world_goes_on_the_same_in_another_simulator(
    stepped: RunningSimulator, second: RunningSimulator
) -> None:
    """Everything pending is in the document: after the same calls and an hour both worlds and journals are equal."""
    make_busy(stepped)
    stepped.control("PUT", "faults", [])
    document = stepped.control("GET", "world")
    second.world(document)
    assert second.control("GET", "world") == document
    for sim in (stepped, second):
        make_more(sim)
    assert world_of(stepped) == world_of(second) != document
    happened = [hour_of(sim) for sim in (stepped, second)]
    assert happened[0] == happened[1]
    assert sum(len(entries) for entries in happened[0].values()) > 150
    assert world_of(stepped) == world_of(second) != document


def world_of(sim: RunningSimulator) -> dict[str, Any]:
    """Return the world without the ids of requests that it tells of: those are drawn anew in every process."""
    world: dict[str, Any] = sim.control("GET", "world")
    for told in world["alibaba"]["trail_events"]:
        told.pop("request_id", None)
    for instance in world["tencent"]["instances"]:
        (instance.get("operation", {}).get("status") or {}).pop("request_id", None)
        for _, earlier in instance.get("operation", {}).get("history", ()):
            (earlier or {}).pop("request_id", None)
    for task in world["tencent"]["clb_tasks"]:
        task.pop("id")
    return world


def hour_of(sim: RunningSimulator) -> dict[str, list[str]]:
    """Let an hour pass and return what happened in it, by instant; what shares an instant has no order."""
    seen = sim.control("GET", "health")["journal"]
    sim.advance(HOUR)
    entries = sim.journal(since=seen)
    for entry in entries:
        del entry["seq"]
    told = groupby(entries, key=lambda entry: str(entry["at"]))
    return {at: sorted(json.dumps(entry) for entry in group) for at, group in told}


def test_the_same_seed_and_calls_give_the_same_journal_to_the_byte(
    stepped: RunningSimulator, second: RunningSimulator
) -> None:
    """The scenario played in two processes, and again after a reset, is told in the same bytes."""
    told = [story_of(stepped), story_of(second)]
    begin_again(stepped)
    told.append(story_of(stepped))
    assert told[0] == told[1] == told[2]
    assert len(told[0].splitlines()) > 200


def story_of(sim: RunningSimulator) -> str:
    """Play the scenario with its faults in force and return the journal, one entry a line, without the port."""
    make_busy(sim)
    sim.control("PUT", "faults", [*sim.control("GET", "faults")["rules"], {"fault": "5xx", "probability": 0.5}])
    with HandSigned(sim.address, moment=0) as hand:
        for _ in range(20):
            hand.rpc(ECS, "DescribeInstances")
            sim.advance(HOUR / 20)
    return "\n".join(json.dumps(entry) for entry in sim.journal()).replace(sim.address, "HOST")


def test_a_world_put_back_hands_out_no_id_twice(stepped: RunningSimulator) -> None:
    """The document says how far chance was drawn: what is made after it was put back is new."""
    make_busy(stepped)
    stepped.control("PUT", "faults", [])
    made = []
    with Caller(stepped, moment=0) as caller:
        for _ in range(2):
            made.append(caller.done(SLB, "CreateLoadBalancer")["LoadBalancerId"])
            stepped.advance(2)
            made.append(caller.done(SLB, "CreateVServerGroup", LoadBalancerId=made[-1])["VServerGroupId"])
            made.append(caller.sent("/queues/late/messages", "Message", "x").texts("MessageId")[0])
            stepped.world(stepped.control("GET", "world"))
    assert len(set(made)) == 6


def test_a_reset_is_a_beginning(stepped: RunningSimulator) -> None:
    """World, journal, faults, quotas and nonces are as in a new process; polls end and pushes stop."""
    first = beginning(stepped)
    with receiving() as receiver, ThreadPoolExecutor() as pool, HandSigned(stepped.address, moment=0) as hand:
        receiver.may_answer.clear()
        make_busy(stepped)
        assert hand.rpc(ECS, "DescribeRegions").status == 200
        rule = {"name": "hook", "pattern": {"product": "*", "names": ["*"]}, "targets": [{"webhook": receiver.url}]}
        world = stepped.control("GET", "world")
        world["alibaba"]["event_rules"] = [rule]
        stepped.world({**world, "alibaba": {**world["alibaba"], "queues": [{"name": "empty"}]}})
        stepped.control("POST", "events", {"product": "ECS", "name": "Instance:StateChange"})
        stepped.advance(30)
        receiver.wait(1)
        poll = pool.submit(receive, stepped)
        stepped.control("PUT", "faults", [{"action": "CreateVServerGroup", "fault": {"latency": {"mean": 60}}}])
        held = pool.submit(create_group, stepped)
        until(lambda: polls(stepped) == 1 and bool(stepped.journal(action="CreateVServerGroup")), "poll and call")
        begin_again(stepped)
        assert poll.result(timeout=20) == "MessageNotExist"
        with pytest.raises(ConnectionError):
            held.result(timeout=20)
    assert beginning(stepped) == first
    with HandSigned(stepped.address, moment=0) as hand:
        assert hand.rpc(ECS, "DescribeRegions").status == 200


def beginning(sim: RunningSimulator) -> dict[str, Any]:
    """Return all that can be seen of a simulator, apart from the time that passes."""
    world = sim.control("GET", "world")
    clock = sim.control("GET", "clock")
    return {
        "world": {**world, "now": None},
        "faults": sim.control("GET", "faults"),
        "journal": sim.journal(),
        "clock": {name: clock[name] for name in ("mode", "scale", "skew_check", "timers")},
    }


def receive(sim: RunningSimulator) -> str:
    """Wait for a message of an empty queue and return how the poll ended."""
    with HandSigned(sim.address) as hand:
        return hand.mns("GET", "/queues/empty/messages?waitseconds=30").code


def create_group(sim: RunningSimulator) -> int:
    """Make a server group in the busy world and return the status of the answer."""
    with HandSigned(sim.address) as hand:
        return hand.rpc(SLB, "CreateVServerGroup", LoadBalancerId="lb-busy", VServerGroupName="late").status
