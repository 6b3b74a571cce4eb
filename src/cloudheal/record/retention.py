"""Retention: whole sealed segments leave the ledger when all of their rows are old enough; their heads stay.

What is not sealed is never removed. The removal itself is a row of the ledger, in the same transaction, so that a gap
which nobody recorded is found by verification. Messages that were told to everyone leave the outbox.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from cloudheal.record.ledger import Entry, Kind, append
from cloudheal.record.moments import millis_of
from cloudheal.record.tables import DELIVERY, LEDGER, OUTBOX, SEAL

#: The most segments that leave in one transaction, so that writers wait for a moment only.
SEGMENTS_AT_ONCE = 10
NOTICES_AT_ONCE = 5000


def remove_old_segments(connection: sa.Connection, before: datetime, now: datetime) -> int:
    """Remove the oldest segments whose newest row is older than `before`; returns how many, 0 when all is done."""
    standing = sa.select(SEAL.c.number, SEAL.c.last, SEAL.c.newest, SEAL.c.hash).where(SEAL.c.removed.is_(None))
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
