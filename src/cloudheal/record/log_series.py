"""The series of logs: what was counted in each minute, packed, and read back as windows of any length.

A minute has a row for each host and each time that it was closed; all of them add up. Old minutes have been added up
to quarters of an hour and hours (`log_rollup`), so a window of long ago may be longer than the one that was asked for.
Stored are more series than a metric may have, because which of them are the largest shows only in the whole window.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cloudheal.logs.counting import Minute
from cloudheal.logs.definition import Definition, Metric
from cloudheal.logs.windows import LENGTHS, Window
from cloudheal.logs.windows import windows_of as added_up
from cloudheal.logs.wire import packed, unpacked
from cloudheal.record.tables import LOG_MINUTE

#: Fast, and a tenth larger than the most that is possible.
_LEVEL = 1
ROWS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Stored:
    """One row of the store: a minute, or what several were added up to."""

    definition: str
    host: str
    sequence: int
    minutes: int
    minute: Minute


def add_minutes(connection: sa.Connection, definition: str, host: str, minutes: Sequence[Minute], sequence: int) -> int:
    """Store minutes under the numbers that follow `sequence`; returns the last number. What has its number stays."""
    numbered = [Stored(definition, host, number, 1, minute) for number, minute in enumerate(minutes, sequence + 1)]
    put(connection, numbered)
    return sequence + len(numbered)


def put(connection: sa.Connection, rows: Iterable[Stored]) -> int:
    """Store rows as they are numbered; one that is there already stays as it is. Returns how many were given."""
    insert = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(LOG_MINUTE)
    values = [
        {
            "definition": one.definition,
            "metric": one.minute.metric,
            "start": one.minute.start,
            "minutes": one.minutes,
            "host": one.host,
            "sequence": one.sequence,
            "error": one.minute.error,
            "rows": zlib.compress(packed(one.minute.rows), _LEVEL),
        }
        for one in rows
    ]
    for begin in range(0, len(values), ROWS_AT_ONCE):
        connection.execute(insert.on_conflict_do_nothing(), values[begin : begin + ROWS_AT_ONCE])
    return len(values)


def stored(connection: sa.Connection, chosen: sa.ColumnElement[bool], most: int | None = None) -> Iterator[Stored]:
    """Yield the rows that are chosen, in order of time."""
    order = (LOG_MINUTE.c.start, LOG_MINUTE.c.minutes, LOG_MINUTE.c.host, LOG_MINUTE.c.sequence)
    for row in connection.execute(sa.select(LOG_MINUTE).where(chosen).order_by(*order).limit(most)):
        minute = Minute(row.metric, row.start, unpacked(zlib.decompress(row.rows)), row.error)
        yield Stored(row.definition, row.host, row.sequence, row.minutes, minute)


def stored_since(
    connection: sa.Connection, definition: str, metric: str, after: Mapping[str, int], start: int, end: int
) -> Iterator[Minute]:
    """Yield the minutes between two seconds that hosts have stored after those numbers."""
    column = LOG_MINUTE.c
    later = [(column.host == host) & (column.sequence > number) for host, number in after.items()]
    chosen = (column.definition == definition) & (column.metric == metric) & (column.minutes == 1)
    chosen &= (column.start >= start) & (column.start < end)
    chosen &= sa.or_(column.host.not_in(sorted(after)), *later)
    for one in stored(connection, chosen):
        yield one.minute


def windows_of(
    connection: sa.Connection, definition: Definition, metric: Metric, start: int, end: int, minutes: int
) -> tuple[Window, ...]:
    """Return the windows of which a part lies between two seconds since 1970, earliest first, over all hosts.

    Of a window that is not over, what is stored so far. What is stored in longer rows makes longer windows.
    """
    length = minutes * 60
    chosen = (
        (LOG_MINUTE.c.definition == definition.name)
        & (LOG_MINUTE.c.metric == metric.name)
        & (LOG_MINUTE.c.start >= start - start % length)
        & (LOG_MINUTE.c.start < -(-end // length) * length)
    )
    by_length: Mapping[int, list[Minute]] = defaultdict(list)
    for one in stored(connection, chosen):
        by_length[length_for(minutes, one.minutes)].append(one.minute)
    found = (window for longer, some in by_length.items() for window in added_up(some, longer, metric.most))
    return tuple(sorted(found, key=lambda one: (one.start, one.minutes)))


def length_for(asked: int, kept: int) -> int:
    """Return the shortest window, not below the one asked for, that rows of a length add up to."""
    return next(one for one in LENGTHS if one >= asked and one % kept == 0)
