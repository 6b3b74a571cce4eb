"""What was recorded, in the order in which it happened: events with what they say, and everything that followed.

The ledger gives the order and what was decided and done; the inbox gives what each event says, because the ledger keeps
no messages. An event that retention has removed from the inbox, or that an export has left out, is a row without
contents: whoever reads a history must say so rather than take it for an event that says nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

import sqlalchemy as sa
from pydantic_core import from_json

from cloudheal.model.event import Channel, Event
from cloudheal.model.resource import named
from cloudheal.record.ledger import Kind, Written
from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.tables import EVENT, LEDGER

#: What a decision depends on, and what came of it.
KINDS = (
    Kind.EVENT,
    Kind.DECISION,
    Kind.INCIDENT_OPENED,
    Kind.INCIDENT_ENDED,
    Kind.RUN_ADDED,
    Kind.RUN_WAITS,
    Kind.RUN_WOKEN,
    Kind.RUN_BEGUN,
    Kind.RUN_RELEASED,
    Kind.STEP_INTENDED,
    Kind.STEP_CONCLUDED,
    Kind.HOLD_ADDED,
    Kind.HOLD_LIFTED,
    Kind.RULE_PROMOTED,
)
#: A person's words.
STANDING = (Kind.HOLD_ADDED, Kind.HOLD_LIFTED, Kind.RULE_PROMOTED)
#: Rows fetched at a time.
STREAM_ROWS = 1000
_CONTENTS = (
    *("key", "envelope_id", "source", "type", "status", "cloud", "account", "region", "kind", "resource"),
    *("occurred", "channel", "simulated", "data"),
)
_ROW = ("at", "event", "id", "kind", "resource", "type", "result", "name", "incident", "run", "body")

_CHANNELS = {one.value: one for one in Channel}
#: Places in a row, because there may be millions of them and a place costs a fraction of a name. There is no key where
#: the row is no event, or has no contents.
_KEY, _AT, _NUMBER = 0, len(_CONTENTS), len(_CONTENTS) + 1


class Arrived(NamedTuple):
    """An event, when it was taken in, and its number: in the record, or in the file that it comes from."""

    at: datetime
    number: int
    event: Event
    recorded: bool = True


def recorded(connection: sa.Connection, since: datetime | None = None) -> Iterator[Arrived | Written]:
    """Yield the record, oldest first, a thousand rows in memory at a time.

    A person's words from before `since` are yielded, too, because they may stand for long.
    """
    chosen = _chosen().where(LEDGER.c.kind.in_([one.value for one in KINDS]))
    if since is not None:
        standing = LEDGER.c.kind.in_([one.value for one in STANDING])
        chosen = chosen.where((LEDGER.c.at >= millis_of(since)) | standing)
    for row in _streamed(connection, chosen):
        if row[_KEY] is None:
            yield _entry(row)
        else:
            at = moment_of(row[_AT])
            yield Arrived(at, row[_NUMBER], _event(row, at))


def exported(connection: sa.Connection, since: datetime | None = None) -> Iterator[str]:
    """Yield the whole ledger as JSON lines, oldest first; events with their contents while the inbox has them."""
    chosen = _chosen()
    if since is not None:
        chosen = chosen.where(LEDGER.c.at >= millis_of(since))
    for row in _streamed(connection, chosen):
        yield _line(_entry(row), None if row[_KEY] is None else _event(row, moment_of(row[_AT])))


def _line(entry: Written, event: Event | None) -> str:
    """Return one row as a line of JSON; empty fields are left out."""
    document = {
        "id": entry.id,
        "at": entry.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "kind": entry.kind,
        "resource": entry.resource,
        "type": entry.type,
        "result": entry.result,
        "name": entry.name,
        "event": entry.event,
        "incident": entry.incident,
        "run": entry.run,
        "body": dict(entry.body),
        "contents": None if event is None else _contents(event),
    }
    return json.dumps({key: value for key, value in document.items() if value not in ("", None)}, ensure_ascii=False)


def _contents(event: Event) -> Mapping[str, Any]:
    subject = event.subject
    named = [subject.cloud.value, subject.account, subject.region, subject.kind, subject.id]
    return {"id": event.id, "source": event.source, "subject": named, "data": dict(event.data)}


def _chosen() -> sa.Select[Any]:
    # A text or a number as the driver gives it costs nothing; a truth value would be converted row by row.
    plain = {"simulated": sa.type_coerce(EVENT.c.simulated, sa.Integer)}
    told = [plain.get(name, EVENT.c[name]).label(f"event_{name}") for name in _CONTENTS]
    joined = LEDGER.outerjoin(EVENT, (EVENT.c.id == LEDGER.c.event) & (LEDGER.c.kind == Kind.EVENT.value))
    return sa.select(*told, *(LEDGER.c[name] for name in _ROW)).select_from(joined).order_by(LEDGER.c.id)


def _streamed(connection: sa.Connection, chosen: sa.Select[Any]) -> Iterator[sa.Row[Any]]:
    parts = connection.execution_options(yield_per=STREAM_ROWS).execute(chosen).partitions()
    return chain.from_iterable(parts)


def _entry(row: sa.Row[Any]) -> Written:
    """Read a row of the ledger."""
    at, event, id_, kind, resource, type_, result, name, incident, run, body = row[_AT:]
    said = {} if body == "{}" else from_json(body)
    return Written(id_, moment_of(at), kind, resource, type_, result, name, event, incident, run, said)


def _event(row: sa.Row[Any], received: datetime) -> Event:
    """Read an event; by place, because there may be millions of them."""
    key, envelope, source, type_, status, cloud, account, region, kind, id_, occurred, channel, simulated, data = row[
        _KEY:_AT
    ]
    return Event(
        key,
        envelope,
        source,
        type_,
        named(cloud, account, region, kind, id_),
        moment_of(occurred),
        received,
        status,
        from_json(data),
        _CHANNELS[channel],
        bool(simulated),
        b"",
    )
