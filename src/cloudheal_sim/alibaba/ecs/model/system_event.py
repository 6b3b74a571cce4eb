"""One system event: what is planned for, or happening to, an instance or a disk.

Its status remembers its past, because a stale read shows the status of then. The next step that comes by itself is
data (`Step`), so that a world that is read and put back goes on as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs.model.event_types import FINAL, GRAPH, Cycle, EventType
from cloudheal_sim.alibaba.events import MAINTENANCE
from cloudheal_sim.kernel.clock import iso_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.kernel.timeline import Timeline

SIMULATED_REASON = "A simulated event."
REAL_REASON = "System maintenance is scheduled due to a potential risk of the underlying host."
FAILURE_REASON = "The underlying host or the instance failed."


@dataclass(frozen=True, slots=True)
class Step:
    """The status that an event takes by itself at `due` (epoch milliseconds)."""

    to: Cycle
    due: int


@dataclass(slots=True, eq=False)
class Event:
    """One system event; instants are epoch milliseconds."""

    id: str
    type: EventType
    region: str
    instance: str
    status: Timeline[Cycle]
    published: int
    disk: str = ""
    device: str = ""
    not_before: int | None = None
    """The planned start; for simulated failures their planned end."""
    execute_start: int | None = None
    execute_finish: int | None = None
    simulated: bool = False
    real_effect: bool = True
    """False when executing it touches nothing."""
    reason: str = ""
    impact: str = "100"
    extended: Mapping[str, object] = field(default_factory=dict)
    step: Step | None = None
    seq: int = 0
    """Place in order of publication; given by the book."""

    @property
    def over(self) -> bool:
        """True once its status is final."""
        return self.status.value in FINAL

    @property
    def answered(self) -> bool:
        """True while it is on the way to Avoided: the owner has acted and the platform has yet to notice."""
        return self.step is not None and self.step.to is Cycle.AVOIDED

    def may_become(self, status: Cycle) -> bool:
        """Say whether the graph leads there; a simulated event can be taken back whatever its type says."""
        known = status in self.type.states or (self.simulated and status is Cycle.CANCELED)
        return known and status in GRAPH[self.status.value]

    def status_at(self, instant: int | None) -> Cycle | None:
        """Return the status that a read answering for `instant` shows; None before its publication."""
        return self.status.at(instant)

    def content(self, *, instance_name: str) -> dict[str, object]:
        """Return the content of the notification of the present status (aliyun.md 6.1)."""
        return self._of_disk(instance_name) if self.type.of_disk else self._of_instance()

    def _of_instance(self) -> dict[str, object]:
        content: dict[str, object] = {"eventId": self.id, "publishTime": iso_seconds(self.published)}
        if self.type.kind == MAINTENANCE and self.not_before is not None:
            content["notBefore"] = iso_seconds(self.not_before)
        content |= {
            "instanceId": self.instance,
            "eventType": self.type.name,
            "eventStatus": str(self.status.value),
        }
        return content | self._times()

    def _of_disk(self, instance_name: str) -> dict[str, object]:
        return {
            "eventId": self.id,
            "diskId": self.disk,
            "device": self.device,
            "eventType": self.type.name,
            **self._times(),
            "ecsInstanceId": self.instance,
            "ecsInstanceName": instance_name,
        }

    def _times(self) -> dict[str, object]:
        times: dict[str, object] = {}
        if self.execute_start is not None:
            times["executeStartTime"] = iso_seconds(self.execute_start)
        if self.execute_finish is not None:
            times["executeFinishTime"] = iso_seconds(self.execute_finish)
        return times
