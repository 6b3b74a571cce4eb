"""What the balancer verbs promise of CLB beyond the common contract, against the simulated service over TCP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cloudheal.clouds.keys import Keys
from cloudheal.clouds.tencent.balancers import TencentBalancers
from cloudheal.clouds.tencent.client import Client
from cloudheal.clouds.tencent.pollers import TencentFleet
from cloudheal.errors import CloudTransientError
from cloudheal.ports.cloud import Health, Member, Place
from cloudheal.testing.clock import START
from tests.sim.simulator import RunningSimulator, started

REGION, WEB, PEER = "ap-guangzhou", "ins-web00001", "ins-web00002"
FOUR, SEVEN = Place("lb-shop0001", "lbl-tcp00001"), Place("lb-shop0001", "lbl-http0001/loc-shop0001")
WORLD: dict[str, Any] = {
    "tencent": {
        "instances": [{"id": WEB, "name": "web-1"}, {"id": PEER, "name": "web-2"}],
        "balancers": [
            *({"id": f"lb-spare{number:03}"} for number in range(3)),
            {
                "id": FOUR.balancer,
                "listeners": [
                    {"id": FOUR.group, "port": 8080, "targets": [{"server": WEB, "port": 8080, "weight": 30}]},
                    {
                        "id": "lbl-http0001",
                        "protocol": "HTTP",
                        "port": 80,
                        "rules": [
                            {"id": "loc-shop0001", "domain": "shop.example", "targets": [{"server": WEB, "port": 80}]},
                            {"id": "loc-desk0001", "domain": "desk.example", "targets": [{"server": PEER, "port": 80}]},
                        ],
                    },
                ],
            },
        ],
        "clb_task_seconds": 0.3,
    }
}


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSimulator]:
    """One simulator for the module."""
    simulator = started()
    yield simulator
    simulator.stop()


@pytest.fixture
def client(running: RunningSimulator) -> Client:
    """A client of a fresh world."""
    running.control("POST", "reset")
    running.world(WORLD)
    return Client(Keys("AKIDtest", "testsecret"), running.url)


def weights(balancers: TencentBalancers, place: Place) -> dict[tuple[str, int], int]:
    """Read a group."""
    return {(one.server, one.port): one.weight for one in balancers.members(REGION, place)}


@pytest.mark.parametrize("thorough", [True, False])
def test_listeners_and_rules_are_groups_and_are_found_among_many(client: Client, *, thorough: bool) -> None:
    """By every page, or by the address by which the service knows a server; others' rules are left out."""
    found = TencentBalancers(client).memberships(REGION, WEB, thorough=thorough)
    assert {one.place for one in found} == {FOUR, SEVEN}
    assert TencentBalancers(client).memberships(REGION, "ins-none0001", thorough=thorough) == ()


def test_balancers_are_listed_to_the_last_page(client: Client, running: RunningSimulator) -> None:
    """The hundred and first is not hidden behind the first hundred."""
    running.world({"tencent": {"balancers": [{"id": f"lb-many{number:04}"} for number in range(201)]}})
    assert len(set(TencentBalancers(client).balancers(REGION, {}))) == 201


@pytest.mark.parametrize("place", [FOUR, SEVEN], ids=["layer 4", "layer 7"])
def test_a_change_has_taken_effect_when_it_returns(client: Client, place: Place) -> None:
    """Drained, taken out, put back; what needs no change is passed over, with a request id all the same."""
    balancers = TencentBalancers(client)
    port = 8080 if place is FOUR else 80
    member = Member(WEB, port, 0)
    assert balancers.set_weights(REGION, place, [member], 5)
    assert weights(balancers, place) == {(WEB, port): 0}
    assert balancers.remove(REGION, place, [member, Member(PEER, 9999, 0)], 5)
    assert weights(balancers, place) == {}
    assert balancers.remove(REGION, place, [member], 5)
    assert balancers.add(REGION, place, [Member(WEB, port, 40), Member(PEER, port, 50)], 5)
    assert balancers.add(REGION, place, [Member(WEB, port, 40)], 5)
    assert weights(balancers, place) == {(WEB, port): 40, (PEER, port): 50}


def test_a_balancer_that_is_at_work_puts_the_next_change_off(client: Client, running: RunningSimulator) -> None:
    """Nothing was done, and it may be asked again; a change may outlast its time, and the group tells."""
    running.world({"tencent": {**WORLD["tencent"], "clb_task_seconds": 3}})
    balancers = TencentBalancers(client)
    assert balancers.set_weights(REGION, FOUR, [Member(WEB, 8080, 0)], 0.9)
    with pytest.raises(CloudTransientError) as busy:
        balancers.set_weights(REGION, FOUR, [Member(WEB, 8080, 10)], 0.9)
    assert (busy.value.vendor_code, busy.value.refused) == ("FailedOperation.ResourceInOperating", True)


def test_the_balancers_own_checks_are_told(client: Client, running: RunningSimulator) -> None:
    """A target that answers nothing is not healthy."""
    found = TencentBalancers(client).named(REGION, WEB, [FOUR])
    assert [one.health for group in found for one in group.of(WEB)] in ([Health.NORMAL], [Health.ABNORMAL])
    running.chaos("power_off", WEB)
    running.control("PUT", "clock", {"mode": "stepped", "skew_check": "off"})
    running.advance(60)
    found = TencentBalancers(client).named(REGION, WEB, [FOUR])
    assert [one.health for group in found for one in group.of(WEB)] == [Health.ABNORMAL]


def test_groups_of_balancers_are_the_groups_of_servers(client: Client) -> None:
    """A sweep forms them of all members; a first look at one server asks for its own; the first by name counts."""
    fleet = TencentFleet(client, "100000000001", lambda: START, "server_group")
    (page,) = fleet.sweep(REGION, fleet.members(REGION))
    expected = {WEB: "server_group=lbl-http0001/loc-shop0001", PEER: "server_group=lbl-http0001/loc-desk0001"}
    assert {one.id.id: one.group for one in page} == expected
    assert [one.group for one in fleet.look(REGION, [WEB])] == [expected[WEB]]
    assert [one.group for page in fleet.sweep(REGION, None) for one in page] == [None, None]
