"""What came in, kept for good: new events once, unreadable messages with their reason.

Both are written in the caller's transaction, so that a message is acknowledged only after everything that follows from
it is on disk. A key that is already there makes a duplicate, whichever process or channel brought it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cloudheal.model.event import Channel, Event
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.record.bulk import Bulk, Row, among, as_json, texts
from cloudheal.record.ledger import Entry, Kind, append, append_rows
from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.outbox import Notice, Topic, tell
from cloudheal.record.tables import DEAD_LETTER, EVENT

#: Rows in one statement: below PostgreSQL's limit of parameters (16 columns a row).
SLICE = 1000
_quoted = json.encoder.encode_basestring
_INSERT = {
    "sqlite": sqlite.insert(EVENT).on_conflict_do_nothing(index_elements=["key"]),
    "postgresql": postgresql.insert(EVENT)
    .on_conflict_do_nothing(index_elements=["key"])
    .returning(EVENT.c.key, EVENT.c.id),
}
#: SQLite's rows are numbered by us, PostgreSQL's by itself.
_NUMBERED, _BULK = Bulk.of(EVENT), Bulk.of(EVENT, "id")
_KNOWN = sa.select(EVENT.c.key).where(among(EVENT.c.key, "keys"))
_STORED = sa.select(EVENT.c.id).where(EVENT.c.id > sa.bindparam("last"))
_TOLD = str(Kind.EVENT)
_LAST = sa.text("SELECT seq FROM sqlite_sequence WHERE name = :name").bindparams(name=EVENT.name)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that no reader could read; `origin` names the queue, path or file that it came from."""

    received: datetime
    channel: Channel
    origin: str
    reason: str
    raw: bytes

    @property
    def digest(self) -> str:
        """What makes two dead letters the same: where they came from and their bytes."""
        return sha256(b"\0".join((self.channel.encode(), self.origin.encode(), self.raw))).hexdigest()


def add_events(connection: sa.Connection, events: Iterable[Event]) -> dict[str, int]:
    """Store the events whose keys are new; returns their row numbers by key, in the order of arrival."""
    first: dict[str, Event] = {}
    for event in events:
        first.setdefault(event.key, event)
    added: dict[str, int] = {}
    for part in _slices(first.values()):
        numbers = _stored(connection, part)
        append_rows(connection, [_told(first[key], number) for key, number in numbers.items()])
        added.update(numbers)
    return added


def unknown_among(connection: sa.Connection, events: Iterable[Event]) -> list[Event]:
    """Return the events whose keys are not stored yet."""
    found: list[Event] = []
    for part in _slices(events):
        known = set(connection.scalars(_KNOWN, {"keys": texts(event.key for event in part)}))
        found += [event for event in part if event.key not in known]
    return found


def _stored(connection: sa.Connection, events: Sequence[Event]) -> Mapping[str, int]:
    """Store events unless their keys are there; returns the row numbers of those that were not, by key, in order."""
    statement = _INSERT[connection.dialect.name]
    if connection.dialect.name == "sqlite":
        # The one writer numbers the rows itself, on from the highest number ever given: one that retention has freed
        # is never used again.
        last = connection.scalar(_LAST) or 0
        numbered = {event.key: number for number, event in enumerate(events, last + 1)}
        rows = [(number, *_row(event)) for number, event in enumerate(events, last + 1)]
        if _NUMBERED.write(connection, statement, rows) == len(rows):
            return numbered
        stored = set(connection.scalars(_STORED, {"last": last}))
        return {key: number for key, number in numbered.items() if number in stored}
    found = {row.key: row.id for row in connection.execute(statement, _BULK.named(map(_row, events)))}
    return {event.key: found[event.key] for event in events if event.key in found}


