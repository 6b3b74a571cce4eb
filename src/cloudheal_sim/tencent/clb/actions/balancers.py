"""The calls that list balancers and listeners."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.tencent.api3 import Reply
from cloudheal_sim.tencent.clb.actions.finding import balancer_named, listeners_asked, not_too_many
from cloudheal_sim.tencent.clb.replies.balancers import balancer_row, listener_row
from cloudheal_sim.tencent.clb.requests.balancers import DescribeLoadBalancers
from cloudheal_sim.tencent.clb.requests.targets import DescribeListeners
from cloudheal_sim.tencent.clb.service import SERVICE
from cloudheal_sim.tencent.paging import page_of

if TYPE_CHECKING:
    from cloudheal_sim.kernel.core import Exchange
    from cloudheal_sim.tencent.clb.model.balancer import Balancer
    from cloudheal_sim.tencent.clb.state import Clb

_MOST_IDS = 20


@SERVICE.action(DescribeLoadBalancers, rate=20)
def describe_load_balancers(clb: Clb, request: DescribeLoadBalancers, exchange: Exchange) -> Reply:
    """List balancers, also those behind which an address stands."""
    not_too_many(request.load_balancer_ids, "LoadBalancerIds", _MOST_IDS)
    region = exchange.entry.region
    found = [one for one in clb.balancers.values() if one.region == region and _is_asked_for(clb, request, one)]
    found.sort(key=lambda one: _order(request, one), reverse=request.order_type == 1)
    page = page_of(found, request.offset, request.limit)
    return {"TotalCount": len(found), "LoadBalancerSet": [balancer_row(one) for one in page]}


@SERVICE.action(DescribeListeners, rate=20)
def describe_listeners(clb: Clb, request: DescribeListeners, exchange: Exchange) -> Reply:
    """List the listeners of a balancer."""
    balancer = balancer_named(clb, request.load_balancer_id, exchange)
    found = listeners_asked(balancer, request.listener_ids, request.protocol, request.port)
    return {"TotalCount": len(found), "Listeners": [listener_row(one) for one in found]}


def _is_asked_for(clb: Clb, request: DescribeLoadBalancers, balancer: Balancer) -> bool:
    """Say whether a balancer passes every filter that is given."""
    tests = (
        not request.load_balancer_ids or balancer.id in request.load_balancer_ids,
        request.load_balancer_type in {"", balancer.kind},
        request.forward in {None, 1},
        request.load_balancer_name in balancer.name,
        not request.domain,
        not request.load_balancer_vips or bool(set(request.load_balancer_vips) & set(balancer.addresses)),
        any(request.search_key in text for text in (balancer.id, balancer.name, *balancer.addresses)),
        request.project_id in {None, balancer.project},
        request.vpc_id in {"", balancer.vpc},
    )
    return all(tests) and _is_behind(clb, request, balancer)


def _is_behind(clb: Clb, request: DescribeLoadBalancers, balancer: Balancer) -> bool:
    """Say whether what stands behind a balancer is what the call asks for: addresses of instances, or anything."""
    targets = [one for _, place in balancer.places() for one in place.targets.value]
    if request.with_rs >= 0 and bool(targets) != bool(request.with_rs):
        return False
    instances = [found for one in targets if (found := clb.instance(one.server)) is not None]
    private = {one.network.private_ip for one in instances}
    public = {address for one in instances for address in one.network.public_ips}
    asked = ((request.backend_private_ips, private), (request.backend_public_ips, public))
    return all(not wanted or not there.isdisjoint(wanted) for wanted, there in asked)


def _order(request: DescribeLoadBalancers, balancer: Balancer) -> tuple[object, ...]:
    by = {"LoadBalancerName": balancer.name, "LoadBalancerType": balancer.kind}.get(request.order_by, "")
    return (by, balancer.created)
