"""Nonces of signed requests, each good once for every worker on the database."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cloudheal.record.moments import millis_of
from cloudheal.record.tables import NONCE


def is_spent(connection: sa.Connection, source: str, nonce: str, now: datetime) -> bool:
    """Say whether a nonce was used up and its time is not over."""
    same = (NONCE.c.source == source) & (NONCE.c.nonce == nonce) & (NONCE.c.until >= millis_of(now))
    return connection.execute(sa.select(NONCE.c.nonce).where(same)).first() is not None


def spend_nonce(connection: sa.Connection, source: str, nonce: str, until: datetime, now: datetime) -> bool:
    """Use a nonce up, and forget those whose time is over; False when it was used before."""
    connection.execute(sa.delete(NONCE).where(NONCE.c.until < millis_of(now)))
    insert = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(NONCE)
    row = {"source": source, "nonce": nonce, "until": millis_of(until)}
    statement = insert.values(row).on_conflict_do_nothing().returning(NONCE.c.nonce)
    return connection.execute(statement).first() is not None
