"""How alarms on log metrics stand, kept so that a restart or another worker goes on where the last one was.

The mark of an alarm says up to which period it was evaluated. Whoever writes a round moves the mark from where the
round began, in the transaction that stores what the round made: of two workers with one mark the second writes nothing,
and what a killed one had not committed is evaluated again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cloudheal.logs.alarm_events import series_id
from cloudheal.logs.alarm_rounds import Key, Line
from cloudheal.logs.alarm_telling import Told
from cloudheal.logs.alarm_trail import Stood, Trail
from cloudheal.logs.alarms import Seen, Standing
from cloudheal.model.alarm import Level, Than, level_of
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.record.bulk import write
from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.tables import LOG_ALARM, LOG_ALARM_SERIES

_A, _S = LOG_ALARM.c, LOG_ALARM_SERIES.c
_KEYS = ("definition", "alarm", "id")
#: Rows in one statement.
SLICE = 500


@dataclass(frozen=True, slots=True)
class Mark:
    """Up to where an alarm was evaluated (epoch seconds), in which version, and what it is about."""

    digest: str
    subject: ResourceId
    upto: int
    judged: Mapping[str, int] = field(default_factory=dict)
    """By host the number of the last minute of the log that was judged, wherever it lies."""


@dataclass(frozen=True, slots=True)
class Name:
    """The name of an alarm and of the log that it belongs to."""

    definition: str
    alarm: str


@dataclass(frozen=True, slots=True)
class Standings:
    """The rows of one alarm."""

    name: Name
    mark: Mark
    lines: Mapping[Key, Line]


def marks(connection: sa.Connection) -> dict[Name, Mark]:
    """Return the mark of every alarm that was ever evaluated."""
    rows = connection.execute(sa.select(LOG_ALARM).order_by(_A.definition, _A.alarm)).all()
    return {
        Name(row.definition, row.alarm): Mark(
            row.digest, _subject(row.subject), row.upto // 1000, json.loads(row.judged)
        )
        for row in rows
    }


def lines_of(connection: sa.Connection, name: Name) -> dict[Key, Line]:
    """Return the series of an alarm as they stand."""
    rows = connection.execute(sa.select(LOG_ALARM_SERIES).where(*_of(LOG_ALARM_SERIES, name)).order_by(_S.series))
    lines = (_line(row) for row in rows)
    return {one.key: one for one in lines}


def standings(connection: sa.Connection) -> list[Standings]:
    """Return every alarm with its series, by name."""
    return [Standings(name, mark, lines_of(connection, name)) for name, mark in marks(connection).items()]


def firing(connection: sa.Connection) -> dict[str, int]:
    """Return how many series of each alarm fire."""
    fires = sa.func.sum(sa.case((_S.level != Level.OK.word, 1), else_=0))
    same = (_S.definition == _A.definition) & (_S.alarm == _A.alarm)
    chosen = sa.select(_A.alarm, fires).outerjoin(LOG_ALARM_SERIES, same).group_by(_A.alarm).order_by(_A.alarm)
    return {name: int(count or 0) for name, count in connection.execute(chosen.select_from(LOG_ALARM))}


def alarm_fires(connection: sa.Connection, alarm: str) -> bool | None:
    """Say whether any series of an alarm fires, by its name, which no other one has; None when there is none."""
    if connection.execute(sa.select(_A.alarm).where(_A.alarm == alarm).limit(1)).first() is None:
        return None
    firing = sa.select(_S.id).where(_S.alarm == alarm, _S.level != Level.OK.word).limit(1)
    return connection.execute(firing).first() is not None


def move_mark(connection: sa.Connection, name: Name, before: Mark | None, after: Mark) -> bool:
    """Move the mark of an alarm from where it was seen; False when another has moved it meanwhile."""
    row = {
        "digest": after.digest,
        "subject": str(after.subject),
        "upto": after.upto * 1000,
        "judged": _numbers(after.judged),
    }
    if before is None:
        insert = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(LOG_ALARM)
        names = {"definition": name.definition, "alarm": name.alarm, "acknowledged_by": ""}
        new = insert.values({**names, **row}).on_conflict_do_nothing()
        return connection.execute(new.returning(_A.alarm)).first() is not None
    here = [*_of(LOG_ALARM, name), _A.upto == before.upto * 1000, _A.digest == before.digest]
    here.append(_A.judged == _numbers(before.judged))
    return connection.execute(sa.update(LOG_ALARM).where(*here).values(row)).rowcount == 1


def keep_lines(connection: sa.Connection, name: Name, lines: Iterable[Line], gone: Collection[Key]) -> int:
    """Write the series of an alarm, and forget those that are gone; returns how many were written."""
    ids = [series_id(key) for key in gone]
    for start in range(0, len(ids), SLICE):
        these = _S.id.in_(ids[start : start + SLICE])
        connection.execute(sa.delete(LOG_ALARM_SERIES).where(*_of(LOG_ALARM_SERIES, name), these))
    rows = [_row(name, one) for one in lines]
    insert = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(LOG_ALARM_SERIES)
    values = {column: insert.excluded[column] for column in (rows[0] if rows else {}) if column not in _KEYS}
    statement = insert.on_conflict_do_update(index_elements=_KEYS, set_=values) if rows else insert
    for start in range(0, len(rows), SLICE):
        write(connection, statement, rows[start : start + SLICE])
    return len(rows)


def forget_alarm(connection: sa.Connection, name: Name) -> int:
    """Forget an alarm with its series; returns how many series."""
    connection.execute(sa.delete(LOG_ALARM).where(*_of(LOG_ALARM, name)))
    return connection.execute(sa.delete(LOG_ALARM_SERIES).where(*_of(LOG_ALARM_SERIES, name))).rowcount


def _of(table: sa.Table, name: Name) -> list[sa.ColumnElement[bool]]:
    return [table.c.definition == name.definition, table.c.alarm == name.alarm]


def _subject(text: str) -> ResourceId:
    cloud, account, region, kind, id_ = text.split("/", 4)
    return ResourceId(Cloud(cloud), account, region, kind, id_)


def _row(name: Name, line: Line) -> dict[str, Any]:
    told = line.told
    return {
        "definition": name.definition,
        "alarm": name.alarm,
        "id": series_id(line.key),
        "series": json.dumps(list(line.key)),
        "level": line.level.word,
        "history": json.dumps(list(line.standing.history)),
        "quiet": line.standing.quiet,
        "missing": line.standing.missing,
        "period": line.period * 1000,
        "value": line.seen.value,
        "references": json.dumps(dict(line.seen.references)),
        "in_hours": line.in_hours,
        "since": line.since * 1000,
        "heard": line.heard * 1000,
        "fired": line.fired,
        "told": _millis(told.at),
        "told_levels": " ".join(one.word for one in told.levels),
        "untold": told.untold,
        "untold_since": _millis(told.since),
        "owed": told.owed,
        "trail": json.dumps([[[one.at, *_stood(one.standing)] for one in line.trail.marks], line.trail.levels]),
    }


def _line(row: sa.Row[Any]) -> Line:
    levels = tuple(level_of(one) for one in row.told_levels.split())
    told = Told(_moment(row.told), levels, row.untold, _moment(row.untold_since), row.owed)
    references = {Than(than): value for than, value in json.loads(row.references).items()}
    return Line(
        key=tuple(json.loads(row.series)),
        standing=Standing(level_of(row.level), tuple(json.loads(row.history)), row.quiet, row.missing),
        period=row.period // 1000,
        seen=Seen(row.value, references),
        in_hours=row.in_hours,
        since=row.since // 1000,
        heard=row.heard // 1000,
        fired=row.fired,
        told=told,
        trail=_trail(row.trail),
    )


def _trail(text: str) -> Trail:
    marks, levels = json.loads(text)
    stood = (
        Stood(at, Standing(Level(level), tuple(history), quiet, missing))
        for at, level, history, quiet, missing in marks
    )
    return Trail(tuple(stood), tuple(map(Level, levels)))


def _stood(standing: Standing) -> tuple[object, ...]:
    return standing.level, standing.history, standing.quiet, standing.missing


def _numbers(judged: Mapping[str, int]) -> str:
    return json.dumps(dict(sorted(judged.items())))


def _millis(moment: datetime | None) -> int | None:
    return None if moment is None else millis_of(moment)


def _moment(millis: int | None) -> datetime | None:
    return None if millis is None else moment_of(millis)
