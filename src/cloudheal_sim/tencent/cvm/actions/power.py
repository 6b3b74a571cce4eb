"""The calls that move instances between states; all of them only begin the move, for all instances or for none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.tencent.api3 import Refused, Reply
from cloudheal_sim.tencent.api3.refusal import invalid
from cloudheal_sim.tencent.cvm import errors
from cloudheal_sim.tencent.cvm.actions.selection import existing
from cloudheal_sim.tencent.cvm.model.instance import Status, StopCharging, StopType
from cloudheal_sim.tencent.cvm.requests.power import (
    RebootInstances,
    StartInstances,
    StopInstances,
    TerminateInstances,
)
from cloudheal_sim.tencent.cvm.service import SERVICE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloudheal_sim.kernel.core import Exchange
    from cloudheal_sim.tencent.cvm.model.instance import Instance
    from cloudheal_sim.tencent.cvm.state import Cvm

_RUNNING = frozenset({Status.RUNNING})
_ENDABLE = frozenset({Status.RUNNING, Status.STOPPED, Status.SHUTDOWN})


@SERVICE.action(StartInstances, rate=10)
def start_instances(cvm: Cvm, request: StartInstances, exchange: Exchange) -> Reply:
    """Begin starts."""
    found = _movable(cvm, request.instance_ids, exchange, frozenset({Status.STOPPED}))
    return _each(found, exchange, lambda one: cvm.lifecycle.start(one, exchange.request_id))


@SERVICE.action(StopInstances, rate=10)
def stop_instances(cvm: Cvm, request: StopInstances, exchange: Exchange) -> Reply:
    """Begin stops."""
    how = _how(request.stop_type, request.force_stop, "ForceStop")
    if request.stopped_mode is StopCharging.NOT_APPLICABLE:
        raise invalid("StoppedMode")
    found = _movable(cvm, request.instance_ids, exchange, _RUNNING)
    for one in found:
        if request.stopped_mode is StopCharging.STOP_CHARGING and one.charge_type != "POSTPAID_BY_HOUR":
            raise Refused(errors.NO_STOP_CHARGING, id=one.id)
    charging = request.stopped_mode
    return _each(found, exchange, lambda one: cvm.lifecycle.stop(one, how, charging, exchange.request_id))


@SERVICE.action(RebootInstances, rate=10)
def reboot_instances(cvm: Cvm, request: RebootInstances, exchange: Exchange) -> Reply:
    """Begin reboots."""
    how = _how(request.stop_type, request.force_reboot, "ForceReboot")
    found = _movable(cvm, request.instance_ids, exchange, _RUNNING)
    return _each(found, exchange, lambda one: cvm.lifecycle.reboot(one, how, exchange.request_id))


@SERVICE.action(TerminateInstances, rate=10)
def terminate_instances(cvm: Cvm, request: TerminateInstances, exchange: Exchange) -> Reply:
    """Begin the end of instances."""
    found = _movable(cvm, request.instance_ids, exchange, _ENDABLE)
    for one in found:
        if one.protected:
            raise Refused(errors.PROTECTED, id=one.id)
    return _each(found, exchange, lambda one: cvm.lifecycle.terminate(one, exchange.request_id))


def _how(asked: StopType | None, force: bool | None, name: str) -> StopType:  # noqa: FBT001 - as the wire has it
    """Read both generations of flags; together they are refused. The old one means hard only if soft fails."""
    if asked is not None and force is not None:
        raise Refused(errors.BOTH_FLAGS, name=name)
    if asked is not None:
        return asked
    return StopType.SOFT_FIRST if force else StopType.SOFT


def _movable(cvm: Cvm, ids: Sequence[str], exchange: Exchange, states: frozenset[Status]) -> list[Instance]:
    """Return the instances if all are in one of the states and nothing is under way. Raises Refused."""
    found = existing(cvm, ids, exchange)
    for one in found:
        if one.status.value not in states:
            raise errors.wrong_state(one)
        if one.task is not None:
            raise Refused(errors.TASK_RUNNING, id=one.id)
    return found


def _each(found: Sequence[Instance], exchange: Exchange, move: Callable[[Instance], object]) -> Reply:
    """Move every instance, but for those that an injected fault leaves behind without a word."""
    spoilt = exchange.spoilt(len(found))
    for place, one in enumerate(found):
        if place not in spoilt:
            move(one)
    return {}
