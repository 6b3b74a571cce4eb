"""Incidents, decisions and runs as rows: opened together in the committing transaction, ended by a verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cloudheal.model.control import Answer
from cloudheal.model.decision import OUTCOMES, Outcome, Reason
from cloudheal.model.event import Event
from cloudheal.model.incident import FAILURE, INTERRUPTION, Healed, Mode, Run, RunState, StepKind, Trouble, Verdict
from cloudheal.model.resource import ResourceId
from cloudheal.record.budget import give_back
from cloudheal.record.bulk import Bulk, Row, as_json, write
from cloudheal.record.ledger import Entry, Kind, append
from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.naming import about, names_of
from cloudheal.record.outbox import Notice, Topic, tell
from cloudheal.record.tables import APPROVAL, DECISION, EVENT, INCIDENT, RUN, STEP

#: The outcome of a step whose call the cloud did not take for now, or that was not sent.
_NOT_TAKEN = "transient"
#: Decisions in one statement, below every dialect's limit of parameters.
SLICE = 1000

_OF: sa.BindParameter[str] = sa.bindparam("of")
_ABOUT = about(INCIDENT)
_DECIDE = sa.insert(DECISION)
#: SQLite's rows are numbered by us, PostgreSQL's by itself.
_NUMBERED, _DECIDED = Bulk.of(DECISION), Bulk.of(DECISION, "id")
_NUMBERS = _DECIDE.returning(DECISION.c.id, sort_by_parameter_order=True)
_LAST = sa.select(sa.func.max(DECISION.c.id))
_CITED = sa.select(EVENT.c.id, EVENT.c.resource, EVENT.c.key).where(EVENT.c.id.in_(sa.bindparam("ids", expanding=True)))
_OPEN = {
    "sqlite": sqlite.insert(INCIDENT).on_conflict_do_nothing().returning(INCIDENT.c.id),
    "postgresql": postgresql.insert(INCIDENT).on_conflict_do_nothing().returning(INCIDENT.c.id),
}
_ADD_RUN = sa.insert(RUN)
_OPENED = sa.select(INCIDENT.c.resource, INCIDENT.c.group, INCIDENT.c.occurred).where(INCIDENT.c.id == _OF)
_FIRST_EVENT = sa.select(sa.func.min(DECISION.c.event)).where(DECISION.c.incident == _OF, sa.text("incident <> ''"))
_OPEN_RUN = (
    sa.select(RUN, INCIDENT, RUN.c.id.label("run_id"), INCIDENT.c.id.label("incident_id"))
    .join(INCIDENT, INCIDENT.c.id == RUN.c.incident)
    .where(RUN.c.id == _OF, RUN.c.state != RunState.ENDED.value)
)
_END = sa.update(INCIDENT).where(INCIDENT.c.id == _OF, INCIDENT.c.ended.is_(None))
_ENDED = (
    sa.select(INCIDENT.c.resource, INCIDENT.c.trouble, INCIDENT.c.trouble_id, RUN.c.playbook)
    .outerjoin(RUN, RUN.c.id == sa.bindparam("run"))
    .where(INCIDENT.c.id == _OF)
)
_OTHERS = (
    sa.select(RUN.c.id, INCIDENT.c.id)
    .join(INCIDENT, INCIDENT.c.id == RUN.c.incident)
    .where(_ABOUT, INCIDENT.c.ended.is_(None), INCIDENT.c.id != sa.bindparam("by"))
    .where(RUN.c.state != RunState.ENDED.value)
)
_INTERRUPTED = (
    sa.select(INCIDENT.c.id).where(_ABOUT, INCIDENT.c.trouble == INTERRUPTION, INCIDENT.c.ended.is_(None)).limit(1)
)
_NOTE_ACTION = (
    sa.update(INCIDENT).where(INCIDENT.c.id == _OF, INCIDENT.c.acted.is_(None)).returning(INCIDENT.c.resource)
)


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision as it is stored; `stations` is the whole walk, for `explain`."""

    event: int
    rule: str
    rule_digest: str
    reason: Reason
    detail: str
    stations: tuple[Mapping[str, str], ...]
    decided: datetime
    next_eligible: datetime | None
    incident: str


@dataclass(frozen=True, slots=True)
class OpenRun:
    """What a look needs to know of its run: the resource, the trouble and the playbook."""

    run: str
    incident: str
    resource: ResourceId
    trouble: Trouble
    group: str
    rule: str
    playbook: str
    playbook_digest: str
    mode: Mode
    attempt: int
    occurred: datetime
    approved: bool = False
    attempts: int = 0
    """Attempts of earlier looks since a person last approved it."""
    last_attempt: datetime | None = None


