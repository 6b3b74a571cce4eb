"""Runs that wait for their cause to end, or for a person: rows, not workflows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from cloudheal.model.control import Answer
from cloudheal.model.decision import Reason
from cloudheal.model.event import Event
from cloudheal.model.incident import INTERRUPTION, RECLAIM_NOTICE, Healed, RunState, Trouble, Verdict
from cloudheal.model.inventory import DELETED
from cloudheal.model.plan import TooLate
from cloudheal.model.resource import Cloud, ResourceId, place_of
from cloudheal.model.trigger import RECOVERED
from cloudheal.record.budget import give_back
from cloudheal.record.bulk import among, texts
from cloudheal.record.holds import EVERYTHING
from cloudheal.record.incidents import end_incident
from cloudheal.record.ledger import Entry, Kind, about_run, append
from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.naming import about, names_of
from cloudheal.record.tables import APPROVAL, EVENT, HOLD, INCIDENT, PLAN, RESOURCE, RUN
from cloudheal.record.workers import Claim

_PATIENT = (RunState.WAITING.value, RunState.ASKING.value, RunState.PLANNED.value)
#: A state that ends a trouble by itself, by the trouble's name.
RECOVERIES = {"Running": "stopped"}
#: Statuses of events that tell that a resource is well again, or gone.
_OVER = (*RECOVERIES, RECOVERED, DELETED)
#: States of which an event tells that a look is worth while.
_TELLING = frozenset({"Running", "Stopped"})
_AT_REST = frozenset({*_TELLING, DELETED})
#: Runs that wait for the same: so many are looked at in one go, and so many where the first that is refused speaks for
#: all behind it.
SAME, FOREMOST = 200, 20
_FULL = (Reason.BUDGET_AT_ONCE.value, Reason.BUDGET_RATE.value)
_ROOM = (*_FULL, Reason.BUDGET_SHARE.value)
#: What an interruption may be asked about.
_ASKED_IN_A_HURRY = (Reason.ATTEMPTS_USED.value, Reason.FLAPPING.value, Reason.ASK_EXPIRED.value)
#: Names in one statement.
SLICE = 1000
#: Two primes: within so many ticks everybody in a line has had a turn.
_TURNS, _STEP = 10_007, 7_919

_CAME = RUN.c.next_eligible.is_(None) | (RUN.c.next_eligible <= sa.bindparam("now", type_=sa.BigInteger))
_WAITS = RUN.c.state == RunState.WAITING.value
_FULL_RULES = sa.select(RUN.c.rule, RUN.c.waits_for).where(_WAITS, RUN.c.waits_for.in_(_FULL)).distinct()
_FIRST = sa.select(RUN.c.id).where(_WAITS, _CAME).order_by(RUN.c.occurred, RUN.c.id).limit(FOREMOST)
_FOREMOST = _FIRST.where(RUN.c.rule == sa.bindparam("rule"), RUN.c.waits_for == sa.bindparam("waits_for"))
_FOREMOST_OF = _FIRST.where(RUN.c.group == sa.bindparam("group"), RUN.c.waits_for == Reason.BUDGET_SHARE.value)
_IN_LINE = (
    sa.select(RUN, INCIDENT, RUN.c.id.label("run_id"))
    .join(INCIDENT, INCIDENT.c.id == RUN.c.incident)
    .order_by(sa.desc(INCIDENT.c.trouble == INTERRUPTION), INCIDENT.c.occurred, RUN.c.id)
)
_NAMED = _IN_LINE.where(RUN.c.id.in_(sa.bindparam("runs", expanding=True)))
_PATIENTS = (
    sa.select(*(INCIDENT.c[name] for name in ("cloud", "account", "region", "kind", "resource")))
    .join(RUN, RUN.c.incident == INCIDENT.c.id)
    .where(among(INCIDENT.c.resource, "ids"), RUN.c.state.in_(_PATIENT))
    .distinct()
)
_OVERTAKEN = sa.select(RESOURCE.c.id).where(
    about(RESOURCE, "id"),
    RESOURCE.c.state != sa.bindparam("told"),
    RESOURCE.c.as_of > sa.bindparam("at", type_=sa.BigInteger),
)
#: By open incident: that has an index of a few rows for each resource, whereas thousands may wait.
_LOCKED = (
    sa.select(RUN.c.id)
    .join(INCIDENT, INCIDENT.c.id == RUN.c.incident)
    .where(
        among(INCIDENT.c.resource, "ids"),
        INCIDENT.c.ended.is_(None),
        _WAITS,
        RUN.c.waits_for.startswith(f"{Reason.LOCKED}."),
        RUN.c.next_eligible > sa.bindparam("now", type_=sa.BigInteger),
    )
    .order_by(RUN.c.id)
)
_BEGIN = (
    sa.update(RUN)
    .where(RUN.c.id == sa.bindparam("of"), RUN.c.state.in_(_PATIENT))
    .values(state=RunState.STARTING.value, look=sa.bindparam("to"), waits_for="", approved_by=sa.bindparam("who"))
)


class Patient(NamedTuple):
    """A run that waits or asks, with what a new walk needs."""

    run: str
    incident: str
    state: RunState
    look: int
    rule: str
    playbook: str
    waits_for: str
    attempts: int
    subject: ResourceId
    trouble: Trouble
    group: str
    occurred: datetime

    @property
    def place(self) -> str:
        """The full name of its group."""
        return place_of(self.subject, self.group)


@dataclass(frozen=True, slots=True)
class Rest:
    """How a look ends without a verdict: waiting or asking, for which reason, and until when at the latest."""

    state: RunState
    code: str
    until: datetime | None
    evidence: Mapping[str, str] = field(default_factory=dict)
    """What the look saw."""


def due(connection: sa.Connection, now: datetime, limit: int = 2000) -> list[Patient]:
    """Return the runs that may be ready, those that hurry first, then the oldest trouble first.

    A run is left out while its time has not come, while the pause or hold that it waits for stands, and while nobody
    has answered. Of many that wait for the same, the first `SAME` are enough: the others wait behind them. Where the
    limit leaves some out, it leaves some of each line, so that none waits for the end of another.
    """
    about = INCIDENT.alias()
    line = (RUN.c.rule, RUN.c.waits_for, about.c.cloud, about.c.account, RUN.c.group)
    order = (_turn(now), RUN.c.occurred, RUN.c.id)
    behind = sa.func.row_number().over(partition_by=line, order_by=order)
    hurries = about.c.trouble == INTERRUPTION
    chosen = sa.select(RUN.c.id, RUN.c.waits_for, hurries.label("hurries"), behind.label("behind"))
    chosen = chosen.join(about, about.c.id == RUN.c.incident)
    # Those are the many, and an index has their order.
    ready = chosen.where(_is_ready(connection, now), ~(_WAITS & RUN.c.waits_for.in_(_FULL))).subquery()
    few = sa.case((ready.c.waits_for.in_(_ROOM), FOREMOST), else_=SAME)
    some = sa.select(ready.c.id).where(ready.c.behind <= few)
    found = connection.scalars(some.order_by(ready.c.hurries.desc(), ready.c.behind).limit(limit))
    named = {"runs": [*found, *_foremost_of_rules(connection, now)]}
    return [_patient(row) for row in connection.execute(_NAMED, named).mappings()]


def _turn(now: datetime) -> sa.ColumnElement[int]:
    """Return whose turn it is of those that are held by tags, which end one by one; all others keep their order."""
    told = (RUN.c.occurred + round(now.timestamp()) * _STEP) % _TURNS
    return sa.case((RUN.c.waits_for == Reason.HELD.value, told), else_=0)


def still_due(connection: sa.Connection, runs: Sequence[str], now: datetime) -> list[Patient]:
    """Return those of these runs that may be ready as the transaction sees them, in the same order as `due`."""
    # Behind a case, or else the indexes of what may be ready are chosen, which name tens of thousands of others.
    ready = _IN_LINE.where(RUN.c.id.in_(runs), sa.case((_is_ready(connection, now), 1), else_=0) == 1)
    return [_patient(row) for row in connection.execute(ready).mappings()]


def foremost(connection: sa.Connection, group: str, now: datetime) -> list[Patient]:
    """Return the runs that may go on because one of a group has given its room back, the oldest trouble first.

    Of each rule they are the first few that wait for room anywhere, and that wait for room in this group.
    """
    found = _foremost_of_rules(connection, now)
    found += connection.scalars(_FOREMOST_OF, {"group": group, "now": millis_of(now)})
    return [_patient(row) for row in connection.execute(_NAMED, {"runs": found}).mappings()] if found else []


def _foremost_of_rules(connection: sa.Connection, now: datetime) -> list[str]:
    """Return the first few of each rule that wait for room anywhere."""
    found: list[str] = []
    for row in connection.execute(_FULL_RULES):
        found += connection.scalars(_FOREMOST, {"rule": row.rule, "waits_for": row.waits_for, "now": millis_of(now)})
    return found


def goes_on_by(connection: sa.Connection, moment: datetime) -> bool:
    """Say whether a run goes on by then whose playbook has only let some moments pass."""
    pausing = _WAITS & (RUN.c.waits_for == Reason.UNDERWAY.value) & (RUN.c.next_eligible <= millis_of(moment))
    return connection.execute(sa.select(RUN.c.id).where(pausing).limit(1)).first() is not None


def _is_ready(connection: sa.Connection, now: datetime) -> sa.ColumnElement[bool]:
    in_force = HOLD.c.lifted.is_(None) & (HOLD.c.until.is_(None) | (HOLD.c.until > millis_of(now)))
    paused = connection.execute(sa.select(HOLD.c.id).where(in_force, HOLD.c.scope == EVERYTHING).limit(1)).first()
    named = INCIDENT.join(HOLD, HOLD.c.scope.in_((INCIDENT.c.resource, INCIDENT.c.group)))
    held = sa.select(HOLD.c.id).select_from(named).where(INCIDENT.c.id == RUN.c.incident, in_force).exists()
    # By what the run asks: a question that many share is kept under one of them.
    answered = RUN.c.asks.in_(sa.select(APPROVAL.c.id).where(APPROVAL.c.answer.in_([one.value for one in Answer])))
    late = (RUN.c.waits_for == Reason.ASK_EXPIRED.value) & sa.select(APPROVAL.c.id).where(
        APPROVAL.c.id == RUN.c.asks, APPROVAL.c.answer == Answer.EXPIRED.value
    ).exists()
    came = RUN.c.next_eligible.is_(None) | (RUN.c.next_eligible <= millis_of(now))
    # A hold may be lifted long before its end; by a tag it is looked for in the inventory, as the walk does.
    waits = (RUN.c.state == RunState.WAITING.value) & (came | (RUN.c.waits_for == Reason.HELD.value))
    waits &= (RUN.c.waits_for != Reason.PAUSED.value) | sa.literal(paused is None)
    waits &= (RUN.c.waits_for != Reason.HELD.value) | ~held
    asking = RUN.c.state == RunState.ASKING.value
    return waits | (asking & answered & ~late) | (asking & _is_past(now)) | _has_its_time(now)


def _is_past(now: datetime) -> sa.ColumnElement[bool]:
    """Say which runs ask about an interruption whose deadline is over: no answer helps any more."""
    hurries = sa.select(INCIDENT.c.id).where(INCIDENT.c.id == RUN.c.incident, INCIDENT.c.trouble == INTERRUPTION)
    long_ago = RUN.c.occurred <= millis_of(now - max(RECLAIM_NOTICE.values()))
    return RUN.c.waits_for.in_(_ASKED_IN_A_HURRY) & long_ago & hurries.correlate(RUN).exists()


def _has_its_time(now: datetime) -> sa.ColumnElement[bool]:
    """Say which planned runs are to be looked at: their slot has come, or somebody denied it, or wants it at once."""
    said = sa.select(APPROVAL.c.id).where(APPROVAL.c.id == RUN.c.asks)
    denied = said.where(APPROVAL.c.answer == Answer.DENIED.value).exists()
    agreed = said.where(APPROVAL.c.answer == Answer.APPROVED.value).exists()
    asked = sa.select(PLAN.c.run).where(PLAN.c.run == RUN.c.id, PLAN.c.then == TooLate.ASK.value).exists()
    came = RUN.c.next_eligible <= millis_of(now)
    planned = RUN.c.state == RunState.PLANNED.value
    # Apart, because a plan may have a hundred thousand rows, and each half has an index.
    return (planned & came) | (planned & _is_answered() & (denied | (agreed & asked)))


def _is_answered() -> sa.ColumnElement[bool]:
    """Say of a run whether one of its own questions was answered, going by the answers; a shared one is another's."""
    return RUN.c.id.in_(sa.select(APPROVAL.c.run).where(APPROVAL.c.answer.in_([one.value for one in Answer])))


