"""Instants that an instance carries with it: its expiry, and the automatic release it was ordered with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs.model.instance import Lock

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.ecs.model.fleet import Fleet
    from cloudheal_sim.alibaba.ecs.model.instance import Instance
    from cloudheal_sim.alibaba.ecs.model.lifecycle import Lifecycle
    from cloudheal_sim.kernel.core import Kernel


class Terms:
    """Acts when an instance's time is up."""

    def __init__(self, kernel: Kernel, fleet: Fleet, lifecycle: Lifecycle) -> None:
        self._clock = kernel.clock
        self._fleet = fleet
        self._lifecycle = lifecycle

    def plan(self, instance: Instance) -> None:
        """Plan what the instance's dates say is to come."""
        if (expires := instance.expires) is not None and Lock.FINANCIAL not in instance.locks:
            self._clock.call_at(expires, lambda: self._expire(instance, expires))
        if (release := instance.auto_release) is not None:
            self._clock.call_at(release, lambda: self._release(instance, release))

    def resume(self) -> None:
        """Plan every instance anew."""
        for instance in self._fleet:
            if instance.expires is not None or instance.auto_release is not None:
                self.plan(instance)

    def expire(self, instance: Instance) -> Instance:
        """Lock an instance whose time is up, and shut it down."""
        self._lifecycle.lock(instance, Lock.FINANCIAL)
        if not self._lifecycle.stop(instance):
            self._lifecycle.halt(instance)
        return instance

    def _expire(self, instance: Instance, due: int) -> None:
        if instance.expires == due and instance.released is None:
            self.expire(instance)

    def _release(self, instance: Instance, due: int) -> None:
        if instance.auto_release == due and instance.released is None and not self._lifecycle.remove(instance):
            self._lifecycle.release(instance.id)
