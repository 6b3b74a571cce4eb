"""The journal, youngest first: short rows, one page at a time, and the whole of the entries that a person opens.

Paging goes by entry number, so that a page stays what it is while new entries arrive. A search looks at so many
entries and then says how far it came: a rare word in a full journal must not hold up the cloud.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from cloudheal_sim.page.query import PAGE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloudheal_sim.kernel.journal import Change, Entry
    from cloudheal_sim.page.query import Query
    from cloudheal_sim.simulator import Simulator

#: Entries that one search looks at; measured, some 20 ms of a core.
MOST_SEARCHED = 10_000
#: Characters of a value that a short row shows.
SHORT = 80
_RESOURCES = 3
_LONG = 20_000


def journal(simulator: Simulator, query: Query) -> Mapping[str, object]:
    """Return the youngest matching entries below number `before`, and the opened ones in full."""
    entries = simulator.kernel.journal
    found: list[Entry] = []
    last, looked = 0, 0
    for entry in entries.newest(query.whole("before")):
        if len(found) == PAGE or looked == MOST_SEARCHED:
            break
        looked, last = looked + 1, entry.seq
        if is_wanted(entry, query):
            found.append(entry)
    else:
        last = 0
    opened = [int(key) for key in query.opened() if key.isascii() and key.isdigit()]
    return {
        "rows": [row(entry) for entry in found],
        "next": last,
        "searched": looked,
        "full": len(found) == PAGE,
        "open": {str(entry.seq): whole(entry) for seq in opened for entry in _numbered(simulator, seq)},
    }


def row(entry: Entry) -> dict[str, object]:
    """Return one line of the table."""
    return {
        "key": entry.seq,
        "at": entry.at,
        "kind": entry.kind,
        "service": entry.service,
        "action": entry.action,
        "region": entry.region,
        "resources": entry.resources[:_RESOURCES],
        "more": max(0, len(entry.resources) - _RESOURCES),
        "verdict": entry.verdict,
        "fault": entry.fault,
        "status": entry.status,
        "code": entry.code,
        "cause": entry.cause,
        "changes": len(entry.changes),
        "first": _change(entry.changes[0], SHORT) if entry.changes else None,
        "details": bool(entry.details),
    }


def whole(entry: Entry) -> dict[str, Any]:
    """Return everything an entry holds."""
    facts = {field.name: getattr(entry, field.name) for field in dataclasses.fields(entry)}
    facts["parameters"] = dict(entry.parameters)
    facts["details"] = {name: cut(_told(value), _LONG) for name, value in entry.details.items()}
    return {**facts, "changes": [_change(change, 2000) for change in entry.changes[:PAGE]], "all": len(entry.changes)}


def is_wanted(entry: Entry, query: Query) -> bool:
    """Say whether an entry passes the filters: service, kind, action, verdict, resource, text."""
    return (
        query.text("service") in {"", entry.service}
        and query.text("kind") in {"", entry.kind}
        and query.text("action").lower() in entry.action.lower()
        and _is_verdict(query.text("verdict"), entry)
        and _concerns(query.text("resource"), entry)
        and _holds(query.text("text").lower(), entry)
    )


def _is_verdict(asked: str, entry: Entry) -> bool:
    match asked:
        case "":
            return True
        case "refused":
            return entry.verdict not in {"", "valid"}
        case "failed":
            return entry.status >= 400
        case "fault":
            return bool(entry.fault)
    return entry.verdict == asked


def _concerns(resource: str, entry: Entry) -> bool:
    if not resource:
        return True
    return any(resource in one for one in entry.resources) or any(resource in change.id for change in entry.changes)


def _holds(text: str, entry: Entry) -> bool:
    return not text or any(text in piece.lower() for piece in _pieces(entry))


def _pieces(entry: Entry) -> Iterator[str]:
    yield from (entry.action, entry.code, entry.request_id, entry.cause, entry.fault, entry.access_key, entry.verdict)
    yield from entry.resources
    yield from entry.parameters.values()
    yield from (str(value) for value in entry.details.values())
    for change in entry.changes:
        yield from (change.what, change.id, str(change.before), str(change.after))


def _told(value: object) -> object:
    """Write what is no text as JSON text: it may hold numbers that JSON proper has no words for."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _change(change: Change, most: int) -> dict[str, str]:
    return {
        "what": change.what,
        "id": change.id,
        "before": cut(change.before, most),
        "after": cut(change.after, most),
    }


def cut(value: object, most: int) -> str:
    """Write a value as text of at most so many characters; None is empty."""
    text = "" if value is None else str(value)
    return text if len(text) <= most else f"{text[:most]}…"


def _numbered(simulator: Simulator, seq: int) -> list[Entry]:
    return [entry for entry in (next(simulator.kernel.journal.newest(seq + 1), None),) if entry and entry.seq == seq]
