"""SLB over time: when health shows, draining, being busy, stale reads, partial batches, and the world document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.sim.signing import SLB, common
from tests.sim.simulator import ControlRefusedError, RunningSimulator
from tests.sim.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

FLEET = [{"id": f"i-{letter}", "region": "cn-hangzhou"} for letter in "ab"]
GROUP = {"id": "rsp-1", "load_balancer": "lb-1", "backends": ["i-a:80", "i-b:80"]}
LISTENER = {
    "load_balancer": "lb-1",
    "port": 443,
    "server_group": "rsp-1",
    "interval": 5,
    "healthy_threshold": 2,
    "unhealthy_threshold": 3,
    "drain_seconds": 60,
}
WORLD: dict[str, Any] = {"instances": FLEET, "server_groups": [GROUP], "listeners": [LISTENER]}


class Balancer:
    """One simulator with lb-1 in front of i-a and i-b, asked in the shortest words."""

    def __init__(self, sim: RunningSimulator, wire: Wire) -> None:
        self.sim = sim
        self.wire = wire
        self.load(WORLD)

    def load(self, part: dict[str, Any]) -> None:
        """Replace the world."""
        self.sim.world({"alibaba": part})

    def call(self, action: str, **parameters: str) -> Any:
        """Make one call and return its answer."""
        return self.wire.post(common(SLB, action, **parameters)).json

    def health(self) -> dict[str, str]:
        """Return what the checks show, by server."""
        found = self.call("DescribeHealthStatus", LoadBalancerId="lb-1")["BackendServers"]["BackendServer"]
        return {one["ServerId"]: one["ServerHealthStatus"] for one in found}

    def members(self) -> list[str]:
        """Return who is in the group."""
        found = self.call("DescribeVServerGroupAttribute", VServerGroupId="rsp-1")
        return [one["ServerId"] for one in found["BackendServers"]["BackendServer"]]

    def change(self, action: str, *servers: str, **more: object) -> Any:
        """Add, remove or set servers on port 80."""
        entries = json.dumps([{"ServerId": server, "Port": 80, **more} for server in servers])
        return self.call(action, VServerGroupId="rsp-1", BackendServers=entries)

    def chaos(self, deed: str, *servers: str) -> None:
        """Do something to servers."""
        self.sim.chaos(deed, *servers)

    def part(self, name: str) -> Any:
        """Return one key of the world."""
        return self.sim.control("GET", "world")["alibaba"][name]

    def shown_changes(self) -> list[tuple[str, str]]:
        """Return the health changes in the journal, oldest first."""
        changes = [change for entry in self.sim.journal() for change in entry.get("changes", ())]
        return [(one["before"], one["after"]) for one in changes if one["what"] == "backend.health"]


@pytest.fixture
def lb(stepped: RunningSimulator) -> Iterator[Balancer]:
    """The balancer on a clock that moves only when told to."""
    with Wire(stepped.address) as wire:
        yield Balancer(stepped, wire)


# --- health ---


def test_described_members_are_healthy_at_once(lb: Balancer) -> None:
    """What a world describes as running has been so for ever."""
    assert lb.health() == {"i-a": "normal", "i-b": "normal"}


def test_a_hung_server_shows_after_the_unhealthy_threshold(lb: Balancer) -> None:
    """Three checks of five seconds must fail; only then it is abnormal, and gets no new requests."""
    lb.chaos("hang", "i-a")
    lb.sim.advance(14)
    assert lb.health() == {"i-a": "normal", "i-b": "normal"}
    lb.sim.advance(1)
    assert lb.health() == {"i-a": "abnormal", "i-b": "normal"}
    assert lb.part("listeners")[0]["receives"] == ["i-b:80"]
    lb.chaos("unhang", "i-a")
    lb.sim.advance(9)
    assert lb.health()["i-a"] == "abnormal"
    lb.sim.advance(1)
    assert lb.health()["i-a"] == "normal"
    assert lb.shown_changes() == [("normal", "abnormal"), ("abnormal", "normal")]


def test_a_short_outage_never_shows(lb: Balancer) -> None:
    """A server that answers again before the threshold stays normal, whoever looks."""
    for _ in range(5):
        lb.chaos("hang", "i-a")
        lb.sim.advance(12)
        lb.chaos("unhang", "i-a")
        lb.sim.advance(4)
        assert lb.health()["i-a"] == "normal"
    assert lb.shown_changes() == []


def test_health_is_counted_from_the_change_and_not_from_the_look(lb: Balancer) -> None:
    """Nobody needs to ask for the checks to run."""
    lb.chaos("power_off", "i-a")
    lb.sim.advance(60)
    assert lb.health()["i-a"] == "abnormal"


def test_weight_does_not_change_health(lb: Balancer) -> None:
    """A drained server is still checked; it only gets no new requests."""
    lb.change("SetVServerGroupAttribute", "i-a", Weight=0)
    lb.sim.advance(60)
    assert lb.health() == {"i-a": "normal", "i-b": "normal"}
    assert lb.part("listeners")[0]["receives"] == ["i-b:80"]


def test_a_new_member_is_unavailable_until_its_first_verdict(lb: Balancer) -> None:
    """Two checks must pass before a server that has just been added is normal."""
    lb.change("RemoveVServerGroupBackendServers", "i-a")
    lb.sim.advance(300)
    lb.change("AddVServerGroupBackendServers", "i-a")
    assert lb.health()["i-a"] == "unavailable"
    lb.sim.advance(9)
    assert lb.health()["i-a"] == "unavailable"
    lb.sim.advance(1)
    assert lb.health()["i-a"] == "normal"


def test_a_stopped_listener_checks_nothing_and_starts_afresh(lb: Balancer) -> None:
    """Health is unavailable while a listener is stopped, or its balancer inactive, and counted anew after a start."""
    lb.call("StopLoadBalancerListener", LoadBalancerId="lb-1", ListenerPort="443")
    assert lb.health() == {"i-a": "unavailable", "i-b": "unavailable"}
    assert lb.part("listeners")[0]["receives"] == []
    lb.call("StartLoadBalancerListener", LoadBalancerId="lb-1", ListenerPort="443")
    lb.sim.advance(10)
    assert lb.health() == {"i-a": "normal", "i-b": "normal"}
    lb.call("SetLoadBalancerStatus", LoadBalancerId="lb-1", LoadBalancerStatus="inactive")
    assert lb.health() == {"i-a": "unavailable", "i-b": "unavailable"}


def test_without_a_health_check_every_member_gets_requests(lb: Balancer) -> None:
    """A switched-off check says nothing about health and keeps nobody out but weight 0."""
    lb.load({**WORLD, "listeners": [{**LISTENER, "health_check": "off"}]})
    lb.chaos("hang", "i-a")
    lb.sim.advance(60)
    assert lb.health() == {"i-a": "unavailable", "i-b": "unavailable"}
    assert lb.part("listeners")[0]["receives"] == ["i-a:80", "i-b:80"]


def test_a_released_server_stays_a_member_and_fails_its_checks(lb: Balancer) -> None:
    """Nobody tidies up: it has to be removed, and it can be."""
    lb.chaos("release", "i-a")
    lb.sim.advance(60)
    assert lb.members() == ["i-a", "i-b"]
    assert lb.health() == {"i-a": "abnormal", "i-b": "normal"}
    lb.change("RemoveVServerGroupBackendServers", "i-a")
    assert lb.members() == ["i-b"]


def test_a_member_that_is_no_instance_is_taken_to_answer(lb: Balancer) -> None:
    """Network interfaces and containers are not ECS's: nothing here can make them fail."""
    lb.change("AddVServerGroupBackendServers", "eni-x", Type="eni", ServerIp="10.0.0.9")
    lb.sim.advance(10)
    assert lb.health()["eni-x"] == "normal"