def _patient(row: sa.RowMapping) -> Patient:
    return Patient(
        run=row["run_id"],
        incident=row["incident"],
        state=RunState(row["state"]),
        look=row["look"],
        rule=row["rule"],
        playbook=row["playbook"],
        waits_for=row["waits_for"],
        attempts=row["attempt"],
        subject=ResourceId(Cloud(row["cloud"]), row["account"], row["region"], row["kind"], row["resource"]),
        trouble=Trouble(row["trouble"], row["trouble_id"]),
        group=row["group"],
        occurred=moment_of(row["occurred"]),
    )


def rest(connection: sa.Connection, held: Claim, refusal: Rest, at: datetime) -> bool:
    """Close a look without a verdict: the run waits or asks, the next look has the next number. False if not ours.

    A run that only waits for its own deed to show keeps its grant: the resource is still under action.
    """
    mine = (RUN.c.id == held.run) & (RUN.c.owner == held.owner) & (RUN.c.epoch == held.epoch)
    until = None if refusal.until is None else millis_of(refusal.until)
    values = {"state": refusal.state.value, "waits_for": refusal.code, "next_eligible": until, "owner": ""}
    rests = sa.update(RUN).where(mine).values({**values, "look": RUN.c.look + 1, "recoveries": 0}).returning(RUN.c.look)
    look = connection.execute(rests).scalar_one_or_none()
    if look is None:
        return False
    if refusal.code != Reason.UNDERWAY:
        give_back(connection, held.run)
    resource, incident = about_run(connection, held.run)
    released = Entry(Kind.RUN_RELEASED, at, resource, result=refusal.state.value, incident=incident, run=held.run)
    waits = Entry(Kind.RUN_WAITS, at, resource, result=refusal.code, incident=incident, run=held.run)
    body = {"worker": held.owner, "state": refusal.state.value, "look": look - 1}
    told: dict[str, Any] = {"next_eligible": until}
    if seen := {name: text for name, text in refusal.evidence.items() if text}:
        told["evidence"] = seen
    append(connection, [replace(released, body=body), replace(waits, body=told)])
    return True


