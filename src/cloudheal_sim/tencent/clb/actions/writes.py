"""The calls that change targets: each becomes a task, and while one is under way every other is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from cloudheal_sim.tencent.api3 import Refused, Reply
from cloudheal_sim.tencent.api3.refusal import invalid
from cloudheal_sim.tencent.clb import errors
from cloudheal_sim.tencent.clb.actions.finding import balancer_named, meant, not_too_many, place_named
from cloudheal_sim.tencent.clb.model.target import DEFAULT_WEIGHT, reweighted, without
from cloudheal_sim.tencent.clb.model.task import Change
from cloudheal_sim.tencent.clb.requests.targets import (
    BatchDeregisterTargets,
    BatchModifyTargetWeight,
    DeregisterTargets,
    ModifyTargetWeight,
    RegisterTargets,
)
from cloudheal_sim.tencent.clb.service import SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloudheal_sim.kernel.core import Exchange
    from cloudheal_sim.tencent.clb.model.balancer import Balancer, Place
    from cloudheal_sim.tencent.clb.model.target import Target, Targets
    from cloudheal_sim.tencent.clb.requests.targets import TargetParameter, WeightRule
    from cloudheal_sim.tencent.clb.state import Clb

T = TypeVar("T")
_MOST_TARGETS, _MOST_RULES, _MOST_IN_RULE, _MOST_IN_BATCH = 20, 100, 50, 500


@SERVICE.action(RegisterTargets, rate=20)
def register_targets(clb: Clb, request: RegisterTargets, exchange: Exchange) -> Reply:
    """Add targets; one that is there already is refused."""
    balancer, place = _placed(clb, request, exchange)
    news = [replace(_new(clb, one, balancer), weight=_weight(one, DEFAULT_WEIGHT)) for one in request.targets]
    there = {one.label for one in place.targets.value}
    for one in news:
        if one.label in there:
            raise Refused(errors.DUPLICATE, target=one.label)
        there.add(one.label)
    kept, left_out = _struck(news, exchange)
    due = clb.now + round(clb.task_seconds * 1000)
    made = tuple(replace(one, registered=due, since=due) for one in kept)
    clb.begin(balancer, exchange.request_id, [_change(place, (*place.targets.value, *made))], left_out)
    return {}


@SERVICE.action(DeregisterTargets, rate=20)
def deregister_targets(clb: Clb, request: DeregisterTargets, exchange: Exchange) -> Reply:
    """Take targets away; one that is not there refuses the call."""
    balancer, place = _placed(clb, request, exchange)
    leavers = [_bound(clb, one, balancer, place) for one in request.targets]
    kept, left_out = _struck(leavers, exchange)
    clb.begin(balancer, exchange.request_id, [_change(place, without(place.targets.value, kept))], left_out)
    return {}


@SERVICE.action(ModifyTargetWeight, rate=20)
def modify_target_weight(clb: Clb, request: ModifyTargetWeight, exchange: Exchange) -> Reply:
    """Change weights; 0 lets no new connection in."""
    balancer, place = _placed(clb, request, exchange)
    weights = _weights(clb, request.targets, request.weight, balancer, place)
    kept, left_out = _struck(list(weights), exchange)
    targets = reweighted(place.targets.value, {label: weights[label] for label in kept})
    clb.begin(balancer, exchange.request_id, [_change(place, targets)], left_out)
    return {}


@SERVICE.action(BatchModifyTargetWeight, rate=20)
def batch_modify_target_weight(clb: Clb, request: BatchModifyTargetWeight, exchange: Exchange) -> Reply:
    """Change weights in several places, all by one task."""
    balancer = _idle(clb, request.load_balancer_id, exchange)
    not_too_many(request.modify_list, "ModifyList", _MOST_RULES)
    not_too_many([one for rule in request.modify_list for one in rule.targets], "ModifyList.Targets", _MOST_IN_BATCH)
    asked = [_rule(clb, rule, balancer) for rule in request.modify_list]
    pairs = [(place, label) for place, weights in asked for label in weights]
    spoilt = {pairs[number] for number in exchange.spoilt(len(pairs))}
    changed: dict[Place, Targets] = {}
    for place, weights in asked:
        mine = {label: weight for label, weight in weights.items() if (place, label) not in spoilt}
        changed[place] = reweighted(changed.get(place, place.targets.value), mine)
    changes = [_change(place, targets) for place, targets in changed.items()]
    clb.begin(balancer, exchange.request_id, changes, len(spoilt))
    return {}


@SERVICE.action(BatchDeregisterTargets, rate=20)
def batch_deregister_targets(clb: Clb, request: BatchDeregisterTargets, exchange: Exchange) -> Reply:
    """Take targets away from several places at once; the answer names the listeners where one could not be."""
    balancer = _idle(clb, request.load_balancer_id, exchange)
    not_too_many(request.targets, "Targets", _MOST_IN_BATCH)
    spoilt, failed = exchange.spoilt(len(request.targets)), dict[str, None]()
    for number, asked in enumerate(request.targets):
        place = place_named(balancer, asked.listener_id, asked.location_id)
        leaver = _standing(place, meant(clb, asked, balancer.region))
        if leaver is None or number in spoilt:
            failed[asked.listener_id] = None
        else:
            clb.set_targets(balancer, place, without(place.targets.value, [leaver]))
    return {"FailListenerIdSet": list(failed), "Message": "some targets are not bound" if failed else ""}


def _idle(clb: Clb, id_: str, exchange: Exchange) -> Balancer:
    balancer = balancer_named(clb, id_, exchange)
    if clb.busy(balancer):
        raise Refused(errors.BUSY, id=balancer.id)
    return balancer


def _placed(
    clb: Clb, request: RegisterTargets | DeregisterTargets | ModifyTargetWeight, exchange: Exchange
) -> tuple[Balancer, Place]:
    """Return where a call changes targets. Raises Refused, also while another change is under way."""
    balancer = balancer_named(clb, request.load_balancer_id, exchange)
    place = place_named(balancer, request.listener_id, request.location_id, request.domain, request.url)
    if not not_too_many(request.targets, "Targets", _MOST_TARGETS):
        raise invalid("Targets")
    return _idle(clb, balancer.id, exchange), place


def _rule(clb: Clb, rule: WeightRule, balancer: Balancer) -> tuple[Place, dict[str, int]]:
    not_too_many(rule.targets, "Targets", _MOST_IN_RULE)
    place = place_named(balancer, rule.listener_id, rule.location_id, rule.domain, rule.url)
    return place, _weights(clb, rule.targets, rule.weight, balancer, place)


def _weights(
    clb: Clb, targets: Iterable[TargetParameter], usual: int, balancer: Balancer, place: Place
) -> dict[str, int]:
    """Return the weights asked for, by the labels of targets that are there."""
    return {_bound(clb, one, balancer, place).label: _weight(one, usual) for one in targets}


def _weight(asked: TargetParameter, usual: int) -> int:
    return usual if asked.weight is None else asked.weight


def _new(clb: Clb, asked: TargetParameter, balancer: Balancer) -> Target:
    """Return a target that may be registered: an instance of the region, or any address."""
    target = meant(clb, asked, balancer.region)
    instance = clb.instance(target.server)
    if not target.address and (instance is None or instance.released is not None or instance.region != balancer.region):
        raise Refused(errors.BAD_TARGET, target=target.server[:80], reason="no such instance in the region")
    return target


def _bound(clb: Clb, asked: TargetParameter, balancer: Balancer, place: Place) -> Target:
    """Return a target that is there. Raises Refused for one that is not."""
    wanted = meant(clb, asked, balancer.region)
    found = _standing(place, wanted)
    if found is None:
        raise Refused(errors.BAD_TARGET, target=wanted.label[:80], reason="it is not bound")
    return found


def _standing(place: Place, wanted: Target) -> Target | None:
    return next((one for one in place.targets.value if one.label == wanted.label), None)


def _struck(items: Sequence[T], exchange: Exchange) -> tuple[list[T], int]:
    """Return the items that are changed, and how many an injected fault leaves out."""
    spoilt = exchange.spoilt(len(items))
    return [one for number, one in enumerate(items) if number not in spoilt], len(spoilt)


def _change(place: Place, targets: Targets) -> Change:
    return Change(place.listener, place.location, targets)