def test_health_is_shown_for_the_listener_asked_for(lb: Balancer) -> None:
    """Each listener has its own thresholds; a port without listener is refused."""
    slow = {**LISTENER, "port": 444, "protocol": "http", "interval": 50}
    lb.load({**WORLD, "listeners": [LISTENER, slow]})
    lb.chaos("hang", "i-a")
    lb.sim.advance(60)

    def on(port: str) -> str:
        found = lb.call("DescribeHealthStatus", LoadBalancerId="lb-1", ListenerPort=port)
        return str(found["BackendServers"]["BackendServer"][0]["ServerHealthStatus"])

    assert (on("443"), on("444")) == ("abnormal", "normal")
    assert lb.call("DescribeHealthStatus", LoadBalancerId="lb-1", ListenerPort="1")["Code"] == "ListenerNotFound"


# --- draining, being busy ---


def test_a_leaving_member_drains_for_the_listeners_time(lb: Balancer) -> None:
    """It is no member any more and finishes its connections; then it is gone for good."""
    lb.change("RemoveVServerGroupBackendServers", "i-a")
    assert lb.members() == ["i-b"]
    assert [one["server_id"] for one in lb.part("server_groups")[0]["draining"]] == ["i-a"]
    lb.sim.advance(59)
    assert lb.part("server_groups")[0]["draining"]
    lb.sim.advance(1)
    assert lb.part("server_groups")[0]["draining"] == []
    changes = [change for entry in lb.sim.journal() for change in entry.get("changes", ())]
    drains = [(one["before"], one["after"]) for one in changes if one["what"] == "group.draining"]
    assert drains == [(None, "i-a:80"), ("i-a:80", None)]


