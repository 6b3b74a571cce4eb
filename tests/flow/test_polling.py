"""What the queue loses is found by looking, once; looking is bounded, shared by lease, and never guesses a release."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudheal.errors import SettingsError
from cloudheal.model.event import Channel
from cloudheal.pipeline.polling import MOST_OTHERS
from cloudheal.record.inventory import known
from cloudheal.record.leases import take_lease
from cloudheal.record.polls import polls
from cloudheal.record.promotions import promote
from cloudheal.record.tables import DECISION, EVENT, INCIDENT, LEASE, POLL, RESOURCE
from cloudheal.settings import load_settings
from tests.flow.operators import until
from tests.flow.watching import ACCOUNT, REGION, Watching, settings_of, watching, world_of
from tests.sim.simulator import RunningSimulator

RULE: dict[str, Any] = {
    "name": "restart",
    "when": {"type": ["Instance:StateChange"], "data": {"state": ["Stopped"]}},
    "resources": {"tags": {"env": ["prod"]}},
    "desired": "on",
    "playbook": "restart_stopped",
    "with": {"start_timeout": "30s"},
    "mode": "auto",
    "limits": {"cool_down": "1s"},
}
LOST = {"service": "cms", "fault": "lost-event"}
PROD = {"env": "prod"}


@pytest.fixture
def watch(simulator: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watching]:
    """A worker with one trusted rule, on a clock that stands still until it is moved."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    simulator.control("POST", "reset")
    simulator.world(world_of([{"id": f"i-web{n}", "name": f"web-{n}", "tags": PROD} for n in range(3)]))
    simulator.control("PUT", "clock", {"mode": "stepped", "skew_check": "off"})
    settings = settings_of(simulator, tmp_path, rules=[RULE], poll={"reclaimed": "30s"})
    with watching(simulator, settings) as running:
        with running.app.database.transaction() as connection:
            promote(connection, running.app.rules.rules.values(), "test", running.app.clock.now())
        running.tick()
        yield running


def lose_events(watch: Watching) -> None:
    """Have every message lost from now on."""
    watch.simulator.control("PUT", "faults", [LOST])


def test_a_lost_stop_is_healed_by_looking(watch: Watching) -> None:
    """The queue never told; the next sweep did, and the server runs again."""
    lose_events(watch)
    watch.chaos("power_off", "i-web1")
    watch.advance(1000)
    assert watch.drain() == 0
    watch.tick()
    (incident,) = watch.until_ended(1)
    assert (incident.resource, incident.verdict) == ("i-web1", "healed")
    channels = {row.channel for row in watch.rows(EVENT)}
    assert channels == {"poll"}


def test_a_message_and_a_look_make_one_incident(watch: Watching) -> None:
    """The message first: the sweep sees what is known already and says nothing."""
    watch.chaos("lock", "i-web1", reason="security")
    watch.chaos("power_off", "i-web1")
    watch.advance(1)
    watch.drain()
    watch.until_waiting(1)
    watch.advance(1000)
    watch.tick()
    assert len(watch.rows(INCIDENT)) == 1
    assert {row.channel for row in watch.rows(EVENT)} == {"queue"}


def test_a_look_before_the_message_makes_one_incident(watch: Watching) -> None:
    """The late message about the same stop is older than what is known: stale, and nothing is done twice."""
    watch.chaos("power_off", "i-web1")
    watch.advance(1000)
    watch.tick()
    watch.until_ended(1)
    watch.drain()
    assert len(watch.rows(INCIDENT)) == 1
    assert len(watch.calls("StartInstance")) == 1
    reasons = [row.reason for row in watch.rows(DECISION)]
    assert reasons == ["act", "stale"]


def dated(state: str, time: str) -> bytes:
    """Return a message about a server that says that it is of some other time."""
    envelope = {"product": "ECS", "name": "Instance:StateChange", "regionId": REGION, "userId": ACCOUNT}
    return json.dumps({**envelope, "eventTime": time, "content": {"resourceId": "i-web1", "state": state}}).encode()


