"""SLB with the vendor's Tea SDK (alibabacloud_slb20140515), unmodified, signed with ACS3."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import alibabacloud_slb20140515.models as m
import pytest
from alibabacloud_slb20140515.client import Client

from tests.sim.simulator import RunningSimulator
from tests.sim.tea import config, refused

REGION = "cn-hangzhou"
FLEET = [
    *({"id": f"i-{letter}", "region": REGION} for letter in "abc"),
    {"id": "i-stopped", "region": REGION, "status": "Stopped"},
]


@pytest.fixture
def slb(sim: RunningSimulator) -> Client:
    """A client of a simulator with three running servers, one stopped, and lb-1 with group rsp-1 in front."""
    backends = [
        {"server_id": "i-a", "port": 8080, "weight": 30},
        {"server_id": "i-a", "port": 9090, "weight": 100},
        {"server_id": "i-b", "port": 8080, "weight": 100},
    ]
    group = {"id": "rsp-1", "load_balancer": "lb-1", "name": "web", "backends": backends}
    sim.world({"alibaba": {"instances": FLEET, "server_groups": [group]}})
    return client(sim)


def client(sim: RunningSimulator, **more: str) -> Client:
    """Make a client."""
    return Client(config(sim, **more))


def entries(*members: tuple[str, int] | tuple[str, int, int]) -> str:
    """Write `BackendServers`."""
    names = ("ServerId", "Port", "Weight")
    return json.dumps([dict(zip(names, member, strict=False)) for member in members])


def members(body: Any) -> list[tuple[str, int, int]]:
    """Return (server, port, weight) of each member in an answer."""
    return [(one.server_id, one.port, one.weight) for one in body.backend_servers.backend_server]


def in_group(slb: Client, group: str = "rsp-1") -> list[tuple[str, int, int]]:
    """Read a group's members."""
    request = m.DescribeVServerGroupAttributeRequest(region_id=REGION, vserver_group_id=group)
    return members(slb.describe_vserver_group_attribute(request).body)


def remove(slb: Client, text: str, group: str = "rsp-1") -> Any:
    """Remove members."""
    request = m.RemoveVServerGroupBackendServersRequest(region_id=REGION, vserver_group_id=group, backend_servers=text)
    return slb.remove_vserver_group_backend_servers(request).body


def add(slb: Client, text: str, group: str = "rsp-1") -> Any:
    """Add members."""
    request = m.AddVServerGroupBackendServersRequest(region_id=REGION, vserver_group_id=group, backend_servers=text)
    return slb.add_vserver_group_backend_servers(request).body


def test_removal_takes_exactly_the_members_named(slb: Client) -> None:
    """Server and port decide; the others and their weights stay, and the answer shows who is left."""
    body = remove(slb, entries(("i-a", 8080), ("i-a", 9090)))
    assert members(body) == in_group(slb) == [("i-b", 8080, 100)]
    assert body.vserver_group_id == "rsp-1"


def test_removing_members_that_are_not_there_looks_like_success(slb: Client, sim: RunningSimulator) -> None:
    """A wrong port removes nothing and says nothing: only reading back shows it."""
    before = in_group(slb)
    assert members(remove(slb, entries(("i-a", 80), ("i-none", 8080)))) == before
    assert sim.journal(action="RemoveVServerGroupBackendServers")[-1].get("changes") is None


def test_single_quotes_and_numbers_as_text_are_taken(slb: Client) -> None:
    """The form of the vendor's own pages and of the sample program is understood."""
    remove(slb, "[{'ServerId':'i-a','Port':'8080','Weight':'30'}]")
    assert in_group(slb) == [("i-a", 9090, 100), ("i-b", 8080, 100)]


def test_weight_zero_is_the_drain_step(slb: Client, sim: RunningSimulator) -> None:
    """SetVServerGroupAttribute changes weights and name of what is there and adds nobody."""
    request = m.SetVServerGroupAttributeRequest(
        region_id=REGION,
        vserver_group_id="rsp-1",
        vserver_group_name="drained",
        backend_servers=entries(("i-a", 8080, 0), ("i-c", 8080, 50)),
    )
    body = slb.set_vserver_group_attribute(request).body
    assert body.vserver_group_name == "drained"
    assert members(body) == [("i-a", 8080, 0), ("i-a", 9090, 100), ("i-b", 8080, 100)]
    changes = sim.journal(action="SetVServerGroupAttribute")[-1]["changes"]
    assert [change["what"] for change in changes] == ["group.name", "group.backends"]
    assert [one["weight"] for one in changes[1]["before"]] == [30, 100, 100]
    assert [one["weight"] for one in changes[1]["after"]] == [0, 100, 100]


