"""What our own tables know about why a server stopped: reported failures, operations of ours, our own requests."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from cloudheal.model.drill import DrillState
from cloudheal.model.resource import ResourceId
from cloudheal.record.drills import IS_SIMULATED
from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.naming import about, names_of
from cloudheal.record.tables import DRILL, EVENT, INCIDENT, RUN, STEP, SYSTEM_EVENT

_FAILURES = ("Instance:SystemFailure.%", "Instance:InstanceFailure.%")
#: A failure that did not come, after all.
_CALLED_OFF = ("Avoided", "Canceled")
#: Steps that stop a server for a while, by the first word of their name.
_STOPPING = ("reboot%", "stop%", "redeploy%")
#: How far the clocks of a cloud and of ours may be apart.
SKEW = timedelta(seconds=30)

_TOLD = sa.or_(*(EVENT.c.type.like(pattern) for pattern in _FAILURES)) & EVENT.c.status.not_in(_CALLED_OFF)
_NEAR = EVENT.c.occurred.between(sa.bindparam("since"), sa.bindparam("until")) & EVENT.c.simulated.is_(False)
_S, _D = SYSTEM_EVENT.c, DRILL.c
#: What looks like a message about a real event and tells of a drill: of one that is known to be simulated, or that was
#: asked for just now, so that its id is not known yet.
_OF_A_DRILL = sa.exists().where(
    *(IS_SIMULATED, _S.cloud == EVENT.c.cloud, _S.account == EVENT.c.account, _S.resource == EVENT.c.resource),
    EVENT.c.data.contains('"' + _S.id + '"'),
)
_ASKED_FOR = sa.exists().where(
    *(_D.cloud == EVENT.c.cloud, _D.account == EVENT.c.account, _D.resource == EVENT.c.resource),
    *(_D.type == EVENT.c.type, _D.state == DrillState.CREATING.value),
)
_REAL = ~_OF_A_DRILL.correlate(EVENT) & ~_ASKED_FOR.correlate(EVENT)
_FAILED = sa.select(EVENT.c.type, EVENT.c.occurred).where(about(EVENT), _TOLD, _NEAR, _REAL)
_OF_RUNS = STEP.join(RUN, RUN.c.id == STEP.c.run).join(INCIDENT, INCIDENT.c.id == RUN.c.incident)
_BEGUN = INCIDENT.c.acted.is_not(None) & (INCIDENT.c.acted <= sa.bindparam("begun_by"))
_GOING_ON = INCIDENT.c.ended.is_(None) | (INCIDENT.c.ended >= sa.bindparam("ended_after"))
_STOPS = sa.or_(*(STEP.c.name.like(pattern) for pattern in _STOPPING)) & (STEP.c.outcome != "permanent")
_OWN = (
    sa.select(STEP.c.name, STEP.c.run)
    .select_from(_OF_RUNS)
    .where(about(INCIDENT), RUN.c.id != sa.bindparam("run"), _BEGUN, _GOING_ON, _STOPS)
    .order_by(STEP.c.run, STEP.c.number)
)
_REQUESTS = sa.select(STEP.c.request_id).select_from(_OF_RUNS).where(about(INCIDENT), STEP.c.request_id != "")


def failures_near(
    connection: sa.Connection, subject: ResourceId, since: datetime, until: datetime
) -> list[tuple[str, datetime]]:
    """Return the failures of a server or its host that its cloud reported in a time; drills are none."""
    values = {**names_of(subject), "since": millis_of(since), "until": millis_of(until)}
    rows = connection.execute(_FAILED, values)
    return [(row.type, moment_of(row.occurred)) for row in rows]


def own_operations(
    connection: sa.Connection, subject: ResourceId, run: str, occurred: datetime
) -> list[tuple[str, str]]:
    """Return (step, run) of other runs that were about to stop a server, or had just done so, when it stopped."""
    at = millis_of(occurred)
    times = {"begun_by": at + _length(SKEW), "ended_after": at - _length(SKEW)}
    rows = connection.execute(_OWN, {**names_of(subject), "run": run, **times})
    return [(row.name, row.run) for row in rows]


def own_requests(connection: sa.Connection, subject: ResourceId) -> frozenset[str]:
    """Return the ids of our own requests about a server, as its cloud gave them."""
    return frozenset(connection.scalars(_REQUESTS, names_of(subject)))


def _length(duration: timedelta) -> int:
    return round(duration.total_seconds() * 1000)
