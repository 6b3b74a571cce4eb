"""Calls for load balancers, and for the regions and zones that have them."""

from __future__ import annotations

from ipaddress import ip_network
from itertools import islice
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.rpc import Refused, Reply
from cloudheal_sim.alibaba.rpc import refusal as gateway
from cloudheal_sim.alibaba.slb import errors
from cloudheal_sim.alibaba.slb.actions.backends import addresses
from cloudheal_sim.alibaba.slb.model.balancer import Balancer, default_group
from cloudheal_sim.alibaba.slb.replies import balancers as replies
from cloudheal_sim.alibaba.slb.requests import balancers as requests
from cloudheal_sim.alibaba.slb.service import SERVICE

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.slb.state import Slb
    from cloudheal_sim.kernel.core import Exchange

#: Documentation ranges, so that no address here is anybody's.
_PUBLIC, _PRIVATE = ip_network("198.18.0.0/15"), ip_network("172.16.0.0/16")


@SERVICE.action(requests.CreateLoadBalancer)
def create(slb: Slb, request: requests.CreateLoadBalancer, _exchange: Exchange) -> Reply:
    """Make a load balancer; it is active at once."""
    zones = _zones(slb, request.region_id)
    id_ = slb.new_id("lb", 18)
    balancer = Balancer(
        id=id_,
        region=request.region_id,
        default=default_group(id_, (), slb.now),
        name=request.load_balancer_name or f"auto_named_{id_}",
        created=slb.now,
        vpc=request.vpc_id or (slb.network_of(request.v_switch_id) if request.v_switch_id else ""),
        vswitch=request.v_switch_id or "",
        master_zone=request.master_zone_id or zones[0],
        slave_zone=request.slave_zone_id or zones[-1],
        delete_protection=request.delete_protection == "on",
        tags={tag.key: tag.value for tag in request.tag},
    )
    balancer.address_type = request.address_type or ("intranet" if balancer.vswitch else "internet")
    balancer.address = request.address or new_address(slb, balancer.address_type)
    _apply(balancer, request)
    slb.balancers[id_] = balancer
    slb.kernel.journal.change("balancer", id_, None, {"name": balancer.name, "address": balancer.address})
    slb.changed(balancer)
    return replies.created(balancer)


def _apply(balancer: Balancer, request: requests.CreateLoadBalancer) -> Balancer:
    """Take over what was given; the balancer's own defaults stand for the rest."""
    given = {
        "ip_version": request.address_ip_version,
        "spec": request.load_balancer_spec,
        "bandwidth": request.bandwidth,
        "internet_charge_type": request.internet_charge_type,
        "instance_charge_type": request.instance_charge_type,
        "pay_type": request.pay_type,
        "modification_protection": request.modification_protection_status,
        "modification_reason": request.modification_protection_reason,
        "resource_group": request.resource_group_id,
    }
    for name, value in given.items():
        if value is not None:
            setattr(balancer, name, value)
    return balancer


def new_address(slb: Slb, address_type: str) -> str:
    """Return the lowest address of the kind that no balancer has."""
    taken = {balancer.address for balancer in slb.balancers.values()}
    hosts = (_PRIVATE if address_type == "intranet" else _PUBLIC).hosts()
    return next(str(host) for host in hosts if str(host) not in taken)


def _zones(slb: Slb, region: str) -> tuple[str, ...]:
    if not region:
        raise gateway.missing("RegionId")
    found = slb.region(region)
    if found is None:
        raise Refused(gateway.UNKNOWN_REGION)
    return found.zones or (f"{region}-a",)


@SERVICE.action(requests.DescribeLoadBalancers)
def describe_all(slb: Slb, request: requests.DescribeLoadBalancers, exchange: Exchange) -> Reply:
    """List the balancers of a region that match every filter given."""
    _zones(slb, request.region_id)
    found = [
        one
        for one in slb.balancers.values()
        if one.existed(exchange.as_of) and _is_wanted(one, request) and _has_server(slb, one, request)
    ]
    first = (request.page_number - 1) * request.page_size
    page = [replies.summary(one) for one in islice(found, first, first + request.page_size)]
    return {
        "LoadBalancers": {"LoadBalancer": page},
        "PageNumber": request.page_number,
        "PageSize": request.page_size,
        "TotalCount": len(found),
    }


def _is_wanted(balancer: Balancer, request: requests.DescribeLoadBalancers) -> bool:
    pairs = (
        (request.region_id, balancer.region),
        (request.address, balancer.address),
        (request.address_ip_version, balancer.ip_version),
        (request.address_type, balancer.address_type),
        (request.internet_charge_type, balancer.internet_charge_type),
        (request.load_balancer_status, balancer.status),
        (request.master_zone_id, balancer.master_zone),
        (request.network_type, replies.network_type(balancer)),
        (request.pay_type, balancer.pay_type),
        (request.resource_group_id, balancer.resource_group),
        (request.slave_zone_id, balancer.slave_zone),
        (request.v_switch_id, balancer.vswitch),
        (request.vpc_id, balancer.vpc),
    )
    ids = [id_.strip() for id_ in (request.load_balancer_id or "").split(",") if id_.strip()]
    names = [name.strip() for name in (request.load_balancer_name or "").split(",") if name.strip()]
    tags = {tag.key: tag.value for tag in request.tag} | {tag.tag_key: tag.tag_value for tag in request.tags}
    return (
        all(asked in {None, has} for asked, has in pairs)
        and (not ids or balancer.id in ids)
        and (not names or any(name in balancer.name for name in names))
        and tags.items() <= dict(balancer.tags).items()
    )


