"""A search of the ledger goes by an index, whatever is asked, so that it does not grow slower with the years; both."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from cloudheal.record.database import Database
from cloudheal.record.ledger import Entry, Kind, append
from cloudheal.record.search import Query, search

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROWS = 2_000
ASKED = {
    "id": Query("i-7"),
    "incident": Query("inc-7"),
    "run": Query("run-7"),
    "time": Query(since=NOON, until=NOON + timedelta(seconds=5)),
    "type": Query(type="rare"),
    "type and result": Query(type="usual", result="rare"),
}


@pytest.fixture
def full(database: Database) -> Database:
    """A ledger in which little is what is asked for."""
    with database.transaction() as connection:
        append(connection, [_entry(number) for number in range(ROWS)])
        if not database.is_sqlite:
            connection.exec_driver_sql("ANALYZE ledger")
    return database


def _entry(number: int) -> Entry:
    type_, result = ("rare" if number % 500 == rest else "usual" for rest in (0, 1))
    about: dict[str, Any] = {"incident": f"inc-{number}", "run": f"run-{number}"}
    at = NOON + timedelta(seconds=number)
    return Entry(Kind.INCIDENT_ENDED, at, f"i-{number}", type=type_, result=result, name="web", **about)


@pytest.mark.parametrize("query", ASKED.values(), ids=ASKED)
def test_a_search_goes_by_an_index(full: Database, query: Query) -> None:
    """The database's own plan of the statement names one, and no walk through all rows."""
    plans: list[str] = []

    def explain(connection: sa.Connection, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if statement.lstrip().startswith("SELECT") and not plans:
            plans.append("")  # what explains is a statement, too
            how = "EXPLAIN QUERY PLAN" if full.is_sqlite else "EXPLAIN"
            rows = connection.exec_driver_sql(f"{how} {statement}", parameters).all()
            plans[0] = "\n".join(str(row) for row in rows)

    with full.snapshot() as connection:
        sa.event.listen(connection, "before_cursor_execute", explain)
        assert len(search(connection, query)) >= 1
    assert "SCAN ledger\n" not in f"{plans[0]}\n", plans[0]
    assert "Seq Scan on ledger" not in plans[0], plans[0]
    assert "ledger_by" in plans[0], plans[0]