def wake_early(connection: sa.Connection, event: Event, now: datetime) -> int:
    """Let runs that wait to look at a resource do so now, because an event tells that it changed; returns how many."""
    if event.status not in _TELLING:
        return 0
    about = sa.select(INCIDENT.c.id).where(*_is_about(event.subject), INCIDENT.c.ended.is_(None))
    looks = (RUN.c.waits_for == Reason.UNDERWAY.value) | RUN.c.waits_for.startswith(f"{Reason.LOCKED}.")
    waits = (RUN.c.state == RunState.WAITING.value) & looks & (RUN.c.next_eligible > millis_of(now))
    early = sa.update(RUN).where(RUN.c.incident.in_(about), waits).values(next_eligible=millis_of(now))
    return connection.execute(early).rowcount


def begin(connection: sa.Connection, run: str, look: int, approved_by: str = "", at: datetime | None = None) -> bool:
    """Turn a waiting run into one to be started at `look`; False when it does not wait any more."""
    begun = connection.execute(_BEGIN, {"of": run, "to": look, "who": approved_by}).rowcount == 1
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


def end_unbegun(connection: sa.Connection, run: str, verdict: Verdict) -> bool:
    """End a run that waits, asks or is planned, with its incident; False when it began meanwhile."""
    idle = (RUN.c.id == run) & RUN.c.state.in_((*_PATIENT, RunState.PLANNED.value))
    ended = connection.execute(sa.update(RUN).where(idle).values(state=RunState.ENDED.value)).rowcount == 1
    return ended and end_incident(connection, verdict, run)