@pytest.mark.parametrize("state", ["Stopped", "Running", "Deleted"])
def test_a_message_of_a_time_that_is_not_yet_makes_no_server_deaf(watch: Watching, state: str) -> None:
    """Whoever may push one message must not end the care for a server: what is told and seen after it is news."""
    watch.app.take([dated(state, "20990101T000000.000+0800")], "webhook partner", Channel.WEBHOOK)
    watch.advance(1000)
    watch.tick()
    watch.advance(100)
    watch.chaos("power_off", "i-web1")
    watch.advance(1)
    watch.drain()
    ended = watch.until_ended(2 if state == "Stopped" else 1)
    assert [one.verdict for one in ended] == ["not needed", "healed"][-len(ended) :]
    assert "stale" not in {row.reason for row in watch.rows(DECISION)}
    watch.advance(1000)
    watch.tick()
    (row,) = watch.rows(RESOURCE, RESOURCE.c.id == "i-web1")
    assert (row.state, row.released) == ("Running", None)


def test_two_looks_at_one_stop_make_one_event(watch: Watching) -> None:
    """A server that nobody may start stays stopped, and is reported once."""
    lose_events(watch)
    watch.chaos("lock", "i-web2", reason="security")
    watch.chaos("power_off", "i-web2")
    for _ in range(3):
        watch.advance(1000)
        watch.tick()
    watch.until_waiting(1)
    assert len(watch.rows(EVENT, EVENT.c.status == "Stopped")) == 1


def test_servers_that_were_stopped_at_the_first_look_are_left_alone(watch: Watching) -> None:
    """A new server that nobody has seen running is known, and no stop is made up for it."""
    lose_events(watch)
    world = watch.simulator.control("GET", "world")
    world["alibaba"]["instances"].append({"id": "i-asleep", "region": "cn-hangzhou", "status": "Stopped", "tags": PROD})
    watch.simulator.world(world)
    watch.advance(1000)
    watch.tick()
    (row,) = watch.rows(RESOURCE, RESOURCE.c.id == "i-asleep")
    assert row.state == "Stopped"
    assert watch.rows(EVENT, EVENT.c.resource == "i-asleep") == []


def test_a_lost_reclaim_notice_is_seen_by_its_lock(watch: Watching) -> None:
    """Looking every 30 seconds finds it in time; the late message about it is stale, not a second trouble."""
    world = watch.simulator.control("GET", "world")
    world["alibaba"]["instances"].append(
        {"id": "i-spot", "region": "cn-hangzhou", "status": "Running", "spot": {"strategy": "SpotAsPriceGo"}}
    )
    watch.simulator.world(world)
    watch.advance(1000)
    watch.tick()
    watch.chaos("reclaim", "i-spot")
    for _ in range(3):
        watch.advance(35)
        watch.tick()
    (found,) = watch.rows(EVENT, EVENT.c.type == "Instance:PreemptibleInstanceInterruption")
    assert (found.resource, found.status, found.channel) == ("i-spot", "delete", "poll")
    watch.drain()
    every = watch.rows(EVENT, EVENT.c.type == "Instance:PreemptibleInstanceInterruption")
    assert [row.channel for row in every] == ["poll", "queue"]
    assert every[1].occurred < every[0].occurred