class Cited(NamedTuple):
    """The event that a decision is about: its resource and its key."""

    resource: str
    key: str


class Opened(NamedTuple):
    """What a run takes from its incident."""

    resource: str
    group: str
    occurred: datetime


def add_decision(connection: sa.Connection, decided: Decided) -> int:
    """Store a decision, refusals included; returns its row number."""
    (number,) = add_decisions(connection, [decided])
    return number


def add_decisions(
    connection: sa.Connection, made: Sequence[Decided], about: Mapping[int, Cited] = MappingProxyType({})
) -> list[int]:
    """Store decisions, refusals included, in this order; returns their row numbers.

    Which events they are `about` is looked up where the caller does not know.
    """
    numbers: list[int] = []
    for start in range(0, len(made), SLICE):
        part = made[start : start + SLICE]
        new = _stored(connection, part)
        cited = {**about, **_cited(connection, {one.event for one in part} - about.keys())}
        told = zip(part, new, strict=True)
        append(connection, [_decision_entry(one, number, cited[one.event]) for one, number in told])
        for one in part:
            if OUTCOMES[one.reason] is Outcome.TELL and not _is_told(connection, one):
                tell(connection, _escalation(one, cited[one.event].resource))
        numbers += new
    return numbers


def _stored(connection: sa.Connection, made: Sequence[Decided]) -> Sequence[int]:
    """Store decisions; returns their row numbers. SQLite's one writer numbers them itself."""
    rows = list(map(_decision_row, made))
    if connection.dialect.name != "sqlite":
        return connection.scalars(_NUMBERS, _DECIDED.named(rows)).all()
    first = (connection.scalar(_LAST) or 0) + 1
    numbers = range(first, first + len(rows))
    _NUMBERED.write(connection, _DECIDE, [(number, *row) for number, row in zip(numbers, rows, strict=True)])
    return numbers


def _cited(connection: sa.Connection, events: AbstractSet[int]) -> Mapping[int, Cited]:
    if not events:
        return {}
    return {row.id: Cited(row.resource, row.key) for row in connection.execute(_CITED, {"ids": sorted(events)})}


def open_incident(
    connection: sa.Connection, id_: str, event: Event, trouble: Trouble, group: str, now: datetime
) -> bool:
    """Open an incident; False when one of the same resource and trouble is open already."""
    row = {
        "id": id_,
        **_resource(event.subject),
        "trouble": trouble.kind,
        "trouble_id": trouble.id,
        "group": group,
        "occurred": millis_of(event.time),
        "detected": millis_of(now),
    }
    if connection.execute(_OPEN[connection.dialect.name], row).first() is None:
        return False
    body = {"occurred": row["occurred"], "group": group, "key": event.key}
    entry = Entry(Kind.INCIDENT_OPENED, now, event.subject.id, str(trouble), incident=id_, body=body)
    append(connection, [entry])
    return True


def add_run(
    connection: sa.Connection,
    run: Run,
    waits_for: str = "",
    at: datetime | None = None,
    owner: str = "",
    *,
    opened: Opened | None = None,
) -> None:
    """Add the run that is to heal an incident; `waits_for` is the reason that holds it back, empty when none does.

    An `owner` is the worker that begins it without the queue. What the incident was `opened` with is looked up when it
    is not given.
    """
    opened = opened or _opened(connection, run.incident)
    row = {
        "group": opened.group,
        "occurred": millis_of(opened.occurred),
        "id": run.id,
        "incident": run.incident,
        "rule": run.rule,
        "playbook": run.playbook,
        "playbook_digest": run.playbook_digest,
        "mode": run.mode.value,
        "state": run.state.value,
        "look": run.look,
        "waits_for": waits_for,
        "owner": owner,
        "next_eligible": None if run.next_eligible is None else millis_of(run.next_eligible),
    }
    write(connection, _ADD_RUN, [row])
    body = {"mode": row["mode"], "playbook_digest": run.playbook_digest, "waits_for": waits_for}
    told = Entry(
        Kind.RUN_ADDED, at, opened.resource, run.playbook, run.state.value, run.rule, None, run.incident, run.id, body
    )
    append(connection, [told])


def _opened(connection: sa.Connection, incident: str) -> Opened:
    row = connection.execute(_OPENED, {"of": incident}).one_or_none()
    return Opened(row[0], row[1], moment_of(row[2])) if row else Opened("", "", moment_of(0))


def event_of(connection: sa.Connection, incident: str) -> int | None:
    """Return the row of the event that opened an incident; later decisions about the incident cite it too."""
    first: int | None = connection.scalar(_FIRST_EVENT, {"of": incident})
    return first


