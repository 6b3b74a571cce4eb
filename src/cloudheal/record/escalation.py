"""Waits that take too long are told to people, once each.

A run that waits does nothing until its cause ends, which may be never: a forgotten pause, a lock, a budget that others
use up. Whoever made it wait need not be the one who wonders why nothing happens.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from cloudheal.model.incident import RunState, StepKind
from cloudheal.record.moments import millis_of
from cloudheal.record.outbox import Notice, Topic, tell
from cloudheal.record.tables import INCIDENT, RUN, STEP
from cloudheal.settings.durations import written

_WAITS = RUN.c.state == RunState.WAITING.value
_LOOKS = RUN.c.state.in_((RunState.STARTING.value, RunState.RUNNING.value))
_TRIED = (STEP.c.run == RUN.c.id) & (STEP.c.kind == StepKind.ACT.value)
_TRIED_SINCE = sa.select(STEP.c.number).where(_TRIED, STEP.c.at > RUN.c.waits_since).exists()


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
    """Write since when runs wait, and forget it of those that do not any more.

    A look that finds the cause still standing, such as a lock every quarter of an hour, ends no wait; an attempt does.
    """
    over = RUN.c.waits_since.is_not(None) & (~(_WAITS | _LOOKS) | _TRIED_SINCE)
    connection.execute(sa.update(RUN).where(over).values(waits_since=None, escalated=None))
    begun = _WAITS & RUN.c.waits_since.is_(None)
    connection.execute(sa.update(RUN).where(begun).values(waits_since=millis_of(now)))
