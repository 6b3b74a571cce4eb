"""Rows by the thousand: a statement is compiled once for a process, and its rows go to the driver as they are.

Values must be what the driver takes by itself (text, numbers, bytes, booleans, nothing); every row names the same
columns. Constants of a statement are written into it, because a row holds nothing but columns. Who has thousands of
rows makes tuples of them (`Bulk`), who has a few makes dictionaries (`write`); lists of names to ask for are one
parameter (`among`), because a statement with a thousand of them is built anew each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from pydantic_core import to_json

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Bulk:
    """Rows of one table that are written by the thousand: tuples, in the order of `columns`, which is the table's."""

    columns: tuple[str, ...]

    @classmethod
    def of(cls, table: sa.Table, *without: str) -> Bulk:
        """Return what writes all columns of a table but some."""
        return cls(tuple(one.name for one in table.columns if one.name not in without))

    def write(self, connection: sa.Connection, statement: sa.Insert, rows: Sequence[Row]) -> int:
        """Execute an insertion for all rows; returns how many rows it made or changed."""
        if not rows:
            return 0
        if connection.dialect.name != "sqlite":
            return write(connection, statement, self.named(rows))
        text, order = _compiled(statement, connection.dialect, self.columns)
        if order != self.columns:
            raise ValueError(f"the statement takes {order}")  # a mistake of ours: rows would go into wrong columns
        return connection.exec_driver_sql(text, list(rows)).rowcount

    def named(self, rows: Iterable[Row]) -> list[dict[str, Any]]:
        """Return rows with the names of their columns."""
        return [dict(zip(self.columns, row, strict=True)) for row in rows]


def write(connection: sa.Connection, statement: sa.Insert, rows: Sequence[Mapping[str, object]]) -> int:
    """Execute an insertion for all rows; returns how many rows it made or changed."""
    if not rows:
        return 0
    if connection.dialect.name != "sqlite":
        return connection.execute(statement, rows, execution_options={"preserve_rowcount": True}).rowcount
    text, order = _compiled(statement, connection.dialect, tuple(rows[0]))
    values_of: Callable[[Mapping[str, object]], Any] = itemgetter(*order)
    return connection.exec_driver_sql(text, list(map(values_of, rows))).rowcount


def as_json(document: Mapping[str, Any] | Sequence[Any]) -> str:
    """Return a document as the JSON text of a column."""
    return to_json(document).decode()


def among(column: sa.ColumnElement[str], parameter: str) -> sa.ColumnElement[bool]:
    """Return the condition that a column is one of many texts, which are handed in as one parameter: `texts(...)`."""
    each = sa.func.json_each(sa.bindparam(parameter, type_=sa.JSON)).table_valued("key")
    return column.in_(sa.select(each.c.key))


def texts(many: Iterable[str]) -> Mapping[str, int]:
    """Return texts as the parameter that `among` looks in; both databases read the names of an object alike."""
    return dict.fromkeys(many, 0)


@cache
def _compiled(statement: sa.Insert, dialect: sa.Dialect, columns: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Return the text of a statement, and the order in which it takes the values of a row."""
    compiled = statement.compile(dialect=dialect, column_keys=list(columns))
    return str(compiled), tuple(compiled.positiontup or ())