def patients_among(connection: sa.Connection, events: Iterable[Event]) -> set[ResourceId]:
    """Return the resources that events show to have come to rest and that have a run which waits or asks."""
    ids = sorted({event.subject.id for event in events if event.status in _AT_REST})
    found: set[ResourceId] = set()
    for start in range(0, len(ids), SLICE):
        rows = connection.execute(_PATIENTS, {"ids": texts(ids[start : start + SLICE])})
        found.update(ResourceId(Cloud(row[0]), *row[1:]) for row in rows)
    return found


def end_if_recovered(connection: sa.Connection, event: Event, now: datetime) -> int:
    """End what waited for a resource that is well again by itself, or gone; returns how many incidents.

    That it was well before the newest that is known of it, ends nothing: such news came late.
    """
    trouble = RECOVERIES.get(event.status)
    if event.status != DELETED and (trouble is None or _is_overtaken(connection, event)):
        return 0
    # What is being taken away may be gone and still have to be replaced.
    ends = INCIDENT.c.trouble == trouble if trouble else INCIDENT.c.trouble != INTERRUPTION
    reason = Reason.RECOVERED if trouble else Reason.GONE
    chosen = sa.select(RUN.c.id, INCIDENT.c.id).join(INCIDENT, INCIDENT.c.id == RUN.c.incident)
    older = INCIDENT.c.occurred <= millis_of(event.time)
    # What we began ourselves is verified by a look: see `wake_early`.
    patient = RUN.c.state.in_(_PATIENT) & (RUN.c.waits_for != Reason.UNDERWAY.value)
    rows = connection.execute(chosen.where(*_is_about(event.subject), older, ends, patient)).all()
    evidence = {"code": reason.value, "event": event.key}
    return sum(end_patient(connection, run, Verdict(one, Healed.NOT_NEEDED, now, evidence)) for run, one in rows)


