"""Calls for server groups as such."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.rpc import Refused, Reply
from cloudheal_sim.alibaba.slb import errors
from cloudheal_sim.alibaba.slb.actions.backends import addresses, done, running
from cloudheal_sim.alibaba.slb.model.backend import added, reweighted
from cloudheal_sim.alibaba.slb.model.balancer import ServerGroup
from cloudheal_sim.alibaba.slb.replies import balancers as replies
from cloudheal_sim.alibaba.slb.requests import groups as requests
from cloudheal_sim.alibaba.slb.requests.backends import entries
from cloudheal_sim.alibaba.slb.service import SERVICE
from cloudheal_sim.kernel.clock import iso_minutes
from cloudheal_sim.kernel.timeline import Timeline

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.slb.state import Slb
    from cloudheal_sim.kernel.core import Exchange


@SERVICE.action(requests.CreateVServerGroup)
def create(slb: Slb, request: requests.CreateVServerGroup, exchange: Exchange) -> Reply:
    """Make a server group, with members if any are given."""
    balancer = slb.balancer(request.load_balancer_id, request.region_id)
    slb.refuse_while_configuring(balancer, errors.BACKENDS_CONFIGURING)
    news = done(running(slb, entries(request.backend_servers, with_port=True)), exchange)
    id_ = slb.new_id("rsp", 13)
    group = ServerGroup(
        id=id_,
        balancer=balancer.id,
        members=Timeline((), slb.now),
        name=request.v_server_group_name or id_,
        created=slb.now,
        tags={tag.key: tag.value for tag in request.tag},
    )
    slb.groups[id_] = group
    slb.kernel.journal.change("group", id_, None, {"balancer": balancer.id, "name": group.name})
    members = slb.set_members(group, added((), news, slb.now))
    return {"VServerGroupId": id_, "BackendServers": replies.backends(members, with_port=True)}


@SERVICE.action(requests.DeleteVServerGroup)
def delete(slb: Slb, request: requests.DeleteVServerGroup, _exchange: Exchange) -> Reply:
    """Delete a server group that no listener uses."""
    group = slb.group(request.v_server_group_id, request.region_id)
    balancer = slb.refuse_while_configuring(slb.balancers[group.balancer], errors.BACKENDS_CONFIGURING)
    if slb.listeners_of(group):
        raise Refused(errors.GROUP_IN_USE)
    group.deleted = slb.now
    slb.kernel.journal.change("group", group.id, {"balancer": balancer.id, "name": group.name}, None)
    slb.changed(balancer)
    return {}


@SERVICE.action(requests.SetVServerGroupAttribute)
def set_attribute(slb: Slb, request: requests.SetVServerGroupAttribute, exchange: Exchange) -> Reply:
    """Rename a group and set weights of its members; servers that are no members are ignored."""
    group = slb.group(request.v_server_group_id, request.region_id)
    slb.refuse_while_configuring(slb.balancers[group.balancer], errors.BACKENDS_CONFIGURING)
    changes = done(entries(request.backend_servers, with_port=True), exchange)
    if request.v_server_group_name and request.v_server_group_name != group.name:
        slb.kernel.journal.change("group.name", group.id, group.name, request.v_server_group_name)
        group.name = request.v_server_group_name
    members = slb.set_members(group, reweighted(group.members.value, changes))
    return {
        "VServerGroupId": group.id,
        "VServerGroupName": group.name,
        "BackendServers": replies.backends(members, with_port=True),
    }


@SERVICE.action(requests.DescribeVServerGroups)
def describe_all(slb: Slb, request: requests.DescribeVServerGroups, exchange: Exchange) -> Reply:
    """List the server groups of a balancer; `Description` is looked for in their names."""
    balancer = slb.balancer(request.load_balancer_id, request.region_id, exchange.as_of)
    wanted = {tag.key: tag.value for tag in request.tag}
    found = [
        replies.group_summary(
            group, group.members.at(exchange.as_of) or (), slb.listeners_of(group) if request.include_listener else None
        )
        for group in slb.groups_of(balancer, exchange.as_of)
        if wanted.items() <= dict(group.tags).items() and (request.description or "") in group.name
    ]
    return {"VServerGroups": {"VServerGroup": found}}


@SERVICE.action(requests.DescribeVServerGroupAttribute)
def describe(slb: Slb, request: requests.DescribeVServerGroupAttribute, exchange: Exchange) -> Reply:
    """Show one server group with its members."""
    group = slb.group(request.v_server_group_id, request.region_id, exchange.as_of)
    members = group.members.at(exchange.as_of) or ()
    where = addresses(slb, [member.server_id for member in members])
    return {
        "VServerGroupId": group.id,
        "VServerGroupName": group.name,
        "LoadBalancerId": group.balancer,
        "CreateTime": iso_minutes(group.created),
        "BackendServers": replies.backends(members, with_port=True, with_address=where),
        "Tags": replies.tag_set(group.tags),
    }


@SERVICE.action(requests.DescribeMasterSlaveServerGroups)
def describe_master_slave(slb: Slb, request: requests.DescribeMasterSlaveServerGroups, exchange: Exchange) -> Reply:
    """List the primary/secondary groups: there are none, since no call here makes one."""
    if request.load_balancer_id:
        slb.balancer(request.load_balancer_id, request.region_id, exchange.as_of)
    return {"MasterSlaveServerGroups": {"MasterSlaveServerGroup": []}}
