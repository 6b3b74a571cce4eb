"""What the console forgets of a released server stays here: every state it entered, and every attribute."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudheal.clouds.alibaba.client import Client
from cloudheal.model.event import Channel
from cloudheal.record.inventory import instances_named, instances_released
from cloudheal.record.lifecycle import transitions
from cloudheal.record.tables import DECISION, RESOURCE, RUN
from tests.flow.watching import ACCOUNT, Watching, settings_of, watching, world_of
from tests.sim.simulator import RunningSimulator, started


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    """One simulator for the module."""
    running = started()
    yield running
    running.stop()


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


def call(watch: Watching, action: str, **query: str) -> dict[str, object]:
    """Call the simulated cloud as an operator would."""
    client = Client("testid", "testsecret", watch.simulator.url)
    return client.call("2014-05-26", action, "cn-hangzhou", query, 5)


def follow(watch: Watching, seconds: float = 10) -> None:
    """Let time pass, take in what was told, make the looks that are due."""
    watch.advance(seconds)
    watch.drain()
    watch.tick()


def test_a_released_server_keeps_its_seven_states_and_all_attributes(watch: Watching) -> None:
    """Created, stopped, started, stopped, released; afterwards the cloud knows nothing, and we know everything."""
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
    with watch.app.database.snapshot() as connection:
        (row,) = instances_named(connection, id_)
        states = [one.state for one in transitions(connection, row.resource.id)]
        assert [one.resource.id.id for one in instances_released(connection, row.first_seen)] == [id_]
    assert (states[0], states[-1]) == ("Pending", "Deleted")
    assert [one for one in states if one in {"Running", "Stopped"}] == ["Running", "Stopped", "Running", "Stopped"]
    assert row.released is not None
    changing = {"Status", "StoppedMode"}
    kept = {name: value for name, value in row.attributes.items() if name not in changing}
    assert kept == {name: value for name, value in before.items() if name not in changing}
    assert watch.rows(RUN) == watch.rows(DECISION) == []


def test_a_server_that_is_older_than_us_is_released_too(watch: Watching) -> None:
    """Deleted without Pending: the states that we saw, and the attributes of the first sweep."""
    watch.tick()
    watch.chaos("release", "i-old")
    follow(watch)
    with watch.app.database.snapshot() as connection:
        (row,) = instances_named(connection, "i-old")
        states = [one.state for one in transitions(connection, row.resource.id)]
    assert states == ["Stopping", "Stopped", "Deleted"]
    assert row.attributes["InstanceName"] == "older than us"


def test_a_doubled_message_is_one_state(watch: Watching) -> None:
    """At least once on the queue, exactly once in the record."""
    watch.simulator.control("PUT", "faults", [{"service": "cms", "fault": "duplicated-event"}])
    watch.tick()
    watch.chaos("power_off", "i-old")
    follow(watch)
    with watch.app.database.snapshot() as connection:
        (row,) = instances_named(connection, "i-old")
        states = [one.state for one in transitions(connection, row.resource.id)]
    assert len(states) == len(set(states))
    assert states[-1] == "Stopped"


def test_what_a_look_found_and_a_late_message_tells_is_shown_once(watch: Watching) -> None:
    """The message has the true time, so it is the one that is shown."""
    watch.tick()
    watch.chaos("power_off", "i-old")
    watch.advance(1000)
    watch.tick()
    with watch.app.database.snapshot() as connection:
        (row,) = instances_named(connection, "i-old")
        (found,) = transitions(connection, row.resource.id)
    assert (found.state, found.channel) == ("Stopped", Channel.POLL)
    watch.drain()
    with watch.app.database.snapshot() as connection:
        (told,) = [one for one in transitions(connection, row.resource.id) if one.state == "Stopped"]
    assert told.channel is Channel.QUEUE
    assert told.at < found.at


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
