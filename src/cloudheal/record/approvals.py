"""Questions to people and their answers. An unanswered question expires; expiry is an answer that somebody must see.

A question carries who may answer it. That stands until it expires, whatever settings say by then: settings of one's own
make nobody an approver of what is asked already. When it has expired, and a run still waits, those may answer whom the
settings of the worker name by then: else nobody could when all who were named have left.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from cloudheal.model.control import Answer, Approval
from cloudheal.model.incident import RunState
from cloudheal.record.ledger import Entry, Kind, about_run, append
from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.outbox import Notice, Topic, tell
from cloudheal.record.tables import APPROVAL, RUN

_ANSWERED = (
    sa.select(APPROVAL, RUN.c.id.label("asking"))
    .join(RUN, RUN.c.asks == APPROVAL.c.id)
    .where(RUN.c.id.in_(sa.bindparam("runs", expanding=True)), APPROVAL.c.answer != "")
)
_ASKS = (RUN.c.asks == APPROVAL.c.id) & (RUN.c.state == RunState.ASKING.value)
#: A run waits for the answer; mostly it is the one that asked first, which is found by its name.
_IS_ASKED = sa.exists().where(RUN.c.id == APPROVAL.c.run, _ASKS) | sa.exists().where(_ASKS)


def ask(connection: sa.Connection, approval: Approval, scope: str = "") -> str:
    """Store a question that a run waits for; returns its id. An open one of the same scope is asked once for all.

    One that no run asks any more, because all have recovered, is not joined: people may have laid it aside.
    """
    same = sa.select(APPROVAL.c.id).where(APPROVAL.c.scope == scope, APPROVAL.c.answer == "", _IS_ASKED)
    shared = connection.scalar(same.limit(1)) if scope else None
    connection.execute(sa.update(RUN).where(RUN.c.id == approval.run).values(asks=shared or approval.id))
    return shared or _ask(connection, approval, scope)


def _ask(connection: sa.Connection, approval: Approval, scope: str) -> str:
    row = {
        "id": approval.id,
        "run": approval.run,
        "scope": scope,
        "question": approval.question,
        "asked": millis_of(approval.asked),
        "expires": millis_of(approval.expires),
        "may_answer": json.dumps(approval.may_answer, ensure_ascii=False),
    }
    connection.execute(sa.insert(APPROVAL).values(row))
    resource, incident = about_run(connection, approval.run)
    body: dict[str, Any] = {"id": approval.id, "question": approval.question, "expires": row["expires"]}
    if approval.may_answer:
        body["may_answer"] = list(approval.may_answer)
    asked = Entry(
        Kind.APPROVAL_ASKED, approval.asked, resource=resource, incident=incident, run=approval.run, body=body
    )
    append(connection, [asked])
    expires = approval.expires.astimezone(UTC).isoformat(timespec="seconds")
    facts = {"id": approval.id, "resource": resource, "question": approval.question, "expires": expires}
    key = f"{Topic.APPROVAL_ASKED}|{approval.run}"
    tell(connection, Notice(Topic.APPROVAL_ASKED, approval.asked, key, incident or key, facts))
    return approval.id


def withdraw(connection: sa.Connection, run: str) -> bool:
    """Let a run wait for no answer any more, where none was given; says whether it had asked."""
    unanswered = sa.select(APPROVAL.c.id).where(APPROVAL.c.id == RUN.c.asks, APPROVAL.c.answer == "").exists()
    asked = sa.update(RUN).where(RUN.c.id == run, unanswered)
    return connection.execute(asked.values(asks="")).rowcount == 1


def answer(connection: sa.Connection, id_: str, said: Answer, who: str, now: datetime) -> bool:
    """Write an answer; False when there is no such open question, or another one may answer it and not this one.

    One that expired may still be answered while a run waits for it: the run looks afresh before it does anything.
    """
    open_ = (APPROVAL.c.id == id_) & _is_open(now)
    found = connection.execute(sa.select(APPROVAL).where(open_)).one_or_none()
    return found is not None and _approval(found).may(who) and _answered(connection, open_, said, who, now) == 1


def refuse(connection: sa.Connection, run: str, who: str, now: datetime) -> int:
    """Record that somebody answered for a run who may not; nothing else changes. Returns how many rows."""
    resource, incident = about_run(connection, run)
    return append(connection, [Entry(Kind.APPROVAL_REFUSED, now, resource, name=who, incident=incident, run=run)])


def expire(
    connection: sa.Connection, now: datetime, approvers: Sequence[str] | None = None, limit: int | None = None
) -> int:
    """Answer every question that is over with `expired`, or so many of them, the oldest first; returns how many.

    Whoever is named then may still answer it; None leaves it to those whom it was asked of.
    """
    over = (APPROVAL.c.answer == "") & (APPROVAL.c.expires <= millis_of(now))
    ids = connection.scalars(sa.select(APPROVAL.c.id).where(over).order_by(APPROVAL.c.expires).limit(limit)).all()
    return _answered(connection, over & APPROVAL.c.id.in_(ids), Answer.EXPIRED, "", now, approvers) if ids else 0


def open_questions(connection: sa.Connection, now: datetime) -> list[Approval]:
    """Return the questions that wait for an answer, oldest first."""
    rows = connection.execute(sa.select(APPROVAL).where(_is_open(now)).order_by(APPROVAL.c.asked, APPROVAL.c.id))
    return [_approval(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Answered:
    """What was said to a question; `who` is empty when nobody answered in time."""

    id: str
    said: Answer
    who: str
    at: datetime


def answered(connection: sa.Connection, prefix: str) -> list[Answered]:
    """Return the answers to the questions whose ids begin so."""
    given = APPROVAL.c.id.startswith(prefix, autoescape=True) & (APPROVAL.c.answer != "")
    rows = connection.execute(sa.select(APPROVAL).where(given, APPROVAL.c.answered.is_not(None)))
    return [Answered(row.id, Answer(row.answer), row.answered_by, moment_of(row.answered)) for row in rows]


def answers_to(connection: sa.Connection, runs: list[str]) -> dict[str, Approval]:
    """Return the answer that each of these runs has got, if any."""
    return {row.asking: _approval(row) for row in connection.execute(_ANSWERED, {"runs": runs})}


def asks_it() -> sa.ColumnElement[bool]:
    """Say of a run that it asks a question, in the words of the index, which has none but runs that ask."""
    return (RUN.c.asks == APPROVAL.c.id) & (RUN.c.asks != sa.literal_column("''"))


def _is_open(now: datetime) -> sa.ColumnElement[bool]:
    """Say which questions wait: neither answered nor over, or over while a run still asks.

    A run that has ended, or has asked something else since, waits for no answer.
    """
    asks = sa.select(RUN.c.id).where(asks_it())
    asking = asks.where(RUN.c.state == RunState.ASKING.value).exists()
    stands = asks.where(RUN.c.id == APPROVAL.c.run, RUN.c.state != RunState.ENDED.value).exists()
    waits = (APPROVAL.c.answer == "") & (APPROVAL.c.expires > millis_of(now)) & stands
    return waits | (APPROVAL.c.answer.in_(("", Answer.EXPIRED.value)) & asking)


def _answered(
    connection: sa.Connection,
    which: sa.ColumnElement[bool],
    said: Answer,
    who: str,
    now: datetime,
    approvers: Sequence[str] | None = None,
) -> int:
    values: dict[str, Any] = {"answer": said.value, "answered_by": who, "answered": millis_of(now)}
    named = {} if approvers is None else {"may_answer": list(approvers)}
    if approvers is not None:
        values["may_answer"] = json.dumps(approvers, ensure_ascii=False)
    answered = sa.update(APPROVAL).where(which).values(values).returning(APPROVAL.c.id, APPROVAL.c.run)
    rows = connection.execute(answered).all()
    for row in rows:
        resource, incident = about_run(connection, row.run)
        told = Entry(Kind.APPROVAL_ANSWERED, now, resource, result=said.value, name=who, incident=incident, run=row.run)
        append(connection, [replace(told, body={"id": row.id, **named})])
    return len(rows)


def _approval(row: sa.Row[tuple[object, ...]]) -> Approval:
    known = row._mapping  # noqa: SLF001 - the documented way to a row's columns by name
    return Approval(
        id=known["id"],
        run=known["run"],
        question=known["question"],
        asked=moment_of(known["asked"]),
        expires=moment_of(known["expires"]),
        answer=Answer(known["answer"]) if known["answer"] else None,
        answered_by=known["answered_by"],
        may_answer=tuple(json.loads(known["may_answer"])),
    )
