"""Leases: work that one worker does for all of them, such as sealing, sending and polling.

A lease ends by the database's clock unless its holder renews it. It saves work and quotas; it does not fence: whoever
depends on being alone must also check in the transaction that writes.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cloudheal.record.moments import database_now
from cloudheal.record.tables import LEASE


def take_lease(connection: sa.Connection, name: str, holder: str, millis: int) -> bool:
    """Take or renew a lease for so many milliseconds; False while another holds it."""
    now = database_now(connection)
    insert = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(LEASE)
    free = (LEASE.c.holder == holder) | (LEASE.c.until < now)
    taken = insert.values(name=name, holder=holder, until=now + millis).on_conflict_do_update(
        index_elements=["name"], set_={"holder": holder, "until": now + millis}, where=free
    )
    return connection.execute(taken.returning(LEASE.c.name)).first() is not None


def is_anothers(connection: sa.Connection, name: str, holder: str) -> bool:
    """Say whether another holds a lease now; asked before work is done in vain."""
    others = (LEASE.c.name == name) & (LEASE.c.holder != holder) & (LEASE.c.until >= database_now(connection))
    return connection.execute(sa.select(LEASE.c.name).where(others)).first() is not None


def give_up_leases(connection: sa.Connection, holder: str) -> int:
    """Give up everything that a worker holds, when it ends in order or was declared dead; returns how many leases."""
    return connection.execute(sa.delete(LEASE).where(LEASE.c.holder == holder)).rowcount


def holder_of(connection: sa.Connection, name: str) -> str:
    """Return who holds a lease now; empty while nobody does."""
    held = (LEASE.c.name == name) & (LEASE.c.until >= database_now(connection))
    return connection.scalar(sa.select(LEASE.c.holder).where(held)) or ""
