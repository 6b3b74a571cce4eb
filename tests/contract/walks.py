"""Which of the statements that something asks walk through one of the large tables, as the database itself plans it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from cloudheal.record.database import Database

#: Tables that grow with the fleet or with the record. Few resources have a grant at a time.
LARGE = (
    "approval",
    "decision",
    "event",
    "incident",
    "ledger",
    "lifecycle",
    "outbox",
    "plan",
    "resource",
    "run",
    "step",
)
_SCANS = tuple(f"SCAN {name}" for name in LARGE)


class _UndoneError(Exception):
    """What was asked is not kept."""


def walks(database: Database, ask: Callable[[sa.Connection], object]) -> list[str]:
    """Return the steps of the database's plans that go through every row of a large table."""
    return [one for one in plans(database, ask) if one.startswith(_SCANS) or _is_walk(one)]


def plans(database: Database, ask: Callable[[sa.Connection], object]) -> list[str]:
    """Return every step of the database's plans of the statements that something asks."""
    told: list[str] = []

    def explain(connection: sa.Connection, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            how = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
            rows = connection.exec_driver_sql(f"{how} {statement}", parameters)
            told.extend(str(row[3 if database.is_sqlite else 0]).strip() for row in rows)

    with suppress(_UndoneError), database.transaction() as connection:
        if not database.is_sqlite:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # few rows are read faster without an index
        sa.event.listen(connection, "before_cursor_execute", explain)
        ask(connection)
        raise _UndoneError
    assert told, "nothing was asked"
    return told


def _is_walk(step: str) -> bool:
    return any(f"Seq Scan on {name} " in f"{step} " for name in LARGE)
