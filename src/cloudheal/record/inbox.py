"""What came in, kept for good: new events once, unreadable messages with their reason.

Both are written in the caller's transaction, so that a message is acknowledged only after everything that follows from
it is on disk. A key that is already there makes a duplicate, whichever process or channel brought it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cloudheal.model.event import Channel, Event
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.record.bulk import as_json, write
from cloudheal.record.ledger import Entry, Kind, append
from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.outbox import Notice, Topic, tell
from cloudheal.record.tables import DEAD_LETTER, EVENT

#: Rows in one statement: below every dialect's limit of parameters (17 columns a row, 32,766 on SQLite).
SLICE = 1000
_INSERT = sa.insert(EVENT)
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
        return hashlib.sha256(b"\0".join((self.channel.encode(), self.origin.encode(), self.raw))).hexdigest()


def add_events(connection: sa.Connection, events: Iterable[Event]) -> dict[str, int]:
    """Store the events whose keys are new; returns their row numbers by key, in the order of arrival."""
    first: dict[str, Event] = {}
    for event in events:
        first.setdefault(event.key, event)
    added: dict[str, int] = {}
    for part in _slices(first.values()):
        known = _known(connection, [event.key for event in part])
        rows = [_row(event) for event in part if event.key not in known]
        if rows:
            numbers = _stored(connection, rows)
            new = [event for event in part if event.key in numbers]
            added.update((event.key, numbers[event.key]) for event in new)
            append(connection, [_entry(event, numbers[event.key]) for event in new])
    return added


def unknown_among(connection: sa.Connection, events: Iterable[Event]) -> list[Event]:
    """Return the events whose keys are not stored yet."""
    found: list[Event] = []
    for part in _slices(events):
        known = _known(connection, [event.key for event in part])
        found += [event for event in part if event.key not in known]
    return found


def _stored(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> Mapping[str, int]:
    """Store events that were not there a moment ago; returns the row numbers of those that still were not, by key."""
    if connection.dialect.name == "sqlite":
        # The one writer holds the lock since before it asked which keys are known, so it numbers the rows itself,
        # on from the highest number ever given: one that retention has freed is never used again.
        last = connection.scalar(_LAST) or 0
        write(connection, _INSERT, [{"id": number, **row} for number, row in enumerate(rows, last + 1)])
        return {row["key"]: number for number, row in enumerate(rows, last + 1)}
    statement = postgresql.insert(EVENT).on_conflict_do_nothing(index_elements=["key"])
    stored = connection.execute(statement.returning(EVENT.c.key, EVENT.c.id), rows)
    return {row.key: row.id for row in stored}


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
    body = {"number": number, "channel": letter.channel.value, "sha256": hashlib.sha256(letter.raw).hexdigest()}
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
    if row is None:
        return None
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


def _row(event: Event) -> dict[str, object]:
    subject = event.subject
    return {
        "key": event.key,
        "envelope_id": event.id,
        "source": event.source,
        "type": event.type,
        "status": event.status,
        "cloud": subject.cloud.value,
        "account": subject.account,
        "region": subject.region,
        "kind": subject.kind,
        "resource": subject.id,
        "occurred": millis_of(event.time),
        "received": millis_of(event.received),
        "channel": event.channel.value,
        "simulated": event.simulated,
        "data": as_json(event.data),
        "raw": event.raw,
    }


def _entry(event: Event, row: int) -> Entry:
    """Return the ledger's row: what the event says in a few words, and the digest of the message as received."""
    body = {
        "key": event.key,
        "occurred": millis_of(event.time),
        "channel": event.channel.value,
        "simulated": event.simulated,
        "sha256": hashlib.sha256(event.raw).hexdigest(),
    }
    name = event.data.get("instanceName")
    return Entry(
        Kind.EVENT,
        event.received,
        resource=event.subject.id,
        type=event.type,
        result=event.status,
        name=name if isinstance(name, str) else "",
        event=row,
        body=body,
    )


def _known(connection: sa.Connection, keys: list[str]) -> set[str]:
    return set(connection.scalars(sa.select(EVENT.c.key).where(EVENT.c.key.in_(keys))))


def _insert(connection: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def _slices(events: Iterable[Event]) -> Iterator[list[Event]]:
    rest = iter(events)
    while part := list(islice(rest, SLICE)):
        yield part
