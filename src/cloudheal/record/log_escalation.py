"""Alarms on logs that fire on and on: since when, and whether anybody has said that they see to it.

What somebody said, and that a second group was told, holds until no series of the alarm fires any more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from cloudheal.model.alarm import Level, level_of
from cloudheal.record.ledger import Entry, Kind, append
from cloudheal.record.log_alarms import Name
from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.tables import LOG_ALARM, LOG_ALARM_SERIES

_A, _S = LOG_ALARM.c, LOG_ALARM_SERIES.c
_FIRES = _S.level != Level.OK.word


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Who has said that they see to an alarm, and when."""

    at: datetime
    who: str


@dataclass(frozen=True, slots=True)
class Spell:
    """An alarm that fires, or that fired when somebody was told: how many series, at which level, since when."""

    name: Name
    series: int
    level: Level
    since: datetime | None
    acknowledged: Acknowledged | None
    escalated: datetime | None


def spells(connection: sa.Connection) -> list[Spell]:
    """Return every alarm that fires, was acknowledged, or was escalated."""
    counted = sa.select(_S.definition, _S.alarm, _S.level, sa.func.count(), sa.func.min(_S.since)).where(_FIRES)
    firing: dict[Name, list[tuple[Level, int, int]]] = defaultdict(list)
    for definition, alarm, level, count, since in connection.execute(counted.group_by(*counted.selected_columns[:3])):
        firing[Name(definition, alarm)].append((level_of(level), count, since))
    return list(_spells(connection, firing))


def acknowledged(connection: sa.Connection) -> dict[Name, Acknowledged]:
    """Return who has acknowledged which alarms."""
    return {one.name: one.acknowledged for one in spells(connection) if one.acknowledged is not None and one.series}


def acknowledge(connection: sa.Connection, alarm: str, who: str, now: datetime) -> int:
    """Note that somebody sees to an alarm, by its name, which no other one has; returns how many series of it fire."""
    count = connection.scalar(sa.select(sa.func.count()).select_from(LOG_ALARM_SERIES).where(_S.alarm == alarm, _FIRES))
    if count:
        values = {"acknowledged": millis_of(now), "acknowledged_by": who}
        connection.execute(sa.update(LOG_ALARM).where(_A.alarm == alarm).values(values))
        append(connection, [Entry(Kind.ALARM_ACKNOWLEDGED, now, name=who, body={"alarm": alarm, "series": count})])
    return count or 0


def note_escalated(connection: sa.Connection, name: Name, now: datetime) -> bool:
    """Note that a second group is told; False when they were told before."""
    here = (_A.definition == name.definition) & (_A.alarm == name.alarm) & _A.escalated.is_(None)
    return connection.execute(sa.update(LOG_ALARM).where(here).values(escalated=millis_of(now))).rowcount == 1


def end_spell(connection: sa.Connection, name: Name) -> bool:
    """Forget what was said and told of an alarm that does not fire any more; False when there was nothing."""
    here = (_A.definition == name.definition) & (_A.alarm == name.alarm)
    here &= _A.escalated.is_not(None) | _A.acknowledged.is_not(None)
    values = {"escalated": None, "acknowledged": None, "acknowledged_by": ""}
    return connection.execute(sa.update(LOG_ALARM).where(here).values(values)).rowcount == 1


def _spells(connection: sa.Connection, firing: dict[Name, list[tuple[Level, int, int]]]) -> Iterator[Spell]:
    for row in connection.execute(sa.select(LOG_ALARM).order_by(_A.definition, _A.alarm)):
        name = Name(row.definition, row.alarm)
        found = firing.get(name, [])
        said = None if row.acknowledged is None else Acknowledged(moment_of(row.acknowledged), row.acknowledged_by)
        if found or said or row.escalated is not None:
            yield Spell(
                name=name,
                series=sum(count for _, count, _ in found),
                level=max((level for level, _, _ in found), default=Level.OK),
                since=moment_of(min(since for _, _, since in found)) if found else None,
                acknowledged=said,
                escalated=None if row.escalated is None else moment_of(row.escalated),
            )