def test_adding_takes_running_servers_only(slb: Client) -> None:
    """Stopped and unknown servers are refused, and nobody of that call is added."""
    assert members(add(slb, entries(("i-c", 8080, 10))))[-1] == ("i-c", 8080, 10)
    before = in_group(slb)
    for stranger in ("i-stopped", "i-none"):
        news = entries(("i-b", 9090), (stranger, 80))
        assert refused(partial(add, slb, news)) == (400, "ObtainIpFail")
    assert in_group(slb) == before


def test_adding_a_member_again_makes_no_second_one(slb: Client) -> None:
    """The same server and port stays one member; a weight given anew counts, one not given does not."""
    add(slb, entries(("i-a", 8080, 70), ("i-a", 9090)))
    assert in_group(slb) == [("i-a", 8080, 70), ("i-a", 9090, 100), ("i-b", 8080, 100)]


def test_members_are_swapped_in_one_call(slb: Client, sim: RunningSimulator) -> None:
    """ModifyVServerGroupBackendServers puts new members into the place of old ones, as one change."""
    request = m.ModifyVServerGroupBackendServersRequest(
        region_id=REGION,
        vserver_group_id="rsp-1",
        old_backend_servers=entries(("i-a", 8080), ("i-a", 9090)),
        new_backend_servers=entries(("i-c", 8080, 40)),
    )
    body = slb.modify_vserver_group_backend_servers(request).body
    assert members(body) == [("i-b", 8080, 100), ("i-c", 8080, 40)]
    assert len(sim.journal(action="ModifyVServerGroupBackendServers")[-1]["changes"]) == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("not a list", "BackendServersMalformed"),
        ("{}", "BackendServersMalformed"),
        ("[1]", "BackendServersMalformed"),
        ('[{"ServerId":"i-a","Port":80', "BackendServersMalformed"),
        ('[{"Port":80}]', "BackendServer.ServerIdEmpty"),
        ('[{"ServerId":"","Port":80}]', "BackendServer.ServerIdEmpty"),
        ('[{"ServerId":"i-a"}]', "InvalidParameter"),
        ('[{"ServerId":"i-a","Port":0}]', "InvalidParameter"),
        ('[{"ServerId":"i-a","Port":65536}]', "InvalidParameter"),
        ('[{"ServerId":"i-a","Port":"eighty"}]', "InvalidParameter"),
        ('[{"ServerId":"i-a","Port":80,"Weight":101}]', "InvalidWeight.Malformed"),
        ('[{"ServerId":"i-a","Port":80,"Weight":-1}]', "InvalidWeight.Malformed"),
        ('[{"ServerId":"i-a","Port":80,"Type":"moon"}]', "BackendServersMalformed"),
    ],
)
def test_malformed_members_are_refused(slb: Client, text: str, code: str) -> None:
    """Each part of an entry has its refusal, and nothing is changed."""
    before = in_group(slb)
    assert refused(lambda: remove(slb, text)) == (400, code)
    assert in_group(slb) == before


def test_twenty_members_a_call_and_no_more(slb: Client) -> None:
    """The twenty-first entry refuses the whole call."""
    assert len(members(add(slb, entries(*(("i-c", 1000 + n) for n in range(20)))))) == 23
    assert refused(lambda: remove(slb, entries(*(("i-c", 1000 + n) for n in range(21))))) == (
        400,
        "TooManyBackendServers",
    )
    assert len(in_group(slb)) == 23


