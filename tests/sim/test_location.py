"""The location service: whoever asks where a product is, is sent here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sim.signing import LOCATION, VPC, common, query_of, signed
from tests.sim.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sim.simulator import RunningSimulator


@pytest.fixture
def wire(sim: RunningSimulator) -> Iterator[Wire]:
    """A connection to a fresh simulator."""
    with Wire(sim.address) as connection:
        yield connection


@pytest.mark.parametrize("product", ["ecs", "slb", "cms", "sts", "vpc", "actiontrail", "Ecs"])
def test_every_product_is_here(wire: Wire, product: str) -> None:
    """The endpoint of each product is the host that the question was sent to, named as the SDK looks for it."""
    reply = wire.get(common(LOCATION, "DescribeEndpoints", Id="cn-beijing", ServiceCode=product, Type="openAPI"))
    [endpoint] = reply.json["Endpoints"]["Endpoint"]
    assert endpoint["Endpoint"] == wire.address
    assert (endpoint["ServiceCode"], endpoint["SerivceCode"], endpoint["Type"]) == (product, product, "openAPI")
    older = wire.get(common(LOCATION, "DescribeEndpoint", Id="cn-beijing", ServiceCode=product)).json
    assert older["Endpoint"] == wire.address


def test_through_a_proxy_the_endpoint_is_the_host_meant(wire: Wire) -> None:
    """A client that comes through HTTP_PROXY is sent to the host it named, which the proxy brings here again."""
    query = query_of(signed("GET", common(LOCATION, "DescribeEndpoints", Id="cn-hangzhou", ServiceCode="ecs")))
    host = "location-readonly.aliyuncs.com"
    reply = wire.ask("GET", f"http://{host}/?{query}", {"Host": host})
    assert reply.json["Endpoints"]["Endpoint"][0]["Endpoint"] == host


@pytest.mark.parametrize(
    ("region", "product", "status", "code", "message"),
    [
        ("mars-1", "ecs", 404, "InvalidRegionId", "The specified region does not exist."),
        ("cn-hangzhou", "tea", 400, "Illegal Parameter", "Please check the parameters"),
    ],
)
def test_unknown_regions_and_products_are_refused_in_the_words_the_sdk_compares(
    wire: Wire, region: str, product: str, status: int, code: str, message: str
) -> None:
    """The classic SDK tells a wrong region from a wrong product by code and message."""
    reply = wire.get(common(LOCATION, "DescribeEndpoints", Id=region, ServiceCode=product))
    assert (reply.status, reply.code, reply.json["Message"]) == (status, code, message)


def test_services_and_regions_are_listed(wire: Wire) -> None:
    """What can be asked for can be listed."""
    services = wire.get(common(LOCATION, "DescribeServices")).json["Services"]["Service"]
    assert {"ecs", "slb", "cms"} <= {one["ServiceCode"] for one in services}
    assert "cn-hangzhou" in wire.get(common(LOCATION, "DescribeRegions")).json["RegionIds"]["RegionIds"]


def test_vpc_shows_the_networks_that_ecs_uses(wire: Wire, sim: RunningSimulator) -> None:
    """A default network with a switch in every zone of the region, in pages."""
    [network] = wire.get(common(VPC, "DescribeVpcs", IsDefault="true")).json["Vpcs"]["Vpc"]
    switches = wire.get(common(VPC, "DescribeVSwitches", VpcId=network["VpcId"], PageSize="50")).json
    zones = wire.get(common(VPC, "DescribeZones")).json["Zones"]["Zone"]
    assert {one["ZoneId"] for one in switches["VSwitches"]["VSwitch"]} == {one["ZoneId"] for one in zones}
    assert {one["VSwitchId"] for one in switches["VSwitches"]["VSwitch"]} == set(network["VSwitchIds"]["VSwitchId"])

    [page] = [wire.get(common(VPC, "DescribeVSwitches", PageSize="1", PageNumber="2")).json]
    assert (len(page["VSwitches"]["VSwitch"]), page["TotalCount"]) == (1, switches["TotalCount"])
    assert wire.get(common(VPC, "DescribeVpcs", VpcId="vpc-none")).json["TotalCount"] == 0
    assert wire.get(common(VPC, "DescribeEipAddresses")).json["EipAddresses"]["EipAddress"] == []


@pytest.mark.parametrize("action", ["DescribeVpcs", "DescribeVSwitches", "DescribeEipAddresses", "DescribeZones"])
def test_vpc_refuses_unknown_regions_and_dry_runs(wire: Wire, action: str) -> None:
    """An unknown region is 404; a dry run that would have worked says so as an error."""
    assert wire.get(common(VPC, action, RegionId="mars-1")).code == "InvalidRegionId.NotFound"
    if action in {"DescribeVpcs", "DescribeVSwitches"}:
        assert wire.get(common(VPC, action, DryRun="true")).code == "DryRunOperation"
