"""How far log series were sent, and how far they were received: both in the transaction that depends on it.

Sent is by the number of a minute on its host, or by the end of a window; whoever sends commits it when the receiver has
answered, so that after a crash the last of it is sent again. Received is by number too: what comes again is known. A
host whose database began anew numbers from one again; it says so by another epoch, and is counted on from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cloudheal.record.log_following import Standing
from cloudheal.record.log_series import Stored, put, stored
from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.tables import LOG_MINUTE, LOG_OPEN, LOG_RECEIVED, LOG_SENT

#: Stands for the outlet itself: it was looked at before, and hosts that come later are sent from their first minute on.
_KNOWN = ("", "")


@dataclass(frozen=True, slots=True)
class Newest:
    """How far a log is on a host: the number of its newest minute, and up to which second nothing more is awaited."""

    number: int
    closed: int


@dataclass(frozen=True, slots=True)
class Sent:
    """How far one part of a log (a host, or a metric) was sent through an outlet; `epoch` names our database."""

    position: int
    epoch: str


def sent(connection: sa.Connection, outlet: str) -> Mapping[tuple[str, str], Sent]:
    """Return how far an outlet was served, by log and part."""
    rows = connection.execute(sa.select(LOG_SENT).where(LOG_SENT.c.outlet == outlet))
    return {(row.definition, row.part): Sent(row.position, row.epoch) for row in rows}


def note_sent(connection: sa.Connection, outlet: str, log: str, part: str, to: Sent) -> Sent:
    """Note how far a part was sent."""
    insert = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(LOG_SENT)
    values = {"outlet": outlet, "definition": log, "part": part, "position": to.position, "epoch": to.epoch}
    changed = {"position": to.position, "epoch": to.epoch}
    connection.execute(
        insert.values(values).on_conflict_do_update(index_elements=["outlet", "definition", "part"], set_=changed)
    )
    return to


def open_outlet(connection: sa.Connection, outlet: str, epoch: str) -> bool:
    """Begin an outlet: what is stored already is not sent. False when it was begun before."""
    if _KNOWN in sent(connection, outlet):
        return False
    note_sent(connection, outlet, *_KNOWN, Sent(0, epoch))
    for (log, host), newest in hosts(connection).items():
        note_sent(connection, outlet, log, host, Sent(newest.number, epoch))
    return True


def hosts(connection: sa.Connection) -> Mapping[tuple[str, str], Newest]:
    """Return how far each log is by host: of those counted here and of those received."""
    here, there = LOG_OPEN.c, LOG_RECEIVED.c
    ours = sa.select(here.definition, here.host, here.sequence, here.closed)
    theirs = sa.select(there.definition, there.host, there.stored, there.closed)
    rows = connection.execute(sa.union_all(theirs, ours))
    return {(log, host): Newest(last, closed) for log, host, last, closed in rows}


def unsent(connection: sa.Connection, log: str, host: str, after: int, most: int) -> list[Stored]:
    """Return the next minutes of a host in the order of their numbers; those that were added up are past that."""
    chosen = (
        (LOG_MINUTE.c.definition == log)
        & (LOG_MINUTE.c.host == host)
        & (LOG_MINUTE.c.minutes == 1)
        & (LOG_MINUTE.c.sequence > after)
    )
    last = connection.scalar(
        sa.select(
            sa.func.max(
                sa.select(LOG_MINUTE.c.sequence).where(chosen).order_by("sequence").limit(most).subquery().c.sequence
            )
        )
    )
    if last is None:
        return []
    found = stored(connection, chosen & (LOG_MINUTE.c.sequence <= last))
    return sorted(found, key=lambda one: one.sequence)


def receive(  # noqa: PLR0917 - who sends, what, and when
    connection: sa.Connection, log: str, host: str, epoch: str, minutes: Sequence[Stored], closed: int, now: datetime
) -> int:
    """Store the minutes of a host that are not known, under numbers of ours; returns how many those are.

    `closed` is the second up to which the host has sent everything, 0 when it does not say.
    """
    before = _received(connection, log, host)
    last = before.sequence if before.epoch == epoch else 0
    new = [one for one in minutes if one.sequence > last]
    put(connection, [replace(one, sequence=number) for number, one in enumerate(new, before.stored + 1)])
    values = {
        "epoch": epoch,
        "sequence": max([last, *(one.sequence for one in new)]),
        "stored": before.stored + len(new),
        "closed": max(closed, before.closed),
        "written": millis_of(now),
    }
    mine = (LOG_RECEIVED.c.definition == log) & (LOG_RECEIVED.c.host == host)
    connection.execute(sa.update(LOG_RECEIVED).where(mine).values(values))
    return len(new)


def received_standings(connection: sa.Connection, log: str) -> list[Standing]:
    """Return up to where each host that ships a log has sent everything, and when it was heard of."""
    rows = connection.execute(sa.select(LOG_RECEIVED).where(LOG_RECEIVED.c.definition == log))
    return [Standing(closed=row.closed, written=moment_of(row.written)) for row in rows]


def is_followed_here(connection: sa.Connection, log: str, host: str) -> bool:
    """Say whether this database counts a log of that host itself, so that minutes from elsewhere would mix."""
    mine = (LOG_OPEN.c.definition == log) & (LOG_OPEN.c.host == host)
    return connection.scalar(sa.select(sa.func.count()).select_from(LOG_OPEN).where(mine)) != 0


@dataclass(frozen=True, slots=True)
class _Received:
    epoch: str
    sequence: int
    stored: int
    closed: int


def _received(connection: sa.Connection, log: str, host: str) -> _Received:
    """Return how far a host was received, and keep others from receiving of it until the transaction ends."""
    insert = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(LOG_RECEIVED)
    values = {"definition": log, "host": host, "epoch": "", "sequence": 0, "stored": 0, "closed": 0, "written": 0}
    locking = insert.values(values).on_conflict_do_update(index_elements=["definition", "host"], set_={"host": host})
    row = connection.execute(locking.returning(LOG_RECEIVED)).one()
    return _Received(row.epoch, row.sequence, row.stored, row.closed)
