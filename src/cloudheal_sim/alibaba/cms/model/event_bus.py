"""The event bus: takes what the services publish, remembers it, and sends it wherever the rules say.

Delivery is at least once. The faults in force decide for each target whether and when an event arrives (lost,
doubled, late, out of order); undisturbed, it takes `delay_seconds` of virtual time. Publishing never waits and never
fails: what cannot be delivered is in the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.cms.model.delivery import Deliveries, Delivery, Mailboxes
from cloudheal_sim.alibaba.cms.model.envelope import shared_id
from cloudheal_sim.alibaba.cms.model.event_log import EventLog, Published
from cloudheal_sim.alibaba.cms.model.event_rule import EventRule, EventRules
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.events import SystemEvent
    from cloudheal_sim.kernel.core import Kernel

#: Usual seconds between an event and its arrival at a target; small, so that demos feel alive.
DELAY_SECONDS = 0.2
STATE_CHANGE = "Instance:StateChange"
#: Application groups of a resource, by its id.
GroupsOf = Callable[[str], Collection[str]]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one published event: its id, the rules that want it, the deliveries planned."""

    id: str
    rules: tuple[str, ...]
    deliveries: int


class EventBus:
    """Rules, memory and deliveries of one account's events."""

    def __init__(self, kernel: Kernel, account: str, mailboxes: Mailboxes, groups_of: GroupsOf) -> None:
        self._kernel = kernel
        self._groups_of = groups_of
        self.rules = EventRules(kernel.clock, kernel.journal)
        self.log = EventLog()
        self.deliveries = Deliveries(kernel, account, mailboxes)
        self.delay_seconds = DELAY_SECONDS

    def publish(self, event: SystemEvent) -> None:
        """Take an event from a service of the simulated cloud."""
        self.send(self.stamped(event))

    def stamped(self, event: SystemEvent, id_: str = "") -> Published:
        """Give an event its id, its groups, and the spelling that the world asks for."""
        options = self.deliveries.options
        if event.name == STATE_CHANGE and event.content.get("state") == "Pending":
            event = replace(event, content={**event.content, "state": options.created_state})
        shared = shared_id(event) if options.same_event_id else None
        groups = tuple(sorted(self._groups_of(event.resource_id)))
        return Published(id_ or shared or self._kernel.chance.uuid("events"), event, groups)

    def send(self, published: Published) -> Receipt:
        """Remember an event (unless it is a dry run) and plan its deliveries."""
        if not published.dry_run:
            self.log.remember(published)
        rules = self.rules.wanting(published)
        self._note(published, rules)
        planned = sum(self._plan(rule, published) for rule in rules)
        return Receipt(published.id, tuple(rule.name for rule in rules), planned)

    def _plan(self, rule: EventRule, published: Published) -> int:
        event, planned = published.event, 0
        delay = round(self.delay_seconds * MILLIS_PER_SECOND)
        for target in rule.targets:
            arrivals = self._kernel.faults.arrivals("cms", published.name, event.region, (event.resource_id,))
            if not arrivals:
                self.deliveries.note(Delivery(event.at, rule.name, target, published), 0, "lost-event")
            for arrival in arrivals:
                self.deliveries.plan(Delivery(arrival + delay, rule.name, target, published))
            planned += len(arrivals)
        return planned

    def _note(self, published: Published, rules: list[EventRule]) -> None:
        event = published.event
        self._kernel.journal.append(
            "event",
            service="cms",
            action=published.name,
            region=event.region,
            resources=(event.resource_id,) if event.resource_id else (),
            verdict="dry run" if published.dry_run else "",
            details={
                "event": published.id,
                "product": event.product,
                "level": event.level,
                "status": event.status,
                "rules": [rule.name for rule in rules],
                "content": event.content,
            },
        )