def test_the_default_group_has_no_ports(slb: Client) -> None:
    """Add, set and remove by server alone."""
    news = json.dumps([{"ServerId": "i-a", "Weight": "50"}, {"ServerId": "i-b"}])
    request = m.AddBackendServersRequest(load_balancer_id="lb-1", region_id=REGION, backend_servers=news)
    body = slb.add_backend_servers(request).body
    assert [(one.server_id, one.weight) for one in body.backend_servers.backend_server] == [("i-a", 50), ("i-b", 100)]

    zero = json.dumps([{"ServerId": "i-b", "Weight": 0}])
    slb.set_backend_servers(m.SetBackendServersRequest(load_balancer_id="lb-1", backend_servers=zero))
    gone = m.RemoveBackendServersRequest(
        load_balancer_id="lb-1", backend_servers=json.dumps([{"ServerId": "i-a"}, {"ServerId": "i-none"}])
    )
    assert slb.remove_backend_servers(gone).body.load_balancer_id == "lb-1"
    shown = slb.describe_load_balancer_attribute(
        m.DescribeLoadBalancerAttributeRequest(load_balancer_id="lb-1", region_id=REGION)
    ).body
    assert [(one.server_id, one.weight) for one in shown.backend_servers.backend_server] == [("i-b", 0)]
    assert shown.backend_servers.backend_server[0].server_ip


def test_servers_of_the_default_group_may_be_named_by_id_alone(slb: Client) -> None:
    """Clients of the first hour write a list of ids; each is an entry, absent ones are ignored."""
    add_both = m.AddBackendServersRequest(load_balancer_id="lb-1", backend_servers='["i-a","i-b"]')
    assert [one.server_id for one in slb.add_backend_servers(add_both).body.backend_servers.backend_server] == [
        "i-a",
        "i-b",
    ]
    gone = m.RemoveBackendServersRequest(load_balancer_id="lb-1", backend_servers="['i-a','i-none']")
    left = slb.remove_backend_servers(gone).body.backend_servers.backend_server
    assert [(one.server_id, one.weight) for one in left] == [("i-b", 100)]


def test_a_balancer_from_nothing_to_nothing(slb: Client) -> None:
    """Create, name, switch, protect, list with filters, delete with all that belongs to it."""
    tag = m.CreateLoadBalancerRequestTag(key="team", value="web")
    made = slb.create_load_balancer(
        m.CreateLoadBalancerRequest(region_id=REGION, load_balancer_name="front", tag=[tag], delete_protection="on")
    ).body
    id_ = made.load_balancer_id
    slb.set_load_balancer_name(
        m.SetLoadBalancerNameRequest(region_id=REGION, load_balancer_id=id_, load_balancer_name="edge")
    )
    slb.set_load_balancer_status(
        m.SetLoadBalancerStatusRequest(region_id=REGION, load_balancer_id=id_, load_balancer_status="inactive")
    )
    wanted = m.DescribeLoadBalancersRequestTag(key="team", value="web")
    found = slb.describe_load_balancers(m.DescribeLoadBalancersRequest(region_id=REGION, tag=[wanted])).body
    [one] = found.load_balancers.load_balancer
    assert (one.load_balancer_id, one.load_balancer_name, one.load_balancer_status) == (id_, "edge", "inactive")
    assert one.address == made.address

    gone = m.DeleteLoadBalancerRequest(region_id=REGION, load_balancer_id=id_)
    assert refused(lambda: slb.delete_load_balancer(gone)) == (400, "OperationFailed.DeleteProtection")
    slb.set_load_balancer_delete_protection(
        m.SetLoadBalancerDeleteProtectionRequest(region_id=REGION, load_balancer_id=id_, delete_protection="off")
    )
    slb.delete_load_balancer(gone)
    assert refused(lambda: slb.delete_load_balancer(gone)) == (404, "InvalidLoadBalancerId.NotFound")


def test_lists_filter_and_page(slb: Client) -> None:
    """By server, by id, by name; another region has none of them; pages count from one."""
    for number in range(4):
        slb.create_load_balancer(m.CreateLoadBalancerRequest(region_id=REGION, load_balancer_name=f"front-{number}"))

    def ids(**filters: object) -> list[str]:
        request = m.DescribeLoadBalancersRequest(**{"region_id": REGION, **filters})
        body = slb.describe_load_balancers(request).body
        return [one.load_balancer_id for one in body.load_balancers.load_balancer]

    assert ids(server_id="i-a") == ["lb-1"]
    assert ids(server_id="i-c") == []
    assert ids(load_balancer_id="lb-1,lb-none") == ["lb-1"]
    assert len(ids(load_balancer_name="front")) == 4
    assert ids(region_id="cn-beijing") == []
    assert ids(page_size=2, page_number=1) + ids(page_size=2, page_number=2) + ids(page_size=2, page_number=3) == ids()
    assert refused(lambda: ids(region_id="mars-1")) == (404, "InvalidRegionId.NotFound")
    assert refused(lambda: ids(page_size=101)) == (400, "InvalidParameter")


