"""The database's own clock, for leases and heartbeats only: the one time that all workers share."""

from __future__ import annotations

import sqlalchemy as sa


def database_now(connection: sa.Connection) -> sa.ColumnElement[int]:
    """Return the expression for the database's present instant in epoch milliseconds."""
    if connection.dialect.name == "sqlite":
        return sa.cast((sa.func.julianday("now") - 2440587.5) * 86_400_000, sa.BigInteger)
    return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()) * 1000, sa.BigInteger)
