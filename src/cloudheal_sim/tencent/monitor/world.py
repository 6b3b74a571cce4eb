"""Cloud Monitor's share of the world document: callbacks, alarms, calls under way, and what is out of the ordinary."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pydantic import AwareDatetime, Field

from cloudheal_sim.kernel.clock import to_millis
from cloudheal_sim.kernel.moments import timeline, timeline_document
from cloudheal_sim.kernel.world import Part, parsed
from cloudheal_sim.tencent.monitor.model.metrics import Load
from cloudheal_sim.tencent.monitor.model.records import Alarm, Callback, CallbackParcel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.tencent.monitor.state import Monitor


class LoadPart(Part):
    """What is out of the ordinary on one server; absent is as usual."""

    traffic: float | None = None
    memory: float | None = None
    connections: int | None = None
    hung: bool = False


class LoadTimelinePart(Part):
    """That with its past, so that points of the past stay as they were."""

    instance: str
    status: LoadPart
    since: AwareDatetime
    history: tuple[tuple[AwareDatetime, LoadPart], ...] = ()


class MonitorPart(Part):
    """All keys of this section."""

    callbacks: tuple[Callback, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    callback_deliveries: tuple[CallbackParcel, ...] = ()
    loads: tuple[LoadTimelinePart, ...] = Field(())


class MonitorSection:
    """Cloud Monitor in the world."""

    keys = frozenset(MonitorPart.model_fields)

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    def read(self, part: Mapping[str, Any]) -> MonitorPart:
        """Check a share of a document. Raises WorldError."""
        return parsed(MonitorPart, part, "tencent")

    def install(self, parsed: MonitorPart) -> None:
        """Replace everything by what was read; what is out of the ordinary and not noted yet is noted now."""
        monitor = self._monitor
        monitor.alarms.replace(parsed.callbacks, parsed.alarms, parsed.callback_deliveries)
        monitor.metrics.loads = {
            one.instance: timeline(
                _load(one.status), to_millis(one.since), [(moment, _load(load)) for moment, load in one.history]
            )
            for one in parsed.loads
        }
        for instance in monitor.cvm.fleet:
            if instance.id not in monitor.metrics.loads and (instance.guest is not None or instance.hung):
                monitor.metrics.look(instance)

    def dump(self) -> dict[str, object]:
        """Write everything in full."""
        monitor = self._monitor
        return {
            "callbacks": [one.model_dump() for one in monitor.alarms.callbacks],
            "alarms": [one.model_dump() for one in monitor.alarms.history],
            "callback_deliveries": [one.model_dump() for one in monitor.alarms.courier.under_way()],
            "loads": [
                {"instance": id_, **_written(timeline_document(load))} for id_, load in monitor.metrics.loads.items()
            ],
        }


def _load(part: LoadPart) -> Load:
    return Load(**part.model_dump())


def _written(document: dict[str, Any]) -> dict[str, object]:
    document["status"] = asdict(document["status"])
    if "history" in document:
        document["history"] = [[moment, asdict(load)] for moment, load in document["history"]]
    return document