def test_groups_are_listed_with_their_listeners_and_kept_while_used(slb: Client) -> None:
    """A group that a listener uses cannot be deleted; a listener must name a group of its own balancer."""
    listener = m.CreateLoadBalancerTCPListenerRequest(
        region_id=REGION, load_balancer_id="lb-1", listener_port=80, bandwidth=-1, vserver_group_id="rsp-1"
    )
    slb.create_load_balancer_tcplistener(listener)
    asked = m.DescribeVServerGroupsRequest(region_id=REGION, load_balancer_id="lb-1", include_listener=True)
    [group] = slb.describe_vserver_groups(asked).body.vserver_groups.vserver_group
    assert (group.vserver_group_id, group.vserver_group_name, group.server_count) == ("rsp-1", "web", 3)
    assert [(one.port, one.protocol) for one in group.associated_objects.listeners.listener] == [(80, "tcp")]

    gone = m.DeleteVServerGroupRequest(region_id=REGION, vserver_group_id="rsp-1")
    assert refused(lambda: slb.delete_vserver_group(gone)) == (400, "RspoolVipExist")
    assert refused(lambda: slb.create_load_balancer_tcplistener(listener)) == (400, "ListenerAlreadyExists")
    slb.delete_load_balancer_listener(
        m.DeleteLoadBalancerListenerRequest(region_id=REGION, load_balancer_id="lb-1", listener_port=80)
    )
    slb.delete_vserver_group(gone)
    assert refused(lambda: slb.delete_vserver_group(gone)) == (404, "InvalidParameter")

    other = slb.create_load_balancer(m.CreateLoadBalancerRequest(region_id=REGION)).body.load_balancer_id
    made = slb.create_vserver_group(
        m.CreateVServerGroupRequest(
            region_id=REGION, load_balancer_id=other, vserver_group_name="far", backend_servers=entries(("i-c", 80))
        )
    ).body
    assert members(made) == [("i-c", 80, 100)]
    listener.vserver_group_id = made.vserver_group_id
    assert refused(lambda: slb.create_load_balancer_tcplistener(listener)) == (404, "InvalidParameter")


def test_a_tcp_listener_shows_what_it_was_given(slb: Client) -> None:
    """Health check, draining and the settings without effect come back; what is changed later changes alone."""
    slb.create_load_balancer_tcplistener(
        m.CreateLoadBalancerTCPListenerRequest(
            region_id=REGION,
            load_balancer_id="lb-1",
            listener_port=443,
            bandwidth=10,
            vserver_group_id="rsp-1",
            health_check_interval=7,
            healthy_threshold=4,
            unhealthy_threshold=2,
            connection_drain="on",
            connection_drain_timeout=60,
            persistence_timeout=1000,
            description="front door",
        )
    )
    where = {"region_id": REGION, "load_balancer_id": "lb-1", "listener_port": 443}
    slb.set_load_balancer_tcplistener_attribute(
        m.SetLoadBalancerTCPListenerAttributeRequest(
            **where, scheduler="rr", unhealthy_threshold=5, connection_drain_timeout=90
        )
    )
    shown = slb.describe_load_balancer_tcplistener_attribute(
        m.DescribeLoadBalancerTCPListenerAttributeRequest(**where)
    ).body
    assert (shown.status, shown.bandwidth, shown.vserver_group_id) == ("stopped", 10, "rsp-1")
    assert (shown.health_check, shown.health_check_interval) == ("on", 7)
    assert (shown.healthy_threshold, shown.unhealthy_threshold) == (4, 5)
    assert (shown.connection_drain, shown.connection_drain_timeout) == ("on", 90)
    assert (shown.persistence_timeout, shown.description, shown.scheduler) == (1000, "front door", "rr")

    slb.start_load_balancer_listener(m.StartLoadBalancerListenerRequest(**where))
    listed = slb.describe_load_balancer_listeners(
        m.DescribeLoadBalancerListenersRequest(region_id=REGION, load_balancer_id=["lb-1"])
    ).body
    [one] = listed.listeners
    assert (one.listener_port, one.listener_protocol, one.status) == (443, "tcp", "running")
    assert one.tcplistener_config.health_check_interval == 7


