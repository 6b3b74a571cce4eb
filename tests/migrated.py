"""Databases with every table and no row, made once and then copied or cleared: making the tables takes longer.

That a worker makes them itself, and brings old ones up to date, is shown by tests which start with an empty database.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from cloudheal.act.engine import Engine
from cloudheal.record.database import Database, open_database
from cloudheal.record.schema import migrate

#: What tells two sets of tables apart: their names and columns, and the numbers that PostgreSQL gave them when made.
_TABLES = sa.text("""
    SELECT c.oid::int, n.nspname, c.relname, c.relnatts, c.relkind::text
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('public', 'dbos') AND c.relkind IN ('r', 'i', 'S') ORDER BY c.oid
""")
_RESTART = sa.text("SELECT setval(seqrelid, seqstart, false) FROM pg_sequence")


@dataclass(frozen=True)
class Made:
    """The tables of a PostgreSQL database as they were made, parents before children, and the rows that some then had.

    `shape` is what `_TABLES` said of them, `rows` the rows as JSON by table.
    """

    shape: tuple[tuple[object, ...], ...]
    tables: tuple[str, ...]
    rows: Mapping[str, str]

    def clear(self, connection: sa.Connection) -> int:
        """Put back the rows of that moment, in the caller's transaction; returns how many tables had others."""
        asked = " UNION ALL ".join(f"SELECT '{one}' WHERE EXISTS (SELECT FROM {one})" for one in self.tables)
        written = set(connection.scalars(sa.text(asked)))
        for one in reversed([one for one in self.tables if one in written]):
            connection.execute(sa.text(f"DELETE FROM {one}"))
        for one, rows in self.rows.items():
            back = f"INSERT INTO {one} SELECT * FROM json_populate_recordset(NULL::{one}, :rows)"
            connection.execute(sa.text(back), {"rows": rows})
        connection.execute(_RESTART)
        return len(written)


_made: dict[str, Made] = {}


def migrated(file: Path) -> Path:
    """Make this SQLite file, if there is none, with our tables and with those of the workflow engine."""
    if not file.exists():
        shutil.copy(_template(), file)
    return file


def _emptied(url: str) -> str:
    """Leave nothing in a PostgreSQL database; returns its URL."""
    with _opened(url) as database, database.transaction() as connection:
        for name in ("dbos", "public"):
            connection.execute(sa.text(f"DROP SCHEMA IF EXISTS {name} CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))
    return url


def cleared(url: str) -> str:
    """Leave every table and no row in a PostgreSQL database, whatever a test did to it; returns its URL."""
    with _opened(url) as database:
        with database.transaction() as connection:
            made = _made.get(url)
            if made and _shape(connection) == made.shape:
                made.clear(connection)
                return url
        _made[url] = _make(_emptied(url))
    return url


def _make(url: str) -> Made:
    with _opened(url) as database:
        _with_tables(database)
        with database.transaction() as connection:
            shape = _shape(connection)
            tables = tuple(f'{one[1]}."{one[2]}"' for one in shape if one[4] == "r")
            rows = {one: connection.scalar(sa.text(f"SELECT json_agg(t)::text FROM {one} t")) for one in tables}
    return Made(shape, tables, {one: text for one, text in rows.items() if text})


def _shape(connection: sa.Connection) -> tuple[tuple[object, ...], ...]:
    return tuple(tuple(row) for row in connection.execute(_TABLES))


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    database = open_database(url)
    try:
        yield database
    finally:
        database.close()


def _with_tables(database: Database) -> Database:
    migrate(database)
    Engine(database, "template", lambda _run, _look: None).connect().disconnect()
    return database


@cache
def _template() -> Path:
    file = Path(_folder().name) / "tables.db"
    with _opened(f"sqlite:///{file}") as database:
        _with_tables(database)
    return file


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="cloudheal-tables-")
