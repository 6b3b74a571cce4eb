"""Ordering instances: RunInstances starts them, CreateInstance leaves one Stopped.

Everything is checked before anything is made; a client token makes the order once however often it is sent.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs import errors
from cloudheal_sim.alibaba.ecs.actions.finding import unless_dry
from cloudheal_sim.alibaba.ecs.launching import launch
from cloudheal_sim.alibaba.ecs.ordering import checked_order, started_order
from cloudheal_sim.alibaba.ecs.requests.launch import CreateInstance, Order, RunInstances
from cloudheal_sim.alibaba.ecs.service import SERVICE
from cloudheal_sim.alibaba.rpc import Refused, Reply
from cloudheal_sim.kernel.tokens import Used

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.ecs.launching import LaunchOrder
    from cloudheal_sim.alibaba.ecs.state import Ecs
    from cloudheal_sim.kernel.core import Exchange


@SERVICE.action(RunInstances)
def run_instances(ecs: Ecs, request: RunInstances, exchange: Exchange) -> Reply:
    """Order instances that start at once."""
    ids = _repeated(ecs, request)
    if ids is None:
        order = started_order(ecs, request)
        unless_dry(dry_run=request.dry_run)
        least = request.min_amount or 1
        fewer = max(least, order.amount - len(exchange.spoilt(order.amount)))
        ids = _placed(ecs, request, replace(order, amount=min(order.amount, fewer)))
    return {"InstanceIdSets": {"InstanceIdSet": list(ids)}, **_bill(ecs, request, ids)}


@SERVICE.action(CreateInstance)
def create_instance(ecs: Ecs, request: CreateInstance, _exchange: Exchange) -> Reply:
    """Order one instance that is left Stopped."""
    ids = _repeated(ecs, request)
    if ids is None:
        groups = () if request.security_group_id is None else (request.security_group_id,)
        order = checked_order(ecs, request, groups)
        unless_dry(dry_run=request.dry_run)
        ids = _placed(ecs, request, order)
    return {"InstanceId": ids[0], **_bill(ecs, request, ids)}


def _asked(request: Order) -> str:
    return request.model_dump_json(exclude={"client_token"})


def _repeated(ecs: Ecs, request: Order) -> tuple[str, ...] | None:
    """Return what an earlier call with this client token made, None when there was none. Raises Refused."""
    if request.client_token is None:
        return None
    used = ecs.tokens.find(type(request).__name__, request.client_token, ecs.kernel.clock.now())
    if used is not None and used.fingerprint != _asked(request):
        raise Refused(errors.TOKEN_MISMATCH)
    return None if used is None else used.ids


def _placed(ecs: Ecs, request: Order, order: LaunchOrder) -> tuple[str, ...]:
    ids = tuple(instance.id for instance in launch(ecs, order))
    if request.client_token is not None:
        used = Used(_asked(request), ids, ecs.kernel.clock.now())
        ecs.tokens.remember(type(request).__name__, request.client_token, used)
    return ids


def _bill(ecs: Ecs, request: Order, ids: tuple[str, ...]) -> Reply:
    """Write the price an hour and, for subscriptions, the number of the order."""
    size = ecs.catalogue.types.get(request.instance_type or "")
    spot = request.spot_strategy != "NoSpot"
    price = 0.0 if size is None else (size.spot_price if spot else size.price)
    order = {"OrderId": str(1_000_000_000 + sum(ids[0].encode()))} if request.instance_charge_type == "PrePaid" else {}
    return {**order, "TradePrice": round(price * len(ids), 3)}
