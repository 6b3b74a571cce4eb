"""Faults in force, in order, with their counters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.kernel.clock import to_millis

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.kernel.faults import Armed
    from cloudheal_sim.page.query import Query
    from cloudheal_sim.simulator import Simulator


def faults(simulator: Simulator, _query: Query) -> Mapping[str, object]:
    """Return every rule in force."""
    kernel = simulator.kernel
    rows = [_row(number, armed, kernel.clock.now()) for number, armed in enumerate(kernel.faults.armed)]
    return {"rows": rows}


def _row(number: int, armed: Armed, now: int) -> dict[str, object]:
    rule = armed.rule.model_dump(mode="json", exclude_defaults=True)
    return {
        "key": number,
        "name": armed.rule.name,
        "kind": armed.rule.fault.kind.value,
        "match": rule.get("match", {}),
        "when": rule.get("when", {}),
        "fault": {name: value for name, value in rule["fault"].items() if name != "kind"},
        "seen": armed.seen,
        "fired": armed.fired,
        "state": _state(armed, now),
        "rule": rule,
    }


def _state(armed: Armed, now: int) -> str:
    when = armed.rule.when
    if when.after and now < to_millis(when.after):
        return "waiting"
    if (when.until and now >= to_millis(when.until)) or (when.times is not None and armed.fired >= when.times):
        return "spent"
    return "armed"
