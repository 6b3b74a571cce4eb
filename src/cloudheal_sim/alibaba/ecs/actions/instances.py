"""The calls that look at instances, and those that change what an instance is called."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs import errors
from cloudheal_sim.alibaba.ecs.actions.finding import existing, unless_dry
from cloudheal_sim.alibaba.ecs.actions.selection import by_request, kept
from cloudheal_sim.alibaba.ecs.parameters import decodable, described, host_named, known_region, well_named
from cloudheal_sim.alibaba.ecs.replies.instances import attribute, console_text, instance_item
from cloudheal_sim.alibaba.ecs.replies.moments import second
from cloudheal_sim.alibaba.ecs.replies.paging import either_way, numbered
from cloudheal_sim.alibaba.ecs.requests.instances import (
    DescribeInstanceAttribute,
    DescribeInstanceAutoRenewAttribute,
    DescribeInstances,
    DescribeInstanceStatus,
    GetInstanceConsoleOutput,
    ModifyInstanceAttribute,
)
from cloudheal_sim.alibaba.ecs.service import SERVICE
from cloudheal_sim.alibaba.rpc import Refused, Reply

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.ecs.model.instance import Instance
    from cloudheal_sim.alibaba.ecs.state import Ecs
    from cloudheal_sim.kernel.core import Exchange


@SERVICE.action(DescribeInstances)
def describe_instances(ecs: Ecs, request: DescribeInstances, exchange: Exchange) -> Reply:
    """List instances of a region; ids that are not there are absent."""
    region, as_of = known_region(ecs, request.region_id), exchange.as_of
    keeps = by_request(request, as_of)
    unless_dry(dry_run=request.dry_run)
    ids = request.instance_ids
    meant = ecs.fleet.chosen(ids, region, as_of) if ids else ecs.fleet.in_region(region, as_of)
    page = either_way(kept(meant, keeps), request)
    items = [instance_item(one, ecs.catalogue, as_of) for one in page.items]
    return {"Instances": {"Instance": items}, **page.frame}


@SERVICE.action(DescribeInstanceStatus)
def describe_instance_status(ecs: Ecs, request: DescribeInstanceStatus, exchange: Exchange) -> Reply:
    """List ids with their status."""
    region, as_of, zone = known_region(ecs, request.region_id), exchange.as_of, request.zone_id
    ids = request.instance_id
    meant = ecs.fleet.chosen(ids, region, as_of) if ids else ecs.fleet.in_region(region, as_of)
    page = numbered(kept(meant, [] if zone is None else [lambda one: one.zone == zone]), request)
    items = [{"InstanceId": one.id, "Status": one.status.at(as_of)} for one in page.items]
    return {"InstanceStatuses": {"InstanceStatus": items}, **page.frame}


@SERVICE.action(DescribeInstanceAttribute)
def describe_instance_attribute(ecs: Ecs, request: DescribeInstanceAttribute, _exchange: Exchange) -> Reply:
    """Show one instance, as it is now."""
    return attribute(existing(ecs, request.instance_id, request.region_id), ecs.catalogue)


@SERVICE.action(ModifyInstanceAttribute)
def modify_instance_attribute(ecs: Ecs, request: ModifyInstanceAttribute, _exchange: Exchange) -> Reply:
    """Change names, description, protection, user data, security groups; all or nothing."""
    instance = existing(ecs, request.instance_id, request.region_id)
    changes = {
        "name": well_named(request.instance_name),
        "host_name": host_named(request.host_name),
        "description": described(request.description),
        "deletion_protection": request.deletion_protection,
        "user_data": decodable(request.user_data),
    }
    groups = tuple(dict.fromkeys(request.security_group_ids))
    if any(group not in ecs.catalogue.groups for group in groups):
        raise Refused(errors.GROUP_NOT_FOUND)
    for what, value in changes.items():
        if value is not None:
            _change(ecs, instance, what, value)
    if groups:
        before, instance.network = instance.network.security_groups, instance.network.within(groups)
        ecs.kernel.journal.change("instance.security_groups", instance.id, before, groups)
    return {}


@SERVICE.action(DescribeInstanceAutoRenewAttribute)
def describe_instance_auto_renew_attribute(
    ecs: Ecs, request: DescribeInstanceAutoRenewAttribute, exchange: Exchange
) -> Reply:
    """List the subscriptions; none of them renews itself."""
    region, ids = known_region(ecs, request.region_id), request.instance_id
    of = ecs.fleet.chosen(ids.split(","), region, exchange.as_of) if ids else ecs.fleet.in_region(region)
    paid = [one for one in of if one.charge_type == "PrePaid" and request.renewal_status in {None, "Normal"}]
    page = numbered(paid, request)
    items = [
        {
            "InstanceId": one.id,
            "AutoRenewEnabled": False,
            "RenewalStatus": "Normal",
            "Duration": 0,
            "PeriodUnit": "Month",
        }
        for one in page.items
    ]
    return {"InstanceRenewAttributes": {"InstanceRenewAttribute": items}, **page.frame}


@SERVICE.action(GetInstanceConsoleOutput)
def get_instance_console_output(ecs: Ecs, request: GetInstanceConsoleOutput, _exchange: Exchange) -> Reply:
    """Show what the system inside has printed, Base64."""
    instance = existing(ecs, request.instance_id, request.region_id)
    return {
        "InstanceId": instance.id,
        "ConsoleOutput": b64encode(console_text(instance).encode()).decode(),
        "LastUpdateTime": second(instance.status.since),
    }


def _change(ecs: Ecs, instance: Instance, what: str, value: object) -> None:
    before = getattr(instance, what)
    if before != value:
        setattr(instance, what, value)
        ecs.kernel.journal.change(f"instance.{what}", instance.id, before, value)