def _is_overtaken(connection: sa.Connection, event: Event) -> bool:
    """Say whether the inventory knows a later state of a resource, and another one."""
    asked = {**names_of(event.subject), "told": event.status, "at": millis_of(event.as_of)}
    return connection.execute(_OVERTAKEN, asked).first() is not None


def wake_unlocked(connection: sa.Connection, subjects: Iterable[ResourceId], now: datetime) -> int:
    """Let runs that wait for locks look now, because the cloud shows their resources without any; returns how many."""
    free = sorted({one.id for one in subjects})
    woken = 0
    for start in range(0, len(free), SLICE):
        rows = connection.execute(_LOCKED, {"ids": texts(free[start : start + SLICE]), "now": millis_of(now)})
        for row in rows.all():
            connection.execute(sa.update(RUN).where(RUN.c.id == row.id).values(next_eligible=millis_of(now)))
            woken += 1
    return woken


def is_well_since(connection: sa.Connection, subject: ResourceId, began: datetime) -> bool:
    """Say whether news that a resource is well, or gone, came after a look at it began."""
    about = [*(EVENT.c[name] == value for name, value in _names(subject).items()), EVENT.c.simulated.is_(False)]
    news = sa.select(EVENT.c.id).where(*about, EVENT.c.status.in_(_OVER), EVENT.c.received >= millis_of(began))
    return connection.execute(news.limit(1)).first() is not None


def _names(subject: ResourceId) -> dict[str, str]:
    return {
        "cloud": str(subject.cloud),
        "account": subject.account,
        "region": subject.region,
        "kind": subject.kind,
        "resource": subject.id,
    }


def _is_about(subject: ResourceId) -> list[sa.ColumnElement[bool]]:
    return [INCIDENT.c[name] == value for name, value in _names(subject).items()]
