"""The story of one event as it stands in the tables: what `explain` tells, before it is put into words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from cloudheal.model.control import Answer
from cloudheal.model.decision import Reason
from cloudheal.model.event import Event
from cloudheal.model.incident import RunState
from cloudheal.record.inbox import event_by_key
from cloudheal.record.moments import moment_of
from cloudheal.record.tables import APPROVAL, DECISION, EVENT, HOLD, INCIDENT, RUN
from cloudheal.record.timelines import Timeline, incident_timeline


@dataclass(frozen=True, slots=True)
class Passed:
    """One station of a walk: the question, the reason when it refused, the numbers behind it."""

    question: str
    reason: str
    numbers: str


@dataclass(frozen=True, slots=True)
class Made:
    """One decision as it was made; `digest` is the rule's at that time."""

    rule: str
    digest: str
    reason: str
    detail: str
    at: datetime
    next_eligible: datetime | None
    incident: str
    stations: tuple[Passed, ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run: where it stands, and what it waits for."""

    id: str
    rule: str
    playbook: str
    mode: str
    state: RunState
    owner: str
    attempts: int
    recoveries: int
    waits_for: str
    next_eligible: datetime | None
    question: str = ""
    expires: datetime | None = None
    holds: tuple[str, ...] = ()
    """The scopes of the holds that it waits for."""


@dataclass(frozen=True, slots=True)
class Affair:
    """One incident: what it is about, everything that was told of it, its runs, and its end."""

    id: str
    trouble: str
    ended: datetime | None
    verdict: str
    evidence: Mapping[str, str]
    timeline: Timeline
    runs: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that is known of one event and of what followed from it."""

    event: Event
    number: int
    decisions: tuple[Made, ...]
    affairs: tuple[Affair, ...]


def story_of(connection: sa.Connection, reference: str) -> Story | None:
    """Read the story of an event, named by its key or its row number; None when there is no such event."""
    row = EVENT.c.id == int(reference) if _is_row(reference) else EVENT.c.key == reference
    found = connection.execute(sa.select(EVENT.c.id, EVENT.c.key).where(row)).one_or_none()
    event = event_by_key(connection, found.key) if found else None
    if found is None or event is None:
        return None
    made = _decisions(connection, found.id)
    ids = list(dict.fromkeys(one.incident for one in made if one.incident))
    affairs = [affair for affair in (_affair(connection, id_) for id_ in ids) if affair]
    return Story(event, found.id, made, tuple(affairs))


def newest_about(connection: sa.Connection, resource: str) -> str | None:
    """Return the row number of the newest event about a resource that a rule decided on, else of its newest event."""
    about = sa.select(EVENT.c.id).where(EVENT.c.resource == resource).order_by(EVENT.c.id.desc()).limit(1)
    decided = about.where(sa.exists().where(DECISION.c.event == EVENT.c.id))
    number = connection.scalar(decided) or connection.scalar(about)
    return None if number is None else str(number)


def _is_row(reference: str) -> bool:
    return reference.isascii() and reference.isdigit() and len(reference) < 19


def _decisions(connection: sa.Connection, event: int) -> tuple[Made, ...]:
    rows = connection.execute(sa.select(DECISION).where(DECISION.c.event == event).order_by(DECISION.c.id))
    return tuple(
        Made(
            rule=row.rule,
            digest=row.rule_digest,
            reason=row.reason,
            detail=row.detail,
            at=moment_of(row.decided),
            next_eligible=None if row.next_eligible is None else moment_of(row.next_eligible),
            incident=row.incident,
            stations=tuple(
                Passed(one["question"], one["reason"], one["numbers"] or "") for one in json.loads(row.stations)
            ),
        )
        for row in rows
    )


def _affair(connection: sa.Connection, id_: str) -> Affair | None:
    row = connection.execute(sa.select(INCIDENT).where(INCIDENT.c.id == id_)).mappings().one_or_none()
    timeline = incident_timeline(connection, id_)
    if row is None or timeline is None:
        return None
    trouble = f"{row['trouble']}:{row['trouble_id']}" if row["trouble_id"] else row["trouble"]
    ended = None if row["ended"] is None else moment_of(row["ended"])
    evidence = {str(key): str(value) for key, value in json.loads(row["evidence"]).items()}
    runs = _runs(connection, id_, (row["resource"], row["group"]))
    return Affair(id_, trouble, ended, row["verdict"], evidence, timeline, runs)


def _runs(connection: sa.Connection, incident: str, scopes: Sequence[str]) -> tuple[Attempt, ...]:
    rows = connection.execute(sa.select(RUN).where(RUN.c.incident == incident).order_by(RUN.c.id)).all()
    waiting = APPROVAL.c.answer.in_(("", Answer.EXPIRED.value))
    asked = sa.select(APPROVAL, RUN.c.id.label("asking")).join(RUN, RUN.c.asks == APPROVAL.c.id)
    open_ = asked.where(RUN.c.id.in_([row.id for row in rows]), waiting)
    questions = {row.asking: row for row in connection.execute(open_)}
    return tuple(
        Attempt(
            id=row.id,
            rule=row.rule,
            playbook=row.playbook,
            mode=row.mode,
            state=RunState(row.state),
            owner=row.owner,
            attempts=row.attempt,
            recoveries=row.recoveries,
            waits_for=row.waits_for,
            next_eligible=None if row.next_eligible is None else moment_of(row.next_eligible),
            question=questions[row.id].id if row.id in questions else "",
            expires=moment_of(questions[row.id].expires) if row.id in questions else None,
            holds=_holds(connection, scopes, row.next_eligible) if row.waits_for == Reason.HELD.value else (),
        )
        for row in rows
    )


def _holds(connection: sa.Connection, scopes: Sequence[str], until: int | None) -> tuple[str, ...]:
    """Return the scopes among these that are held at least until then; None is for ever."""
    longer = HOLD.c.until.is_(None) | (HOLD.c.until >= until) if until else HOLD.c.until.is_(None)
    standing = sa.select(HOLD.c.scope).where(HOLD.c.scope.in_(scopes), HOLD.c.lifted.is_(None), longer)
    return tuple(connection.scalars(standing.distinct().order_by(HOLD.c.scope)))
