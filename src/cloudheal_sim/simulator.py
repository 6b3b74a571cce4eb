"""One simulator: kernel, clouds, world, chaos; started, reset and closed as a whole.

The HTTP server and the control API sit on top; tests may use this class without either.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cloudheal_sim.alibaba.cloud import AlibabaCloud
from cloudheal_sim.kernel.chance import Chance
from cloudheal_sim.kernel.chaos import Chaos
from cloudheal_sim.kernel.clock import Clock, Mode, wall_millis
from cloudheal_sim.kernel.core import Kernel
from cloudheal_sim.kernel.faults import Faults
from cloudheal_sim.kernel.journal import Journal
from cloudheal_sim.kernel.keys import DEFAULT_KEYS, AccessKey, Keyring
from cloudheal_sim.kernel.outbound import Outbound
from cloudheal_sim.kernel.quota import Quotas
from cloudheal_sim.kernel.world import World
from cloudheal_sim.tencent.cloud import TencentCloud

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.kernel.wire import HttpReply, HttpRequest

log = logging.getLogger("cloudheal_sim")

#: Calls a second by documentation (requirement C6: the lower of the published figures).
DOCUMENTED_QUOTAS = {
    "cms:DescribeMetricList": 20.0,
    "cms:DescribeMetricLast": 30.0,
    "cms:DescribeMetricTop": 50.0,
    "cms:DescribeMetricData": 50.0,
}


@dataclass(frozen=True, slots=True)
class Options:
    """How a simulator begins; `reset` returns to exactly this."""

    seed: int = 0
    mode: Mode = Mode.REAL
    scale: float = 1.0
    now: int | None = None
    skew_check: bool = True
    keys: tuple[AccessKey, ...] = DEFAULT_KEYS
    world: Mapping[str, Any] = field(default_factory=dict)
    webhook_hosts: frozenset[str] = frozenset()


class Simulator:
    """The simulated clouds with everything that drives them."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        clock = Clock(self._start(), self.options.mode, self.options.scale)
        clock.skew_check = self.options.skew_check
        chance, journal = Chance(self.options.seed), Journal(clock)
        self.kernel = Kernel(
            clock=clock,
            chance=chance,
            faults=Faults(clock, chance),
            journal=journal,
            quotas=Quotas(clock, DOCUMENTED_QUOTAS),
            keyring=Keyring(self.options.keys),
            outbound=Outbound(journal, self.options.webhook_hosts),
        )
        self.chaos = Chaos()
        self.alibaba = AlibabaCloud(self.kernel, self.chaos)
        self.tencent = TencentCloud(self.kernel, self.chaos)
        self.world = World(self.kernel, {"alibaba": self.alibaba.sections, "tencent": self.tencent.sections})
        self.world.load(self.options.world)
        journal.clear()

    def reset(self, seed: int | None = None) -> None:
        """Return to the beginning: world, time, chance, faults, journal."""
        clock = self.kernel.clock
        clock.restart(self._start())
        clock.change(self.options.mode, self.options.scale)
        clock.skew_check = self.options.skew_check
        self.kernel.chance.restart(self.options.seed if seed is None else seed)
        self.kernel.faults.replace(())
        self.kernel.keyring.forget_temporary()
        self.alibaba.restart()
        self.world.load(self.options.world)
        self.kernel.journal.clear()

    async def handle(self, request: HttpRequest) -> HttpReply:
        """Answer one cloud request; everything that is due by now has happened before."""
        try:
            self.kernel.clock.catch_up()
            return await self._meant(request).handle(request)
        except Exception:
            log.exception("a mistake in the simulator, please report it: %s %s", request.method, request.path)
            return self.unreadable(request, 500)

    def publish(self, event: Mapping[str, Any]) -> Mapping[str, object]:
        """Publish an event as CloudMonitor (`product`) or EventBridge (`source`) would. Raises WorldError."""
        cloud = self.tencent if self.tencent.publishes(event) else self.alibaba
        return cloud.publish(event)

    def unreadable(self, request: HttpRequest, status: int) -> HttpReply:
        """Answer a body that was too large (413) or broken (400), or our own mistake (500), as the service would."""
        return self._meant(request).unreadable(request, status)

    def _meant(self, request: HttpRequest) -> AlibabaCloud | TencentCloud:
        """Return the cloud that a request is for: what it carries says so, never the host that it names."""
        return self.tencent if self.tencent.serves(request) else self.alibaba

    async def close(self) -> None:
        """Stop background pushes."""
        await self.kernel.outbound.close()

    def _start(self) -> int:
        return wall_millis() if self.options.now is None else self.options.now
