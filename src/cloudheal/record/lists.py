"""What an operator lists: events with what was decided, incidents, runs, dead letters, holds, questions.

Read models only: each row is frozen and holds what people ask for, instants as aware UTC times. Newest first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from cloudheal.model.decision import Reason
from cloudheal.model.event import Channel
from cloudheal.model.incident import RunState
from cloudheal.record.inbox import DeadLetter
from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.tables import DEAD_LETTER, DECISION, EVENT, HOLD, INCIDENT, RESOURCE, RUN


@dataclass(frozen=True, slots=True)
class Narrow:
    """What a list is narrowed to: since when, about which resource, at most how many."""

    since: datetime | None = None
    resource: str = ""
    limit: int = 50


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event; `decisions` are `rule: reason`, or `no_rule` alone when no rule wanted it."""

    number: int
    key: str
    occurred: datetime
    received: datetime
    type: str
    status: str
    resource: str
    region: str
    account: str
    channel: str
    simulated: bool
    decisions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One incident; `verdict` is empty while it is open, `code` is the reason behind the verdict."""

    id: str
    resource: str
    region: str
    trouble: str
    group: str
    occurred: datetime
    detected: datetime
    acted: datetime | None
    ended: datetime | None
    verdict: str
    code: str


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run and what it waits for."""

    id: str
    incident: str
    resource: str
    rule: str
    playbook: str
    mode: str
    state: str
    attempts: int
    looks: int
    worker: str
    waits_for: str
    next_eligible: datetime | None
    escalated: datetime | None
    """When people were told that it waits too long."""


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """A message that could not be read; its bytes stay in the database, because they may hold secrets."""

    number: int
    received: datetime
    channel: str
    origin: str
    reason: str
    copies: int
    bytes: int


@dataclass(frozen=True, slots=True)
class HoldRow:
    """A hold in force."""

    scope: str
    who: str
    why: str
    since: datetime
    until: datetime | None


def list_events(connection: sa.Connection, narrow: Narrow) -> list[EventRow]:
    """List events by when they happened."""
    chosen = _narrowed(sa.select(EVENT), EVENT.c.occurred, EVENT.c.resource, narrow).order_by(EVENT.c.id.desc())
    rows = connection.execute(chosen).all()
    decisions = _decisions(connection, [row.id for row in rows])
    return [
        EventRow(
            number=row.id,
            key=row.key,
            occurred=moment_of(row.occurred),
            received=moment_of(row.received),
            type=row.type,
            status=row.status,
            resource=row.resource,
            region=row.region,
            account=row.account,
            channel=row.channel,
            simulated=row.simulated,
            decisions=tuple(decisions.get(row.id, (Reason.NO_RULE.value,))),
        )
        for row in rows
    ]


def list_incidents(connection: sa.Connection, narrow: Narrow, *, open_only: bool = False) -> list[IncidentRow]:
    """List incidents by when they began."""
    chosen = _narrowed(sa.select(INCIDENT), INCIDENT.c.occurred, INCIDENT.c.resource, narrow)
    if open_only:
        chosen = chosen.where(INCIDENT.c.ended.is_(None))
    rows = connection.execute(chosen.order_by(INCIDENT.c.occurred.desc(), INCIDENT.c.id)).mappings()
    return [
        IncidentRow(
            id=row["id"],
            resource=row["resource"],
            region=row["region"],
            trouble=f"{row['trouble']}:{row['trouble_id']}" if row["trouble_id"] else row["trouble"],
            group=row["group"],
            occurred=moment_of(row["occurred"]),
            detected=moment_of(row["detected"]),
            acted=_perhaps(row["acted"]),
            ended=_perhaps(row["ended"]),
            verdict=row["verdict"],
            code=str(json.loads(row["evidence"]).get("code", "")),
        )
        for row in rows
    ]


#: A run in one of these has ended its look; the next one is counted already.
_BETWEEN_LOOKS = frozenset({RunState.WAITING.value, RunState.ASKING.value})
_ENDED = RunState.ENDED.value


