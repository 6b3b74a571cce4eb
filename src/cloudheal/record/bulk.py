"""Rows by the thousand: a statement is compiled once for a process, and its rows go to the driver as they are.

Values must be what the driver takes by itself (text, numbers, bytes, booleans, nothing); every row names the same
columns. Constants of a statement are written into it, because a row holds nothing but columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from pydantic_core import to_json


def write(connection: sa.Connection, statement: sa.Insert, rows: Sequence[Mapping[str, object]]) -> int:
    """Execute an insertion for all rows; returns how many rows it made or changed."""
    if not rows:
        return 0
    if connection.dialect.name != "sqlite":
        return connection.execute(statement, rows, execution_options={"preserve_rowcount": True}).rowcount
    text, values_of = _compiled(statement, connection.dialect, tuple(rows[0]))
    return connection.exec_driver_sql(text, list(map(values_of, rows))).rowcount


def as_json(document: Mapping[str, Any]) -> str:
    """Return a document as the JSON text of a column."""
    return to_json(document).decode()


@cache
def _compiled(
    statement: sa.Insert, dialect: sa.Dialect, columns: tuple[str, ...]
) -> tuple[str, Callable[[Mapping[str, object]], Any]]:
    """Return the text of a statement, and what takes its values from a row in the text's order."""
    compiled = statement.compile(dialect=dialect, column_keys=list(columns))
    return str(compiled), itemgetter(*(compiled.positiontup or ()))
