"""Retention: what is old and ended leaves, in slices, so that writers wait for a moment only.

Of the ledger whole sealed segments leave when all of their rows are old enough; their heads stay. What is not sealed is
never removed, and neither is what an outlet of the ledger has not had yet. The removal itself is a row of the ledger,
in the same transaction, so that a gap which nobody recorded is found by verification. Messages that were told to
everyone leave the outbox.

Incidents leave with their runs, steps and answers when they have ended; events with their decisions when no incident of
theirs is left and no listener is to be told of them. The states that servers went through, and released servers, have
a longer time of their own and outlive the events that told of them.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from cloudheal.record.approvals import asks_it
from cloudheal.record.ledger import Entry, Kind, append
from cloudheal.record.moments import millis_of
from cloudheal.record.tables import (
    APPROVAL,
    DEAD_LETTER,
    DECISION,
    DELIVERY,
    DRILL,
    EVENT,
    GRANT,
    HOLD,
    INCIDENT,
    LEDGER,
    LIFECYCLE,
    LISTENER_TASK,
    OUTBOX,
    RESOURCE,
    RUN,
    SEAL,
    STEP,
    SYSTEM_EVENT,
)

#: The most segments that leave in one transaction, so that writers wait for a moment only.
SEGMENTS_AT_ONCE = 10
NOTICES_AT_ONCE = 5000
ROWS_AT_ONCE = 500


def remove_old_segments(connection: sa.Connection, before: datetime, now: datetime, carried: int | None = None) -> int:
    """Remove the oldest segments whose newest row is older than `before`; returns how many, 0 when all is done.

    `carried` is the last row that every outlet of the ledger has; what follows it stays. None: there is no outlet.
    """
    standing = sa.select(SEAL.c.number, SEAL.c.last, SEAL.c.newest, SEAL.c.hash).where(SEAL.c.removed.is_(None))
    if carried is not None:
        standing = standing.where(SEAL.c.last <= carried)
    oldest = connection.execute(standing.order_by(SEAL.c.number).limit(SEGMENTS_AT_ONCE)).all()
    limit = millis_of(before)
    count = next((index for index, one in enumerate(oldest) if one.newest >= limit), len(oldest))
    if count == 0:
        return 0
    last = oldest[count - 1]
    connection.execute(sa.delete(LEDGER).where(LEDGER.c.id <= last.last))
    gone = SEAL.c.removed.is_(None) & (SEAL.c.number <= last.number)
    connection.execute(sa.update(SEAL).where(gone).values(removed=millis_of(now), leaves=b""))
    body = {"through": last.number, "last": last.last, "hash": last.hash}
    append(connection, [Entry(Kind.LEDGER_REMOVED, now, body=body)])
    return count


def remove_old_notices(connection: sa.Connection, before: datetime) -> int:
    """Remove notices that were done with before that instant; returns how many."""
    old = sa.select(OUTBOX.c.id).where(OUTBOX.c.done < millis_of(before)).order_by(OUTBOX.c.id).limit(NOTICES_AT_ONCE)
    ids = connection.scalars(old).all()
    connection.execute(sa.delete(DELIVERY).where(DELIVERY.c.notice.in_(ids)))
    connection.execute(sa.delete(OUTBOX).where(OUTBOX.c.id.in_(ids)))
    return len(ids)


def remove_old_incidents(connection: sa.Connection, before: datetime) -> int:
    """Remove incidents that ended before that instant, with all that was done for them; returns how many."""
    old = sa.select(INCIDENT.c.id).where(INCIDENT.c.ended < millis_of(before)).order_by(INCIDENT.c.ended)
    incidents = connection.scalars(old.limit(ROWS_AT_ONCE)).all()
    runs = connection.scalars(sa.select(RUN.c.id).where(RUN.c.incident.in_(incidents))).all()
    for table in (STEP, GRANT):
        connection.execute(sa.delete(table).where(table.c.run.in_(runs)))
    # A storm asks once for many: the question goes with the last of them.
    asked = connection.scalars(sa.select(RUN.c.asks).where(RUN.c.id.in_(runs), RUN.c.asks != "").distinct()).all()
    others = sa.select(RUN.c.id).where(RUN.c.id.not_in(runs))
    needed = others.where(asks_it()).exists() | others.where(RUN.c.id == APPROVAL.c.run).exists()
    theirs = APPROVAL.c.run.in_(runs) | APPROVAL.c.id.in_(asked)
    connection.execute(sa.delete(APPROVAL).where(theirs, ~needed))
    connection.execute(sa.delete(RUN).where(RUN.c.id.in_(runs)))
    connection.execute(sa.delete(INCIDENT).where(INCIDENT.c.id.in_(incidents)))
    return len(incidents)


def remove_old_events(connection: sa.Connection, before: datetime) -> int:
    """Remove events from before that instant that nothing needs any more, with their decisions; returns how many."""
    limit = millis_of(before)
    needed = sa.select(DECISION.c.id).join(INCIDENT, INCIDENT.c.id == DECISION.c.incident)
    owed = sa.select(LISTENER_TASK.c.id).where(LISTENER_TASK.c.event == EVENT.c.id, LISTENER_TASK.c.done.is_(None))
    old = sa.select(EVENT.c.id).where(
        EVENT.c.occurred < limit,
        EVENT.c.received < limit,
        ~needed.where(DECISION.c.event == EVENT.c.id).exists(),
        ~owed.exists(),
    )
    events = connection.scalars(old.order_by(EVENT.c.occurred).limit(ROWS_AT_ONCE)).all()
    for table in (DECISION, LISTENER_TASK):
        connection.execute(sa.delete(table).where(table.c.event.in_(events)))
    connection.execute(sa.delete(EVENT).where(EVENT.c.id.in_(events)))
    return len(events)


def remove_old_system_events(connection: sa.Connection, before: datetime) -> int:
    """Remove system events that were over before that instant; returns how many."""
    old = sa.select(SYSTEM_EVENT.c.id).where(SYSTEM_EVENT.c.finished < millis_of(before))
    ids = connection.scalars(old.order_by(SYSTEM_EVENT.c.finished).limit(ROWS_AT_ONCE)).all()
    gone = SYSTEM_EVENT.c.id.in_(ids) & (SYSTEM_EVENT.c.finished < millis_of(before))
    return connection.execute(sa.delete(SYSTEM_EVENT).where(gone)).rowcount


def remove_old_drills(connection: sa.Connection, before: datetime) -> int:
    """Remove drills of which nothing was heard since that instant, and whose time was before it; returns how many."""
    limit = millis_of(before)
    old = (DRILL.c.changed < limit) & (DRILL.c.not_before < limit)
    return connection.execute(sa.delete(DRILL).where(old)).rowcount


def remove_old_dead_letters(connection: sa.Connection, before: datetime) -> int:
    """Remove the oldest messages that could not be read; returns how many."""
    return _remove_oldest(connection, DEAD_LETTER, DEAD_LETTER.c.received, before)


def remove_old_lifecycle(connection: sa.Connection, before: datetime) -> int:
    """Remove the oldest states that servers went through; returns how many."""
    return _remove_oldest(connection, LIFECYCLE, LIFECYCLE.c.at, before)


def remove_old_holds(connection: sa.Connection, before: datetime) -> int:
    """Remove holds that were lifted, or ended by themselves, before that instant; returns how many."""
    limit = millis_of(before)
    return connection.execute(sa.delete(HOLD).where((HOLD.c.lifted < limit) | (HOLD.c.until < limit))).rowcount


def remove_released(connection: sa.Connection, before: datetime) -> int:
    """Remove servers that were released before that instant; returns how many."""
    key = (RESOURCE.c.cloud, RESOURCE.c.account, RESOURCE.c.region, RESOURCE.c.kind, RESOURCE.c.id)
    old = sa.select(*key).where(RESOURCE.c.released < millis_of(before)).order_by(RESOURCE.c.released)
    rows = connection.execute(old.limit(ROWS_AT_ONCE)).all()
    for row in rows:
        named = sa.and_(*(column == value for column, value in zip(key, row, strict=True)))
        connection.execute(sa.delete(RESOURCE).where(named, RESOURCE.c.released < millis_of(before)))
    return len(rows)


def _remove_oldest(connection: sa.Connection, table: sa.Table, at: sa.ColumnElement[int], before: datetime) -> int:
    """Remove what is old among the first rows: they are numbered in the order of time, or nearly so."""
    first = connection.execute(sa.select(table.c.id, at.label("at")).order_by(table.c.id).limit(ROWS_AT_ONCE)).all()
    old = [one.id for one in first if one.at < millis_of(before)]
    connection.execute(sa.delete(table).where(table.c.id.in_(old)))
    return len(old)
