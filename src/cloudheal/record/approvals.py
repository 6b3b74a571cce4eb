"""Questions to people and their answers. An unanswered question expires; expiry is an answer that somebody must see."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

from cloudheal.model.control import Answer, Approval
from cloudheal.record.tables import APPROVAL


def ask(connection: sa.Connection, approval: Approval) -> str:
    """Store a question; returns its id."""
    row = {
        "id": approval.id,
        "run": approval.run,
        "question": approval.question,
        "asked": _millis(approval.asked),
        "expires": _millis(approval.expires),
    }
    connection.execute(sa.insert(APPROVAL).values(row))
    return approval.id


def answer(connection: sa.Connection, id_: str, said: Answer, who: str, now: datetime) -> bool:
    """Write an answer; False when there is no such open question (answered before, or expired)."""
    open_ = (APPROVAL.c.id == id_) & (APPROVAL.c.answer == "") & (APPROVAL.c.expires > _millis(now))
    values = {"answer": said.value, "answered_by": who, "answered": _millis(now)}
    return connection.execute(sa.update(APPROVAL).where(open_).values(values)).rowcount == 1


def expire(connection: sa.Connection, now: datetime) -> int:
    """Answer every question that is over with `expired`; returns how many."""
    over = (APPROVAL.c.answer == "") & (APPROVAL.c.expires <= _millis(now))
    values = {"answer": Answer.EXPIRED.value, "answered": _millis(now)}
    return connection.execute(sa.update(APPROVAL).where(over).values(values)).rowcount


def open_questions(connection: sa.Connection, now: datetime) -> list[Approval]:
    """Return the questions that wait for an answer, oldest first."""
    waiting = (APPROVAL.c.answer == "") & (APPROVAL.c.expires > _millis(now))
    rows = connection.execute(sa.select(APPROVAL).where(waiting).order_by(APPROVAL.c.asked, APPROVAL.c.id))
    return [_approval(row) for row in rows]


def answers_to(connection: sa.Connection, runs: list[str]) -> dict[str, Approval]:
    """Return the last answered question of each of these runs."""
    answered = APPROVAL.c.run.in_(runs) & (APPROVAL.c.answer != "")
    rows = connection.execute(sa.select(APPROVAL).where(answered).order_by(APPROVAL.c.asked, APPROVAL.c.id))
    return {row.run: _approval(row) for row in rows}


def _approval(row: sa.Row[tuple[object, ...]]) -> Approval:
    known = row._mapping  # noqa: SLF001 - the documented way to a row's columns by name
    return Approval(
        id=known["id"],
        run=known["run"],
        question=known["question"],
        asked=_moment(known["asked"]),
        expires=_moment(known["expires"]),
        answer=Answer(known["answer"]) if known["answer"] else None,
        answered_by=known["answered_by"],
    )


def _millis(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _moment(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1000, UTC)
