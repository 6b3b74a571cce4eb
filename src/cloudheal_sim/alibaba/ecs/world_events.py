"""System events' share of the world document.

Events of a document are there already: loading them announces nothing; what they have yet to do is planned from their
steps. A short form needs an instance and a type only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import AwareDatetime, Field, field_validator, model_validator

from cloudheal_sim.alibaba.ecs.model.catalogue import region_code
from cloudheal_sim.alibaba.ecs.model.event_book import EventDurations
from cloudheal_sim.alibaba.ecs.model.event_types import EVENT_TYPES, Cycle
from cloudheal_sim.alibaba.ecs.model.system_event import FAILURE_REASON, REAL_REASON, SIMULATED_REASON, Event, Step
from cloudheal_sim.alibaba.events import MAINTENANCE
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND, iso_millis, to_millis
from cloudheal_sim.kernel.moments import moments, timeline, timeline_document
from cloudheal_sim.kernel.world import Part, parsed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from cloudheal_sim.alibaba.ecs.state import Ecs


class StepPart(Part):
    """What comes next by itself."""

    to: Cycle
    due: AwareDatetime


class SystemEventPart(Part):
    """One system event; absent means what is usual for its type."""

    instance: str
    type: str
    id: str | None = None
    region: str | None = None
    disk: str = ""
    device: str = ""
    status: Cycle | None = None
    since: AwareDatetime | None = None
    history: tuple[tuple[AwareDatetime, Cycle], ...] = ()
    published: AwareDatetime | None = None
    not_before: AwareDatetime | None = None
    execute_start: AwareDatetime | None = None
    execute_finish: AwareDatetime | None = None
    simulated: bool = False
    real_effect: bool | None = None
    reason: str | None = None
    impact: str = "100"
    extended: dict[str, Any] = Field(default_factory=dict)
    step: StepPart | None = None

    @field_validator("type")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in EVENT_TYPES:
            raise ValueError(f"no event type {name!r}; known are {', '.join(EVENT_TYPES)}")
        return name

    @model_validator(mode="after")
    def _on_its_graph(self) -> SystemEventPart:
        states = EVENT_TYPES[self.type].states | ({Cycle.CANCELED} if self.simulated else frozenset())
        if self.status is not None and self.status not in states:
            raise ValueError(f"{self.type} is never {self.status}; its states are {', '.join(sorted(states))}")
        return self


class EventsPart(Part):
    """All keys of this section."""

    system_events: tuple[SystemEventPart, ...] = ()
    event_durations: EventDurations = EventDurations()


class SystemEventsSection:
    """System events in the world."""

    keys = frozenset(EventsPart.model_fields)

    def __init__(self, ecs: Ecs) -> None:
        self._ecs = ecs

    def read(self, part: Mapping[str, Any]) -> EventsPart:
        """Check a share of a document. Raises WorldError."""
        return parsed(EventsPart, part, "alibaba")

    def install(self, parsed: EventsPart) -> None:
        """Replace all events by what was read."""
        book = self._ecs.events
        book.clear()
        book.durations = parsed.event_durations
        for part in parsed.system_events:
            book.put(self._event(part))
        book.resume()

    def dump(self) -> dict[str, object]:
        """Write every event in full."""
        book = self._ecs.events
        return {
            "system_events": [_document(one) for one in book],
            "event_durations": book.durations.model_dump(),
        }

    def _event(self, part: SystemEventPart) -> Event:
        type_, now = EVENT_TYPES[part.type], self._ecs.kernel.clock.now()
        region, status = part.region or self._region(part), part.status or type_.first
        published = _at(part.published, now)
        reason = REAL_REASON if type_.kind == MAINTENANCE else FAILURE_REASON
        event = Event(
            id=part.id or f"e-{region_code(region)}{self._ecs.kernel.chance.token(17, 'events')}",
            type=type_,
            region=region,
            instance=part.instance,
            status=timeline(status, _at(part.since, published), part.history),
            published=published,
            disk=part.disk,
            device=part.device,
            not_before=self._not_before(part, status, published),
            execute_start=None if part.execute_start is None else to_millis(part.execute_start),
            execute_finish=None if part.execute_finish is None else to_millis(part.execute_finish),
            simulated=part.simulated,
            real_effect=not part.simulated if part.real_effect is None else part.real_effect,
            reason=part.reason if part.reason is not None else SIMULATED_REASON if part.simulated else reason,
            impact=part.impact,
            extended=part.extended,
        )
        event.step = self._step(part, event)
        return self._dated(event, now)

    def _region(self, part: SystemEventPart) -> str:
        found = self._ecs.fleet.find(part.instance)
        return "cn-hangzhou" if found is None else found.region

    def _not_before(self, part: SystemEventPart, status: Cycle, published: int) -> int | None:
        if part.not_before is not None:
            return to_millis(part.not_before)
        notice = round(self._ecs.events.durations.notice * MILLIS_PER_SECOND)
        return published + notice if status is Cycle.SCHEDULED else None

    def _step(self, part: SystemEventPart, event: Event) -> Step | None:
        if "step" in part.model_fields_set:
            return None if part.step is None else Step(part.step.to, to_millis(part.step.due))
        if event.status.value is Cycle.SCHEDULED and event.not_before is not None:
            return Step(Cycle.EXECUTING, event.not_before)
        if event.status.value is Cycle.EXECUTING and not event.type.of_disk:
            seconds = self._ecs.events.durations.executing
            return Step(Cycle.EXECUTED, self._ecs.kernel.clock.now() + round(seconds * MILLIS_PER_SECOND))
        return None

    @staticmethod
    def _dated(event: Event, now: int) -> Event:
        """Give what has begun or ended the instants that a short form leaves out."""
        if event.execute_start is None and (event.over or event.status.value is Cycle.EXECUTING):
            event.execute_start = min(event.status.since, now)
        if event.execute_finish is None and event.over:
            event.execute_finish = min(event.status.since, now)
        return event


def _document(event: Event) -> dict[str, object]:
    return {
        "id": event.id,
        "type": event.type.name,
        "region": event.region,
        "instance": event.instance,
        "disk": event.disk,
        "device": event.device,
        **timeline_document(event.status),
        "published": iso_millis(event.published),
        **moments(
            not_before=event.not_before,
            execute_start=event.execute_start,
            execute_finish=event.execute_finish,
        ),
        "simulated": event.simulated,
        "real_effect": event.real_effect,
        "reason": event.reason,
        "impact": event.impact,
        "extended": dict(event.extended),
        "step": event.step and {"to": event.step.to, "due": iso_millis(event.step.due)},
    }


def _at(moment: datetime | None, otherwise: int) -> int:
    return otherwise if moment is None else to_millis(moment)
