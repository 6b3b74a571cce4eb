"""The event timeline, youngest first: each published event with what became of it at its targets.

Both come from one walk back through the journal: a delivery is younger than its event, so it has been met when the
event is reached. Deliveries that belong to no event (pushes of topics) stand for themselves.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cloudheal_sim.page.query import PAGE
from cloudheal_sim.page.views.journal import MOST_SEARCHED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudheal_sim.kernel.journal import Entry
    from cloudheal_sim.page.query import Query
    from cloudheal_sim.simulator import Simulator

#: Deliveries shown with one event; a person who wants all of them asks the journal.
_DELIVERIES = 20
_LONGEST = 20_000


def events(simulator: Simulator, query: Query) -> Mapping[str, object]:
    """Return the youngest matching events below entry number `before`, and the opened ones in full."""
    before, opened = query.whole("before"), set(query.opened())
    deliveries: dict[object, list[Entry]] = defaultdict(list)
    found: list[Entry] = []
    last, looked = 0, 0
    # Deliveries of the first events shown may be younger than `before`.
    for entry in simulator.kernel.journal.newest(before + MOST_SEARCHED if before else 0):
        is_shown = not before or entry.seq < before
        if is_shown and (len(found) == PAGE or looked == MOST_SEARCHED):
            break
        looked, last = looked + is_shown, entry.seq
        if entry.kind == "delivery" and entry.details.get("event"):
            deliveries[entry.details["event"]].append(entry)
        elif is_shown and entry.kind in {"event", "delivery"} and _is_wanted(entry, query):
            found.append(entry)
    else:
        last = 0
    told = {entry.seq: deliveries[entry.details.get("event")][::-1] for entry in found}
    return {
        "rows": [_row(entry, told[entry.seq]) for entry in found],
        "next": last,
        "searched": looked,
        "full": len(found) == PAGE,
        "open": {str(entry.seq): _whole(entry, told[entry.seq]) for entry in found if str(entry.seq) in opened},
    }


def _row(entry: Entry, deliveries: Sequence[Entry]) -> dict[str, object]:
    content = entry.details.get("content")
    return {
        "key": entry.seq,
        "at": entry.at,
        "name": entry.action,
        "product": entry.details.get("product", entry.service),
        "level": entry.details.get("level", ""),
        "status": entry.details.get("status", ""),
        "state": str(content.get("state", "")) if isinstance(content, Mapping) else "",
        "region": entry.region,
        "resources": entry.resources[:3],
        "dry": entry.verdict,
        "deliveries": [_delivery(one) for one in (deliveries or _itself(entry))[:_DELIVERIES]],
    }


def _whole(entry: Entry, deliveries: Sequence[Entry]) -> dict[str, object]:
    content = entry.details.get("content", entry.details)
    rules = entry.details.get("rules", ())
    return {
        "id": entry.details.get("event", ""),
        "content": json.dumps(content, indent=2, ensure_ascii=False, default=str)[:_LONGEST],
        "rules": list(rules) if isinstance(rules, list | tuple) else [],
        "deliveries": [_delivery(one) for one in deliveries],
    }


def _delivery(entry: Entry) -> dict[str, object]:
    return {
        "at": entry.at,
        "status": entry.status,
        "code": entry.code,
        "rule": entry.details.get("rule", ""),
        "target": entry.details.get("target", ""),
    }


def _itself(entry: Entry) -> list[Entry]:
    return [entry] if entry.kind == "delivery" else []


def _is_wanted(entry: Entry, query: Query) -> bool:
    text = query.text("text").lower()
    return (
        query.text("level") in {"", entry.details.get("level")}
        and query.text("region") in entry.region
        and (not text or any(text in piece.lower() for piece in (entry.action, *entry.resources, str(entry.details))))
    )
