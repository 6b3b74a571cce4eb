"""The VPC calls: pages of networks and switches."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.rpc import Refused, Reply, Service
from cloudheal_sim.alibaba.rpc import refusal as gateway
from cloudheal_sim.alibaba.vpc import requests
from cloudheal_sim.kernel.clock import iso_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from cloudheal_sim.alibaba.networks import Region, VSwitch
    from cloudheal_sim.kernel.core import Exchange

#: All default networks began then; no call can make another.
_CREATED = iso_seconds(1577836800000)


@dataclass(frozen=True, slots=True)
class Vpc:
    """What the service shows: the lists of ECS's catalogue."""

    regions: Callable[[], Collection[Region]]
    switches: Callable[[], Collection[VSwitch]]


SERVICE: Service[Vpc] = Service("vpc", "Vpc", "2016-04-28")


@SERVICE.action(requests.DescribeVpcs)
def describe_vpcs(vpc: Vpc, request: requests.DescribeVpcs, _exchange: Exchange) -> Reply:
    """List networks with their switches."""
    region = _region(vpc, request.region_id)
    networks: dict[str, list[VSwitch]] = {}
    for switch in vpc.switches():
        if switch.region == region.id:
            networks.setdefault(switch.vpc, []).append(switch)
    wanted = _ids(request.vpc_id)
    found = [
        _network(id_, region, switches)
        for id_, switches in networks.items()
        if (not wanted or id_ in wanted)
        and request.vpc_name in {None, _name(id_)}
        and request.is_default in {None, _is_default(id_)}
    ]
    return _page(request, "Vpcs", "Vpc", found, dry_run=request.dry_run)


@SERVICE.action(requests.DescribeVSwitches)
def describe_vswitches(vpc: Vpc, request: requests.DescribeVSwitches, _exchange: Exchange) -> Reply:
    """List switches."""
    region = _region(vpc, request.region_id) if request.region_id or not request.vpc_id else None
    wanted = _ids(request.v_switch_id)
    found = [
        _switch(switch)
        for switch in vpc.switches()
        if (region is None or switch.region == region.id)
        and request.vpc_id in {None, switch.vpc}
        and (not wanted or switch.id in wanted)
        and request.v_switch_name in {None, switch.name}
        and request.zone_id in {None, switch.zone}
        and request.is_default in {None, _is_default(switch.vpc)}
    ]
    return _page(request, "VSwitches", "VSwitch", found, dry_run=request.dry_run)


@SERVICE.action(requests.DescribeEipAddresses)
def describe_eip_addresses(vpc: Vpc, request: requests.DescribeEipAddresses, _exchange: Exchange) -> Reply:
    """List elastic addresses: there are none, since no call here allocates one."""
    _region(vpc, request.region_id)
    return _page(request, "EipAddresses", "EipAddress", [], dry_run=None)


@SERVICE.action(requests.DescribeRegions)
def describe_regions(vpc: Vpc, _request: requests.DescribeRegions, exchange: Exchange) -> Reply:
    """List the regions; their endpoint is this very server."""
    found = [{"RegionId": one.id, "LocalName": one.name, "RegionEndpoint": exchange.host} for one in vpc.regions()]
    return {"Regions": {"Region": found}}


@SERVICE.action(requests.DescribeZones)
def describe_zones(vpc: Vpc, request: requests.DescribeZones, _exchange: Exchange) -> Reply:
    """List the zones of a region."""
    zones = _region(vpc, request.region_id).zones
    return {"Zones": {"Zone": [{"ZoneId": zone, "LocalName": zone} for zone in zones]}}


def _region(vpc: Vpc, id_: str) -> Region:
    if not id_:
        raise gateway.missing("RegionId")
    for region in vpc.regions():
        if region.id == id_:
            return region
    raise Refused(gateway.UNKNOWN_REGION)


def _ids(text: str | None) -> frozenset[str]:
    return frozenset(id_.strip() for id_ in (text or "").split(",") if id_.strip())


def _is_default(vpc: str) -> bool:
    return vpc.endswith("default")


def _name(vpc: str) -> str:
    return "default" if _is_default(vpc) else vpc


def _network(id_: str, region: Region, switches: Sequence[VSwitch]) -> dict[str, object]:
    return {
        "VpcId": id_,
        "VpcName": _name(id_),
        "RegionId": region.id,
        "Status": "Available",
        "CidrBlock": "10.0.0.0/8",
        "IsDefault": _is_default(id_),
        "CreationTime": _CREATED,
        "Description": "",
        "ResourceGroupId": "",
        "VRouterId": id_.replace("vpc-", "vrt-", 1),
        "VSwitchIds": {"VSwitchId": [switch.id for switch in switches]},
        "SecondaryCidrBlocks": {"SecondaryCidrBlock": []},
        "UserCidrs": {"UserCidr": []},
        "NatGatewayIds": {"NatGatewayIds": []},
        "RouterTableIds": {"RouterTableIds": []},
        "Tags": {"Tag": []},
    }


def _switch(switch: VSwitch) -> dict[str, object]:
    return {
        "VSwitchId": switch.id,
        "VSwitchName": switch.name,
        "VpcId": switch.vpc,
        "ZoneId": switch.zone,
        "CidrBlock": switch.cidr,
        "Status": "Available",
        "IsDefault": _is_default(switch.vpc),
        "AvailableIpAddressCount": 65532,
        "CreationTime": _CREATED,
        "Description": "",
        "ResourceGroupId": "",
        "Tags": {"Tag": []},
    }


def _page(
    request: requests.Paged, outer: str, inner: str, found: list[dict[str, object]], *, dry_run: bool | None
) -> Reply:
    if dry_run:
        raise Refused(gateway.DRY_RUN)
    first = (request.page_number - 1) * request.page_size
    return {
        outer: {inner: list(islice(found, first, first + request.page_size))},
        "PageNumber": request.page_number,
        "PageSize": request.page_size,
        "TotalCount": len(found),
    }