def tell_late(connection: sa.Connection, incident: str, rule: str, at: datetime) -> int:
    """Tell people that nobody has answered in time; returns the number of the notice."""
    resource = connection.execute(sa.select(INCIDENT.c.resource).where(INCIDENT.c.id == incident)).scalar_one()
    facts = {"resource": resource, "rule": rule, "reason": Reason.ASK_EXPIRED.value}
    key = f"{Topic.ESCALATED}|{Reason.ASK_EXPIRED}|{resource}"
    return tell(connection, Notice(Topic.ESCALATED, at, key, incident, facts))


def open_run(connection: sa.Connection, run: str) -> OpenRun | None:
    """Read what a look needs; None when the run does not exist or has ended."""
    row = connection.execute(_OPEN_RUN, {"of": run}).mappings().one_or_none()
    if row is None:
        return None
    approved = _approved(connection, row["asks"])
    tried = [attempts_where(STEP.c.run == run, STEP.c.look < row["look"])]
    tried += [STEP.c.at >= approved] if approved is not None else []
    counted = sa.select(sa.func.count(), sa.func.max(STEP.c.at)).where(*tried)
    attempts, last = connection.execute(counted).one()
    return OpenRun(
        run=row["run_id"],
        incident=row["incident_id"],
        resource=ResourceId(row["cloud"], row["account"], row["region"], row["kind"], row["resource"]),
        trouble=Trouble(row["trouble"], row["trouble_id"]),
        group=row["group"],
        rule=row["rule"],
        playbook=row["playbook"],
        playbook_digest=row["playbook_digest"],
        mode=Mode(row["mode"]),
        attempt=row["attempt"],
        occurred=moment_of(row["occurred"]),
        approved=approved is not None,
        attempts=attempts,
        last_attempt=None if last is None else moment_of(last),
    )


def first_attempt(connection: sa.Connection, run: str, since: datetime) -> datetime | None:
    """Return when the first of a run's attempts since `since` was made."""
    tried = attempts_where(STEP.c.run == run, STEP.c.at >= millis_of(since))
    first = connection.scalar(sa.select(sa.func.min(STEP.c.at)).where(tried))
    return None if first is None else moment_of(first)


