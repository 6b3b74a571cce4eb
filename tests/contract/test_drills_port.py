"""The port of drills keeps one contract: in the fake of `cloudheal.testing` and in the adapter on the simulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cloudheal.clouds.alibaba.client import Client
from cloudheal.clouds.alibaba.drills import AlibabaDrills
from cloudheal.clouds.alibaba.system_events import AlibabaSystemEvents
from cloudheal.clouds.drills import NoDrills
from cloudheal.clouds.keys import Keys
from cloudheal.errors import CloudPermanentError
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.ports.account import NOT_OFFERED
from cloudheal.ports.drills import Drills
from cloudheal.testing import FakeCloud
from tests.sim.simulator import RunningSimulator, started

ACCOUNT, REGION = "1000000000000001", "cn-hangzhou"
REBOOT, FAILURE = "Instance:SystemMaintenance.Reboot", "Instance:SystemFailure.Reboot"
CREATE = "CreateSimulatedSystemEvents"
COUNT = 1001
SERVERS = [f"i-bp1fleet{number:04}" for number in range(1, COUNT + 1)]
HOURS = timedelta(hours=2)


@dataclass
class Account:
    """One account of either kind, with the same servers in it."""

    drills: Drills
    now: Callable[[], datetime]
    loses_the_answer: Callable[[], object]
    """Lets the next call for events do its work and not answer."""
    announces: Callable[[str], str]
    """Has real maintenance of a server announced; returns the id of the event."""

    def ordered(self, count: int, type_: str = REBOOT, within: timedelta = HOURS) -> list[Any]:
        """Ask for events for the first servers; returns the chunks."""
        return list(self.drills.create(REGION, type_, self.now() + within, SERVERS[:count]))


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSimulator]:
    """One simulator for the module."""
    simulator = started()
    yield simulator
    simulator.stop()


@pytest.fixture(params=["fake", "adapter"])
def account(request: pytest.FixtureRequest) -> Account:
    """An account of each kind."""
    if request.param == "fake":
        return _fake()
    return _adapter(request.getfixturevalue("running"))


def _fake() -> Account:
    cloud = FakeCloud(account=ACCOUNT, region=REGION)
    for one in SERVERS:
        cloud.server(one)

    def announces(server: str) -> str:
        cloud.maintenance.announces(cloud.id_of(server))
        return cloud.maintenance.announced(cloud.id_of(server))[-1]

    return Account(cloud.drills, cloud.clock.now, lambda: cloud.loses_the_answer("create_drills"), announces)


def _adapter(simulator: RunningSimulator) -> Account:
    simulator.control("POST", "reset")
    instances = [{"id": one, "region": REGION, "status": "Running"} for one in SERVERS]
    simulator.world({"regions": [REGION], "alibaba": {"instances": instances}})
    client = Client(Keys("testid", "testsecret"), simulator.url)
    events = AlibabaSystemEvents(client, ACCOUNT, _now, lambda _: None)
    lost = {"match": {"action": CREATE}, "when": {"times": 1}, "fault": {"kind": "effect-then-5xx"}}

    def announces(server: str) -> str:
        simulator.chaos("maintenance_event", server, in_seconds=7200)
        return str(simulator.control("GET", "world")["alibaba"]["system_events"][-1]["id"])

    drills = AlibabaDrills(client, events, _now, lambda _: None)
    return Account(drills, _now, lambda: simulator.control("PUT", "faults", [lost]), announces)


def _now() -> datetime:
    return datetime.now(UTC)


def test_two_hundred_and_fifty_servers_take_three_calls(account: Account) -> None:
    """Each chunk says which event is whose, and no id is there twice (S2.1)."""
    chunks = account.ordered(250)
    assert [len(one.servers) for one in chunks] == [100, 100, 50]
    events = {server: id_ for chunk in chunks for server, id_ in chunk.events.items()}
    assert list(events) == SERVERS[:250]
    assert len(set(events.values())) == 250
    listed = account.drills.simulated(REGION)
    assert {one.id: one.resource.id for one in listed} == {id_: server for server, id_ in events.items()}
    assert {one.status for one in listed} == {"Scheduled"}


def test_a_failure_begins_at_once(account: Account) -> None:
    """Its event is Executing, and is listed and taken back like the others."""
    ((chunk),) = account.ordered(1, FAILURE)
    (event,) = account.drills.simulated(REGION)
    assert (event.id, event.status, event.type) == (chunk.events[SERVERS[0]], "Executing", FAILURE)
    assert account.drills.cancel(REGION, [event.id]) == {}
    assert account.drills.simulated(REGION) == []


@pytest.mark.parametrize(
    ("count", "within", "code"),
    [(1, timedelta(seconds=-1), "InvalidNotBefore.Passed"), (COUNT, HOURS, "SimulatedEventLimitExceeded")],
    ids=["past", "too many"],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(
    account: Account, count: int, within: timedelta, code: str
) -> None:
    """A time that has passed, and one server more than the limit (S2.5)."""
    with pytest.raises(CloudPermanentError) as refused:
        account.drills.create(REGION, REBOOT, account.now() + within, SERVERS[:count])
    assert refused.value.vendor_code == code
    assert account.drills.simulated(REGION) == []


def test_the_limit_counts_what_waits_already_and_ends_with_it(account: Account) -> None:
    """A thousand wait: one more is refused; after one was taken back it is accepted (S2.5)."""
    made = account.ordered(1000)
    (refused,) = account.drills.create(REGION, REBOOT, account.now() + HOURS, SERVERS[1000:])
    assert (refused.problem, refused.lost) == ("SimulatedEventLimitExceeded", False)
    assert account.drills.cancel(REGION, [made[0].events[SERVERS[0]]]) == {}
    (accepted,) = account.drills.create(REGION, REBOOT, account.now() + HOURS, SERVERS[1000:])
    assert set(accepted.events) == {SERVERS[1000]}


def test_the_ids_of_earlier_chunks_are_kept_when_a_later_one_fails(running: RunningSimulator) -> None:
    """The third call is refused: two chunks with ids, and the failed one with its code."""
    account = _adapter(running)
    refused = {"kind": "error", "status": 404, "code": "InvalidInstanceId.NotFound", "message": "no"}
    running.control("PUT", "faults", [{"match": {"action": CREATE}, "when": {"every": 3}, "fault": refused}])
    chunks = account.ordered(250)
    assert [len(one.events) for one in chunks] == [100, 100, 0]
    assert (chunks[-1].problem, chunks[-1].lost) == ("InvalidInstanceId.NotFound", False)


def test_a_call_that_was_put_off_is_made_again(running: RunningSimulator) -> None:
    """Nothing came of it, so nothing can be doubled."""
    account = _adapter(running)
    throttled = {"match": {"action": CREATE}, "when": {"times": 1}, "fault": {"kind": "throttle"}}
    running.control("PUT", "faults", [throttled])
    (chunk,) = account.ordered(3)
    assert len(chunk.events) == 3
    assert len(account.drills.simulated(REGION)) == 3


def test_a_lost_answer_is_told_and_the_call_is_not_made_again(account: Account) -> None:
    """The events are there, once each."""
    account.loses_the_answer()
    (chunk,) = account.ordered(3)
    assert (dict(chunk.events), chunk.lost) == ({}, True)
    assert [one.resource.id for one in account.drills.simulated(REGION)].count(SERVERS[0]) == 1


def test_a_real_event_and_a_finished_one_are_left_alone(account: Account) -> None:
    """Both are refused with the vendor's code; the simulated one among them is taken back all the same (S2.3)."""
    (chunk,) = account.ordered(2)
    mine, other = chunk.events[SERVERS[0]], chunk.events[SERVERS[1]]
    account.drills.cancel(REGION, [other])
    real = account.announces(SERVERS[5])
    refused = account.drills.cancel(REGION, [mine, other, real])
    assert refused == {other: "InvalidEventId.NotFound", real: "CannotCancelSystemEvent.NotSimulated"}
    shown = account.drills.events(REGION, [mine, real])
    assert (shown[mine].status, shown[real].status) == ("Canceled", "Scheduled")


def test_a_cloud_without_drills_lists_none_and_refuses_each_by_name() -> None:
    """So that drills on another cloud's accounts can look through all of them."""
    drills, server = NoDrills(Cloud.TENCENT), ResourceId(Cloud.TENCENT, "1", "ap-guangzhou", "instance", "ins-1")
    assert (list(drills.simulated("ap-guangzhou")), dict(drills.events("ap-guangzhou", ["e-1"]))) == ([], {})
    assert drills.cancel("ap-guangzhou", ["e-1"]) == {"e-1": NOT_OFFERED}
    for ask in (
        lambda: drills.create("ap-guangzhou", "Instance:SystemMaintenance.Reboot", datetime.now(UTC), ["ins-1"]),
        lambda: drills.fire(server, "cvm:ErrorEvent:PingUnreachable", {}, "t"),
    ):
        with pytest.raises(CloudPermanentError, match="tencent has no") as told:
            ask()
        assert told.value.vendor_code == NOT_OFFERED