def _has_server(slb: Slb, balancer: Balancer, request: requests.DescribeLoadBalancers) -> bool:
    if request.server_id is None and request.server_intranet_address is None:
        return True
    groups = (balancer.default, *slb.groups_of(balancer))
    servers = {member.server_id for group in groups for member in group.members.value}
    where = addresses(slb, servers)
    return request.server_id in {None, *servers} and request.server_intranet_address in {None, *where.values()}


@SERVICE.action(requests.DescribeLoadBalancerAttribute)
def describe(slb: Slb, request: requests.DescribeLoadBalancerAttribute, exchange: Exchange) -> Reply:
    """Show one balancer with its listeners and default group."""
    balancer = slb.balancer(request.load_balancer_id, request.region_id, exchange.as_of)
    members = balancer.default.members.at(exchange.as_of) or ()
    return replies.attribute(balancer, members, addresses(slb, [member.server_id for member in members]))


@SERVICE.action(requests.DeleteLoadBalancer)
def delete(slb: Slb, request: requests.DeleteLoadBalancer, _exchange: Exchange) -> Reply:
    """Delete a balancer with its groups and listeners, unless it is protected."""
    balancer = _changeable(slb, request.load_balancer_id, request.region_id)
    if balancer.delete_protection:
        raise Refused(errors.PROTECTED)
    for group in slb.groups_of(balancer):
        group.deleted = slb.now
        slb.kernel.journal.change("group", group.id, {"balancer": balancer.id, "name": group.name}, None)
    for port, listener in balancer.listeners.items():
        slb.kernel.journal.change("listener", f"{balancer.id}:{port}", listener.protocol, None)
    balancer.listeners.clear()
    balancer.deleted = slb.now
    slb.kernel.journal.change("balancer", balancer.id, {"name": balancer.name, "address": balancer.address}, None)
    return {}


@SERVICE.action(requests.SetLoadBalancerStatus)
def set_status(slb: Slb, request: requests.SetLoadBalancerStatus, _exchange: Exchange) -> Reply:
    """Switch a balancer on or off."""
    return _set(slb, request.load_balancer_id, request.region_id, "status", request.load_balancer_status)


@SERVICE.action(requests.SetLoadBalancerName)
def set_name(slb: Slb, request: requests.SetLoadBalancerName, _exchange: Exchange) -> Reply:
    """Rename a balancer."""
    return _set(slb, request.load_balancer_id, request.region_id, "name", request.load_balancer_name)


@SERVICE.action(requests.SetLoadBalancerDeleteProtection)
def set_delete_protection(slb: Slb, request: requests.SetLoadBalancerDeleteProtection, _exchange: Exchange) -> Reply:
    """Protect a balancer from deletion, or no longer."""
    protected = request.delete_protection == "on"
    return _set(slb, request.load_balancer_id, request.region_id, "delete_protection", protected)


def _changeable(slb: Slb, id_: str, region: str) -> Balancer:
    return slb.refuse_while_configuring(slb.balancer(id_, region), errors.BALANCER_CONFIGURING)


def _set(slb: Slb, id_: str, region: str, name: str, value: str | bool) -> Reply:  # noqa: FBT001
    balancer = _changeable(slb, id_, region)
    before = getattr(balancer, name)
    if before != value:
        setattr(balancer, name, value)
        slb.kernel.journal.change(f"balancer.{name}", id_, before, value)
        slb.changed(balancer)
    return {}


@SERVICE.action(requests.DescribeRegions)
def describe_regions(slb: Slb, _request: requests.DescribeRegions, exchange: Exchange) -> Reply:
    """List the regions; their endpoint is this very server."""
    found = [{"RegionId": one.id, "LocalName": one.name, "RegionEndpoint": exchange.host} for one in slb.regions()]
    return {"Regions": {"Region": found}}


@SERVICE.action(requests.DescribeZones)
def describe_zones(slb: Slb, request: requests.DescribeZones, _exchange: Exchange) -> Reply:
    """List the zones of a region, each with those that can stand in for it."""
    zones = _zones(slb, request.region_id)
    found = [
        {
            "ZoneId": zone,
            "LocalName": zone,
            "SlaveZones": {"SlaveZone": [{"ZoneId": one, "LocalName": one} for one in zones if one != zone]},
        }
        for zone in zones
    ]
    return {"Zones": {"Zone": found}}
