"""The audit trail: who changed a server, told after a delay; what falls by itself is nobody's deed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.signing import ACTIONTRAIL, ECS
from tests.sim.simulator import ControlRefusedError, RunningSimulator
from tests.sim.tea import call, refused

WORLD: dict[str, Any] = {
    "now": "2026-03-02T12:00:00Z",
    "alibaba": {"instances": [{"id": "i-a"}, {"id": "i-b"}, {"id": "i-c", "status": "Stopped"}]},
}


@pytest.fixture
def trail(stepped: RunningSimulator) -> RunningSimulator:
    """A world of three servers on a clock that stands."""
    stepped.world(WORLD)
    return stepped


def events(sim: RunningSimulator, **query: str) -> list[dict[str, Any]]:
    """Look up events."""
    found: list[dict[str, Any]] = call(sim, ACTIONTRAIL, "LookupEvents", **query)["Events"]
    return found


def about(server: str) -> dict[str, str]:
    """Return the condition for one server."""
    return {"LookupAttribute.1.Key": "ResourceName", "LookupAttribute.1.Value": server}


def test_a_stop_by_key_is_in_the_trail(trail: RunningSimulator) -> None:
    """Which call, on which server, by which key, under which request."""
    done = call(trail, ECS, "StopInstance", InstanceId="i-a")
    (event,) = events(trail, **about("i-a"))
    assert (event["eventName"], event["eventRW"], event["serviceName"]) == ("StopInstance", "Write", "Ecs")
    assert event["requestId"] == done["RequestId"]
    assert event["userIdentity"]["accessKeyId"] == "testid"
    assert event["referencedResources"] == {"ACS::ECS::Instance": ["i-a"]}
    assert event["eventTime"] == "2026-03-02T12:00:00Z"


def test_a_stop_at_the_console_has_no_key(trail: RunningSimulator) -> None:
    """The server goes down as by StopInstance, and the trail says who was logged in."""
    trail.chaos("console_stop", "i-a", user="alice")
    (event,) = events(trail, **about("i-a"))
    assert event["eventName"] == "StopInstance"
    assert event["userIdentity"]["userName"] == "alice"
    assert "accessKeyId" not in event["userIdentity"]
    trail.advance(60)
    states = {one["id"]: one["status"] for one in trail.control("GET", "world")["alibaba"]["instances"]}
    assert states["i-a"] == "Stopped"


def test_what_falls_by_itself_is_nobodys_deed(trail: RunningSimulator) -> None:
    """A crash and a read leave no trace; a call that was refused does, with its code."""
    trail.chaos("power_off", "i-a")
    call(trail, ECS, "DescribeInstances", RegionId="cn-hangzhou")
    assert refused(call, trail, ECS, "StopInstance", InstanceId="i-c")[1] == "IncorrectInstanceStatus"
    (event,) = events(trail)
    assert (event["eventName"], event["errorCode"]) == ("StopInstance", "IncorrectInstanceStatus")


def test_the_trail_lags(trail: RunningSimulator) -> None:
    """A call shows after the delay and not before."""
    world = trail.control("GET", "world")
    world["alibaba"]["trail_delay_seconds"] = 300
    trail.world(world)
    call(trail, ECS, "StopInstance", InstanceId="i-a")
    trail.advance(299)
    assert events(trail) == []
    trail.advance(1)
    assert len(events(trail)) == 1


def test_times_conditions_and_pages_narrow_it(trail: RunningSimulator) -> None:
    """Newest first, a page at a time, both conditions hold; times come in pairs."""
    for server in ("i-a", "i-b"):
        call(trail, ECS, "StopInstance", InstanceId=server)
        trail.advance(60)
    first = call(trail, ACTIONTRAIL, "LookupEvents", MaxResults="1")
    assert first["Events"][0]["referencedResources"]["ACS::ECS::Instance"] == ["i-b"]
    second = call(trail, ACTIONTRAIL, "LookupEvents", MaxResults="1", NextToken=first["NextToken"])
    assert second["Events"][0]["referencedResources"]["ACS::ECS::Instance"] == ["i-a"]
    assert "NextToken" not in second
    early = {"StartTime": "2026-03-02T12:00:00Z", "EndTime": "2026-03-02T12:00:30Z"}
    assert len(events(trail, **early)) == 1
    oldest = events(trail, Direction="FORWARD")[0]
    assert oldest["referencedResources"]["ACS::ECS::Instance"] == ["i-a"]
    both = {**about("i-a"), "LookupAttribute.2.Key": "EventName", "LookupAttribute.2.Value": "StartInstance"}
    assert events(trail, **both) == []
    assert events(trail, **{"LookupAttribute.1.Key": "EventName", "LookupAttribute.1.Value": "stopinstance"}) == []
    assert refused(events, trail, StartTime=early["StartTime"])[1] == "InvalidParameterStartTime"
    assert refused(events, trail, NextToken="next-x")[1] == "InvalidParameterNextToken"


def test_the_trail_is_part_of_the_world(trail: RunningSimulator) -> None:
    """What was read can be put back; two events of one id cannot."""
    trail.chaos("console_stop", "i-a", user="system")
    world = trail.control("GET", "world")
    (event,) = world["alibaba"]["trail_events"]
    trail.world(world)
    assert trail.control("GET", "world") == world
    assert events(trail)[0]["userIdentity"] == {"type": "system", "userName": "ecs.aliyuncs.com"}
    world["alibaba"]["trail_events"] = [event, event]
    with pytest.raises(ControlRefusedError, match="same id"):
        trail.world(world)
