"""The intent journal: what a run is about to do to the world, committed before it does it, and what came of it.

An intent carries a before-image and `call_by`: whoever wrote it sends before that instant of the database's clock or
not at all, and whoever follows after a crash settles only later than that. Both rules together keep two processes from
acting for one intent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from cloudheal.model.decision import Reason
from cloudheal.model.deed import ORDERS_USED, SHARED
from cloudheal.model.incident import StepKind
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.ports.clock import Clock, SystemClock
from cloudheal.ports.store import Store
from cloudheal.record.budget import lock_budget
from cloudheal.record.bulk import write
from cloudheal.record.deeds import buyers_since, claimant
from cloudheal.record.ledger import Entry, Kind, about_run, append
from cloudheal.record.moments import database_millis, database_now, millis_of
from cloudheal.record.tables import INCIDENT, RUN, STEP
from cloudheal.record.workers import Claim, still_holds

#: How long the writer of an intent has to send its call, in milliseconds.
CALL_MILLIS = 10_000
#: The time in which orders are counted.
HOUR = timedelta(hours=1)

_RUN: sa.BindParameter[str] = sa.bindparam("of")
_NUMBER: sa.BindParameter[int] = sa.bindparam("the")
_ONE = (STEP.c.run == _RUN) & (STEP.c.number == _NUMBER)
_OPEN = _ONE & STEP.c.done.is_(None)
_NAMED = (STEP.c.run == _RUN) & (STEP.c.look == sa.bindparam("in_look")) & (STEP.c.name == sa.bindparam("named"))
_LAST = sa.select(sa.func.max(STEP.c.number)).where(STEP.c.run == _RUN)
_ADD = sa.insert(STEP)
_ATTEMPT = sa.update(RUN).where(RUN.c.id == _RUN).values(attempt=RUN.c.attempt + 1)
_DISOWN = sa.update(STEP).where(_NAMED, STEP.c.done.is_(None))
_CONCLUDE = sa.update(STEP).where(_OPEN).returning(STEP.c.name)
_KEEP_VALUE = sa.update(STEP).where(_OPEN)
_ANY_NAMED = sa.select(STEP.c.number).where(_NAMED).limit(1)
_LEFT_OPEN = sa.select(STEP.c.number).where(_NAMED, STEP.c.done.is_(None)).order_by(STEP.c.number.desc()).limit(1)
_CONCLUDED = sa.select(STEP).where(_ONE, STEP.c.done.is_not(None))


@dataclass(frozen=True, slots=True)
class Intent:
    """A committed intent. `remaining_millis` is what was left of `call_by` when it was read."""

    run: str
    number: int
    call_by: int
    remaining_millis: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """An intent to be: the step's name, how things are before it, and how long its writer has to send the call."""

    name: str
    before: Mapping[str, Any]
    kind: StepKind = StepKind.ACT
    call_millis: int = CALL_MILLIS


def write_intent(
    connection: sa.Connection, held: Claim, look: int, wanted: Wanted, *, at: datetime | None = None
) -> Intent | None:
    """Write an intent in the caller's transaction; None when the run is not ours any more. An `act` is an attempt.

    `at` is the operator's time, for the ledger only; the time to send runs on the database's clock.
    """
    name, before, call_millis = wanted.name, wanted.before, wanted.call_millis
    if not still_holds(connection, held):
        return None
    now = database_millis(connection)
    _disown(connection, _naming(held.run, look, name), now)
    number = (connection.scalar(_LAST, {"of": held.run}) or 0) + 1
    row = {"run": held.run, "number": number, "look": look, "name": name, "kind": wanted.kind.value}
    moment = now if at is None else millis_of(at)
    written = {**row, "epoch": held.epoch, "before": json.dumps(before), "at": moment}
    written |= {"intended": now, "call_by": now + call_millis}
    write(connection, _ADD, [written])
    if wanted.kind is StepKind.ACT:
        connection.execute(_ATTEMPT, {"of": held.run})
    kind = {} if wanted.kind is StepKind.ACT else {"kind": wanted.kind.value}
    body = {"number": number, "look": look, "worker": held.owner, "before": dict(before), **kind}
    _tell(connection, held.run, Entry(Kind.STEP_INTENDED, at, type=name, body=body))
    return Intent(held.run, number, now + call_millis, call_millis)


def _disown(connection: sa.Connection, step: Mapping[str, str | int], now: int) -> int:
    """Close the intent of the same step whose process died before it could send: it is no attempt. Returns how many."""
    values = {"done": now, "outcome": "transient", "code": "not_sent"}
    return connection.execute(_DISOWN, {**step, **values}).rowcount


def reread(connection: sa.Connection, run: str, number: int) -> Intent:
    """Read an intent with what is left of its time to send (negative once it is over)."""
    read = sa.select(STEP.c.call_by, database_now(connection).label("now")).where(_ONE)
    row = connection.execute(read, {"of": run, "the": number}).one()
    return Intent(run, number, row.call_by, int(row.call_by - row.now))


def conclude(
    connection: sa.Connection,
    run: str,
    number: int,
    outcome: str,
    code: str = "",
    request_id: str = "",
    *,
    at: datetime | None = None,
) -> bool:
    """Write what came of an intent; False when that was written before."""
    values = {"done": database_millis(connection), "outcome": outcome, "code": code, "request_id": request_id}
    name = connection.execute(_CONCLUDE, {"of": run, "the": number, **values}).scalar_one_or_none()
    if name is None:
        return False
    body = {"number": number, "code": code, "request_id": request_id}
    _tell(connection, run, Entry(Kind.STEP_CONCLUDED, at, type=name, result=outcome, body=body))
    return True


