"""What chaos can do to instances. Every deed is journaled; none asks for permission."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from cloudheal_sim.alibaba.ecs.model.instance import Instance, Lock
from cloudheal_sim.kernel.chaos import Chaos, ChaosError, NoOptions, options_of
from cloudheal_sim.kernel.trouble_chaos import TroubleChaos
from cloudheal_sim.kernel.world import Part

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.ecs.state import Ecs

Options: TypeAlias = Mapping[str, Any]


class LockReason(Part):
    """Which lock; for `unlock` absent means all."""

    reason: Lock | None = None


class InstanceChaos:
    """The deeds, over one ECS: those that all clouds have, and its own."""

    def __init__(self, ecs: Ecs) -> None:
        self._ecs = ecs
        self._shared = TroubleChaos(ecs.fleet, ecs.kernel.journal, ecs.lifecycle.crashes)

    def register(self, chaos: Chaos) -> Chaos:
        """Offer every deed."""
        deeds: dict[str, Callable[[Instance, Options], object]] = {
            "power_off": self._power_off,
            "no_stock": self._no_stock,
            "reclaim": self._reclaim,
            "expire": self._expire,
            "lock": self._lock,
            "unlock": self._unlock,
            "release": self._release,
        }
        for name, deed in deeds.items():
            self._shared.offer(chaos, name, deed)
        return self._shared.register(chaos)

    def _power_off(self, instance: Instance, options: Options) -> None:
        options_of(NoOptions, options)
        if not self._ecs.lifecycle.fall(instance):
            self._ecs.lifecycle.halt(instance)

    def _no_stock(self, instance: Instance, options: Options) -> None:
        options_of(NoOptions, options)
        before = self._ecs.stock.left(instance.zone, instance.type)
        self._ecs.stock.exhaust(instance.zone, instance.type)
        self._ecs.kernel.journal.change("stock", f"{instance.zone}/{instance.type}", before, 0)

    def _reclaim(self, instance: Instance, options: Options) -> None:
        options_of(NoOptions, options)
        if instance.spot is None:
            msg = f"instances: {instance.id!r} is no spot instance"
            raise ChaosError(msg)
        self._ecs.reclaims.notify(instance, instance.spot)

    def _expire(self, instance: Instance, options: Options) -> None:
        options_of(NoOptions, options)
        now = self._ecs.kernel.clock.now()
        self._ecs.kernel.journal.change("instance.expires", instance.id, instance.expires, now)
        instance.expires, instance.charge_type = now, "PrePaid"
        self._ecs.terms.expire(instance)

    def _lock(self, instance: Instance, options: Options) -> None:
        self._ecs.lifecycle.lock(instance, options_of(LockReason, options).reason or Lock.SECURITY)

    def _unlock(self, instance: Instance, options: Options) -> None:
        self._ecs.lifecycle.unlock(instance, options_of(LockReason, options).reason)

    def _release(self, instance: Instance, options: Options) -> bool:
        options_of(NoOptions, options)
        return self._ecs.lifecycle.release(instance.id)