def attempts_where(*which: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Return what counts as an attempt: a committed intent to heal, unless its call is known not to have been taken."""
    return sa.and_(*which, STEP.c.kind == StepKind.ACT.value, STEP.c.outcome != _NOT_TAKEN)


def _approved(connection: sa.Connection, question: str) -> int | None:
    """Return when a question was answered with yes."""
    said = sa.select(APPROVAL.c.answered).where(APPROVAL.c.id == question)
    return connection.scalar(said.where(APPROVAL.c.answer == Answer.APPROVED.value)) if question else None


def end_incident(connection: sa.Connection, verdict: Verdict, run: str) -> bool:
    """Write the verdict, end the run and give its grants back; False when the incident was ended before."""
    values = {
        "ended": millis_of(verdict.at),
        "verdict": verdict.healed.value,
        "evidence": json.dumps(dict(verdict.evidence), ensure_ascii=False),
    }
    ended = connection.execute(_END, {"of": verdict.incident, **values}).rowcount == 1
    give_back(connection, run)
    if ended:
        _tell_end(connection, verdict, run)
    return ended


def supersede(connection: sa.Connection, subject: ResourceId, by: str, now: datetime) -> list[str]:
    """End every other open incident of a resource, because `by` goes first; returns the runs that were ended.

    Whoever works on such a run cannot commit a further intent: the run has another epoch and no owner.
    """
    rows = connection.execute(_OTHERS, {**names_of(subject), "by": by}).all()
    for run, incident in rows:
        ended = {"state": RunState.ENDED.value, "owner": "", "epoch": RUN.c.epoch + 1, "waits_for": ""}
        connection.execute(sa.update(RUN).where(RUN.c.id == run).values(ended))
        evidence = {"code": Reason.SUPERSEDED.value, "by": by}
        end_incident(connection, Verdict(incident, Healed.NOT_NEEDED, now, evidence), run)
    return [run for run, _ in rows]


def kept_out(connection: sa.Connection, subject: ResourceId, by: str) -> set[int]:
    """Return the rows of the events that an incident took the place of: it superseded theirs, or they joined it."""
    ended = sa.select(INCIDENT.c.id).where(_ABOUT, INCIDENT.c.evidence.contains(f'"by": "{by}"', autoescape=True))
    began = {event_of(connection, one) for one in connection.scalars(ended, names_of(subject)).all()}
    joined = sa.select(DECISION.c.event).where(DECISION.c.incident == by, DECISION.c.reason == Reason.JOINED.value)
    return {one for one in began if one is not None} | set(connection.scalars(joined))


def is_interrupted(connection: sa.Connection, subject: ResourceId) -> bool:
    """Say whether a resource is being taken away by its cloud, as far as an open incident tells."""
    return connection.execute(_INTERRUPTED, names_of(subject)).first() is not None


def note_action(connection: sa.Connection, incident: str, at: datetime) -> bool:
    """Write when the first action of an incident was taken; False when that was known."""
    resource = connection.execute(_NOTE_ACTION, {"of": incident, "acted": millis_of(at)}).scalar_one_or_none()
    if resource is None:
        return False
    append(connection, [Entry(Kind.INCIDENT_ACTED, at, resource, incident=incident)])
    return True


def _decision_row(decided: Decided) -> Row:
    """Return a row in the order of the columns, without its number."""
    eligible = None if decided.next_eligible is None else millis_of(decided.next_eligible)
    what = (decided.event, decided.rule, decided.rule_digest, str(decided.reason), decided.detail)
    return *what, as_json(decided.stations), millis_of(decided.decided), eligible, decided.incident


def _is_told(connection: sa.Connection, decided: Decided) -> bool:
    """Say whether people know of it: the first of a storm speaks for all that share its question."""
    if decided.reason is not Reason.STORM:
        return False
    question = sa.select(RUN.c.asks).where(RUN.c.incident == decided.incident, RUN.c.asks != "").scalar_subquery()
    sharing = sa.select(sa.func.count()).select_from(RUN).where(RUN.c.asks == question)
    return (connection.scalar(sharing) or 0) > 1


def _decision_entry(decided: Decided, number: int, cited: Cited) -> Entry:
    body = {
        "number": number,
        "key": cited.key,
        "rule_digest": decided.rule_digest,
        "detail": decided.detail,
        "stations": decided.stations,
        "next_eligible": None if decided.next_eligible is None else millis_of(decided.next_eligible),
    }
    return Entry(
        Kind.DECISION,
        decided.decided,
        resource=cited.resource,
        result=str(decided.reason),
        name=decided.rule,
        event=decided.event,
        incident=decided.incident,
        body=body,
    )


def _escalation(decided: Decided, resource: str) -> Notice:
    """Return what people are told when a decision needs them; a storm is one thing, however many it hits."""
    storm = decided.reason is Reason.STORM
    topic = Topic.STORM if storm else Topic.ESCALATED
    key = f"{topic}|{decided.rule}" if storm else f"{topic}|{decided.reason}|{resource}"
    facts = {"resource": resource, "rule": decided.rule, "reason": decided.reason.value}
    return Notice(topic, decided.decided, key, key if storm else decided.incident or key, facts)


def _tell_end(connection: sa.Connection, verdict: Verdict, run: str) -> None:
    """Write the verdict into the ledger, and tell people of what was not healed, unless one of them decided so."""
    row = connection.execute(_ENDED, {"of": verdict.incident, "run": run}).one()
    trouble, evidence = str(Trouble(row.trouble, row.trouble_id)), dict(verdict.evidence)
    result = verdict.healed.value
    ended = Entry(
        Kind.INCIDENT_ENDED, verdict.at, row.resource, trouble, result, row.playbook or "", None, verdict.incident, run
    )
    append(connection, [replace(ended, body=evidence)])
    topic = _topic(verdict, row.trouble)
    if topic is not None and evidence.get("code") != "denied":
        facts = {"resource": row.resource, "trouble": trouble, "code": evidence.get("code", "")}
        facts["advice"] = evidence.get("type", "") if topic is Topic.FAILURE_SURVIVED else evidence.get("advice", "")
        tell(connection, Notice(topic, verdict.at, f"{topic}|{row.resource}", verdict.incident, facts))


def _topic(verdict: Verdict, trouble: str) -> Topic | None:
    """Return under which heading people are told of an end; what we healed ourselves is in the record only."""
    if verdict.healed is Healed.HEALED and trouble == FAILURE:
        return Topic.FAILURE_SURVIVED
    return {Healed.NOT_HEALED: Topic.NOT_HEALED, Healed.UNKNOWN: Topic.UNKNOWN}.get(verdict.healed)


def _resource(subject: ResourceId) -> dict[str, str]:
    return {
        "cloud": str(subject.cloud),
        "account": subject.account,
        "region": subject.region,
        "kind": subject.kind,
        "resource": subject.id,
    }
