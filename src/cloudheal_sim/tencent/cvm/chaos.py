"""What chaos can do to instances of CVM: the deeds that all clouds have, and CVM's own. Every deed is journaled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import AwareDatetime, Field

from cloudheal_sim.kernel.chaos import NoOptions, options_of
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND, to_millis
from cloudheal_sim.kernel.trouble_chaos import TroubleChaos
from cloudheal_sim.kernel.world import Part, Seconds
from cloudheal_sim.tencent.cvm.model.instance import Instance
from cloudheal_sim.tencent.cvm.model.repair import Announcement

if TYPE_CHECKING:
    from cloudheal_sim.kernel.chaos import Chaos
    from cloudheal_sim.tencent.cvm.state import Cvm

Options: TypeAlias = Mapping[str, Any]


class RepairOptions(Part):
    """An announced repair: of what type, how it can be authorised, and when the platform begins by itself."""

    type: int = Field(101, ge=101, le=107)
    auth_type: int = Field(2, ge=1, le=8)
    not_before: AwareDatetime | None = None
    in_seconds: Seconds | None = Field(None, description="instead of not_before: from now")
    detail: str = Announcement().detail


class CvmChaos:
    """The deeds, over one CVM."""

    def __init__(self, cvm: Cvm) -> None:
        self._cvm = cvm
        self._shared = TroubleChaos(cvm.fleet, cvm.kernel.journal, cvm.lifecycle.crashes)

    def register(self, chaos: Chaos) -> Chaos:
        """Offer every deed, and look at the pings of whatever something was done to."""
        deeds: dict[str, Callable[[Instance, Options], object]] = {
            "power_off": self._power_off,
            "no_stock": self._no_stock,
            "release": self._release,
            "repair_task": self._repair_task,
        }
        for name, deed in deeds.items():
            self._shared.offer(chaos, name, deed)
        chaos.witness(self._cvm.reachability.look)
        return self._shared.register(chaos)

    def _power_off(self, instance: Instance, options: Options) -> None:
        options_of(NoOptions, options)
        if not self._cvm.lifecycle.fall(instance):
            self._cvm.lifecycle.halt(instance)

    def _no_stock(self, instance: Instance, options: Options) -> None:
        options_of(NoOptions, options)
        before = self._cvm.stock.left(instance.zone, instance.type)
        self._cvm.stock.exhaust(instance.zone, instance.type)
        self._cvm.kernel.journal.change("stock", f"{instance.zone}/{instance.type}", before, 0)

    def _release(self, instance: Instance, options: Options) -> bool:
        options_of(NoOptions, options)
        return self._cvm.lifecycle.release(instance)

    def _repair_task(self, instance: Instance, options: Options) -> None:
        asked = options_of(RepairOptions, options)
        planned = None if asked.not_before is None else to_millis(asked.not_before)
        if asked.in_seconds is not None:
            planned = self._cvm.kernel.clock.now() + round(asked.in_seconds * MILLIS_PER_SECOND)
        self._cvm.repairs.announce(instance, Announcement(asked.type, asked.auth_type, planned, asked.detail))
