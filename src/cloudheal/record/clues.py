"""What our own tables know about why a server stopped: reported failures, operations of ours, our own requests."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from cloudheal.model.resource import ResourceId
from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.tables import EVENT, INCIDENT, RUN, STEP

_FAILURES = ("Instance:SystemFailure.%", "Instance:InstanceFailure.%")
#: A failure that did not come, after all.
_CALLED_OFF = ("Avoided", "Canceled")
#: Steps that stop a server for a while, by the first word of their name.
_STOPPING = ("reboot%", "stop%", "redeploy%")
#: How far the clocks of a cloud and of ours may be apart.
SKEW = timedelta(seconds=30)


def failures_near(
    connection: sa.Connection, subject: ResourceId, since: datetime, until: datetime
) -> list[tuple[str, datetime]]:
    """Return the failures of a server or its host that its cloud reported in a time; drills are none."""
    told = sa.or_(*(EVENT.c.type.like(pattern) for pattern in _FAILURES)) & EVENT.c.status.not_in(_CALLED_OFF)
    near = EVENT.c.occurred.between(millis_of(since), millis_of(until)) & EVENT.c.simulated.is_(False)
    rows = connection.execute(sa.select(EVENT.c.type, EVENT.c.occurred).where(*_is(EVENT, subject), told, near))
    return [(row.type, moment_of(row.occurred)) for row in rows]


def own_operations(
    connection: sa.Connection, subject: ResourceId, run: str, occurred: datetime
) -> list[tuple[str, str]]:
    """Return (step, run) of other runs that were about to stop a server, or had just done so, when it stopped."""
    at = millis_of(occurred)
    begun = INCIDENT.c.acted.is_not(None) & (INCIDENT.c.acted <= at + _length(SKEW))
    going_on = INCIDENT.c.ended.is_(None) | (INCIDENT.c.ended >= at - _length(SKEW))
    stopping = sa.or_(*(STEP.c.name.like(pattern) for pattern in _STOPPING)) & (STEP.c.outcome != "permanent")
    joined = STEP.join(RUN, RUN.c.id == STEP.c.run).join(INCIDENT, INCIDENT.c.id == RUN.c.incident)
    chosen = sa.select(STEP.c.name, STEP.c.run).select_from(joined).order_by(STEP.c.run, STEP.c.number)
    rows = connection.execute(chosen.where(*_is(INCIDENT, subject), RUN.c.id != run, begun, going_on, stopping))
    return [(row.name, row.run) for row in rows]


def own_requests(connection: sa.Connection, subject: ResourceId) -> frozenset[str]:
    """Return the ids of our own requests about a server, as its cloud gave them."""
    joined = STEP.join(RUN, RUN.c.id == STEP.c.run).join(INCIDENT, INCIDENT.c.id == RUN.c.incident)
    ids = sa.select(STEP.c.request_id).select_from(joined).where(*_is(INCIDENT, subject), STEP.c.request_id != "")
    return frozenset(connection.scalars(ids))


def _is(table: sa.Table, subject: ResourceId) -> list[sa.ColumnElement[bool]]:
    names = {"cloud": str(subject.cloud), "account": subject.account, "region": subject.region, "kind": subject.kind}
    return [table.c[name] == value for name, value in {**names, "resource": subject.id}.items()]


def _length(duration: timedelta) -> int:
    return round(duration.total_seconds() * 1000)
