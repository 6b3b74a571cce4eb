"""What people call an incident by: its id, the id of one of its runs, or how either begins, as tables show it."""

from __future__ import annotations

import sqlalchemy as sa

from cloudheal.record.tables import DECISION, INCIDENT, RUN

#: So many of those that begin alike are told.
MOST_ALIKE = 10


def incidents_called(connection: sa.Connection, called: str) -> list[str]:
    """Return the incidents that are meant; a whole id means one, a beginning everything that begins so."""
    for meant in (INCIDENT.c.id == called, RUN.c.id == called):
        found = _incidents(connection, meant)
        if found:
            return found
    alike = (one.c.id.startswith(called, autoescape=True) for one in (INCIDENT, RUN))
    return _incidents(connection, sa.or_(*alike)) if called else []


def entries_called(connection: sa.Connection, called: str) -> list[str]:
    """Return the ids of the incidents and runs themselves that are meant, as rows of the ledger bear them."""
    if not called:
        return []
    for alike in (False, True):
        found: list[str] = []
        for one in (INCIDENT, RUN):
            meant = one.c.id.startswith(called, autoescape=True) if alike else one.c.id == called
            found += connection.scalars(sa.select(one.c.id).where(meant).order_by(one.c.id).limit(MOST_ALIKE))
        if found:
            return found
    return []


def event_of(connection: sa.Connection, incident: str) -> str | None:
    """Return the row number of the event that an incident began with; None without one."""
    began = sa.select(DECISION.c.event).where(DECISION.c.incident == incident, DECISION.c.incident != "")
    number = connection.scalar(began.order_by(DECISION.c.id).limit(1))
    return None if number is None else str(number)


def _incidents(connection: sa.Connection, meant: sa.ColumnElement[bool]) -> list[str]:
    joined = sa.select(INCIDENT.c.id).outerjoin(RUN, RUN.c.incident == INCIDENT.c.id).where(meant)
    return list(connection.scalars(joined.distinct().order_by(INCIDENT.c.id).limit(MOST_ALIKE)))
