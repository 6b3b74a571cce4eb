"""What the console forgets of a released server stays here: every state it entered, and every attribute."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cloudheal.clouds.alibaba.client import Client
from cloudheal.clouds.keys import Keys
from cloudheal.model.event import Channel
from cloudheal.record.tables import DECISION, RESOURCE, RUN
from tests.flow.operators import AtHand
from tests.flow.watching import ACCOUNT, Watching, settings_of, watching, world_of
from tests.sim.simulator import RunningSimulator

#: What a server enters that is ordered, stopped, started, stopped and released.
UP, DOWN = ["Starting", "Running"], ["Stopping", "Stopped"]
LIFE = ["Pending", *UP, *DOWN, *UP, *DOWN, "Deleted"]


@pytest.fixture
def watch(simulator: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watching]:
    """A worker without rules on an empty region."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    simulator.control("POST", "reset")
    simulator.world(world_of([{"id": "i-old", "name": "older than us"}]))
    simulator.control("PUT", "clock", {"mode": "stepped", "skew_check": "off"})
    with watching(simulator, settings_of(simulator, tmp_path)) as running:
        yield running


@pytest.fixture
def typing(watch: Watching, tmp_path: Path) -> AtHand:
    """An operator beside the worker, with the same record."""
    operator = AtHand(tmp_path, watch.simulator)
    operator.settings(database=watch.app.settings.database)
    return operator


def life(typing: AtHand, called: str) -> dict[str, Any]:
    """Return what is shown of the only server of an id or name."""
    (one,) = typing.json("instances", "show", called)
    return dict(one)


def states(typing: AtHand, called: str) -> list[str]:
    """Return the states that a server is shown to have entered."""
    return [one["state"] for one in life(typing, called)["states"]]


def call(watch: Watching, action: str, **query: str) -> dict[str, object]:
    """Call the simulated cloud as an operator would."""
    client = Client(Keys("testid", "testsecret"), watch.simulator.url)
    return client.call("2014-05-26", action, "cn-hangzhou", query, 5)


def follow(watch: Watching, seconds: float = 10) -> None:
    """Let time pass, take in what was told, make the looks that are due."""
    watch.advance(seconds)
    watch.drain()
    watch.tick()


def test_a_released_server_keeps_every_state_it_entered_and_all_attributes(watch: Watching, typing: AtHand) -> None:
    """Created, stopped, started, stopped, released; afterwards the cloud knows nothing, and we show everything."""
    (network,) = watch.simulator.control("GET", "world")["alibaba"]["vswitches"][:1]
    (group,) = watch.simulator.control("GET", "world")["alibaba"]["security_groups"][:1]
    order = {"InstanceType": "ecs.g7.large", "Amount": "1", "InstanceName": "short-lived"}
    image = {"ImageId": "aliyun_3_x64_20G_alibase_20240528.vhd"}
    created = call(watch, "RunInstances", **order, **image, VSwitchId=network["id"], SecurityGroupId=group["id"])
    (id_,) = created["InstanceIdSets"]["InstanceIdSet"]  # type: ignore[index]
    follow(watch)
    for action in ("StopInstance", "StartInstance", "StopInstance"):
        call(watch, action, InstanceId=id_)
        follow(watch)
    (before,) = [one for one in call(watch, "DescribeInstances")["Instances"]["Instance"] if one["InstanceId"] == id_]  # type: ignore[index]
    call(watch, "DeleteInstance", InstanceId=id_)
    follow(watch)
    assert call(watch, "DescribeInstances", InstanceIds=f'["{id_}"]')["TotalCount"] == 0
    (gone,) = [one for one in typing.json("instances", "--released", "--since", "1d") if one["released"]]
    shown = life(typing, "short-lived")
    assert gone["id"] == shown["id"] == id_
    seen = [one["state"] for one in shown["states"]]
    assert seen == LIFE
    begun, ended = (datetime.fromisoformat(one) for one in (shown["states"][0]["at"], shown["released"]))
    assert shown["lived"] == (ended - begun).total_seconds() > 0
    changing = {"Status", "StoppedMode"}
    kept = {name: value for name, value in shown["attributes"].items() if name not in changing}
    assert kept == {name: value for name, value in before.items() if name not in changing}
    told = typing.done("instances", "show", id_)
    assert all(word in told for word in (*seen, "short-lived", "VpcAttributes.VSwitchId", network["id"]))
    assert watch.rows(RUN) == watch.rows(DECISION) == []


def test_a_server_that_is_older_than_us_is_released_too(watch: Watching, typing: AtHand) -> None:
    """Deleted without Pending: the states that we saw, and the attributes of the first sweep."""
    watch.tick()
    watch.chaos("release", "i-old")
    follow(watch)
    shown = life(typing, "i-old")
    assert [one["state"] for one in shown["states"]] == ["Stopping", "Stopped", "Deleted"]
    assert (shown["attributes"]["InstanceName"], shown["lived"]) == ("older than us", None)


def test_a_doubled_message_is_one_state(watch: Watching, typing: AtHand) -> None:
    """At least once on the queue, exactly once in the record."""
    watch.simulator.control("PUT", "faults", [{"service": "cms", "fault": "duplicated-event"}])
    watch.tick()
    watch.chaos("power_off", "i-old")
    follow(watch)
    entered = states(typing, "i-old")
    assert len(entered) == len(set(entered))
    assert entered[-1] == "Stopped"


def test_what_a_look_found_and_a_late_message_tells_is_shown_once(watch: Watching, typing: AtHand) -> None:
    """The message has the true time, so it is the one that is shown."""
    watch.tick()
    watch.chaos("power_off", "i-old")
    watch.advance(1000)
    watch.tick()
    (found,) = life(typing, "i-old")["states"]
    assert (found["state"], found["channel"]) == ("Stopped", "poll")
    watch.drain()
    (told,) = [one for one in life(typing, "i-old")["states"] if one["state"] == "Stopped"]
    assert told["channel"] == "queue"
    assert told["at"] < found["at"]


def test_a_server_that_never_was_is_gone_after_a_while(watch: Watching) -> None:
    """An event about nothing costs a few looks, and no look for ever."""
    body = (
        b'{"product":"ECS","name":"Instance:StateChange","regionId":"cn-hangzhou","userId":"%s",'
        b'"eventTime":"20260302T110026.922+0800","content":{"resourceId":"i-phantom","state":"Pending"}}'
    )
    watch.app.take([body % ACCOUNT.encode()], "test", Channel.FILE)
    follow(watch)
    follow(watch)
    (row,) = watch.rows(RESOURCE, RESOURCE.c.id == "i-phantom")
    assert (row.state, row.attributes) == ("Deleted", "{}")
    before = len(watch.calls("DescribeInstances"))
    follow(watch)
    assert len(watch.calls("DescribeInstances")) == before


def test_a_name_that_was_used_again_shows_every_server_of_it(watch: Watching, typing: AtHand) -> None:
    """The newest first; what was never seen is said to be unknown, with exit code 1."""
    watch.tick()
    watch.chaos("release", "i-old")
    follow(watch)
    world = watch.simulator.control("GET", "world")
    world["alibaba"]["instances"] = [{"id": "i-new", "name": "older than us", "region": "cn-hangzhou"}]
    watch.simulator.world(world)
    follow(watch, 1000)
    found = typing.json("instances", "show", "older than us")
    assert [(one["id"], one["state"]) for one in found] == [("i-new", "Running"), ("i-old", "Deleted")]
    unknown = typing("instances", "show", "i-never")
    assert (unknown.returncode, "i-never" in unknown.stdout) == (1, True)
