"""Waits that take too long are told to people, once each.

A run that waits does nothing until its cause ends, which may be never: a forgotten pause, a lock, a budget that others
use up. Whoever made it wait need not be the one who wonders why nothing happens. In an outage tens of thousands wait:
they are looked for without keeping anybody from writing, and what is new of them is written in parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from cloudheal.model.incident import RunState, StepKind
from cloudheal.record.moments import millis_of
from cloudheal.record.outbox import Notice, Topic, tell
from cloudheal.record.tables import INCIDENT, RUN, STEP
from cloudheal.settings.durations import written

#: Runs of each kind in one transaction: others wait for the end of it.
SLICE = 100

_WAITS = RUN.c.state == RunState.WAITING.value
_LOOKS = RUN.c.state.in_((RunState.STARTING.value, RunState.RUNNING.value))
_TRIED = (STEP.c.run == RUN.c.id) & (STEP.c.kind == StepKind.ACT.value)
_BEGUN = _WAITS & RUN.c.waits_since.is_(None)
_TRIED_SINCE = sa.select(STEP.c.number).where(_TRIED, STEP.c.at > RUN.c.waits_since).exists()


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the runs whose waits are to be written: those that wait no more, that begin to, that do so too long."""

    over: tuple[str, ...] = ()
    begun: tuple[str, ...] = ()
    late: tuple[str, ...] = ()


def long_waits(connection: sa.Connection, after: timedelta, now: datetime) -> Iterator[Part]:
    """Return what is to be written of the waits of runs, in parts; `after` so long people are told."""
    late = _late(after, now) & ~_over()
    over, begun, told = (sorted(connection.scalars(sa.select(RUN.c.id).where(one))) for one in (_over(), _BEGUN, late))
    parts = range(0, max(len(over), len(begun), len(told)), SLICE)
    return (Part(*(tuple(some[start : start + SLICE]) for some in (over, begun, told))) for start in parts)


def write_waits(connection: sa.Connection, part: Part, after: timedelta, now: datetime) -> int:
    """Write a part, as far as it is still so, and tell people who waits too long; returns of how many runs.

    A look that finds the cause still standing, such as a lock every quarter of an hour, ends no wait; an attempt does.
    """
    for ids, so, values in (
        (part.over, _over(), {"waits_since": None, "escalated": None}),
        (part.begun, _BEGUN, {"waits_since": millis_of(now)}),
    ):
        if ids:
            connection.execute(sa.update(RUN).where(RUN.c.id.in_(ids), so).values(values))
    if not part.late:
        return 0
    chosen = sa.select(RUN.c.id, RUN.c.incident, RUN.c.rule, RUN.c.waits_for, INCIDENT.c.resource)
    named = RUN.c.id.in_(part.late) & _late(after, now)
    rows = connection.execute(chosen.join(INCIDENT, INCIDENT.c.id == RUN.c.incident).where(named)).all()
    for row in rows:
        facts = {"resource": row.resource, "rule": row.rule, "reason": row.waits_for, "limit": written(after)}
        tell(connection, Notice(Topic.WAITS_LONG, now, f"{Topic.WAITS_LONG}|{row.id}", row.incident, facts))
    told = [row.id for row in rows]
    connection.execute(sa.update(RUN).where(RUN.c.id.in_(told)).values(escalated=millis_of(now)))
    return len(rows)


def _over() -> sa.ColumnElement[bool]:
    # Not `is not null`, by which SQLite chooses no index.
    return (RUN.c.waits_since > 0) & (~(_WAITS | _LOOKS) | _TRIED_SINCE)


def _late(after: timedelta, now: datetime) -> sa.ColumnElement[bool]:
    return _WAITS & (RUN.c.waits_since <= millis_of(now - after)) & RUN.c.escalated.is_(None)
