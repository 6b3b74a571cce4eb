"""Calls that change who is behind a balancer, and the one that says how they are.

A partial-batch fault leaves the last part of a call's entries undone; the reply then shows what is true, as ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from cloudheal_sim.alibaba.rpc import Refused, Reply
from cloudheal_sim.alibaba.slb import errors
from cloudheal_sim.alibaba.slb.model.backend import ECS, added, removed, reweighted
from cloudheal_sim.alibaba.slb.replies import balancers as replies
from cloudheal_sim.alibaba.slb.requests import backends as requests
from cloudheal_sim.alibaba.slb.requests.backends import entries
from cloudheal_sim.alibaba.slb.service import SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloudheal_sim.alibaba.slb.model.backend import Members, Weighted
    from cloudheal_sim.alibaba.slb.model.balancer import Balancer, ServerGroup
    from cloudheal_sim.alibaba.slb.state import Slb
    from cloudheal_sim.kernel.core import Exchange

T = TypeVar("T")


@SERVICE.action(requests.AddVServerGroupBackendServers)
def add_to_group(slb: Slb, request: requests.AddVServerGroupBackendServers, exchange: Exchange) -> Reply:
    """Add members; servers must exist and be Running."""
    group = _changeable_group(slb, request.v_server_group_id, request.region_id)
    news = running(slb, entries(request.backend_servers, with_port=True))
    return _set(slb, group, added(group.members.value, done(news, exchange), slb.now))


@SERVICE.action(requests.RemoveVServerGroupBackendServers)
def remove_from_group(slb: Slb, request: requests.RemoveVServerGroupBackendServers, exchange: Exchange) -> Reply:
    """Remove members; those that are not there are ignored."""
    group = _changeable_group(slb, request.v_server_group_id, request.region_id)
    leavers = done(entries(request.backend_servers, with_port=True), exchange)
    return _set(slb, group, removed(group.members.value, [one.backend for one in leavers]))


@SERVICE.action(requests.ModifyVServerGroupBackendServers)
def swap_in_group(slb: Slb, request: requests.ModifyVServerGroupBackendServers, exchange: Exchange) -> Reply:
    """Remove the old and add the new members in one step."""
    group = _changeable_group(slb, request.v_server_group_id, request.region_id)
    old = done(entries(request.old_backend_servers, with_port=True), exchange)
    new = running(slb, entries(request.new_backend_servers, with_port=True))
    left = removed(group.members.value, [one.backend for one in old])
    return _set(slb, group, added(left, done(new, exchange), slb.now))


@SERVICE.action(requests.AddBackendServers)
def add_to_default(slb: Slb, request: requests.AddBackendServers, exchange: Exchange) -> Reply:
    """Add members to the default group."""
    balancer = _changeable(slb, request.load_balancer_id, request.region_id)
    news = running(slb, entries(request.backend_servers, with_port=False))
    members = added(balancer.default.members.value, done(news, exchange), slb.now)
    return _set_default(slb, balancer, members)


@SERVICE.action(requests.SetBackendServers)
def set_in_default(slb: Slb, request: requests.SetBackendServers, exchange: Exchange) -> Reply:
    """Set the weights of members of the default group."""
    balancer = _changeable(slb, request.load_balancer_id, request.region_id)
    changes = done(entries(request.backend_servers, with_port=False), exchange)
    return _set_default(slb, balancer, reweighted(balancer.default.members.value, changes))


@SERVICE.action(requests.RemoveBackendServers)
def remove_from_default(slb: Slb, request: requests.RemoveBackendServers, exchange: Exchange) -> Reply:
    """Remove members of the default group; those that are not there are ignored."""
    balancer = _changeable(slb, request.load_balancer_id, request.region_id)
    leavers = done(entries(request.backend_servers, with_port=False), exchange)
    return _set_default(slb, balancer, removed(balancer.default.members.value, [one.backend for one in leavers]))


@SERVICE.action(requests.DescribeHealthStatus)
def describe_health_status(slb: Slb, request: requests.DescribeHealthStatus, exchange: Exchange) -> Reply:
    """Show what the health checks of each listener say of each member."""
    balancer = slb.balancer(request.load_balancer_id, request.region_id, exchange.as_of)
    listeners = [
        one
        for one in balancer.listeners.values()
        if request.listener_port in {None, one.port}
        and (request.listener_protocol is None or request.listener_protocol.lower() == one.protocol)
    ]
    if not listeners and request.listener_port is not None:
        raise Refused(errors.UNKNOWN_LISTENER)
    pairs = [
        (listener, member)
        for listener in listeners
        for member in slb.group_behind(listener).members.at(exchange.as_of) or ()
    ]
    for server_id in dict.fromkeys(member.server_id for _, member in pairs if member.type == ECS):
        slb.server_changed(server_id)
    where = addresses(slb, [member.server_id for _, member in pairs])
    return replies.health_status(
        (listener, member, member.server_ip or where[member.server_id], slb.health(listener, member, exchange.as_of))
        for listener, member in pairs
    )


def running(slb: Slb, news: Sequence[Weighted]) -> Sequence[Weighted]:
    """Return the entries if every ECS server among them is Running. Raises Refused."""
    for new in news:
        facts = slb.facts(new.backend.server_id)
        if new.backend.type == ECS and (facts is None or facts.status != "Running"):
            raise Refused(errors.NOT_RUNNING)
    return news


def done(batch: Sequence[T], exchange: Exchange) -> Sequence[T]:
    """Return the part of a batch that a partial-batch fault lets through: all of it when there is none."""
    spoilt = exchange.spoilt(len(batch))
    return [one for place, one in enumerate(batch) if place not in spoilt]


def addresses(slb: Slb, server_ids: Iterable[str]) -> dict[str, str]:
    """Look up the private addresses of servers; a server that is gone has none."""
    found = {server_id: slb.facts(server_id) for server_id in server_ids}
    return {server_id: facts.private_ip if facts else "" for server_id, facts in found.items()}


def _changeable(slb: Slb, id_: str, region: str) -> Balancer:
    return slb.refuse_while_configuring(slb.balancer(id_, region), errors.BACKENDS_CONFIGURING)


def _changeable_group(slb: Slb, id_: str, region: str) -> ServerGroup:
    group = slb.group(id_, region)
    slb.refuse_while_configuring(slb.balancers[group.balancer], errors.BACKENDS_CONFIGURING)
    return group


def _set(slb: Slb, group: ServerGroup, members: Members) -> Reply:
    left = slb.set_members(group, members)
    return {"VServerGroupId": group.id, "BackendServers": replies.backends(left, with_port=True)}


def _set_default(slb: Slb, balancer: Balancer, members: Members) -> Reply:
    left = slb.set_members(balancer.default, members)
    return {"LoadBalancerId": balancer.id, "BackendServers": replies.backends(left, with_port=False)}