def test_a_spot_server_leaves_its_balancer_though_its_notice_was_lost(
    simulator: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked for every 30 seconds it is found by its lock, and is out of its group while it is still there."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    simulator.control("POST", "reset")
    group = {"id": "rsp-web", "load_balancer": "lb-1", "backends": ["i-spot:80", "i-peer:80"]}
    servers: list[dict[str, Any]] = [{"id": "i-spot", "spot": {"strategy": "SpotAsPriceGo"}}, {"id": "i-peer"}]
    simulator.world(world_of(servers, server_groups=[group]))
    simulator.control("PUT", "clock", {"mode": "stepped", "skew_check": "off"})
    simulator.control("PUT", "faults", [LOST])
    rule = {"name": "leave", "when": {"type": ["Instance:PreemptibleInstanceInterruption"]}, "resources": {"all": True}}
    rule |= {"playbook": "spot_evacuate", "with": {"drain": "20s"}, "mode": "auto"}
    with watching(simulator, settings_of(simulator, tmp_path, rules=[rule], poll={"reclaimed": "30s"})) as one:
        with one.app.database.transaction() as connection:
            promote(connection, one.app.rules.rules.values(), "test", one.app.clock.now())
        one.tick()
        one.chaos("reclaim", "i-spot")
        one.advance(35)
        one.tick()
        (incident,) = one.until_ended(1)
        world = simulator.control("GET", "world")["alibaba"]
    assert (incident.verdict, json.loads(incident.evidence)["code"]) == ("healed", "evacuated")
    assert [backend["server_id"] for backend in world["server_groups"][0]["backends"]] == ["i-peer"]
    assert "i-spot" in {server["id"] for server in world["instances"]}


def test_a_reclaim_among_fifty_slow_stops_is_acted_on_in_the_same_instant(
    simulator: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock stands still: whatever waits for a time of it, the removal from the balancer does not (S0.6)."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    simulator.control("POST", "reset")
    group = {"id": "rsp-web", "load_balancer": "lb-1", "backends": ["i-spot:80", "i-peer:80"]}
    slow = [f"i-slow{number:02}" for number in range(50)]
    servers: list[dict[str, Any]] = [
        *({"id": one, "tags": PROD} for one in slow),
        {"id": "i-spot", "spot": {"strategy": "SpotAsPriceGo"}},
        {"id": "i-peer"},
    ]
    simulator.world(world_of(servers, server_groups=[group], durations={"starting": 600, "stopping": 0.5}))
    simulator.control("PUT", "clock", {"mode": "stepped", "skew_check": "off"})
    leave = {
        "name": "leave",
        "when": {"type": ["Instance:PreemptibleInstanceInterruption"]},
        "resources": {"all": True},
    }
    leave |= {"playbook": "spot_evacuate", "with": {"drain": "0s"}, "mode": "auto"}
    free = {"cool_down": "1s", "share": 1.0, "storm_share": 1.0, "storm_members": 100, "at_once": 50, "per_hour": 50}
    with watching(simulator, settings_of(simulator, tmp_path, rules=[{**RULE, "limits": free}, leave])) as one:
        with one.app.database.transaction() as connection:
            promote(connection, one.app.rules.rules.values(), "test", one.app.clock.now())
        one.tick()
        one.chaos("power_off", *slow)
        one.advance(1)
        one.drain()
        until(lambda: len(one.calls("StartInstance")) == len(slow), what="the starts, none of which comes to an end")
        one.chaos("reclaim", "i-spot")
        one.advance(1)
        received = simulator.control("GET", "clock")["now"]
        one.drain()
        removal = "RemoveVServerGroupBackendServers"
        until(lambda: bool(one.calls(removal)), what="the removal")
        assert one.calls(removal)[0]["at"] == received
        assert one.rows(INCIDENT, INCIDENT.c.trouble == "stopped", INCIDENT.c.ended.is_not(None)) == []


def test_a_release_that_nobody_told_is_noticed(watch: Watching) -> None:
    """Absent from a whole sweep and from a look by id: released, with everything that was known of it."""
    lose_events(watch)
    watch.chaos("release", "i-web0")
    watch.advance(1000)
    watch.tick()
    (row,) = watch.rows(RESOURCE, RESOURCE.c.id == "i-web0")
    assert (row.state, row.name, row.released is not None) == ("Deleted", "web-0", True)
    assert json.loads(row.attributes)["ZoneId"]


def test_a_sweep_that_breaks_off_calls_nothing_released(watch: Watching) -> None:
    """The second page fails: what was on it is still there, and the sweep says that it was incomplete."""
    watch.simulator.world(world_of([{"count": 250, "prefix": "i-many", "tags": PROD}]))
    watch.advance(1000)
    watch.tick()
    assert len(watch.rows(RESOURCE, RESOURCE.c.released.is_(None))) == 250
    fault = {"service": "ecs", "action": "DescribeInstances", "fault": "5xx", "every": 2}
    watch.simulator.control("PUT", "faults", [fault])
    watch.advance(1000)
    watch.tick()
    assert len(watch.rows(RESOURCE, RESOURCE.c.released.is_(None))) == 250
    with watch.app.database.snapshot() as connection:
        outcomes = {name.partition("/")[0]: outcome for name, (_, outcome) in polls(connection).items()}
    assert outcomes["sweep"] != "complete"


def test_a_day_of_looking_stays_within_a_hundred_calls(watch: Watching) -> None:
    """The default cadence: at most 100 list calls in each region and day."""
    before = len(watch.calls("DescribeInstances"))
    object.__setattr__(watch.app.poller.cadence, "reclaimed", None)
    for _ in range(24 * 6):
        watch.advance(600)
        watch.tick()
    made = len(watch.calls("DescribeInstances")) - before
    assert 40 <= made <= 100


def test_one_worker_looks_for_all(watch: Watching) -> None:
    """While another holds the lease nothing is asked; when it has ended, this one goes on."""
    with watch.app.database.transaction() as connection:
        connection.execute(LEASE.delete())
        assert take_lease(connection, "poll", "another", 60_000)
    before = len(watch.calls("DescribeInstances"))
    watch.advance(1000)
    assert watch.tick() == 0
    assert len(watch.calls("DescribeInstances")) == before
    with watch.app.database.transaction() as connection:
        assert take_lease(connection, "poll", "another", -1)
    assert watch.tick() > 0


def test_an_unknown_server_is_looked_at_once(watch: Watching) -> None:
    """First sight of an id costs one call; the next event about it none."""
    subjects = [row.id for row in watch.rows(RESOURCE)]
    assert len(subjects) == 3
    with watch.app.database.transaction() as connection:
        connection.execute(RESOURCE.delete())
    before = len(watch.calls("DescribeInstances"))
    watch.chaos("lock", "i-web1", reason="financial")
    for _ in range(2):
        watch.chaos("power_off", "i-web1")
        watch.advance(2)
        watch.drain()
    watch.until_waiting(1)
    (row,) = watch.rows(RESOURCE, RESOURCE.c.id == "i-web1")
    assert json.loads(row.tags) == PROD
    looks = [one for one in watch.calls("DescribeInstances")[before:] if "i-web1" in str(one)]
    assert 1 <= len(looks) <= 2  # the lookup, and the playbook's own


def test_groups_are_formed_as_the_account_says(
    simulator: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a tag's value, by the server group of a balancer, by CloudMonitor's group; or not at all."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    simulator.control("POST", "reset")
    servers = [{"id": "i-a1", "tags": {"app": "a"}}, {"id": "i-a2", "tags": {"app": "a"}}, {"id": "i-x", "tags": {}}]
    groups = [{"id": "rsp-web", "load_balancer": "lb-1", "backends": [{"server_id": "i-x", "port": 80, "weight": 100}]}]
    monitored = [{"name": "shop", "instances": ["i-a2"]}, {"name": "desk", "instances": ["i-a2", "i-x"]}]
    simulator.world(world_of(servers, server_groups=groups, monitor_groups=monitored))
    for by, expected in [
        ("tag:app", {"i-a1": "tag:app=a", "i-a2": "tag:app=a", "i-x": ""}),
        ("server_group", {"i-a1": "", "i-a2": "", "i-x": "server_group=rsp-web"}),
        ("monitor_group", {"i-a1": "", "i-a2": "monitor_group=desk", "i-x": "monitor_group=desk"}),
        ("rule", {"i-a1": "", "i-a2": "", "i-x": ""}),
    ]:
        settings = settings_of(simulator, tmp_path, database=f"sqlite:///{tmp_path}/{by.partition(':')[0]}.db")
        account = settings.accounts[0].model_copy(update={"group_by": by})
        with watching(simulator, settings.model_copy(update={"accounts": [account]})) as running:
            running.tick()
            assert {row.id: row.group for row in running.rows(RESOURCE)} == expected
            with running.app.database.snapshot() as connection:
                assert known(connection, []) == {}


@pytest.mark.parametrize("by", ["server_group", "monitor_group"])
def test_a_first_look_tells_the_group_too(
    simulator: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """A rule for a group selects a server that no sweep has seen yet: one read before selection, groups included."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    simulator.control("POST", "reset")
    groups = [{"id": "shop", "load_balancer": "lb-1", "backends": ["i-a:80"]}]
    monitored = [{"name": "shop", "instances": ["i-a"]}]
    servers = [{"id": "i-a"}, {"id": "i-b"}]
    simulator.world(world_of(servers, server_groups=groups, monitor_groups=monitored))
    simulator.control("PUT", "clock", {"mode": "stepped", "skew_check": "off"})
    rule = {**RULE, "resources": {"groups": [f"{by}=shop"]}}
    settings = settings_of(simulator, tmp_path, rules=[rule])
    account = settings.accounts[0].model_copy(update={"group_by": by})
    with watching(simulator, settings.model_copy(update={"accounts": [account]})) as running:
        running.chaos("power_off", "i-a", "i-b")
        running.advance(5)
        running.drain()
        reasons = {row.reason for row in running.rows(DECISION)}
        assert reasons == {"shadow", "not_selected"}
        assert {row.id: row.group for row in running.rows(RESOURCE)} == {"i-a": f"{by}=shop", "i-b": ""}


def test_a_sweep_goes_on_where_groups_may_not_be_read(
    simulator: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The permission for balancers is missing: the servers are known all the same, in no group."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    simulator.control("POST", "reset")
    simulator.world(world_of([{"id": "i-a"}]))
    forbidden = {"kind": "error", "status": 403, "code": "Forbidden.RAM", "message": "no"}
    refused = {"service": "slb", "fault": forbidden}
    simulator.control("PUT", "faults", [refused])
    with watching(simulator, settings_of(simulator, tmp_path)) as running:
        running.tick()
        assert [(row.id, row.group) for row in running.rows(RESOURCE)] == [("i-a", "")]


@pytest.mark.parametrize(("field", "value"), [("sweep", "59s"), ("reclaimed", "29s")])
def test_looking_too_often_is_refused_with_the_reason(tmp_path: Path, field: str, value: str) -> None:
    """The file, the line, the floor and why there is one."""
    file = tmp_path / "cloudheal.yaml"
    file.write_text(
        "accounts:\n- {name: a, cloud: alibaba, id: '1000000000000001', regions: [cn-hangzhou]}\n"
        f"poll:\n  {field}: {value}\n"
    )
    with pytest.raises(SettingsError, match=rf"(?s)poll\.{field}.*or more.*quota"):
        load_settings(file)


def test_a_hundred_regions_that_events_made_up_hold_up_nobody(watch: Watching) -> None:
    """The regions of the settings are asked first, and of the others a few: each may be a host that is not found."""
    bodies = [
        json.dumps({
            "product": "ECS", "name": "Instance:StateChange", "regionId": region, "userId": ACCOUNT,
            "eventTime": "20260302T110026.922+0800", "content": {"resourceId": id_, "state": "Pending"},
        }).encode()
        for region, id_ in [*((f"aa-{number}", f"i-aa{number}") for number in range(100)), (REGION, "i-web1")]
    ]  # fmt: skip
    with watch.app.database.transaction() as connection:
        connection.execute(RESOURCE.delete())
    watch.app.take(bodies, "test", Channel.FILE)
    watch.advance(10)
    before = len(watch.calls("DescribeInstances"))
    watch.tick()
    asked = [one["region"] for one in watch.calls("DescribeInstances")[before:]]
    assert asked[0] == REGION
    assert len(asked) == 1 + MOST_OTHERS


@pytest.mark.parametrize("answer", ["refused", "none"])
def test_an_event_from_a_region_that_does_not_exist_keeps_nobody_from_being_described(
    watch: Watching, answer: str
) -> None:
    """One strange message names a region that no cloud has; the servers of other events are described all the same.

    The vendor's host of such a region may not be found at all.
    """
    if answer == "none":
        watch.simulator.control("PUT", "faults", [{"service": "ecs", "region": "aa-nowhere", "fault": "reset"}])
    bodies = [
        json.dumps({
            "product": "ECS", "name": "Instance:StateChange", "regionId": region, "userId": ACCOUNT,
            "eventTime": "20260302T110026.922+0800", "content": {"resourceId": id_, "state": "Pending"},
        }).encode()
        for region, id_ in (("aa-nowhere", "i-nowhere"), (REGION, "i-web1"))
    ]  # fmt: skip
    with watch.app.database.transaction() as connection:
        connection.execute(RESOURCE.delete())
    watch.app.take(bodies, "test", Channel.FILE)
    watch.advance(10)
    watch.tick()
    named = {row.id: row.name for row in watch.rows(RESOURCE)}
    assert named["i-web1"] == "web-1"
    told = watch.rows(POLL, POLL.c.name.like("enrich/%"))[0].outcome
    assert (told == "InvalidRegionId.NotFound") is (answer == "refused")
    assert told != "complete"