def test_a_balancer_is_busy_after_each_change_and_its_neighbour_is_not(lb: Balancer) -> None:
    """While a change is rolled out other changes are refused, reads and other balancers are not."""
    other = {"id": "rsp-2", "load_balancer": "lb-2", "backends": ["i-b:80"]}
    lb.load({**WORLD, "server_groups": [GROUP, other], "slb_configuring_seconds": 3})
    assert "Code" not in lb.change("SetVServerGroupAttribute", "i-a", Weight=0)

    busy = lb.wire.post(
        common(
            SLB,
            "RemoveVServerGroupBackendServers",
            VServerGroupId="rsp-1",
            BackendServers='[{"ServerId":"i-a","Port":80}]',
        )
    )
    assert (busy.status, busy.code) == (409, "BackendServer.configuring")
    listener = {"LoadBalancerId": "lb-1", "ListenerPort": "443"}
    assert lb.call("StopLoadBalancerListener", **listener)["Code"] == "ServiceIsConfiguring"
    name = {"LoadBalancerId": "lb-1", "LoadBalancerName": "x"}
    assert lb.call("SetLoadBalancerName", **name)["Code"] == "OperationConflict"
    assert lb.members() == ["i-a", "i-b"]
    away = lb.call(
        "RemoveVServerGroupBackendServers", VServerGroupId="rsp-2", BackendServers="[{'ServerId':'i-b','Port':80}]"
    )
    assert away["BackendServers"]["BackendServer"] == []

    lb.sim.advance(3)
    assert "Code" not in lb.change("RemoveVServerGroupBackendServers", "i-a")


def test_a_call_that_changes_nothing_makes_nobody_busy(lb: Balancer) -> None:
    """Removing an absent member is no change."""
    lb.load({**WORLD, "slb_configuring_seconds": 3})
    lb.change("RemoveVServerGroupBackendServers", "i-none")
    assert "Code" not in lb.change("RemoveVServerGroupBackendServers", "i-a")


def test_a_balancer_takes_its_groups_and_listeners_with_it(lb: Balancer) -> None:
    """Deleting a balancer is journaled for everything that goes."""
    lb.call("DeleteLoadBalancer", LoadBalancerId="lb-1")
    (entry,) = lb.sim.journal(action="DeleteLoadBalancer")
    gone = [(change["what"], change["id"]) for change in entry["changes"] if change.get("after") is None]
    assert gone == [("group", "rsp-1"), ("listener", "lb-1:443"), ("balancer", "lb-1")]
    assert [lb.part(name) for name in ("load_balancers", "server_groups", "listeners")] == [[], [], []]


# --- faults ---


def test_a_stale_read_shows_the_members_of_then(lb: Balancer) -> None:
    """A removal is not seen by a reader whose answer is ten seconds old; health is of then as well."""
    lb.sim.advance(100)
    lb.change("RemoveVServerGroupBackendServers", "i-a")
    lb.chaos("hang", "i-b")
    fault = {"match": {"action": "Describe*"}, "fault": {"kind": "stale-read", "age_seconds": 10}}
    lb.sim.control("PUT", "faults", [fault])
    lb.sim.advance(9)
    assert lb.members() == ["i-a", "i-b"]
    assert lb.health() == {"i-a": "normal", "i-b": "normal"}
    lb.sim.advance(10)
    assert lb.members() == ["i-b"]
    assert lb.health() == {"i-b": "normal"}
    lb.sim.advance(6)
    assert lb.health() == {"i-b": "abnormal"}


