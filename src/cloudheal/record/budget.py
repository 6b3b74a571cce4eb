"""Grants: the right to touch one more resource, a row per run, counted and never kept as a number.

A grant is reserved in the transaction that decides to act and deleted when the run ends, waits or asks; an intent
commits only while its run has one. So the resources with an open intent are always among the granted ones, and limits
that hold for grants hold for what is being done. Whoever reserves takes the budget's lock first, so that two workers
that decide at the same moment count one after the other. Nothing here knows a limit.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cloudheal.record.database import stand_in_line
from cloudheal.record.moments import millis_of
from cloudheal.record.tables import GRANT

#: The budget scope that every run takes a grant of: resources under action at the same time.
AT_ONCE = "at_once"
#: Names the budget among PostgreSQL's advisory locks.
_LOCK = 0x636C6F7564
_TAKE_TURN = sa.select(sa.func.pg_advisory_xact_lock(_LOCK))
_GRANT = {
    "sqlite": sqlite.insert(GRANT).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(GRANT).on_conflict_do_nothing(),
}
_OF: sa.BindParameter[str] = sa.bindparam("of")
_IS_GRANTED = sa.select(GRANT.c.run).where(GRANT.c.run == _OF).limit(1)
_GIVE_BACK = sa.delete(GRANT).where(GRANT.c.run == _OF)


def lock_budget(connection: sa.Connection) -> None:
    """Let nobody else count or reserve until this transaction ends; SQLite's writers wait for each other anyway.

    Taken before any row of a run is changed: whoever changes runs first and counts later would wait in a circle.
    """
    if connection.dialect.name == "postgresql":
        stand_in_line(connection)
        connection.execute(_TAKE_TURN)


def grant(connection: sa.Connection, run: str, now: datetime) -> None:
    """Reserve the right of a run to touch its resource; one that it has already stays as it is."""
    row = {"scope": AT_ONCE, "run": run, "granted": millis_of(now)}
    connection.execute(_GRANT[connection.dialect.name], row)


def is_granted(connection: sa.Connection, run: str) -> bool:
    """Say whether a run has a grant; asked in the transaction that commits an intent."""
    return connection.execute(_IS_GRANTED, {"of": run}).first() is not None


def give_back(connection: sa.Connection, run: str) -> int:
    """Delete a run's grants; returns how many."""
    return connection.execute(_GIVE_BACK, {"of": run}).rowcount
