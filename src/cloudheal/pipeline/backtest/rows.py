"""Rows of an export, read back: whoever changed the file, what comes of it is a row as the ledger has it, or none.

What follows a history takes its words as they are, so that they are looked at here: texts are texts, times are times,
and what has few words has one of these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json

from cloudheal.model.event import Channel, Event
from cloudheal.model.incident import Healed, Mode, StepKind
from cloudheal.model.resource import named
from cloudheal.record.history import KINDS, Arrived
from cloudheal.record.ledger import Kind, Written
from cloudheal.record.moments import moment_of

#: What reading a row raises that no export holds.
NO_ROW = (KeyError, ValueError, TypeError, OverflowError)
#: Beyond these nothing can be reckoned with a time, and no row was written.
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
_CHANNELS = {one.value: one for one in Channel}
_KINDS = frozenset(one.value for one in KINDS)
_TEXTS = ("resource", "type", "result", "name", "incident", "run")
#: What must be readable in a row, by its kind.
_READABLE: Mapping[str, Callable[[Written], object]] = {
    Kind.HOLD_ADDED: lambda row: _until(row.body.get("until")),
    Kind.INCIDENT_ENDED: lambda row: Healed(row.result),
    Kind.RULE_PROMOTED: lambda row: Mode(row.result),
    Kind.RUN_WAITS: lambda row: _until(row.body.get("next_eligible")),
    Kind.STEP_INTENDED: lambda row: StepKind(row.body.get("kind", StepKind.ACT.value)),
}


def row_in(text: bytes) -> dict[str, Any] | None:
    """Return the row of the ledger in a line; None when the line is something else, such as a message."""
    if b'"kind"' not in text or b'"at"' not in text:
        return None
    try:
        document = from_json(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) and "kind" in document and "at" in document else None


def entry_of(row: Mapping[str, Any]) -> Arrived | Written | None:
    """Return what a row tells; None of a kind that decides nothing. Raises NO_ROW for what no export holds."""
    kind = _text(row["kind"])
    if kind not in _KINDS:
        return None
    at = _instant(datetime.fromisoformat(row["at"]))
    if kind == Kind.EVENT and "contents" in row:
        return Arrived(at, int(row["event"]), _event(row, at))
    return _written(row, at)


def _event(row: Mapping[str, Any], received: datetime) -> Event:
    body, contents = row["body"], row["contents"]
    cloud, account, region, kind, id_ = map(_text, contents["subject"])
    return Event(
        _text(body["key"]),
        _text(contents["id"]),
        _text(contents["source"]),
        _text(row["type"]),
        named(cloud, account, region, kind, id_),
        _instant(moment_of(body["occurred"])),
        received,
        _text(row.get("result", "")),
        _mapping(contents["data"]),
        _CHANNELS[body["channel"]],
        bool(body["simulated"]),
        b"",
    )


def _written(row: Mapping[str, Any], at: datetime) -> Written:
    event = row.get("event")
    number, body = None if event is None else int(event), _mapping(row.get("body", {}))
    texts = {name: _text(row.get(name, "")) for name in _TEXTS}
    written = Written(id=row["id"], at=at, kind=row["kind"], event=number, body=body, **texts)
    if (readable := _READABLE.get(written.kind)) is not None:
        readable(written)
    return written


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"no text: {value!r}")
    return value


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"no document: {value!r}")
    return value


def _instant(moment: datetime) -> datetime:
    """Return a time with which one can reckon; one without a zone cannot be compared with others."""
    if not _FIRST <= moment < _LAST:
        raise ValueError(f"no time of a row: {moment}")
    return moment


def _until(millis: int | None) -> datetime | None:
    return None if millis is None else _instant(moment_of(millis))
