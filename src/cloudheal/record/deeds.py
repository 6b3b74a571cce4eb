"""What runs did to a resource, as their journals have it: one run's own deeds, and those of others.

A claim is an intent of a fixed name. It stands while its run has not ended, so that of several runs about one resource
one does the work, and the others see what comes of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from cloudheal.model.deed import CLAIM, EVIDENCE, ORDER, Deed
from cloudheal.model.incident import RunState, StepKind
from cloudheal.model.resource import ResourceId
from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.naming import about, names_of
from cloudheal.record.tables import EVENT, INCIDENT, LEDGER, RUN, STEP

#: Outcomes of what was not done.
_NOT_DONE = ("transient", "permanent", "refused")
#: Asked at every look of a run that watches its server; built once.
_STATES_TOLD = (
    sa.select(EVENT.c.status)
    .where(about(EVENT), EVENT.c.type == sa.bindparam("of_type"), EVENT.c.occurred >= sa.bindparam("since"))
    .where(EVENT.c.simulated.is_(False))
    .order_by(EVENT.c.occurred, EVENT.c.id)
)
_JOINED = STEP.join(RUN, RUN.c.id == STEP.c.run).join(INCIDENT, INCIDENT.c.id == RUN.c.incident)


def deeds_of(connection: sa.Connection, run: str, before_look: int) -> list[Deed]:
    """Return what a run journaled in the looks before this one, in order."""
    chosen = sa.select(STEP).where(STEP.c.run == run, STEP.c.look < before_look).order_by(STEP.c.number)
    return [_deed(row) for row in connection.execute(chosen)]


def deeds_of_others(
    connection: sa.Connection, subject: ResourceId, run: str, prefix: str, since: datetime
) -> list[Deed]:
    """Return what other runs did, or may have done, to a resource since an instant, of the steps named so; in order."""
    named = STEP.c.name.like(f"{prefix}%") & (STEP.c.at >= millis_of(since)) & STEP.c.outcome.not_in(_NOT_DONE)
    chosen = sa.select(STEP).select_from(_JOINED).where(*_is(INCIDENT, subject), STEP.c.run != run, named)
    return [_deed(row) for row in connection.execute(chosen.order_by(STEP.c.at, STEP.c.run, STEP.c.number))]


def claimant(connection: sa.Connection, subject: ResourceId, run: str) -> str:
    """Return the other run that has taken a resource on and has not ended; empty when there is none."""
    claims = (STEP.c.name == CLAIM) & STEP.c.outcome.not_in(_NOT_DONE)
    open_ = (RUN.c.state != RunState.ENDED.value) & (RUN.c.id != run)
    chosen = sa.select(RUN.c.id).select_from(_JOINED).where(*_is(INCIDENT, subject), claims, open_)
    return connection.scalar(chosen.order_by(STEP.c.at, RUN.c.id).limit(1)) or ""


def buyers_since(connection: sa.Connection, run: str, since: datetime) -> int:
    """Count the other runs that ordered a server since an instant, or may yet: each of them orders one."""
    orders = STEP.c.name.like(f"{ORDER} %") & (STEP.c.at >= millis_of(since)) & (STEP.c.run != run)
    possible = STEP.c.outcome.not_in(("permanent", "refused"))  # one that was put off is sent again, with its token
    counted = sa.select(sa.func.count(sa.distinct(STEP.c.run))).where(orders, possible)
    return connection.scalar(counted) or 0


def evidence_of(connection: sa.Connection, id_: str) -> Mapping[str, Any] | None:
    """Return the newest evidence that was kept about an incident, a run or a server; None when there is none."""
    about = (RUN.c.id == id_) | (INCIDENT.c.id == id_) | (INCIDENT.c.resource == id_)
    chosen = sa.select(STEP.c.before).select_from(_JOINED).where(STEP.c.name == EVIDENCE, about)
    found = connection.scalar(chosen.order_by(STEP.c.at.desc(), STEP.c.run, STEP.c.number.desc()).limit(1))
    return None if found is None else dict(json.loads(found))


def has_begun(connection: sa.Connection, run: str) -> bool:
    """Say whether a run did, or may have done, anything to its resource; that it has taken it on is no such thing."""
    touched = (STEP.c.kind != StepKind.READ.value) & (STEP.c.name != CLAIM) & STEP.c.outcome.not_in(_NOT_DONE)
    return connection.scalar(sa.select(STEP.c.number).where(STEP.c.run == run, touched).limit(1)) is not None


def has_acted(connection: sa.Connection, run: str) -> bool:
    """Say whether a run did, or may have done, what it is for; that it prepared its resource is no such thing."""
    acted = (STEP.c.kind == StepKind.ACT.value) & STEP.c.outcome.not_in(_NOT_DONE)
    return connection.scalar(sa.select(STEP.c.number).where(STEP.c.run == run, acted).limit(1)) is not None


def states_told(connection: sa.Connection, subject: ResourceId, type_: str, since: datetime) -> list[str]:
    """Return the states that messages told of a resource since an instant, in order."""
    asked = {**names_of(subject), "of_type": type_, "since": millis_of(since)}
    return list(connection.scalars(_STATES_TOLD, asked))


def recent_entries(connection: sa.Connection, subject: ResourceId, limit: int) -> list[str]:
    """Return the newest entries of the ledger about a resource, the oldest first, a line each."""
    chosen = sa.select(LEDGER).where(LEDGER.c.resource == subject.id).order_by(LEDGER.c.id.desc()).limit(limit)
    rows: Sequence[sa.Row[tuple[object, ...]]] = connection.execute(chosen).all()
    return [_line(row) for row in reversed(rows)]


def _line(row: sa.Row[tuple[object, ...]]) -> str:
    told = (moment_of(row.at).isoformat(timespec="seconds"), row.kind, row.type, row.result, row.name)
    return " ".join(part for part in told if part)


def _deed(row: sa.Row[tuple[object, ...]]) -> Deed:
    return Deed(
        run=row.run,
        look=row.look,
        name=row.name,
        at=moment_of(row.at),
        outcome=row.outcome,
        code=row.code,
        request_id=row.request_id,
        before=json.loads(row.before),
        value=json.loads(row.value),
    )


def _is(table: sa.Table, subject: ResourceId) -> list[sa.ColumnElement[bool]]:
    names = {"cloud": str(subject.cloud), "account": subject.account, "region": subject.region, "kind": subject.kind}
    return [table.c[name] == value for name, value in {**names, "resource": subject.id}.items()]
