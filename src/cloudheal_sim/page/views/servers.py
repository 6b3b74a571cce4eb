"""The servers of both clouds for the page: what they share is read alike, the rest by a reader of each cloud."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudheal_sim.kernel.health_checks import Health

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.ecs.model.instance import Instance as EcsInstance
    from cloudheal_sim.kernel.shelf import Shelf
    from cloudheal_sim.simulator import Simulator
    from cloudheal_sim.tencent.cvm.model.instance import Instance as CvmInstance

_HEALTH = {Health.NORMAL: "✓", Health.ABNORMAL: "✗", Health.UNAVAILABLE: "?"}


@dataclass(frozen=True, slots=True)
class Fleet:
    """The servers of one cloud."""

    cloud: str
    shelf: Shelf[Any]
    row: Callable[[Any], Mapping[str, object]]
    """What a line of the table shows of a server that only this cloud has."""
    whole: Callable[[Any], Mapping[str, object]]
    """The same for the details."""


def fleets(simulator: Simulator) -> tuple[Fleet, ...]:
    """Return the servers of every cloud."""
    alibaba, tencent = simulator.alibaba, simulator.tencent
    return (
        Fleet("alibaba", alibaba.ecs.fleet, _ecs_row, lambda one: _ecs_whole(simulator, one)),
        Fleet("tencent", tencent.cvm.fleet, _cvm_row, lambda one: _cvm_whole(simulator, one)),
    )


def trouble_of(instance: Any) -> list[str]:
    """Name what is wrong with a server, or will be."""
    trouble = instance.trouble
    if trouble is None:
        return []
    told = {
        "hung": trouble.hung,
        "agent_offline": trouble.agent_offline,
        "fail_starts": trouble.fail_starts,
        "slow_boot": trouble.slow_boot,
        "crash": trouble.crash_after is not None,
    }
    return [name for name, holds in told.items() if holds]


def _ecs_row(instance: EcsInstance) -> Mapping[str, object]:
    return {
        "spot": instance.spot.strategy if instance.spot else "",
        "locks": instance.locks,
        "trouble": trouble_of(instance),
    }


def _ecs_whole(simulator: Simulator, instance: EcsInstance) -> Mapping[str, object]:
    spot = instance.spot
    return {
        "notice": spot.reclaim_at if spot else None,
        "ends": spot.ends_at if spot else None,
        "protected": instance.deletion_protection,
        "operation": "",
        "behind": [],
        "events": [
            {"id": one.id, "type": one.type.name, "status": one.status.value, "at": one.not_before or one.published}
            for one in simulator.alibaba.ecs.events.of_instance(instance.id)
        ],
    }


def _cvm_row(instance: CvmInstance) -> Mapping[str, object]:
    lost = ["unreachable"] if instance.unreachable is not None else []
    return {
        "spot": "SPOTPAID" if instance.charge_type == "SPOTPAID" else "",
        "locks": (),
        "trouble": [*lost, *trouble_of(instance)],
    }


def _cvm_whole(simulator: Simulator, instance: CvmInstance) -> Mapping[str, object]:
    operation = instance.operation.value
    tasks = simulator.tencent.cvm.repairs.of_instance(instance.id)
    return {
        "notice": None,
        "ends": None,
        "protected": instance.protected,
        "operation": f"{operation.name} {operation.outcome}" if operation else "",
        "behind": list(_behind(simulator, instance.id)),
        "events": [
            {"id": one.id, "type": str(one.type), "status": one.status.value.name.lower(), "at": one.planned}
            for one in tasks
        ],
    }


def _behind(simulator: Simulator, id_: str) -> Iterable[str]:
    """Write where a server stands: balancer, listener or rule, port, weight, health."""
    clb = simulator.tencent.clb
    for balancer, _listener, place, target in clb.memberships(id_):
        health = _HEALTH[clb.health(place, target)] if place.check.on else ""
        yield f"{balancer.id} {place.label} :{target.port} ×{target.weight} {health}".rstrip()
