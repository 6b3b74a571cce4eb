"""Which instances have lost their pings though nobody meant them to: what the cloud's monitoring sees from outside.

A loss begins when a running instance hangs or goes down by itself or by the platform's hand; a stop or reboot that
somebody asked for is none. It ends when the instance runs again and answers. Others join by `lost` and `regained`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from cloudheal_sim.kernel.clock import iso_millis
from cloudheal_sim.tencent.cvm.model.instance import Instance, Outcome, Status

if TYPE_CHECKING:
    from cloudheal_sim.kernel.core import Kernel
    from cloudheal_sim.tencent.cvm.model.fleet import Fleet

Heard: TypeAlias = Callable[[Instance], object]


class Reachability:
    """Watches every instance of one account."""

    def __init__(self, kernel: Kernel, fleet: Fleet) -> None:
        self._clock = kernel.clock
        self._journal = kernel.journal
        self._fleet = fleet
        self.lost: list[Heard] = []
        """Called when an instance has become unreachable."""
        self.regained: list[Heard] = []
        """Called when it answers again."""

    def look(self, id_: str) -> bool:
        """Look at an instance after something was done to it; return whether it can be reached."""
        instance = self._fleet.find(id_)
        if instance is None:
            return False
        if instance.running:
            self._note(instance, reachable=not instance.hung)
        return instance.unreachable is None and instance.running

    def moved(self, instance: Instance, before: Status | None, after: Status | None) -> None:
        """Hear of a change of state."""
        if after is Status.RUNNING:
            self._note(instance, reachable=not instance.hung)
        elif before is Status.RUNNING and after is not None and not _is_meant(instance):
            self._note(instance, reachable=False)

    def _note(self, instance: Instance, *, reachable: bool) -> None:
        if reachable == (instance.unreachable is None):
            return
        before = instance.unreachable
        instance.unreachable = None if reachable else self._clock.now()
        shown = [None if one is None else iso_millis(one) for one in (before, instance.unreachable)]
        self._journal.change("instance.unreachable", instance.id, *shown)
        for hear in self.regained if reachable else self.lost:
            hear(instance)


def _is_meant(instance: Instance) -> bool:
    """Say whether somebody has just asked for what takes the instance down."""
    operation = instance.operation.value
    return operation is not None and operation.outcome is Outcome.OPERATING
