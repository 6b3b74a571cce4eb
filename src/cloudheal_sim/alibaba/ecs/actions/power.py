"""The calls that move instances between states; all of them only begin the move."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs import errors, permits
from cloudheal_sim.alibaba.ecs.actions.finding import existing, unless_dry
from cloudheal_sim.alibaba.ecs.model.instance import StoppedMode
from cloudheal_sim.alibaba.ecs.parameters import release_instant
from cloudheal_sim.alibaba.ecs.requests.power import (
    DeleteInstance,
    DeleteInstances,
    ModifyInstanceAutoReleaseTime,
    RebootInstance,
    RebootInstances,
    RedeployInstance,
    StartInstance,
    StartInstances,
    StopInstance,
    StopInstances,
)
from cloudheal_sim.alibaba.ecs.service import SERVICE
from cloudheal_sim.alibaba.rpc import Refused, Reply
from cloudheal_sim.alibaba.rpc.refusal import INTERNAL_ERROR, Refusal, invalid
from cloudheal_sim.kernel.tokens import Used

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudheal_sim.alibaba.ecs.model.instance import Instance
    from cloudheal_sim.alibaba.ecs.state import Ecs
    from cloudheal_sim.kernel.core import Exchange

    Check = Callable[[Instance], Instance]
    Move = Callable[[Instance], object]


@SERVICE.action(StartInstance)
def start_instance(ecs: Ecs, request: StartInstance, _exchange: Exchange) -> Reply:
    """Begin a start."""
    instance = permits.may_start(ecs, existing(ecs, request.instance_id, request.region_id))
    unless_dry(dry_run=request.dry_run)
    _start(ecs, instance)
    return {}


@SERVICE.action(StopInstance)
def stop_instance(ecs: Ecs, request: StopInstance, _exchange: Exchange) -> Reply:
    """Begin a stop."""
    mode = _stopped_mode(request.stopped_mode)
    instance = permits.may_stop(existing(ecs, request.instance_id, request.region_id))
    unless_dry(dry_run=request.dry_run)
    _stop(ecs, instance, mode, forced=request.force_stop)
    return {}


@SERVICE.action(RebootInstance)
def reboot_instance(ecs: Ecs, request: RebootInstance, _exchange: Exchange) -> Reply:
    """Begin a reboot; open maintenance events may be answered by it."""
    instance = permits.may_stop(existing(ecs, request.instance_id, request.region_id))
    unless_dry(dry_run=request.dry_run)
    _reboot(ecs, instance, forced=request.force_stop)
    return {}


@SERVICE.action(RedeployInstance)
def redeploy_instance(ecs: Ecs, request: RedeployInstance, _exchange: Exchange) -> Reply:
    """Begin the move to another host."""
    instance = permits.may_redeploy(existing(ecs, request.instance_id, request.region_id))
    ecs.events.api_redeployed(instance.id)
    ecs.lifecycle.redeploy(instance, forced=request.force_stop)
    return {"TaskId": ecs.new_id("t", instance.region)}


@SERVICE.action(DeleteInstance)
def delete_instance(ecs: Ecs, request: DeleteInstance, _exchange: Exchange) -> Reply:
    """Begin a release."""
    instance = existing(ecs, request.instance_id, request.region_id)
    permits.may_delete(instance, force=request.force, subscription=request.terminate_subscription)
    unless_dry(dry_run=request.dry_run)
    ecs.lifecycle.remove(instance, forced=request.force_stop)
    return {}


@SERVICE.action(StartInstances)
def start_instances(ecs: Ecs, request: StartInstances, exchange: Exchange) -> Reply:
    """Begin several starts."""
    return _several(ecs, request, exchange, lambda one: permits.may_start(ecs, one), lambda one: _start(ecs, one))


@SERVICE.action(StopInstances)
def stop_instances(ecs: Ecs, request: StopInstances, exchange: Exchange) -> Reply:
    """Begin several stops."""
    mode = _stopped_mode(request.stopped_mode)

    def stop(instance: Instance) -> bool:
        return _stop(ecs, instance, mode, forced=request.force_stop)

    return _several(ecs, request, exchange, permits.may_stop, stop)


@SERVICE.action(RebootInstances)
def reboot_instances(ecs: Ecs, request: RebootInstances, exchange: Exchange) -> Reply:
    """Begin several reboots."""

    def reboot(instance: Instance) -> bool:
        return _reboot(ecs, instance, forced=request.force_reboot)

    return _several(ecs, request, exchange, permits.may_stop, reboot)


@SERVICE.action(DeleteInstances)
def delete_instances(ecs: Ecs, request: DeleteInstances, _exchange: Exchange) -> Reply:
    """Begin several releases, or refuse all of them."""
    now, asked = ecs.kernel.clock.now(), request.model_dump_json(exclude={"client_token"})
    if request.client_token and (used := ecs.tokens.find("DeleteInstances", request.client_token, now)):
        if used.fingerprint != asked:
            raise Refused(errors.TOKEN_MISMATCH)
        return {}
    instances = [existing(ecs, id_, request.region_id) for id_ in dict.fromkeys(request.instance_id)]
    for instance in instances:
        permits.may_delete(instance, force=request.force, subscription=request.terminate_subscription)
    unless_dry(dry_run=request.dry_run)
    for instance in instances:
        ecs.lifecycle.remove(instance, forced=request.force_stop)
    if request.client_token:
        ecs.tokens.remember("DeleteInstances", request.client_token, Used(asked, request.instance_id, now))
    return {}


@SERVICE.action(ModifyInstanceAutoReleaseTime)
def modify_instance_auto_release_time(ecs: Ecs, request: ModifyInstanceAutoReleaseTime, _exchange: Exchange) -> Reply:
    """Set or clear the automatic release of a pay-as-you-go instance."""
    instance = existing(ecs, request.instance_id, request.region_id)
    if instance.charge_type == "PrePaid":
        raise Refused(errors.CHARGE_TYPE_VIOLATION)
    due = release_instant(ecs, request.auto_release_time)
    ecs.kernel.journal.change("instance.auto_release", instance.id, instance.auto_release, due)
    instance.auto_release = due
    ecs.terms.plan(instance)
    return {}


def _several(
    ecs: Ecs, request: StartInstances | StopInstances | RebootInstances, exchange: Exchange, check: Check, move: Move
) -> Reply:
    """Move instances one by one; with AllTogether the first refusal is everybody's."""
    ids = tuple(dict.fromkeys(request.instance_id))
    instances = [existing(ecs, id_, request.region_id) for id_ in ids]
    refusals = {one.id: refusal for one in instances if (refusal := _refusal(check, one)) is not None}
    if refusals and request.batch_optimization == "AllTogether":
        raise Refused(next(iter(refusals.values())))
    unless_dry(dry_run=request.dry_run)
    refusals |= dict.fromkeys((ids[place] for place in exchange.spoilt(len(ids))), INTERNAL_ERROR)
    return {"InstanceResponses": {"InstanceResponse": [_moved(one, refusals.get(one.id), move) for one in instances]}}


