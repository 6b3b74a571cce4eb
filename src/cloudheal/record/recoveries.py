"""Recoveries that a cloud told of, and the incidents that they belong to: a fault and its recovery are one incident."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from cloudheal.model.event import Event
from cloudheal.model.incident import Trouble
from cloudheal.record.moments import millis_of
from cloudheal.record.naming import names_of
from cloudheal.record.tables import DECISION, EVENT, INCIDENT, RUN

#: A recovery that is told so long after its incident has ended still belongs to it.
LATE = timedelta(minutes=30)
_E, _I = EVENT.c, INCIDENT.c


@dataclass(frozen=True, slots=True)
class Recovering:
    """An incident that a recovery belongs to, and its run."""

    id: str
    run: str
    rule: str
    is_open: bool


def incident_of(connection: sa.Connection, event: Event, trouble: Trouble) -> Recovering | None:
    """Return the incident that a recovery belongs to: open, or ended not long before; None when there is none."""
    about = [_I[name] == value for name, value in names_of(event.subject).items()]
    same = (_I.trouble == trouble.kind) & (_I.trouble_id == trouble.id) & (_I.occurred <= millis_of(event.time))
    lasting = _I.ended.is_(None) | (_I.ended >= millis_of(event.time - LATE))
    chosen = sa.select(_I.id, RUN.c.id.label("run"), RUN.c.rule, _I.ended).join(RUN, RUN.c.incident == _I.id)
    newest = chosen.where(*about, same, lasting).order_by(_I.occurred.desc(), RUN.c.id.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    return None if row is None else Recovering(row.id, row.run, row.rule, row.ended is None)


def told_before(connection: sa.Connection, fault: Event, statuses: Sequence[str]) -> list[int]:
    """Return the rows of recoveries from a fault that were told before it was and belong to no incident yet."""
    about = [_E[name] == value for name, value in names_of(fault.subject).items()]
    same = (_E.type == fault.type) & _E.status.in_(statuses) & (_E.occurred >= millis_of(fault.time))
    joined = sa.exists().where(DECISION.c.event == _E.id, DECISION.c.incident != "")
    chosen = sa.select(_E.id).where(*about, same, _E.simulated.is_(False), ~joined).order_by(_E.id)
    return list(connection.scalars(chosen))


def told_otherwise(connection: sa.Connection, fault: Event, trouble: Trouble) -> int | None:
    """Return until when a fault is known from another source, in milliseconds; None when it tells something new.

    A cloud tells of one outage by every source that is set up, and the last of them may come when the incident has
    ended. A fault of before its end is the same outage, unless this source has told of that one already.
    """
    about = [_I[name] == value for name, value in names_of(fault.subject).items()]
    same = (_I.trouble == trouble.kind) & (_I.trouble_id == trouble.id) & (_I.ended > millis_of(fault.time))
    newest = sa.select(_I.id, _I.ended).where(*about, same).order_by(_I.ended.desc()).limit(1)
    incident = connection.execute(newest).one_or_none()
    if incident is None:
        return None
    heard = sa.select(_E.id).join(DECISION, DECISION.c.event == _E.id)
    heard = heard.where(DECISION.c.incident == incident.id, _E.source == fault.source, _E.status == fault.status)
    return None if connection.scalar(heard.limit(1)) is not None else int(incident.ended)
