"""Instants as the tables hold them, and the database's own clock.

Columns hold epoch milliseconds; records hold aware UTC datetimes. The database's clock is for leases and heartbeats
only: it is the one time that all workers share.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

_NOW: Mapping[str, sa.ColumnElement[int]] = {
    "sqlite": sa.cast((sa.func.julianday("now") - 2440587.5) * 86_400_000, sa.BigInteger),
    "postgresql": sa.cast(sa.extract("epoch", sa.func.clock_timestamp()) * 1000, sa.BigInteger),
}
_READ = {dialect: sa.select(now) for dialect, now in _NOW.items()}
_EPOCH, _MILLISECOND = datetime.fromtimestamp(0, UTC), timedelta(milliseconds=1)


def millis_of(moment: datetime) -> int:
    """Return an aware datetime as epoch milliseconds, cut and not rounded: no row is newer than what it tells of."""
    return (moment - _EPOCH) // _MILLISECOND


def moment_of(millis: int) -> datetime:
    """Return epoch milliseconds as an aware UTC datetime."""
    return datetime.fromtimestamp(millis / 1000, UTC)


def database_now(connection: sa.Connection) -> sa.ColumnElement[int]:
    """Return the expression for the database's present instant in epoch milliseconds."""
    return _NOW[connection.dialect.name]


def database_millis(connection: sa.Connection) -> int:
    """Return the database's present instant in epoch milliseconds."""
    return int(connection.execute(_READ[connection.dialect.name]).scalar_one())