def add_dead_letter(connection: sa.Connection, letter: DeadLetter, topic: Topic = Topic.DEAD_LETTER) -> int:
    """Store an unreadable message; the same bytes from the same place count up instead. Returns its row number."""
    row = {
        "received": millis_of(letter.received),
        "channel": letter.channel.value,
        "origin": letter.origin,
        "reason": letter.reason,
        "digest": letter.digest,
        "raw": letter.raw,
        "copies": 1,
    }
    statement = _insert(connection, DEAD_LETTER).on_conflict_do_update(
        index_elements=["digest"], set_={"copies": DEAD_LETTER.c.copies + 1, "replayed": None}
    )
    number = int(connection.execute(statement.returning(DEAD_LETTER.c.id), [row]).scalar_one())
    body = {"number": number, "channel": letter.channel.value, "sha256": sha256(letter.raw).hexdigest()}
    entry = Entry(Kind.DEAD_LETTER, letter.received, result=letter.reason, name=letter.origin, body=body)
    append(connection, [entry])
    # One key per origin: a queue full of garbage is one notice with a count, not thousands.
    key = f"{topic}|{letter.origin}"
    facts = {"number": str(number), "origin": letter.origin, "reason": letter.reason}
    tell(connection, Notice(topic, letter.received, key, key, facts))
    return number


def mark_replayed(connection: sa.Connection, number: int, at: datetime) -> bool:
    """Say that a dead letter was read after all; False when there is none of that number waiting."""
    one = (DEAD_LETTER.c.id == number) & DEAD_LETTER.c.replayed.is_(None)
    replayed = connection.execute(sa.update(DEAD_LETTER).where(one).values(replayed=millis_of(at))).rowcount == 1
    if replayed:
        append(connection, [Entry(Kind.DEAD_LETTER_REPLAYED, at, body={"number": number})])
    return replayed


def event_by_key(connection: sa.Connection, key: str) -> Event | None:
    """Read one event back, exactly as it was stored."""
    row = connection.execute(sa.select(EVENT).where(EVENT.c.key == key)).one_or_none()
    return None if row is None else _event(row)


def events_at(connection: sa.Connection, rows: Collection[int]) -> dict[int, Event]:
    """Read events back by their rows, in the order in which they came."""
    chosen = sa.select(EVENT).where(EVENT.c.id.in_(sorted(rows))).order_by(EVENT.c.id)
    return {row.id: _event(row) for row in connection.execute(chosen)}


def _event(row: sa.Row[Any]) -> Event:
    return Event(
        key=row.key,
        id=row.envelope_id,
        source=row.source,
        type=row.type,
        subject=ResourceId(Cloud(row.cloud), row.account, row.region, row.kind, row.resource),
        time=moment_of(row.occurred),
        received=moment_of(row.received),
        status=row.status,
        data=json.loads(row.data),
        channel=Channel(row.channel),
        simulated=row.simulated,
        raw=row.raw,
    )


def _row(event: Event) -> Row:
    """Return a row in the order of the columns, without its number."""
    subject = event.subject
    place = (str(subject.cloud), subject.account, subject.region, subject.kind, subject.id)
    what = (event.key, event.id, event.source, event.type, event.status, *place)
    when = (millis_of(event.time), millis_of(event.received))
    return *what, *when, str(event.channel), event.simulated, as_json(event.data), event.raw


def _told(event: Event, row: int) -> Row:
    """Return the ledger's row: what the event says in a few words, and the digest of the message as received.

    The body is written out, because events come by the thousand: `key` is the only text in it that strangers chose.
    """
    body = (
        f'{{"key":{_quoted(event.key)},"occurred":{millis_of(event.time)},"channel":"{event.channel}",'
        f'"simulated":{"true" if event.simulated else "false"},"sha256":"{sha256(event.raw).hexdigest()}"}}'
    )
    called = event.data.get("instanceName")
    what = (_TOLD, event.subject.id, event.type, event.status, called if isinstance(called, str) else "")
    return millis_of(event.received), *what, row, "", "", body


def _insert(connection: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def _slices(events: Iterable[Event]) -> Iterator[list[Event]]:
    rest = iter(events)
    while part := list(islice(rest, SLICE)):
        yield part