def list_runs(connection: sa.Connection, narrow: Narrow, *, open_only: bool = False) -> list[RunRow]:
    """List runs by when their incident began; one that has ended waits for nothing."""
    joined = sa.select(RUN, INCIDENT.c.resource).join(INCIDENT, INCIDENT.c.id == RUN.c.incident)
    chosen = _narrowed(joined, INCIDENT.c.occurred, INCIDENT.c.resource, narrow)
    if open_only:
        chosen = chosen.where(RUN.c.state != _ENDED)
    rows = connection.execute(chosen.order_by(INCIDENT.c.occurred.desc(), RUN.c.id)).all()
    return [
        RunRow(
            id=row.id,
            incident=row.incident,
            resource=row.resource,
            rule=row.rule,
            playbook=row.playbook,
            mode=row.mode,
            state=row.state,
            attempts=row.attempt,
            looks=row.look + (row.state not in _BETWEEN_LOOKS),
            worker=row.owner,
            waits_for="" if row.state == _ENDED else row.waits_for,
            next_eligible=None if row.state == _ENDED else _perhaps(row.next_eligible),
            escalated=_perhaps(row.escalated),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """A server as it is known, as of a time; `released` when it is gone."""

    id: str
    name: str
    region: str
    zone: str
    group: str
    state: str
    since: datetime
    as_of: datetime
    tags: Mapping[str, str]
    locks: tuple[str, ...]
    released: datetime | None


def list_instances(
    connection: sa.Connection, narrow: Narrow, *, state: str = "", released: bool = False
) -> list[InstanceRow]:
    """List servers by id; `since` narrows to those whose state changed since."""
    chosen = _narrowed(sa.select(RESOURCE), RESOURCE.c.since, RESOURCE.c.id, narrow).where(
        RESOURCE.c.kind == "instance"
    )
    if state:
        chosen = chosen.where(RESOURCE.c.state == state)
    if not released:
        chosen = chosen.where(RESOURCE.c.released.is_(None))
    rows = connection.execute(chosen.order_by(RESOURCE.c.id, RESOURCE.c.region)).mappings()
    return [
        InstanceRow(
            id=row["id"],
            name=row["name"],
            region=row["region"],
            zone=row["zone"],
            group=row["group"],
            state=row["state"],
            since=moment_of(row["since"]),
            as_of=moment_of(row["as_of"]),
            tags=json.loads(row["tags"]),
            locks=tuple(json.loads(row["locks"])),
            released=_perhaps(row["released"]),
        )
        for row in rows
    ]


def list_dead_letters(connection: sa.Connection, limit: int) -> list[DeadLetterRow]:
    """List the dead letters that were not replayed."""
    size = sa.func.length(DEAD_LETTER.c.raw).label("size")
    chosen = sa.select(DEAD_LETTER, size).where(DEAD_LETTER.c.replayed.is_(None))
    rows = connection.execute(chosen.order_by(DEAD_LETTER.c.id.desc()).limit(limit)).all()
    return [
        DeadLetterRow(row.id, moment_of(row.received), row.channel, row.origin, row.reason, row.copies, row.size)
        for row in rows
    ]


def dead_letter(connection: sa.Connection, number: int) -> DeadLetter | None:
    """Read one dead letter that was not replayed, with its bytes."""
    one = (DEAD_LETTER.c.id == number) & DEAD_LETTER.c.replayed.is_(None)
    row = connection.execute(sa.select(DEAD_LETTER).where(one)).one_or_none()
    if row is None:
        return None
    return DeadLetter(moment_of(row.received), Channel(row.channel), row.origin, row.reason, row.raw)


def list_holds(connection: sa.Connection, now: datetime) -> list[HoldRow]:
    """List the holds and pauses in force, oldest first."""
    over = HOLD.c.until.is_not(None) & (HOLD.c.until <= millis_of(now))
    rows = connection.execute(sa.select(HOLD).where(HOLD.c.lifted.is_(None), ~over).order_by(HOLD.c.id)).all()
    return [HoldRow(row.scope, row.who, row.why, moment_of(row.since), _perhaps(row.until)) for row in rows]


def _narrowed(
    chosen: sa.Select[Any], time: sa.ColumnElement[int], resource: sa.ColumnElement[str], narrow: Narrow
) -> sa.Select[Any]:
    if narrow.since is not None:
        chosen = chosen.where(time >= millis_of(narrow.since))
    if narrow.resource:
        chosen = chosen.where(resource == narrow.resource)
    return chosen.limit(narrow.limit)


def _decisions(connection: sa.Connection, events: Sequence[int]) -> Mapping[int, list[str]]:
    found: dict[int, list[str]] = {}
    chosen = sa.select(DECISION.c.event, DECISION.c.rule, DECISION.c.reason).where(DECISION.c.event.in_(events))
    for row in connection.execute(chosen.order_by(DECISION.c.id)):
        found.setdefault(row.event, []).append(f"{row.rule}: {row.reason}")
    return found


def _perhaps(millis: int | None) -> datetime | None:
    return None if millis is None else moment_of(millis)