def test_an_http_listener_needs_its_switches_and_shows_them(slb: Client) -> None:
    """HealthCheck and StickySession are mandatory; header settings come back under their odd names."""
    where = {"region_id": REGION, "load_balancer_id": "lb-1", "listener_port": 8443}
    bare = m.CreateLoadBalancerHTTPListenerRequest(**where, bandwidth=-1, backend_server_port=80)
    assert refused(lambda: slb.create_load_balancer_httplistener(bare)) == (400, "MissingParameter")
    slb.create_load_balancer_httplistener(
        m.CreateLoadBalancerHTTPListenerRequest(
            **where,
            bandwidth=-1,
            backend_server_port=80,
            health_check="on",
            health_check_interval=5,
            sticky_session="off",
            xforwarded_for_slbip="on",
            health_check_uri="/healthz",
        )
    )
    shown = slb.describe_load_balancer_httplistener_attribute(
        m.DescribeLoadBalancerHTTPListenerAttributeRequest(**where)
    ).body
    assert (shown.health_check_interval, shown.health_check_uri, shown.backend_server_port) == (5, "/healthz", 80)
    assert (shown.xforwarded_for_slbip, shown.sticky_session) == ("on", "off")
    tcp = m.DescribeLoadBalancerTCPListenerAttributeRequest(**where)
    assert refused(lambda: slb.describe_load_balancer_tcplistener_attribute(tcp)) == (404, "ListenerNotFound")


def test_tags_are_set_found_and_taken_off(slb: Client) -> None:
    """Balancers and groups carry tags; unknown resources refuse the whole call."""
    pair = [m.TagResourcesRequestTag(key="team", value="web"), m.TagResourcesRequestTag(key="env", value="prod")]
    for kind, id_ in (("instance", "lb-1"), ("vservergroup", "rsp-1")):
        where = {"region_id": REGION, "resource_type": kind, "resource_id": [id_]}
        slb.tag_resources(m.TagResourcesRequest(**where, tag=pair))
        slb.untag_resources(m.UntagResourcesRequest(**where, tag_key=["env"]))
        listed = slb.list_tag_resources(m.ListTagResourcesRequest(**where)).body.tag_resources.tag_resource
        assert [(one.resource_id, one.tag_key, one.tag_value) for one in listed] == [(id_, "team", "web")]
    lost = m.TagResourcesRequest(region_id=REGION, resource_type="instance", resource_id=["lb-1", "lb-0"], tag=pair)
    assert refused(lambda: slb.tag_resources(lost)) == (400, "InvalidParameter")


def test_regions_zones_and_what_cannot_be_made_here(slb: Client, sim: RunningSimulator) -> None:
    """Regions point to this server, zones belong to their region, primary/secondary groups are an empty list."""
    regions = slb.describe_regions(m.DescribeRegionsRequest()).body.regions.region
    assert {one.region_endpoint for one in regions} == {sim.address}
    zones = slb.describe_zones(m.DescribeZonesRequest(region_id=REGION)).body.zones.zone
    assert all(zone.zone_id.startswith(REGION) for zone in zones)
    groups = slb.describe_master_slave_server_groups(
        m.DescribeMasterSlaveServerGroupsRequest(region_id=REGION, load_balancer_id="lb-1")
    ).body
    assert groups.master_slave_server_groups.master_slave_server_group == []


def test_the_older_signature_works_in_the_same_client(slb: Client, sim: RunningSimulator) -> None:
    """`signature_algorithm="v2"` makes the same SDK sign its query with HMAC-SHA1."""
    assert in_group(client(sim, signature_algorithm="v2")) == in_group(slb)


def test_a_region_does_not_show_what_is_in_another(slb: Client) -> None:
    """A group asked for in the wrong region is not there."""
    request = m.DescribeVServerGroupAttributeRequest(region_id="cn-beijing", vserver_group_id="rsp-1")
    assert refused(lambda: slb.describe_vserver_group_attribute(request)) == (404, "InvalidParameter")
