"""Timelines: what happened to one server, or in one incident, in order; and how long detecting, acting, healing took.

To detect is from when it happened to when we knew; to act is from then to the first intent; to heal is from when
it happened to the verdict, for what was healed. A time that has no end yet is absent, never zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median, quantiles

import sqlalchemy as sa

from cloudheal.model.incident import Healed
from cloudheal.record.ledger import Kind, Written, written
from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.tables import INCIDENT, LEDGER

#: The most rows of one timeline.
MOST_ROWS = 2000


@dataclass(frozen=True, slots=True)
class Times:
    """How long the stages of one incident took."""

    to_detect: timedelta
    to_act: timedelta | None
    to_heal: timedelta | None


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened, oldest first. `times` belong to an incident and are absent for a server."""

    entries: tuple[Written, ...]
    times: Times | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """A set of durations; the three figures are absent when there is none."""

    count: int
    median: timedelta | None
    p95: timedelta | None
    longest: timedelta | None


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast incidents were dealt with in a span of time."""

    incidents: int
    healed: int
    to_detect: Spread
    to_act: Spread
    to_heal: Spread


def incident_timeline(connection: sa.Connection, incident: str) -> Timeline | None:
    """Return everything told of an incident, the events that it opened with and joined included; None without one."""
    row = connection.execute(sa.select(INCIDENT).where(INCIDENT.c.id == incident)).mappings().one_or_none()
    if row is None:
        return None
    own = (LEDGER.c.incident == incident) & (LEDGER.c.incident != sa.literal_column("''"))
    entries = _entries(connection, own)
    events = sorted({one.event for one in entries if one.event is not None})
    arrived = (LEDGER.c.resource == row["resource"]) & (LEDGER.c.kind == Kind.EVENT.value) & LEDGER.c.event.in_(events)
    told = [*entries, *(_entries(connection, arrived) if events else ())]
    return Timeline(tuple(sorted(told, key=lambda one: one.id)), times_of(row))


def resource_timeline(
    connection: sa.Connection, resource: str, since: datetime | None = None, until: datetime | None = None
) -> Timeline:
    """Return what is told of one resource in a span of time: the newest rows, oldest first."""
    about = [LEDGER.c.resource == resource]
    if since is not None:
        about.append(LEDGER.c.at >= millis_of(since))
    if until is not None:
        about.append(LEDGER.c.at < millis_of(until))
    return Timeline(tuple(_entries(connection, sa.and_(*about))))


def pace(connection: sa.Connection, since: datetime, until: datetime) -> Pace:
    """Return how fast the incidents detected in a span of time were dealt with."""
    within = (INCIDENT.c.detected >= millis_of(since)) & (INCIDENT.c.detected < millis_of(until))
    rows = connection.execute(sa.select(INCIDENT).where(within)).mappings().all()
    times = [times_of(row) for row in rows]
    return Pace(
        incidents=len(rows),
        healed=sum(row["verdict"] == Healed.HEALED.value for row in rows),
        to_detect=spread([one.to_detect for one in times]),
        to_act=spread([one.to_act for one in times if one.to_act is not None]),
        to_heal=spread([one.to_heal for one in times if one.to_heal is not None]),
    )


def times_of(row: sa.RowMapping) -> Times:
    """Return the times of one incident's row."""
    occurred, detected = moment_of(row["occurred"]), moment_of(row["detected"])
    healed = row["verdict"] == Healed.HEALED.value
    return Times(
        to_detect=detected - occurred,
        to_act=None if row["acted"] is None else moment_of(row["acted"]) - detected,
        to_heal=moment_of(row["ended"]) - occurred if healed else None,
    )


def spread(durations: Sequence[timedelta]) -> Spread:
    """Return median, 95th percentile and longest of durations."""
    if not durations:
        return Spread(0, None, None, None)
    seconds = sorted(one.total_seconds() for one in durations)
    p95 = quantiles(seconds, n=20, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]
    return Spread(len(seconds), *(timedelta(seconds=one) for one in (median(seconds), p95, seconds[-1])))


def _entries(connection: sa.Connection, which: sa.ColumnElement[bool]) -> list[Written]:
    newest = sa.select(LEDGER).where(which).order_by(LEDGER.c.id.desc()).limit(MOST_ROWS)
    return [written(row) for row in connection.execute(newest).mappings()][::-1]
