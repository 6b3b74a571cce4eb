"""Alarms on custom events: so many of one name and group within a period tell a webhook and contacts.

Periods are counted from the epoch, as for metrics; an alarm goes off once in a period, when the threshold is reached.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.cms.model.delivery import Delivery
from cloudheal_sim.alibaba.cms.model.event_log import NO_GROUP, EventQuery, Published
from cloudheal_sim.alibaba.cms.model.event_target import ContactTarget, Target, WebhookTarget
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloudheal_sim.alibaba.cms.model.event_bus import EventBus
    from cloudheal_sim.kernel.core import Kernel


@dataclass(frozen=True, slots=True)
class CustomAlarm:
    """One alarm, addressed by its id; `period` is in seconds."""

    id: str
    name: str
    event_name: str
    level: str
    threshold: int
    group: str = NO_GROUP
    period: int = 300
    contact_groups: tuple[str, ...] = ()
    webhook: str = ""

    def watches(self, published: Published) -> bool:
        """Say whether an event counts."""
        return self.event_name == published.event.name and self.group in (published.groups or (NO_GROUP,))

    def targets(self) -> Iterator[Target]:
        """Name who is told."""
        if self.webhook:
            yield WebhookTarget("webhook", self.webhook)
        yield from (ContactTarget(group, group) for group in self.contact_groups)


class CustomAlarms:
    """All alarms on custom events."""

    def __init__(self, kernel: Kernel, bus: EventBus) -> None:
        self._kernel = kernel
        self._bus = bus
        self._alarms: dict[str, CustomAlarm] = {}

    def all(self) -> tuple[CustomAlarm, ...]:
        """Return every alarm in order of creation."""
        return tuple(self._alarms.values())

    def put(self, alarm: CustomAlarm) -> CustomAlarm:
        """Create an alarm, or change the one of its id."""
        self._kernel.journal.change("custom_event_rule", alarm.id, self._alarms.get(alarm.id), alarm)
        self._alarms[alarm.id] = alarm
        return alarm

    def replace(self, alarms: Iterable[CustomAlarm]) -> int:
        """Begin with these alarms."""
        self._alarms = {alarm.id: alarm for alarm in alarms}
        return len(self._alarms)

    def hear(self, published: Published) -> int:
        """Count an event that was just remembered; return how many alarms go off."""
        ringing = [alarm for alarm in self.all() if alarm.watches(published) and self._reaches(alarm)]
        for alarm in ringing:
            self._ring(alarm, published)
        return len(ringing)

    def _reaches(self, alarm: CustomAlarm) -> bool:
        now, period = self._kernel.clock.now(), alarm.period * MILLIS_PER_SECOND
        query = EventQuery(sort="CUSTOM", name=alarm.event_name, group=alarm.group, start=now - now % period)
        return len(self._bus.log.newest_first(query)) == alarm.threshold

    def _ring(self, alarm: CustomAlarm, published: Published) -> None:
        told = replace(published, event=replace(published.event, level=alarm.level))
        due = self._kernel.clock.now() + round(self._bus.delay_seconds * MILLIS_PER_SECOND)
        for target in alarm.targets():
            self._bus.deliveries.plan(Delivery(due, alarm.name, target, told))