def _refusal(check: Check, instance: Instance) -> Refusal | None:
    try:
        check(instance)
    except Refused as refused:
        return refused.refusal
    return None


def _moved(instance: Instance, refusal: Refusal | None, move: Move) -> dict[str, object]:
    before = instance.status.value
    if refusal is None:
        move(instance)
    return {
        "InstanceId": instance.id,
        "Code": refusal.code if refusal else "200",
        "Message": refusal.message if refusal else "success",
        "PreviousStatus": before,
        "CurrentStatus": instance.status.value,
    }


def _start(ecs: Ecs, instance: Instance) -> bool:
    if instance.stopped_mode is StoppedMode.STOP_CHARGING:
        ecs.take_stock(instance.zone, instance.type, 1)
    return ecs.lifecycle.start(instance)


def _stop(ecs: Ecs, instance: Instance, mode: StoppedMode, *, forced: bool) -> bool:
    """Begin a stop; a subscription goes on being charged whatever the mode."""
    effective = StoppedMode.KEEP_CHARGING if instance.charge_type == "PrePaid" else mode
    return ecs.lifecycle.stop(instance, forced=forced, mode=effective)


def _reboot(ecs: Ecs, instance: Instance, *, forced: bool) -> bool:
    begun = ecs.lifecycle.reboot(instance, forced=forced)
    ecs.events.api_rebooted(instance.id)
    return begun


def _stopped_mode(text: str | None) -> StoppedMode:
    try:
        return StoppedMode(text or StoppedMode.KEEP_CHARGING)
    except ValueError as problem:
        raise invalid("StoppedMode") from problem
