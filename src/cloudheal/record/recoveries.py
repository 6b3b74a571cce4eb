"""Recoveries that a cloud told of, and the incidents that they belong to: a fault and its recovery are one incident."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from cloudheal.model.decision import Reason
from cloudheal.model.event import Event
from cloudheal.model.incident import RunState, Trouble
from cloudheal.model.trigger import RECOVERED
from cloudheal.record.moments import millis_of
from cloudheal.record.naming import about, names_of
from cloudheal.record.tables import DECISION, EVENT, INCIDENT, RUN

#: A recovery that is told so long after its incident has ended still belongs to it.
LATE = timedelta(minutes=30)
_IDLE = frozenset({RunState.WAITING.value, RunState.ASKING.value, RunState.PLANNED.value})
_E, _I = EVENT.c, INCIDENT.c
_AT: sa.BindParameter[int] = sa.bindparam("at", type_=sa.BigInteger)
_SAME = about(INCIDENT) & (_I.trouble == sa.bindparam("trouble")) & (_I.trouble_id == sa.bindparam("trouble_id"))
_LASTING = _I.ended.is_(None) | (_I.ended >= sa.bindparam("since", type_=sa.BigInteger))
_NEWEST = (
    sa.select(_I.id, RUN.c.id.label("run"), RUN.c.rule, RUN.c.state, RUN.c.waits_for, _I.ended)
    .join(RUN, RUN.c.incident == _I.id)
    .where(_SAME, _I.occurred <= _AT, _LASTING)
    .order_by(_I.occurred.desc(), RUN.c.id.desc())
    .limit(1)
)
_IS_JOINED = sa.exists().where(DECISION.c.event == _E.id, DECISION.c.incident != "")
_BEFORE = (
    sa.select(_E.id)
    .where(about(EVENT), _E.type == sa.bindparam("type"), _E.status == sa.bindparam("status"), _E.occurred >= _AT)
    .where(_E.simulated.is_(False), ~_IS_JOINED)
    .order_by(_E.id)
)
_ENDED = sa.select(_I.id, _I.ended).where(_SAME, _I.ended > _AT).order_by(_I.ended.desc()).limit(1)
_HEARD = (
    sa.select(_E.id)
    .join(DECISION, DECISION.c.event == _E.id)
    .where(DECISION.c.incident == sa.bindparam("incident"))
    .where(_E.source == sa.bindparam("source"), _E.status == sa.bindparam("status"))
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Recovering:
    """An incident that a recovery belongs to, and its run."""

    id: str
    run: str
    rule: str
    is_open: bool
    is_idle: bool = False
    """Its run waits, asks or is planned, and not for what it did itself to show."""


def incident_of(connection: sa.Connection, event: Event, trouble: Trouble) -> Recovering | None:
    """Return the incident that a recovery belongs to: open, or ended not long before; None when there is none."""
    since = millis_of(event.time - LATE)
    row = connection.execute(_NEWEST, {**_named(event, trouble), "since": since}).one_or_none()
    if row is None:
        return None
    is_idle = row.state in _IDLE and row.waits_for != Reason.UNDERWAY.value
    return Recovering(row.id, row.run, row.rule, row.ended is None, is_idle)


def told_before(connection: sa.Connection, fault: Event) -> list[int]:
    """Return the rows of recoveries from a fault that were told before it was and belong to no incident yet."""
    asked = {**names_of(fault.subject), "type": fault.type, "status": RECOVERED, "at": millis_of(fault.time)}
    return list(connection.scalars(_BEFORE, asked))


def told_otherwise(connection: sa.Connection, fault: Event, trouble: Trouble) -> int | None:
    """Return until when a fault is known from another source, in milliseconds; None when it tells something new.

    A cloud tells of one outage by every source that is set up, and the last of them may come when the incident has
    ended. A fault of before its end is the same outage, unless this source has told of that one already.
    """
    incident = connection.execute(_ENDED, _named(fault, trouble)).one_or_none()
    if incident is None:
        return None
    asked = {"incident": incident.id, "source": fault.source, "status": fault.status}
    return None if connection.scalar(_HEARD, asked) is not None else int(incident.ended)


def _named(event: Event, trouble: Trouble) -> dict[str, str | int]:
    at = millis_of(event.time)
    return {**names_of(event.subject), "trouble": trouble.kind, "trouble_id": trouble.id, "at": at}
