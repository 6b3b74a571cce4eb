"""The calls that look at targets, their health, and how a change is getting on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.tencent.api3 import Refused, Reply
from cloudheal_sim.tencent.api3.refusal import invalid, missing
from cloudheal_sim.tencent.clb import errors
from cloudheal_sim.tencent.clb.actions.finding import balancer_named, listeners_asked, not_too_many
from cloudheal_sim.tencent.clb.replies.targets import balancer_health, listener_backend
from cloudheal_sim.tencent.clb.requests.targets import DescribeTargetHealth, DescribeTargets, DescribeTaskStatus
from cloudheal_sim.tencent.clb.service import SERVICE

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudheal_sim.kernel.core import Exchange
    from cloudheal_sim.tencent.clb.model.balancer import Place
    from cloudheal_sim.tencent.clb.model.target import Target
    from cloudheal_sim.tencent.clb.requests.targets import Filter
    from cloudheal_sim.tencent.clb.state import Clb

_MOST_BALANCERS = 30


@SERVICE.action(DescribeTargets, rate=20)
def describe_targets(clb: Clb, request: DescribeTargets, exchange: Exchange) -> Reply:
    """List the targets behind a balancer."""
    balancer = balancer_named(clb, request.load_balancer_id, exchange)
    keeps = [_keeps(clb, one) for one in request.filters]
    rows = []
    for listener in listeners_asked(balancer, request.listener_ids, request.protocol, request.port):
        held = [
            (place, tuple(one for one in place.targets.at(exchange.as_of) or () if all(k(place, one) for k in keeps)))
            for place in listener.places.values()
        ]
        rows.append(listener_backend(clb, listener, [pair for pair in held if pair[1] or not keeps]))
    return {"Listeners": rows}


@SERVICE.action(DescribeTargetHealth, rate=20)
def describe_target_health(clb: Clb, request: DescribeTargetHealth, exchange: Exchange) -> Reply:
    """Show what the checks say."""
    not_too_many(request.load_balancer_ids, "LoadBalancerIds", _MOST_BALANCERS)
    locations, rows = frozenset(request.location_ids), []
    for id_ in dict.fromkeys(request.load_balancer_ids):
        balancer = balancer_named(clb, id_, exchange)
        listeners = [one for one in balancer.listeners.values() if one.id in (request.listener_ids or (one.id,))]
        rows.append(balancer_health(clb, balancer, listeners, locations, exchange.as_of))
    return {"LoadBalancers": rows}


@SERVICE.action(DescribeTaskStatus, rate=20)
def describe_task_status(clb: Clb, request: DescribeTaskStatus, _exchange: Exchange) -> Reply:
    """Tell how a change is getting on; its id is the request id of the call that asked for it."""
    if not request.task_id:
        raise missing("TaskId")
    task = clb.tasks.get(request.task_id)
    if task is None:
        raise Refused(errors.UNKNOWN_TASK, id=request.task_id[:80])
    return {"Status": int(task.status), "LoadBalancerIds": [task.balancer], "Message": task.message or None}


def _keeps(clb: Clb, one: Filter) -> Callable[[Place, Target], bool]:
    """Read one filter as a predicate. Raises Refused for an unknown one."""
    values = frozenset(one.values)
    match one.name:
        case "location-id":
            return lambda place, _target: place.location in values
        case "private-ip-address":
            return lambda _place, target: _address(clb, target) in values
        case "tag":
            return lambda _place, target: target.tag in values
    raise invalid("Filters")


def _address(clb: Clb, target: Target) -> str:
    instance = clb.instance(target.server)
    return target.address or (instance.network.private_ip if instance else "")
