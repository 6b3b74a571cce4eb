"""The end of spot instances: the notice, the Recycling lock at once, and the release a fixed time after it.

A reclaim that is planned (`Spot.reclaim_at`) or under way (`Spot.ends_at`) is data on the instance. With the behaviour
Stop the instance ends Stopped instead of released, and may be started again when there is stock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs.model.instance import Lock, Spot, StoppedMode
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.ecs.model.fleet import Fleet
    from cloudheal_sim.alibaba.ecs.model.instance import Instance
    from cloudheal_sim.alibaba.ecs.model.lifecycle import Lifecycle
    from cloudheal_sim.alibaba.events import Publish
    from cloudheal_sim.kernel.core import Kernel


class Reclaims:
    """Takes spot instances back."""

    def __init__(self, kernel: Kernel, fleet: Fleet, lifecycle: Lifecycle, publish: Publish) -> None:
        self._clock = kernel.clock
        self._fleet = fleet
        self._lifecycle = lifecycle
        self._publish = publish

    def notify(self, instance: Instance, spot: Spot) -> bool:
        """Send the interruption notice now; False when one is out already."""
        if spot.ends_at is not None:
            return False
        spot.reclaim_at = None
        spot.ends_at = self._clock.now() + round(self._lifecycle.durations.reclaim_notice * MILLIS_PER_SECOND)
        self._lifecycle.lock(instance, Lock.RECYCLING)
        self._announce(instance, spot)
        self._plan_end(instance, spot, spot.ends_at)
        return True

    def resume(self) -> int:
        """Plan the timers of every reclaim anew; return how many there are."""
        concerned = [one for one in self._fleet if one.spot is not None]
        for instance in concerned:
            self.plan(instance)
        return len(concerned)

    def plan(self, instance: Instance) -> None:
        """Plan what an instance's spot record says is to come."""
        spot = instance.spot
        if spot is None:
            return
        if spot.ends_at is not None:
            self._plan_end(instance, spot, spot.ends_at)
        elif spot.reclaim_at is not None:
            due = spot.reclaim_at
            self._clock.call_at(due, lambda: self._planned(instance, spot, due))

    def _planned(self, instance: Instance, spot: Spot, due: int) -> bool:
        return spot.reclaim_at == due and instance.released is None and self.notify(instance, spot)

    def _plan_end(self, instance: Instance, spot: Spot, end: int) -> None:
        stop = end - round(self._lifecycle.durations.reclaim_stop * MILLIS_PER_SECOND)
        if stop >= self._clock.now():
            self._clock.call_at(stop, lambda: self._shut_down(instance, spot, end))
        self._clock.call_at(end, lambda: self._end(instance, spot, end))

    def _shut_down(self, instance: Instance, spot: Spot, end: int) -> bool:
        if spot.ends_at != end or instance.released is not None:
            return False
        return self._lifecycle.stop(instance, forced=True, mode=_mode(spot))

    def _end(self, instance: Instance, spot: Spot, end: int) -> None:
        if spot.ends_at != end or instance.released is not None:
            return
        spot.ends_at = None
        if spot.behavior == "Stop":
            self._lifecycle.halt(instance, _mode(spot))
            self._lifecycle.unlock(instance, Lock.RECYCLING)
        else:
            self._lifecycle.release(instance.id)

    def _announce(self, instance: Instance, spot: Spot) -> None:
        name = "Instance:PreemptibleInstanceInterruption"
        content = {"instanceId": instance.id, "action": "stop" if spot.behavior == "Stop" else "delete"}
        self._publish(instance.notification(name, "WARN", content, self._clock.now()))


def _mode(spot: Spot) -> StoppedMode:
    return StoppedMode.STOP_CHARGING if spot.behavior == "Stop" else StoppedMode.KEEP_CHARGING
