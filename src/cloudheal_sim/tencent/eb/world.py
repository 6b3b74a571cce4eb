"""EventBridge's share of the world document: buses, rules, functions, the latest events, and what is under way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudheal_sim.kernel.world import Part, WorldError, parsed
from cloudheal_sim.tencent.eb.model.records import (
    SERVICE_BUS,
    Bus,
    Event,
    EventOptions,
    EventParcel,
    Function,
    Rule,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.tencent.eb.model.bridge import Bridge


class EbPart(Part):
    """All keys of this section."""

    event_buses: tuple[Bus, ...] = ()
    event_rules: tuple[Rule, ...] = ()
    functions: tuple[Function, ...] = ()
    events: tuple[Event, ...] = ()
    event_deliveries: tuple[EventParcel, ...] = ()
    event_options: EventOptions = EventOptions()


class EbSection:
    """EventBridge in the world."""

    keys = frozenset(EbPart.model_fields)

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def read(self, part: Mapping[str, Any]) -> EbPart:
        """Check a share of a document. Raises WorldError."""
        read = parsed(EbPart, part, "tencent")
        known = {SERVICE_BUS, *(one.id for one in read.event_buses)}
        for number, rule in enumerate(read.event_rules):
            where = f"tencent.event_rules.{number}"
            if rule.bus not in known:
                raise WorldError(
                    f"{where}.bus: no bus {rule.bus!r} in this world; known are {', '.join(sorted(known))}"
                )
        return read

    def install(self, parsed: EbPart) -> None:
        """Replace everything by what was read."""
        self._bridge.options = parsed.event_options
        self._bridge.begin(parsed.event_buses, parsed.event_rules, parsed.functions)
        self._bridge.events.extend(parsed.events)
        self._bridge.courier.replace(parsed.event_deliveries)

    def dump(self) -> dict[str, object]:
        """Write everything in full."""
        bridge = self._bridge
        return {
            "event_buses": [one.model_dump() for one in bridge.buses.values() if one.id != SERVICE_BUS],
            "event_rules": [one.model_dump() for one in bridge.rules.values()],
            "functions": [one.model_dump() for one in bridge.functions.values()],
            "events": [one.model_dump() for one in bridge.events],
            "event_deliveries": [one.model_dump() for one in bridge.courier.under_way()],
            "event_options": bridge.options.model_dump(),
        }
