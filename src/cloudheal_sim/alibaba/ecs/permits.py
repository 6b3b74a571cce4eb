"""Which call is allowed on which instance: locks, expiry, arrears, protection, status, stock; in that order.

Each function raises Refused with the documented code, and changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs import errors
from cloudheal_sim.alibaba.ecs.model.instance import Lock, Status, StoppedMode
from cloudheal_sim.alibaba.rpc import Refused

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.ecs.model.instance import Instance
    from cloudheal_sim.alibaba.ecs.state import Ecs


def may_start(ecs: Ecs, instance: Instance) -> Instance:
    """Check StartInstance."""
    _unlocked_for_security(instance)
    if instance.expired:
        raise Refused(errors.INSTANCE_EXPIRED)
    if ecs.overdue or Lock.FINANCIAL in instance.locks:
        raise Refused(errors.INSUFFICIENT_BALANCE)
    if instance.locks or instance.status.value is not Status.STOPPED or instance.task is not None:
        raise Refused(errors.INCORRECT_STATUS)
    gave_up_its_place = instance.stopped_mode is StoppedMode.STOP_CHARGING
    if gave_up_its_place and ecs.stock.left(instance.zone, instance.type) == 0:
        raise Refused(errors.NO_STOCK)
    return instance


def may_stop(instance: Instance) -> Instance:
    """Check StopInstance and RebootInstance."""
    _unlocked_for_security(instance)
    if Lock.FINANCIAL in instance.locks:
        raise Refused(errors.EXPIRED_OR_IN_ARREARS)
    if not instance.running:
        raise Refused(errors.INCORRECT_STATUS)
    return instance


def may_redeploy(instance: Instance) -> Instance:
    """Check RedeployInstance."""
    _unlocked_for_security(instance)
    if instance.status.value not in {Status.RUNNING, Status.STOPPED} or instance.task is not None or instance.locks:
        raise Refused(errors.INCORRECT_STATUS)
    return instance


def may_delete(instance: Instance, *, force: bool, subscription: bool) -> Instance:
    """Check DeleteInstance; `subscription` allows to end one that still runs."""
    if instance.deletion_protection:
        raise Refused(errors.DELETION_PROTECTION)
    if instance.charge_type == "PrePaid" and not instance.expired and not subscription:
        raise Refused(errors.CHARGE_TYPE_VIOLATION)
    if instance.status.value is Status.PENDING:
        raise Refused(errors.INITIALIZING)
    stopped = instance.status.value is Status.STOPPED
    if not stopped and not (force and instance.running):
        raise Refused(errors.INCORRECT_STATUS)
    return instance


def _unlocked_for_security(instance: Instance) -> Instance:
    if Lock.SECURITY in instance.locks:
        raise Refused(errors.LOCKED_FOR_SECURITY)
    return instance