def _keep_value(connection: sa.Connection, intent: tuple[str, int], value: Mapping[str, Any]) -> bool:
    values = {"of": intent[0], "the": intent[1], "value": json.dumps(dict(value), ensure_ascii=False)}
    return connection.execute(_KEEP_VALUE, values).rowcount == 1


def _naming(run: str, look: int, name: str) -> dict[str, str | int]:
    return {"of": run, "in_look": look, "named": name}


def _tell(connection: sa.Connection, run: str, entry: Entry) -> None:
    resource, incident = about_run(connection, run)
    append(connection, [replace(entry, resource=resource, incident=incident, run=run)])


@dataclass(frozen=True, slots=True)
class ClaimedIntents:
    """The intent journal of one look of one run, each call in a transaction of its own."""

    store: Store
    held: Claim
    look: int
    permit: Callable[[sa.Connection], str]
    """Asked in the intent's own transaction; returns the reason code of the guard that objects, or an empty one."""
    touches: Callable[[sa.Connection], object] = lambda _: None
    """Told in the same transaction of an intent that calls the cloud: a claim and a rehearsal call nothing."""
    call_millis: int = CALL_MILLIS
    clock: Clock = field(default_factory=SystemClock)

    def intend(
        self,
        name: str,
        before: Mapping[str, Any],
        kind: StepKind = StepKind.ACT,
        *,
        sole: bool = False,
        most_orders: int | None = None,
    ) -> tuple[str, int] | str:
        """Commit an intent, or return the reason code why not: a guard objects, or the run is not ours any more.

        A `sole` one is refused as `shared` while another run has taken the resource on; one of which there may be
        `most_orders` in an hour as `budget.orders` when so many other runs have ordered.
        """
        at = self.clock.now()
        with self.store.transaction() as connection:
            if sole and self._is_taken(connection):
                return SHARED
            if most_orders is not None and self._ordered(connection, at) >= most_orders:
                return ORDERS_USED
            objection = self.permit(connection)
            if objection:
                return objection
            wanted = Wanted(name, before, kind, self.call_millis)
            intent = write_intent(connection, self.held, self.look, wanted, at=at)
            if intent is not None and not (sole or before.get("dry")):
                self.touches(connection)
        return Reason.SUPERSEDED.value if intent is None else (intent.run, intent.number)

    def _is_taken(self, connection: sa.Connection) -> bool:
        """Say whether another run has the resource; two that ask at the same moment are told one after the other."""
        lock_budget(connection)
        about = sa.select(INCIDENT).join(RUN, RUN.c.incident == INCIDENT.c.id).where(RUN.c.id == self.held.run)
        row = connection.execute(about).mappings().one_or_none()
        if row is None:
            return False
        subject = ResourceId(Cloud(row["cloud"]), row["account"], row["region"], row["kind"], row["resource"])
        return bool(claimant(connection, subject, self.held.run))

    def _ordered(self, connection: sa.Connection, at: datetime) -> int:
        """Count the orders of other runs in the last hour; two that ask at once count one after the other."""
        lock_budget(connection)
        return buyers_since(connection, self.held.run, at - HOUR)

    def note(self, name: str, facts: Mapping[str, Any]) -> bool:
        """Keep facts in the journal, once in a look; no guard is asked, since nothing is touched. False if not ours."""
        at = self.clock.now()
        with self.store.transaction() as connection:
            if connection.scalar(_ANY_NAMED, _naming(self.held.run, self.look, name)) is not None:
                return True
            wanted = Wanted(name, facts, StepKind.READ, call_millis=0)
            kept = write_intent(connection, self.held, self.look, wanted, at=at)
            return kept is not None and conclude(connection, kept.run, kept.number, "ok", at=at)

    def left_open(self, name: str) -> tuple[str, int] | None:
        """Return the intent of that name that an earlier process committed in this look and did not conclude."""
        with self.store.snapshot() as connection:
            number = connection.scalar(_LEFT_OPEN, _naming(self.held.run, self.look, name))
        return None if number is None else (self.held.run, number)

    def remaining_seconds(self, intent: tuple[str, int]) -> float:
        """Return what is left of the intent's time to send, by the database's clock."""
        with self.store.snapshot() as connection:
            return reread(connection, *intent).remaining_millis / 1000

    def objection(self) -> str:
        """Ask the guards once more; returns the reason code of the one that objects by now, or an empty one."""
        with self.store.transaction() as connection:
            return self.permit(connection)

    def conclude(
        self, intent: tuple[str, int], kind: str, code: str, request_id: str, value: Mapping[str, Any]
    ) -> bool:
        """Commit what came of it."""
        with self.store.transaction() as connection:
            _keep_value(connection, intent, value)
            return conclude(connection, *intent, kind, code, request_id, at=self.clock.now())

    def concluded(self, intent: tuple[str, int]) -> Mapping[str, Any] | None:
        """Return what came of it as far as it was committed; None when the process died before that."""
        with self.store.snapshot() as connection:
            row = connection.execute(_CONCLUDED, {"of": intent[0], "the": intent[1]}).one_or_none()
        if row is None:
            return None
        return {"kind": row.outcome, "code": row.code, "request_id": row.request_id, "value": json.loads(row.value)}
