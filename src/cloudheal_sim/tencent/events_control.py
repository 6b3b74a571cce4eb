"""`POST /_sim/events` for Tencent Cloud: an event on EventBridge and to alarm policies, or a metric alarm.

Two forms, told apart by their keys: `type` (with or without `source`) is an event, `metric` an alarm of a metric. What
is left out is filled in from the instance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import AwareDatetime, Field

from cloudheal_sim.kernel.clock import to_millis
from cloudheal_sim.kernel.world import Part, WorldError, parsed
from cloudheal_sim.tencent.eb.model.records import SERVICE_BUS, Event
from cloudheal_sim.tencent.eb.state import SOURCE, data_of
from cloudheal_sim.tencent.happenings import BEGUN, BY_SPELLING, STATELESS, Happening, spelt
from cloudheal_sim.tencent.monitor.model.records import Alarm

if TYPE_CHECKING:
    from cloudheal_sim.tencent.cvm.model.instance import Instance
    from cloudheal_sim.tencent.cvm.state import Cvm
    from cloudheal_sim.tencent.eb.state import Eb
    from cloudheal_sim.tencent.monitor.model.alarms import Alarms

_TYPE = "cvm:"


class PostedTencentEvent(Part):
    """An event as EventBridge would publish it; its type is taken as it is spelt."""

    source: str = SOURCE
    type: str = Field(min_length=1)
    subject: str = ""
    status: Literal["0", "1", "-"] | None = None
    region: str = ""
    data: dict[str, Any] | None = None
    tags: dict[str, str] | None = None
    id: str = ""
    time: AwareDatetime | None = None
    bus: str = SERVICE_BUS
    alarm: bool = True
    """Whether alarm policies hear of it as well."""


class PostedMetricAlarm(Part):
    """An alarm of a metric, or its end, as an alarm policy would raise it."""

    metric: str = Field(min_length=1)
    subject: str
    status: Literal["0", "1"] = BEGUN
    title: str = ""
    operator: str = ">"
    threshold: float = 90.0
    value: float = 97.0


@dataclass(frozen=True, slots=True)
class EventsControl:
    """Publishes what the control API is given."""

    cvm: Cvm
    eb: Eb
    alarms: Alarms

    @staticmethod
    def owns(document: Mapping[str, Any]) -> bool:
        """Say whether a document is an event of Tencent Cloud."""
        source, type_ = str(document.get("source", "")), str(document.get("type", ""))
        return source.endswith(".cloud.tencent") or type_.startswith(_TYPE) or "metric" in document

    def publish(self, document: Mapping[str, Any]) -> dict[str, object]:
        """Publish one event and say what became of it. Raises WorldError."""
        if "metric" in document:
            return self._metric(parsed(PostedMetricAlarm, document, "event"))
        return self._event(parsed(PostedTencentEvent, document, "event"))

    def _event(self, posted: PostedTencentEvent) -> dict[str, object]:
        instance, kind = self.cvm.fleet.find(posted.subject), BY_SPELLING.get(spelt(posted.type))
        usual = BEGUN if kind is not None and kind.recovers else STATELESS
        event = self.eb.bridge.publish(
            Event(
                id=posted.id or self.eb.kernel.chance.uuid("eb").lower(),
                source=posted.source,
                type=posted.type,
                subject=posted.subject,
                time=self.eb.kernel.clock.now() if posted.time is None else to_millis(posted.time),
                region=posted.region or ("ap-guangzhou" if instance is None else instance.region),
                status=posted.status or usual,
                data=self._data(posted, instance),
                tags=dict((instance.tags if instance else {}) if posted.tags is None else posted.tags),
                bus=posted.bus,
            )
        )
        heard = 0
        if posted.alarm and kind is not None and instance is not None:
            heard = self.alarms.hear(Happening(kind, instance, event.status))
        return {"id": event.id, "type": event.type, "rules": list(event.rules), "policies": heard}

    def _metric(self, posted: PostedMetricAlarm) -> dict[str, object]:
        instance = self.cvm.fleet.find(posted.subject)
        if instance is None:
            msg = f"event.subject: no instance {posted.subject!r} in this world"
            raise WorldError(msg)
        asked = Alarm(
            session="",
            policy="",
            kind="metric",
            name=posted.metric,
            title=posted.title,
            instance=instance.id,
            region=instance.region,
            status=posted.status,
            first=0,
            operator=posted.operator,
            threshold=posted.threshold,
            value=posted.value,
        )
        return {"metric": posted.metric, "policies": self.alarms.metric(instance, asked)}

    def _data(self, posted: PostedTencentEvent, instance: Instance | None) -> dict[str, Any]:
        if posted.data is not None:
            return posted.data
        return {} if instance is None else data_of(instance, self.eb.account, {"IP": "something unnormal"})
