"""The event half's share of the world document: rules, what happened, what is under way, how events look.

Its form is in `world_events_parts`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from cloudheal_sim.alibaba.cms.model.custom_alarm import CustomAlarm
from cloudheal_sim.alibaba.cms.model.delivery import Delivery
from cloudheal_sim.alibaba.cms.model.envelope import EnvelopeOptions
from cloudheal_sim.alibaba.cms.model.event_log import Published
from cloudheal_sim.alibaba.cms.model.event_rule import EventRule, Pattern
from cloudheal_sim.alibaba.cms.world_events_parts import EventsPart
from cloudheal_sim.alibaba.events import SystemEvent
from cloudheal_sim.kernel.clock import iso_millis
from cloudheal_sim.kernel.world import WorldError, parsed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.alibaba.cms.model.custom_alarm import CustomAlarms
    from cloudheal_sim.alibaba.cms.model.event_bus import EventBus

_OPTIONS = frozenset(field.name for field in fields(EnvelopeOptions))


@dataclass(frozen=True, slots=True)
class Plan:
    """What `install` puts in place."""

    rules: tuple[EventRule, ...]
    log: tuple[Published, ...]
    deliveries: tuple[Delivery, ...]
    alarms: tuple[CustomAlarm, ...]
    delay_seconds: float
    options: EnvelopeOptions


@dataclass(frozen=True, slots=True)
class EventsSection:
    """Reads and writes the event half of CloudMonitor."""

    bus: EventBus
    alarms: CustomAlarms

    @property
    def keys(self) -> frozenset[str]:
        """The keys of the cloud's part that this section owns."""
        return frozenset(EventsPart.model_fields)

    def read(self, part: Mapping[str, Any]) -> Plan:
        """Validate without touching anything. Raises WorldError."""
        read = parsed(EventsPart, part, "alibaba")
        rules = tuple(rule.rule() for rule in read.event_rules)
        if len({rule.name for rule in rules}) != len(rules):
            msg = "alibaba.event_rules: two rules have the same name"
            raise WorldError(msg)
        return Plan(
            rules=rules,
            log=tuple(event.published() for event in read.event_log),
            deliveries=tuple(delivery.delivery() for delivery in read.event_deliveries),
            alarms=tuple(CustomAlarm(**alarm.model_dump()) for alarm in read.custom_event_rules),
            delay_seconds=read.event_delay_seconds,
            options=EnvelopeOptions(**read.model_dump(include=set(_OPTIONS))),
        )

    def install(self, parsed: Plan) -> None:
        """Replace rules, memory and what is under way."""
        self.bus.delay_seconds = parsed.delay_seconds
        self.bus.deliveries.options = parsed.options
        self.bus.rules.restart(parsed.rules)
        self.bus.log.replace(parsed.log)
        self.bus.deliveries.replace(parsed.deliveries)
        self.alarms.replace(parsed.alarms)

    def dump(self) -> dict[str, object]:
        """Return the full form."""
        return {
            "event_rules": [_rule(rule) for rule in self.bus.rules.all()],
            "event_log": [_event(one) for one in self.bus.log.all()],
            "event_deliveries": [_delivery(one) for one in self.bus.deliveries.under_way()],
            "custom_event_rules": [asdict(alarm) for alarm in self.alarms.all()],
            "event_delay_seconds": self.bus.delay_seconds,
            **asdict(self.bus.deliveries.options),
        }


def _rule(rule: EventRule) -> dict[str, object]:
    return {
        "name": rule.name,
        "type": rule.sort,
        "state": "ENABLED" if rule.enabled else "DISABLED",
        "group": rule.group,
        "silence_time": rule.silence_time,
        "description": rule.description,
        "patterns": [_pattern(pattern) for pattern in rule.patterns],
        "targets": [{target.kind: asdict(target)} for target in rule.targets],
    }


def _pattern(pattern: Pattern) -> dict[str, object]:
    return {
        "product": pattern.product,
        "name_list": list(pattern.names),
        "level_list": list(pattern.levels),
        "event_type_list": list(pattern.event_types),
        "status_list": list(pattern.statuses),
        "custom_filters": pattern.custom_filters,
        "sql_filter": pattern.sql_filter,
        "keywords": list(pattern.keywords),
        "relation": pattern.relation,
    }


def _event(one: Published) -> dict[str, object]:
    return {
        "id": one.id,
        **{name: getattr(one.event, name) for name in SystemEvent.__dataclass_fields__},
        "at": iso_millis(one.event.at),
        "groups": list(one.groups),
        "sort": one.sort,
        "eventbridge": one.eventbridge,
        "dry_run": one.dry_run,
        "verbatim": one.verbatim,
    }


def _delivery(one: Delivery) -> dict[str, object]:
    return {
        "due": iso_millis(one.due),
        "rule": one.rule,
        "target": {one.target.kind: asdict(one.target)},
        "event": _event(one.published),
        "attempt": one.attempt,
    }
