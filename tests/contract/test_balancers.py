"""What the balancer and order verbs promise, against the simulated services over TCP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from cloudheal.clouds.alibaba.balancers import AlibabaBalancers
from cloudheal.clouds.alibaba.client import Client
from cloudheal.clouds.alibaba.orders import AlibabaOrders
from cloudheal.clouds.keys import Keys
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.ports.cloud import Health, Member, Place
from tests.sim.simulator import RunningSimulator, started

REGION = "cn-hangzhou"
WEB, PEER = "i-bp1web01", "i-bp1web02"
SHOP, WEB_GROUP = Place("lb-bp1shop"), Place("lb-bp1shop", "rsp-web")
SPARE_BALANCERS = [{"id": f"lb-bp1spare{n:03d}", "region": REGION} for n in range(120)]
WORLD: dict[str, Any] = {
    "regions": [REGION],
    "alibaba": {
        "instances": [
            {
                "id": WEB,
                "region": REGION,
                "status": "Running",
                "name": "web-01",
                "spot": {"strategy": "SpotWithPriceLimit", "price_limit": 0.9, "behavior": "Stop"},
                "tags": {"env": "prod", "acs:autoscaling:group": "x"},
                "key_pair": "ops",
            },
            {"id": PEER, "region": REGION, "status": "Running", "name": "web-02"},
        ],
        "load_balancers": [
            *SPARE_BALANCERS,
            {"id": "lb-bp1shop", "region": REGION, "backends": [{"server_id": WEB, "weight": 70}]},
        ],
        "server_groups": [
            {
                "id": "rsp-web",
                "load_balancer": "lb-bp1shop",
                "backends": [
                    {"server_id": WEB, "port": 8080, "weight": 30, "description": "the first"},
                    {"server_id": WEB, "port": 9090, "weight": 100},
                    {"server_id": PEER, "port": 8080, "weight": 55},
                ],
            },
            {"id": "rsp-other", "load_balancer": "lb-bp1shop", "backends": [{"server_id": PEER, "port": 80}]},
        ],
        "listeners": [{"load_balancer": "lb-bp1shop", "port": 80, "server_group": "rsp-web"}],
    },
}


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSimulator]:
    """One simulator for the module."""
    simulator = started()
    yield simulator
    simulator.stop()


@pytest.fixture
def simulator(running: RunningSimulator) -> RunningSimulator:
    """The simulator with a fresh world."""
    running.control("POST", "reset")
    running.world(WORLD)
    return running


@pytest.fixture
def balancers(simulator: RunningSimulator) -> AlibabaBalancers:
    """The balancers of the simulated account."""
    return AlibabaBalancers(Client(Keys("testid", "testsecret"), simulator.url))


@pytest.fixture
def orders(simulator: RunningSimulator) -> AlibabaOrders:
    """The orders of the simulated account."""
    return AlibabaOrders(Client(Keys("testid", "testsecret"), simulator.url))


@pytest.mark.parametrize("thorough", [False, True])
def test_every_group_and_port_of_a_server_is_found(balancers: AlibabaBalancers, *, thorough: bool) -> None:
    """Default and VServer groups, all ports, with weights and health; groups without the server are not listed."""
    found = {group.place: group for group in balancers.memberships(REGION, WEB, thorough=thorough)}
    assert set(found) == {SHOP, WEB_GROUP}
    assert [(one.port, one.weight) for one in found[SHOP].of(WEB)] == [(0, 70)]
    assert [(one.port, one.weight, one.health) for one in found[WEB_GROUP].members] == [
        (8080, 30, Health.NORMAL),
        (9090, 100, Health.NORMAL),
        (8080, 55, Health.NORMAL),
    ]


def test_the_long_way_reads_every_page(simulator: RunningSimulator, balancers: AlibabaBalancers) -> None:
    """A balancer beyond the first page of a hundred is found as well; the short way reads one balancer."""
    balancers.memberships(REGION, WEB, thorough=True)
    assert len(simulator.journal(action="DescribeLoadBalancers")) == 2
    balancers.memberships(REGION, WEB, thorough=False)
    assert len(simulator.journal(action="DescribeVServerGroups")) == len(SPARE_BALANCERS) + 2


def test_named_groups_are_read_without_looking_at_others(
    simulator: RunningSimulator, balancers: AlibabaBalancers
) -> None:
    """Of the groups named, those that the server is in now; a balancer that was deleted since is passed over."""
    gone, elsewhere = Place("lb-bp1gone", "rsp-gone"), Place(WEB_GROUP.balancer, "rsp-gone")
    found = balancers.named(REGION, WEB, [WEB_GROUP, SHOP, gone, elsewhere])
    assert {group.place for group in found} == {WEB_GROUP, SHOP}
    assert {one.health for group in found for one in group.of(WEB) if group.place == WEB_GROUP} == {Health.NORMAL}
    assert [group.place for group in balancers.named(REGION, WEB, [SHOP])] == [SHOP]
    assert balancers.named(REGION, WEB, []) == ()
    assert simulator.journal(action="DescribeLoadBalancers") == []


def test_what_the_checks_say_is_the_groups_own(simulator: RunningSimulator, balancers: AlibabaBalancers) -> None:
    """A member that fails its check is abnormal in the group that is checked, and unchecked where no listener is."""
    simulator.control("POST", "chaos", {"do": "power_off", "instances": [PEER]})
    simulator.control("PUT", "clock", {"mode": "stepped"})
    simulator.advance(60)
    (web,) = (one for one in balancers.memberships(REGION, PEER, thorough=True) if one.place == WEB_GROUP)
    (other,) = (one for one in balancers.memberships(REGION, PEER, thorough=True) if one.place != WEB_GROUP)
    assert [one.health for one in web.of(PEER)] == [Health.ABNORMAL]
    assert [one.health for one in other.of(PEER)] == [Health.UNCHECKED]


@pytest.mark.parametrize("place", [SHOP, WEB_GROUP], ids=["default", "vserver"])
def test_members_are_drained_removed_and_added_again(balancers: AlibabaBalancers, place: Place) -> None:
    """Only the members named change; the group reads back as it was after the round."""
    before = balancers.members(REGION, place)
    mine = [one for one in before if one.server == WEB]
    others = [one for one in before if one.server != WEB]
    assert balancers.set_weights(REGION, place, [replace(one, weight=0) for one in mine], 5)
    assert [one.weight for one in balancers.members(REGION, place) if one.server == WEB] == [0] * len(mine)
    assert balancers.remove(REGION, place, mine, 5)
    assert list(balancers.members(REGION, place)) == others
    assert balancers.add(REGION, place, mine, 5)
    after = balancers.members(REGION, place)
    key = Member.__repr__
    assert sorted(after, key=key) == sorted(before, key=key)


def test_entries_are_strict_json_and_at_most_twenty(simulator: RunningSimulator, balancers: AlibabaBalancers) -> None:
    """Numbers are numbers, quotes are double; a twenty-first member is a mistake of the caller."""
    balancers.remove(REGION, WEB_GROUP, [Member(WEB, 8080, 30)], 5)
    (entry,) = simulator.journal(action="RemoveVServerGroupBackendServers")
    assert '[{"ServerId": "i-bp1web01", "Type": "ecs", "Port": 8080}]' in str(entry)
    with pytest.raises(ValueError, match="1 to 20 members"):
        balancers.remove(REGION, WEB_GROUP, [Member(WEB, port, 1) for port in range(1, 22)], 5)


def test_a_busy_balancer_is_transient_and_did_nothing(simulator: RunningSimulator, balancers: AlibabaBalancers) -> None:
    """An earlier change under way refuses the next one for a while: sure not to have happened, worth a retry."""
    simulator.world(WORLD | {"alibaba": WORLD["alibaba"] | {"slb_configuring_seconds": 60}})
    balancers.remove(REGION, WEB_GROUP, [Member(WEB, 8080, 30)], 5)
    with pytest.raises(CloudTransientError) as caught:
        balancers.remove(REGION, WEB_GROUP, [Member(WEB, 9090, 100)], 5)
    assert (caught.value.vendor_code, caught.value.refused) == ("BackendServer.configuring", True)


@pytest.mark.parametrize(
    ("code", "passes"),
    [
        ("BackendServer.configuring", True),
        ("ServiceIsConfiguring", True),
        ("ServiceIsStopping", True),
        ("SystemBusy", True),
        ("OperationConflict", True),
        ("Throttling.User", True),
        ("InvalidParameter", False),
        ("Forbidden.RAM", False),
    ],
)
def test_only_codes_that_pass_are_worth_a_retry(
    simulator: RunningSimulator, balancers: AlibabaBalancers, code: str, *, passes: bool
) -> None:
    """Every way in which a balancer says that it is busy did nothing and passes; a mistake does not."""
    refusal = {"kind": "error", "status": 400, "code": code, "message": "no"}
    simulator.control("PUT", "faults", [{"action": "RemoveVServer*", "fault": refusal}])
    with pytest.raises((CloudTransientError, CloudPermanentError)) as caught:
        balancers.remove(REGION, WEB_GROUP, [Member(WEB, 9090, 100)], 5)
    problem = caught.value
    assert isinstance(problem, CloudTransientError | CloudPermanentError)
    assert (problem.vendor_code, isinstance(problem, CloudTransientError)) == (code, passes)
    assert getattr(problem, "refused", True)


def test_a_lost_answer_is_not_taken_for_a_refusal(simulator: RunningSimulator, balancers: AlibabaBalancers) -> None:
    """The call took effect although its answer was an error of the service: nobody may call it refused."""
    simulator.control("PUT", "faults", [{"action": "RemoveVServer*", "fault": "effect-then-5xx"}])
    with pytest.raises(CloudTransientError) as caught:
        balancers.remove(REGION, WEB_GROUP, [Member(WEB, 9090, 100)], 5)
    assert not caught.value.refused


def test_an_order_like_a_server_brings_one_like_it_once(simulator: RunningSimulator, orders: AlibabaOrders) -> None:
    """Type, image, place, terms and own tags are kept, the vendor's tags are not; one token is one server."""
    order = orders.like(REGION, WEB)
    assert order is not None
    assert (order.spot, order.price_limit, order.reclaim, order.tags) == (True, 0.9, "stop", {"env": "prod"})
    first = orders.order(REGION, order, "token-1", 5)
    assert orders.order(REGION, order, "token-1", 5).server == first.server
    assert orders.like(REGION, first.server) == order
    assert len(simulator.control("GET", "world")["alibaba"]["instances"]) == 3


def test_no_stock_is_for_good_and_a_server_that_is_gone_has_no_order(
    simulator: RunningSimulator, orders: AlibabaOrders
) -> None:
    """Waiting does not change what the vendor has sold out of."""
    order = orders.like(REGION, WEB)
    assert order is not None
    simulator.control("POST", "chaos", {"do": "no_stock", "instances": [WEB]})
    with pytest.raises(CloudPermanentError) as caught:
        orders.order(REGION, order, "token-2", 5)
    assert caught.value.vendor_code == "OperationDenied.NoStock"
    assert orders.like(REGION, "i-bp1nobody") is None
