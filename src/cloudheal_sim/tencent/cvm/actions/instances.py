"""The calls that look at instances, zones and regions, and the one that changes their attributes."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from cloudheal_sim.tencent.api3 import Refused, Reply
from cloudheal_sim.tencent.cvm import errors
from cloudheal_sim.tencent.cvm.actions.selection import existing, selected
from cloudheal_sim.tencent.cvm.replies.instances import instance_row, status_row
from cloudheal_sim.tencent.cvm.requests.instances import (
    DescribeInstances,
    DescribeInstancesStatus,
    DescribeRegions,
    DescribeZones,
    ModifyInstancesAttribute,
)
from cloudheal_sim.tencent.cvm.service import SERVICE
from cloudheal_sim.tencent.paging import page_of
from cloudheal_sim.tencent.places import REGIONS

if TYPE_CHECKING:
    from cloudheal_sim.kernel.core import Exchange
    from cloudheal_sim.tencent.cvm.model.instance import Instance
    from cloudheal_sim.tencent.cvm.state import Cvm

LONGEST_NAME = 128
_MOST_USER_DATA = 16 * 1024


@SERVICE.action(DescribeInstances, rate=40)
def describe_instances(cvm: Cvm, request: DescribeInstances, exchange: Exchange) -> Reply:
    """List instances; the ids that nobody knows are absent."""
    found = selected(cvm, request.instance_ids, request.filters, exchange)
    page = page_of(found, request.offset, request.limit)
    return {"TotalCount": len(found), "InstanceSet": [instance_row(one, exchange.as_of) for one in page]}


@SERVICE.action(DescribeInstancesStatus, rate=40)
def describe_instances_status(cvm: Cvm, request: DescribeInstancesStatus, exchange: Exchange) -> Reply:
    """List the states of instances."""
    found = selected(cvm, request.instance_ids, (), exchange)
    page = page_of(found, request.offset, request.limit)
    return {"TotalCount": len(found), "InstanceStatusSet": [status_row(one, exchange.as_of) for one in page]}


@SERVICE.action(DescribeZones)
def describe_zones(_cvm: Cvm, _request: DescribeZones, exchange: Exchange) -> Reply:
    """List the zones of the region."""
    zones = REGIONS[exchange.entry.region].zones
    rows = [
        {"Zone": one.id, "ZoneName": one.name, "ZoneId": str(one.number), "ZoneState": "AVAILABLE"} for one in zones
    ]
    return {"TotalCount": len(rows), "ZoneSet": rows}


@SERVICE.action(DescribeRegions)
def describe_regions(_cvm: Cvm, _request: DescribeRegions, _exchange: Exchange) -> Reply:
    """List all regions."""
    rows = [{"Region": one.id, "RegionName": one.name, "RegionState": "AVAILABLE"} for one in REGIONS.values()]
    return {"TotalCount": len(rows), "RegionSet": rows}


@SERVICE.action(ModifyInstancesAttribute, rate=10)
def modify_instances_attribute(cvm: Cvm, request: ModifyInstancesAttribute, exchange: Exchange) -> Reply:
    """Change what is given on every instance named; all or nothing."""
    found = existing(cvm, request.instance_ids, exchange)
    changes = {
        "name": named(request.instance_name),
        "host_name": request.host_name,
        "user_data": decodable(request.user_data),
        "protected": request.disable_api_termination,
    }
    for instance in found:
        for what, value in changes.items():
            if value is not None:
                _change(cvm, instance, what, value)
        if request.security_groups:
            before, instance.network = instance.network, instance.network.within(request.security_groups)
            what = "instance.security_groups"
            cvm.kernel.journal.change(what, instance.id, before.security_groups, request.security_groups)
    return {}


def named(name: str | None) -> str | None:
    """Return a name that an instance may have. Raises Refused."""
    if name is not None and len(name) > LONGEST_NAME:
        raise Refused(errors.NAME_TOO_LONG)
    return name


def decodable(user_data: str | None) -> str | None:
    """Return user data that can be decoded. Raises Refused."""
    try:
        size = len(base64.b64decode(user_data or "", validate=True))
    except (binascii.Error, ValueError) as problem:
        raise Refused(errors.BAD_USER_DATA) from problem
    if size > _MOST_USER_DATA:
        raise Refused(errors.BAD_USER_DATA)
    return user_data


def _change(cvm: Cvm, instance: Instance, what: str, value: object) -> None:
    before = getattr(instance, what)
    if before != value:
        setattr(instance, what, value)
        cvm.kernel.journal.change(f"instance.{what}", instance.id, before, value)
