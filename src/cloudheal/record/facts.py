"""Counts what a decision is based on, from our own tables, inside the committing transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from cloudheal.model.incident import FAILURE, INTERRUPTION, MAINTENANCE, Healed, Trouble
from cloudheal.model.resource import ResourceId
from cloudheal.record.budget import AT_ONCE
from cloudheal.record.incidents import attempts_where
from cloudheal.record.moments import millis_of
from cloudheal.record.tables import GRANT, INCIDENT, RUN, STEP

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Counted:
    """The history of one resource and trouble, and of everything, as numbers and instants."""

    open_incident: str | None
    attempts: int
    oldest_attempt: datetime | None
    last_attempt: datetime | None
    heals: int
    oldest_heal: datetime | None
    at_once: int
    in_last_hour: int
    group_under_action: int
    group_fell: int


def count(
    connection: sa.Connection, subject: ResourceId, trouble: Trouble, group: str, now: datetime, windows: Windows
) -> Counted:
    """Count everything that the walk compares with limits."""
    attempts = _attempts(connection, subject, trouble, now - windows.within)
    heals = _heals(connection, subject, trouble, now - windows.flap)
    return Counted(
        open_incident=_open(connection, subject, trouble),
        attempts=attempts[0],
        oldest_attempt=_moment(attempts[1]),
        last_attempt=_moment(attempts[2]),
        heals=heals[0],
        oldest_heal=_moment(heals[1]),
        at_once=connection.scalar(sa.select(sa.func.count()).where(GRANT.c.scope == AT_ONCE)) or 0,
        in_last_hour=_acted_since(connection, now - HOUR),
        group_under_action=_under_action(connection, group),
        group_fell=_fell(connection, group, trouble, now - windows.storm),
    )


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows in which a rule counts attempts, heals and falls."""

    within: timedelta
    flap: timedelta
    storm: timedelta


def _about(subject: ResourceId) -> sa.ColumnElement[bool]:
    return sa.and_(
        INCIDENT.c.cloud == str(subject.cloud),
        INCIDENT.c.account == subject.account,
        INCIDENT.c.region == subject.region,
        INCIDENT.c.kind == subject.kind,
        INCIDENT.c.resource == subject.id,
    )


def _open(connection: sa.Connection, subject: ResourceId, trouble: Trouble) -> str | None:
    """Return the incident that a trouble joins: its own, or the interruption that takes the resource away.

    A failure joins what is being done about the same event, and its own incident also when that has ended well: one
    event is looked into once, however many statuses tell of it.
    """
    same = (INCIDENT.c.trouble == trouble.kind) & (INCIDENT.c.trouble_id == trouble.id)
    joined = INCIDENT.c.ended.is_(None) & (same | (INCIDENT.c.trouble == INTERRUPTION))
    if trouble.kind == FAILURE:
        planned = (INCIDENT.c.trouble == MAINTENANCE) & (INCIDENT.c.trouble_id == trouble.id)
        well = INCIDENT.c.verdict.in_((Healed.HEALED.value, Healed.NOT_NEEDED.value))
        joined |= (planned & INCIDENT.c.ended.is_(None)) | (same & well)
    newest = sa.select(INCIDENT.c.id).where(_about(subject), joined).order_by(INCIDENT.c.detected.desc())
    return connection.scalar(newest.limit(1))


def _attempts(
    connection: sa.Connection, subject: ResourceId, trouble: Trouble, since: datetime
) -> tuple[int, int | None, int | None]:
    """Count attempts on the resource, whichever incident they belonged to.

    An interruption and everything else are counted apart: leaving a balancer is no attempt at starting.
    """
    when = STEP.c.at
    hurried = INCIDENT.c.trouble == INTERRUPTION
    counted = _about(subject) & (hurried if trouble.kind == INTERRUPTION else ~hurried)
    numbers = sa.select(sa.func.count(), sa.func.min(when), sa.func.max(when)).select_from(
        STEP.join(RUN, RUN.c.id == STEP.c.run).join(INCIDENT, INCIDENT.c.id == RUN.c.incident)
    )
    row = connection.execute(numbers.where(attempts_where(counted, when >= millis_of(since)))).one()
    return row[0], row[1], row[2]


def _heals(connection: sa.Connection, subject: ResourceId, trouble: Trouble, since: datetime) -> tuple[int, int | None]:
    healed = _about(subject) & (INCIDENT.c.trouble == trouble.kind) & (INCIDENT.c.verdict == Healed.HEALED.value)
    numbers = sa.select(sa.func.count(), sa.func.min(INCIDENT.c.ended))
    row = connection.execute(numbers.where(healed, INCIDENT.c.ended >= millis_of(since))).one()
    return row[0], row[1]


def _acted_since(connection: sa.Connection, since: datetime) -> int:
    """Count the incidents acted on, with those that may act at any moment because they have a grant."""
    acted = sa.select(RUN.c.incident).join(STEP, STEP.c.run == RUN.c.id).where(STEP.c.at >= millis_of(since))
    granted = sa.select(RUN.c.incident).join(GRANT, GRANT.c.run == RUN.c.id)
    either = sa.union(acted, granted).subquery()
    return connection.scalar(sa.select(sa.func.count()).select_from(either)) or 0


def _under_action(connection: sa.Connection, group: str) -> int:
    joined = GRANT.join(RUN, RUN.c.id == GRANT.c.run).join(INCIDENT, INCIDENT.c.id == RUN.c.incident)
    counted = sa.select(sa.func.count(sa.distinct(INCIDENT.c.resource))).select_from(joined)
    return connection.scalar(counted.where(INCIDENT.c.group == group)) or 0


def _fell(connection: sa.Connection, group: str, trouble: Trouble, since: datetime) -> int:
    counted = sa.select(sa.func.count(sa.distinct(INCIDENT.c.resource)))
    fell = (INCIDENT.c.group == group) & (INCIDENT.c.trouble == trouble.kind)
    return connection.scalar(counted.where(fell, INCIDENT.c.detected >= millis_of(since))) or 0


def _moment(millis: int | None) -> datetime | None:
    return None if millis is None else datetime.fromtimestamp(millis / 1000, UTC)
