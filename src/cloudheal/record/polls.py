"""When each poll is due, in the operator's time, kept so that a restart or another worker does not poll anew."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cloudheal.record.moments import millis_of
from cloudheal.record.tables import POLL

#: How a poll ended, unless with a vendor's code.
COMPLETE, HANDED_OVER = "complete", "handed over"


def is_incomplete(outcome: str) -> bool:
    """Say whether a poll broke off, so that what it did not find may be there all the same."""
    return outcome not in {COMPLETE, HANDED_OVER}


def due_polls(connection: sa.Connection, names: Sequence[str], now: datetime) -> list[str]:
    """Return which of these polls are due; one that was never made is."""
    later = sa.select(POLL.c.name).where(POLL.c.name.in_(names), POLL.c.due > millis_of(now))
    waiting = set(connection.scalars(later))
    return [name for name in names if name not in waiting]


def plan_poll(connection: sa.Connection, name: str, due: datetime, ended: datetime, outcome: str) -> None:
    """Write how a poll ended and when the next one is due."""
    row = {"name": name, "due": millis_of(due), "ended": millis_of(ended), "outcome": outcome}
    insert = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(POLL).values(row)
    connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_=row))


def polls(connection: sa.Connection) -> dict[str, tuple[datetime, str]]:
    """Return when each poll ended last, and how: `complete`, or the vendor's code of what broke it off."""
    rows = connection.execute(sa.select(POLL).where(POLL.c.ended.is_not(None)))
    return {row.name: (datetime.fromtimestamp(row.ended / 1000, UTC), row.outcome) for row in rows}
