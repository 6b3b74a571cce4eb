"""Buses, rules and targets by the ids that calls name; an unknown one is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.tencent.api3 import Refused
from cloudheal_sim.tencent.eb import errors

if TYPE_CHECKING:
    from cloudheal_sim.tencent.eb.model.records import Bus, Rule
    from cloudheal_sim.tencent.eb.state import Eb


def bus_named(eb: Eb, id_: str) -> Bus:
    """Return a bus. Raises Refused."""
    found = eb.bridge.buses.get(id_)
    if found is None:
        raise Refused(errors.NO_BUS, id=id_[:40])
    return found


def rule_named(eb: Eb, bus: str, id_: str) -> Rule:
    """Return a rule of a bus. Raises Refused."""
    found = eb.bridge.rules.get(id_)
    if found is None or found.bus != bus_named(eb, bus).id:
        raise Refused(errors.NO_RULE, id=id_[:40])
    return found
