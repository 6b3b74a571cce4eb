"""Waits that take too long are told to people, once each.

A run that waits does nothing until its cause ends, which may be never: a forgotten pause, a lock, a budget that others
use up. Whoever made it wait need not be the one who wonders why nothing happens.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from cloudheal.model.incident import RunState
from cloudheal.record.moments import millis_of
from cloudheal.record.outbox import Notice, Topic, tell
from cloudheal.record.tables import INCIDENT, RUN
from cloudheal.settings.durations import written

_WAITS = RUN.c.state == RunState.WAITING.value


def escalate_long_waits(connection: sa.Connection, after: timedelta, now: datetime) -> int:
    """Tell people of every run that has waited for so long and that they were not told of; returns how many."""
    _keep_time(connection, now)
    late = _WAITS & (RUN.c.waits_since <= millis_of(now - after)) & RUN.c.escalated.is_(None)
    chosen = sa.select(RUN.c.id, RUN.c.incident, RUN.c.rule, RUN.c.waits_for, INCIDENT.c.resource)
    rows = connection.execute(chosen.join(INCIDENT, INCIDENT.c.id == RUN.c.incident).where(late)).all()
    for row in rows:
        facts = {"resource": row.resource, "rule": row.rule, "reason": row.waits_for, "limit": written(after)}
        tell(connection, Notice(Topic.WAITS_LONG, now, f"{Topic.WAITS_LONG}|{row.id}", row.incident, facts))
    ids = [row.id for row in rows]
    connection.execute(sa.update(RUN).where(RUN.c.id.in_(ids)).values(escalated=millis_of(now)))
    return len(rows)


def _keep_time(connection: sa.Connection, now: datetime) -> None:
    """Write since when runs wait, and forget it of those that do not any more."""
    begun = _WAITS & RUN.c.waits_since.is_(None)
    connection.execute(sa.update(RUN).where(begun).values(waits_since=millis_of(now)))
    over = ~_WAITS & RUN.c.waits_since.is_not(None)
    connection.execute(sa.update(RUN).where(over).values(waits_since=None, escalated=None))
