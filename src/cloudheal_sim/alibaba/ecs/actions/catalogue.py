"""What can be chosen from: regions, zones, images, types, networks; and what the spot market asks."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs import errors
from cloudheal_sim.alibaba.ecs.actions.finding import known_region, unless_dry
from cloudheal_sim.alibaba.ecs.replies import catalogue as wire
from cloudheal_sim.alibaba.ecs.replies.paging import numbered, read_token, write_token
from cloudheal_sim.alibaba.ecs.requests.catalogue import (
    DescribeAvailableResource,
    DescribeImages,
    DescribeInstanceTypeFamilies,
    DescribeInstanceTypes,
    DescribeRegions,
    DescribeSecurityGroups,
    DescribeSpotAdvice,
    DescribeSpotPriceHistory,
    DescribeVpcs,
    DescribeVSwitches,
    DescribeZones,
)
from cloudheal_sim.alibaba.ecs.requests.times import instant
from cloudheal_sim.alibaba.ecs.service import SERVICE
from cloudheal_sim.alibaba.rpc import Refused, Reply
from cloudheal_sim.alibaba.rpc.refusal import invalid

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.ecs.model.catalogue import InstanceType
    from cloudheal_sim.alibaba.ecs.state import Ecs
    from cloudheal_sim.kernel.core import Exchange

_HOUR = 3_600_000
#: Hours of price history that one call shows at most (30 days).
_MOST_HOURS = 720
_HOURS_SHOWN = 24


@SERVICE.action(DescribeRegions)
def describe_regions(ecs: Ecs, _request: DescribeRegions, _exchange: Exchange) -> Reply:
    """List the regions."""
    return {"Regions": {"Region": [wire.region(one) for one in ecs.catalogue.regions.values()]}}


@SERVICE.action(DescribeZones)
def describe_zones(ecs: Ecs, request: DescribeZones, _exchange: Exchange) -> Reply:
    """List the zones of a region with what they offer."""
    region = ecs.catalogue.regions[known_region(ecs, request.region_id)]
    offers = {zone: _in_stock(ecs, zone, ecs.catalogue.types.values()) for zone in region.zones}
    return {"Zones": {"Zone": [wire.zone(zone, [one.id for one in offers[zone]]) for zone in region.zones]}}


@SERVICE.action(DescribeImages)
def describe_images(ecs: Ecs, request: DescribeImages, _exchange: Exchange) -> Reply:
    """List images."""
    region = known_region(ecs, request.region_id)
    ids = None if request.image_id is None else frozenset(request.image_id.split(","))
    unless_dry(dry_run=request.dry_run)
    meant = [
        one
        for one in ecs.catalogue.images.values()
        if (ids is None or one.id in ids)
        and request.image_name in {None, one.name}
        and request.image_owner_alias in {None, one.owner}
        and request.o_s_type in {None, one.os_type}
        and (request.status is None or "Available" in request.status.split(","))
    ]
    page = numbered(meant, request)
    return {"RegionId": region, "Images": {"Image": [wire.image(one) for one in page.items]}, **page.frame}


@SERVICE.action(DescribeInstanceTypes)
def describe_instance_types(ecs: Ecs, request: DescribeInstanceTypes, _exchange: Exchange) -> Reply:
    """List instance types."""
    families = {*request.instance_type_families, *filter(None, (request.instance_type_family,))}
    meant = [
        one
        for one in ecs.catalogue.types.values()
        if (not request.instance_types or one.id in request.instance_types)
        and (not families or one.family in families)
        and (request.minimum_cpu_core_count or 0) <= one.cpu
        and (request.maximum_cpu_core_count is None or one.cpu <= request.maximum_cpu_core_count)
        and (request.minimum_memory_size or 0) <= one.memory
        and (request.maximum_memory_size is None or one.memory <= request.maximum_memory_size)
    ]
    start = read_token(request.next_token) if request.next_token else 0
    end = start + (request.max_results or len(meant))
    token = write_token(end) if end < len(meant) else ""
    shown = [wire.instance_type(one) for one in islice(meant, start, end)]
    return {"InstanceTypes": {"InstanceType": shown}, "NextToken": token}


@SERVICE.action(DescribeInstanceTypeFamilies)
def describe_instance_type_families(ecs: Ecs, request: DescribeInstanceTypeFamilies, _exchange: Exchange) -> Reply:
    """List the families of instance types."""
    known_region(ecs, request.region_id)
    families = dict.fromkeys(one.family for one in ecs.catalogue.types.values())
    listed = [{"InstanceTypeFamilyId": one, "Generation": "ecs-6"} for one in families]
    return {"InstanceTypeFamilies": {"InstanceTypeFamily": listed}}


@SERVICE.action(DescribeAvailableResource)
def describe_available_resource(ecs: Ecs, request: DescribeAvailableResource, _exchange: Exchange) -> Reply:
    """Say zone by zone which instance types are in stock."""
    if request.destination_resource not in wire.DESTINATIONS:
        raise invalid("DestinationResource")
    region = ecs.catalogue.regions[known_region(ecs, request.region_id)]
    if request.zone_id is not None and request.zone_id not in region.zones:
        raise Refused(errors.ZONE_NOT_FOUND)
    types = [
        one
        for one in ecs.catalogue.types.values()
        if request.instance_type in {None, one.id}
        and request.cores in {None, one.cpu}
        and request.memory in {None, one.memory}
    ]
    zones = [zone for zone in region.zones if request.zone_id in {None, zone}]
    offers = [
        wire.offer(region.id, zone, request.destination_resource, types, _in_stock(ecs, zone, types)) for zone in zones
    ]
    return {"AvailableZones": {"AvailableZone": offers}}


@SERVICE.action(DescribeVpcs)
def describe_vpcs(ecs: Ecs, request: DescribeVpcs, _exchange: Exchange) -> Reply:
    """List the networks that the switches of a region are in."""
    region = known_region(ecs, request.region_id)
    wanted = None if request.vpc_id is None else frozenset(request.vpc_id.split(","))
    switches = [one for one in ecs.catalogue.vswitches.values() if one.region == region]
    ids = [id_ for id_ in dict.fromkeys(one.vpc for one in switches) if wanted is None or id_ in wanted]
    page = numbered(ids, request)
    items = [wire.vpc(id_, region, [one for one in switches if one.vpc == id_]) for id_ in page.items]
    return {"Vpcs": {"Vpc": items}, **page.frame}


@SERVICE.action(DescribeVSwitches)
def describe_v_switches(ecs: Ecs, request: DescribeVSwitches, _exchange: Exchange) -> Reply:
    """List subnets."""
    wanted = None if request.v_switch_id is None else frozenset(request.v_switch_id.split(","))
    meant = [
        one
        for one in ecs.catalogue.vswitches.values()
        if request.region_id in {"", one.region}
        and request.vpc_id in {None, one.vpc}
        and request.zone_id in {None, one.zone}
        and (wanted is None or one.id in wanted)
    ]
    page = numbered(meant, request)
    return {"VSwitches": {"VSwitch": [wire.vswitch(one) for one in page.items]}, **page.frame}


@SERVICE.action(DescribeSecurityGroups)
def describe_security_groups(ecs: Ecs, request: DescribeSecurityGroups, _exchange: Exchange) -> Reply:
    """List security groups."""
    region = known_region(ecs, request.region_id)
    ids = frozenset((*request.security_group_ids, *filter(None, (request.security_group_id,))))
    unless_dry(dry_run=request.dry_run)
    groups = [one for one in ecs.catalogue.groups.values() if one.region == region]
    meant = [
        one
        for one in groups
        if (not ids or one.id in ids)
        and request.vpc_id in {None, one.vpc}
        and request.security_group_name in {None, one.name}
    ]
    if request.max_results is None and request.next_token is None:
        page = numbered(meant, request)
        shown, frame = page.items, {**page.frame, "NextToken": ""}
    else:
        start = read_token(request.next_token) if request.next_token else 0
        end = start + (request.max_results or len(meant))
        shown = meant[start:end]
        frame = {"TotalCount": len(meant), "NextToken": write_token(end) if end < len(meant) else ""}
    items = [wire.security_group(one) for one in shown]
    return {"RegionId": region, "SecurityGroups": {"SecurityGroup": items}, **frame}


@SERVICE.action(DescribeSpotPriceHistory)
def describe_spot_price_history(ecs: Ecs, request: DescribeSpotPriceHistory, _exchange: Exchange) -> Reply:
    """List hourly spot prices, which do not change here, newest first."""
    region = ecs.catalogue.regions[known_region(ecs, request.region_id)]
    size = ecs.catalogue.types.get(request.instance_type)
    if size is None:
        raise Refused(errors.TYPE_NOT_SUPPORTED)
    end = _hour(ecs, request.end_time, ecs.kernel.clock.now())
    start = _hour(ecs, request.start_time, end - _HOURS_SHOWN * _HOUR)
    hours = range(end, max(start, end - _MOST_HOURS * _HOUR) - 1, -_HOUR)
    zones = [zone for zone in region.zones if request.zone_id in {None, zone}]
    prices = [wire.spot_price(size, zone, hour) for hour in hours for zone in zones]
    return {"Currency": "CNY", "NextOffset": 0, "SpotPrices": {"SpotPriceType": prices[request.offset or 0 :]}}


@SERVICE.action(DescribeSpotAdvice)
def describe_spot_advice(ecs: Ecs, request: DescribeSpotAdvice, _exchange: Exchange) -> Reply:
    """Say how likely reclaims are: they are rare here, unless chaos wills otherwise."""
    region = ecs.catalogue.regions[known_region(ecs, request.region_id)]
    types = [
        one
        for one in ecs.catalogue.types.values()
        if (not request.instance_types or one.id in request.instance_types)
        and request.instance_type_family in {None, one.family}
        and request.cores in {None, one.cpu}
        and request.memory in {None, one.memory}
    ]
    zones = [zone for zone in region.zones if request.zone_id in {None, zone}]
    advice = [wire.spot_advice(zone, _in_stock(ecs, zone, types)) for zone in zones]
    return {"RegionId": region.id, "AvailableSpotZones": {"AvailableSpotZone": advice}}


def _in_stock(ecs: Ecs, zone: str, types: Iterable[InstanceType]) -> list[InstanceType]:
    return [one for one in types if ecs.stock.left(zone, one.id) != 0]


def _hour(ecs: Ecs, text: str | None, otherwise: int) -> int:
    moment = otherwise if text is None else instant(text)
    if moment is None or moment > ecs.kernel.clock.now():
        raise invalid("EndTime")
    return moment - moment % _HOUR