def test_a_stale_read_does_not_know_what_was_just_made(lb: Balancer) -> None:
    """A balancer made five seconds ago is not there for a reader ten seconds behind."""
    made = lb.call("CreateLoadBalancer")["LoadBalancerId"]
    lb.sim.control("PUT", "faults", [{"match": {"action": "Describe*"}, "fault": "stale-read"}])
    lb.sim.advance(5)
    assert lb.call("DescribeLoadBalancerAttribute", LoadBalancerId=made)["Code"] == "InvalidLoadBalancerId.NotFound"
    lb.sim.advance(5)
    assert lb.call("DescribeLoadBalancerAttribute", LoadBalancerId=made)["LoadBalancerId"] == made


def test_a_partial_batch_leaves_the_rest_undone_and_says_so(lb: Balancer) -> None:
    """Half of a removal happens; the answer shows which member is still there."""
    lb.sim.control("PUT", "faults", [{"fault": {"kind": "partial-batch", "share": 0.5}}])
    left = lb.change("RemoveVServerGroupBackendServers", "i-a", "i-b")
    (still_there,) = [one["ServerId"] for one in left["BackendServers"]["BackendServer"]]
    assert lb.members() == [still_there]


def test_a_change_whose_answer_was_lost_has_happened(lb: Balancer) -> None:
    """effect-then-5xx: the caller sees an error, the member is gone."""
    fault = {"match": {"action": "Remove*"}, "fault": {"kind": "effect-then-5xx", "status": 503}}
    lb.sim.control("PUT", "faults", [fault])
    assert lb.change("RemoveVServerGroupBackendServers", "i-a")["Code"] == "ServiceUnavailable"
    assert lb.members() == ["i-b"]


# --- the world ---


def test_the_world_comes_back_as_it_was_with_everything_pending(lb: Balancer) -> None:
    """A dump in the middle of draining, checking and being busy, put back, is the same and ends the same."""
    lb.load({**WORLD, "slb_configuring_seconds": 8})
    lb.sim.advance(50)
    lb.chaos("hang", "i-b")
    lb.sim.advance(4)
    lb.change("RemoveVServerGroupBackendServers", "i-a")
    lb.sim.advance(3)
    document = lb.sim.control("GET", "world")
    assert document["alibaba"]["server_groups"][0]["draining"]
    assert document["alibaba"]["load_balancers"][0]["busy_until"]
    lb.sim.world(document)
    assert lb.sim.control("GET", "world") == document

    assert lb.change("AddVServerGroupBackendServers", "i-a")["Code"] == "BackendServer.configuring"
    lb.sim.advance(7)
    assert lb.health() == {"i-b": "normal"}
    lb.sim.advance(1)
    assert lb.health() == {"i-b": "abnormal"}
    lb.sim.advance(60)
    assert lb.part("server_groups")[0]["draining"] == []


def test_a_group_alone_is_enough(lb: Balancer) -> None:
    """A balancer that only a group names is made, in the region of its servers."""
    lb.load(
        {
            "instances": [{"id": "i-north", "region": "cn-beijing"}],
            "server_groups": [
                {"id": "rsp-9", "load_balancer": "lb-9", "backends": [{"server_id": "i-north", "port": 1}]}
            ],
        }
    )
    found = lb.call("DescribeLoadBalancers", RegionId="cn-beijing")["LoadBalancers"]["LoadBalancer"]
    assert [(one["LoadBalancerId"], one["RegionId"]) for one in found] == [("lb-9", "cn-beijing")]


@pytest.mark.parametrize(
    ("part", "where"),
    [
        ({"server_groups": [GROUP, GROUP]}, "server_groups.1"),
        ({"server_groups": [{"id": "r", "backends": [{"server_id": "i", "port": 70000}]}]}, "backends.0.port"),
        ({"server_groups": [{"id": "r", "backend": []}]}, "server_groups.0.backend"),
        ({"listeners": [LISTENER]}, "listeners.0.server_group"),
        ({"load_balancers": [{"name": "x"}]}, "load_balancers.0.id"),
        ({"slb_configuring_seconds": -1}, "slb_configuring_seconds"),
    ],
)
def test_a_world_that_cannot_be_is_refused_by_place(lb: Balancer, part: dict[str, Any], where: str) -> None:
    """The error names the place, and the world stays as it was."""
    with pytest.raises(ControlRefusedError, match=where):
        lb.load(part)
    assert lb.members() == ["i-a", "i-b"]
