"""Runs that wait for their cause to end, or for a person: rows, not workflows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from cloudheal.model.event import Event
from cloudheal.model.incident import Healed, RunState, Trouble, Verdict
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.record.incidents import end_incident
from cloudheal.record.ledger import Entry, Kind, about_run, append
from cloudheal.record.moments import millis_of
from cloudheal.record.tables import INCIDENT, RUN

_PATIENT = (RunState.WAITING.value, RunState.ASKING.value)
#: A state that ends a trouble by itself, by the trouble's name.
_RECOVERIES = {"Running": "stopped"}
#: Names in one statement, below every dialect's limit.
SLICE = 1000


@dataclass(frozen=True, slots=True)
class Patient:
    """A run that waits or asks, with what a new walk needs."""

    run: str
    incident: str
    state: RunState
    look: int
    rule: str
    waits_for: str
    subject: ResourceId
    trouble: Trouble
    group: str
    occurred: datetime


def due(connection: sa.Connection, now: datetime, limit: int = 500) -> list[Patient]:
    """Return the waiting runs whose time may have come, oldest trouble first, and every asking one."""
    eligible = RUN.c.next_eligible.is_(None) | (RUN.c.next_eligible <= millis_of(now))
    chosen = sa.select(RUN, INCIDENT, RUN.c.id.label("run_id")).join(INCIDENT, INCIDENT.c.id == RUN.c.incident)
    rows = connection.execute(
        chosen.where(RUN.c.state.in_(_PATIENT), eligible).order_by(INCIDENT.c.occurred, RUN.c.id).limit(limit)
    ).mappings()
    return [
        Patient(
            run=row["run_id"],
            incident=row["incident"],
            state=RunState(row["state"]),
            look=row["look"],
            rule=row["rule"],
            waits_for=row["waits_for"],
            subject=ResourceId(Cloud(row["cloud"]), row["account"], row["region"], row["kind"], row["resource"]),
            trouble=Trouble(row["trouble"], row["trouble_id"]),
            group=row["group"],
            occurred=datetime.fromtimestamp(row["occurred"] / 1000, UTC),
        )
        for row in rows
    ]


def begin(connection: sa.Connection, run: str, look: int, approved_by: str = "", at: datetime | None = None) -> bool:
    """Turn a waiting run into one to be started at `look`; False when it does not wait any more."""
    patient = (RUN.c.id == run) & RUN.c.state.in_(_PATIENT)
    values = {"state": RunState.STARTING.value, "look": look, "waits_for": "", "approved_by": approved_by}
    begun = connection.execute(sa.update(RUN).where(patient).values(values)).rowcount == 1
    if begun:
        resource, incident = about_run(connection, run)
        woken = Entry(Kind.RUN_WOKEN, at, resource, name=approved_by, incident=incident, run=run, body={"look": look})
        append(connection, [woken])
    return begun


def keep_waiting(
    connection: sa.Connection,
    run: str,
    state: RunState,
    reason: str,
    until: datetime | None,
    at: datetime | None = None,
) -> bool:
    """Write what a run waits for now, and until when."""
    patient = (RUN.c.id == run) & RUN.c.state.in_(_PATIENT)
    values = {"state": state.value, "waits_for": reason, "next_eligible": None if until is None else millis_of(until)}
    waits = connection.execute(sa.update(RUN).where(patient).values(values)).rowcount == 1
    if waits:
        resource, incident = about_run(connection, run)
        body = {"next_eligible": values["next_eligible"]}
        append(connection, [Entry(Kind.RUN_WAITS, at, resource, result=reason, incident=incident, run=run, body=body)])
    return waits


def end_patient(connection: sa.Connection, run: str, verdict: Verdict) -> bool:
    """End a run that never began, with its incident; False when it began meanwhile."""
    patient = (RUN.c.id == run) & RUN.c.state.in_(_PATIENT)
    ended = connection.execute(sa.update(RUN).where(patient).values(state=RunState.ENDED.value)).rowcount == 1
    return ended and end_incident(connection, verdict, run)


def patients_among(connection: sa.Connection, events: Iterable[Event]) -> set[ResourceId]:
    """Return the resources that events show to be well again and that have a run which waits or asks."""
    well = sorted({event.subject for event in events if event.status in _RECOVERIES})
    found: set[ResourceId] = set()
    for start in range(0, len(well), SLICE):
        ids = [one.id for one in well[start : start + SLICE]]
        columns = [INCIDENT.c[name] for name in ("cloud", "account", "region", "kind", "resource")]
        chosen = sa.select(*columns).join(RUN, RUN.c.incident == INCIDENT.c.id).distinct()
        rows = connection.execute(chosen.where(INCIDENT.c.resource.in_(ids), RUN.c.state.in_(_PATIENT)))
        found.update(ResourceId(Cloud(row[0]), *row[1:]) for row in rows)
    return found


def end_if_recovered(connection: sa.Connection, event: Event, now: datetime) -> int:
    """End what waited for a resource that is well again by itself; returns how many incidents."""
    trouble = _RECOVERIES.get(event.status)
    if trouble is None:
        return 0
    about = [INCIDENT.c[name] == value for name, value in _names(event.subject).items()]
    chosen = sa.select(RUN.c.id, INCIDENT.c.id).join(INCIDENT, INCIDENT.c.id == RUN.c.incident)
    older = INCIDENT.c.occurred <= millis_of(event.time)
    rows = connection.execute(
        chosen.where(*about, older, INCIDENT.c.trouble == trouble, RUN.c.state.in_(_PATIENT))
    ).all()
    evidence = {"code": "recovered", "event": event.key}
    return sum(end_patient(connection, run, Verdict(one, Healed.NOT_NEEDED, now, evidence)) for run, one in rows)


def _names(subject: ResourceId) -> dict[str, str]:
    return {
        "cloud": str(subject.cloud),
        "account": subject.account,
        "region": subject.region,
        "kind": subject.kind,
        "resource": subject.id,
    }
