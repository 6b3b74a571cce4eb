"""What listeners were told: a row for each event and listener, written with the event, ended by the listener alone.

A row is open until its listener is done with the event or has failed for good; then the event is a dead letter of that
listener, and no other one hears of it again. The rows of one resource are taken in the order of arrival. Whoever takes
a row holds it until he is off the list of workers or the claim is over; a listener may hence be called twice.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from cloudheal.model.event import Channel, Event
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.record.inbox import DeadLetter, add_dead_letter
from cloudheal.record.ledger import Entry, Kind, append
from cloudheal.record.moments import database_now, millis_of, moment_of
from cloudheal.record.outbox import Topic
from cloudheal.record.tables import EVENT, LISTENER_TASK, WORKER

#: How long a listener may take before another worker believes that it was left.
CLAIM = timedelta(minutes=5)
_OPEN = LISTENER_TASK.c.done.is_(None)


@dataclass(frozen=True, slots=True)
class Task:
    """An event that a listener is to be told of, claimed by this worker; `attempts` were made before."""

    number: int
    listener: str
    event: Event
    attempts: int


@dataclass(frozen=True, slots=True)
class Heard:
    """A listener in numbers: events it is done with, that wait, and that it failed on for good."""

    listener: str
    done: int
    waiting: int
    failed: int
    problem: str


def add_tasks(connection: sa.Connection, wanted: Sequence[tuple[int, str, ResourceId]], now: datetime) -> int:
    """Write rows for events, by row number, with the listeners that want them; in the transaction of the events."""
    rows = [
        {"event": event, "listener": listener, "resource": str(subject), "due": millis_of(now)}
        for event, listener, subject in wanted
    ]
    if rows:
        connection.execute(sa.insert(LISTENER_TASK), rows)
    return len(rows)


def take_task(connection: sa.Connection, worker: str, listener: str, now: datetime) -> Task | None:
    """Claim the oldest row that is due for a listener; None when there is none."""
    earlier = LISTENER_TASK.alias()
    before = (earlier.c.resource == LISTENER_TASK.c.resource) & (earlier.c.listener == LISTENER_TASK.c.listener)
    first = ~sa.exists().where(before, earlier.c.id < LISTENER_TASK.c.id, earlier.c.done.is_(None))
    gone = LISTENER_TASK.c.owner.not_in(sa.select(WORKER.c.id).where(WORKER.c.heir == ""))
    free = (LISTENER_TASK.c.claimed_until < database_now(connection)) | gone
    ripe = _OPEN & (LISTENER_TASK.c.due <= millis_of(now)) & (LISTENER_TASK.c.listener == listener) & free & first
    number = connection.scalar(sa.select(LISTENER_TASK.c.id).where(ripe).order_by(LISTENER_TASK.c.id).limit(1))
    if number is None:
        return None
    until = database_now(connection) + CLAIM // timedelta(milliseconds=1)
    claimed = sa.update(LISTENER_TASK).where(LISTENER_TASK.c.id == number, _OPEN, free)
    if connection.execute(claimed.values(owner=worker, claimed_until=until)).rowcount != 1:
        return None  # another worker was faster; the next tick looks again
    joined = sa.select(LISTENER_TASK.c.listener, LISTENER_TASK.c.attempts, EVENT).join(EVENT)
    row = connection.execute(joined.where(LISTENER_TASK.c.id == number)).mappings().one()
    return Task(number, row["listener"], _event(row), row["attempts"])


def end_task(connection: sa.Connection, task: Task, worker: str, outcome: str, now: datetime) -> bool:
    """Say that a listener is done with an event: `heard` or `not wanted`. False when the row is another's by now."""
    values = {"done": millis_of(now), "outcome": outcome, "attempts": task.attempts + 1, "problem": ""}
    if not _change(connection, task, worker, values):
        return False
    _tell(connection, Kind.LISTENER_DONE, task, outcome, now)
    return True


def put_off_task(connection: sa.Connection, task: Task, worker: str, problem: str, due: datetime) -> bool:
    """Count an attempt that failed, and say when the next one is due."""
    values = {"attempts": task.attempts + 1, "due": millis_of(due), "problem": problem, "owner": ""}
    return _change(connection, task, worker, values)


def give_up_task(connection: sa.Connection, task: Task, worker: str, problem: str, now: datetime) -> int | None:
    """End a row whose listener failed for good: a dead letter of that listener, whose number is returned."""
    event = task.event
    values = {"done": millis_of(now), "outcome": "failed", "attempts": task.attempts + 1, "problem": problem}
    if not _change(connection, task, worker, values):
        return None
    letter = DeadLetter(now, event.channel, f"listener {task.listener}", problem, event.raw)
    number = add_dead_letter(connection, letter, Topic.LISTENER_FAILED)
    connection.execute(sa.update(LISTENER_TASK).where(LISTENER_TASK.c.id == task.number).values(letter=number))
    _tell(connection, Kind.LISTENER_FAILED, task, problem, now)
    return number


def reopen_tasks(connection: sa.Connection, letter: int, now: datetime) -> int:
    """Tell a listener again of what became a dead letter of it; returns how many rows were opened."""
    values = {"done": None, "outcome": "", "attempts": 0, "due": millis_of(now), "letter": None, "owner": ""}
    return connection.execute(sa.update(LISTENER_TASK).where(LISTENER_TASK.c.letter == letter).values(values)).rowcount


def is_owed(connection: sa.Connection, listeners: Sequence[str], now: datetime) -> bool:
    """Say whether one of these listeners is to be told of something now."""
    due = _OPEN & (LISTENER_TASK.c.due <= millis_of(now)) & LISTENER_TASK.c.listener.in_(listeners)
    return connection.execute(sa.select(LISTENER_TASK.c.id).where(due).limit(1)).first() is not None


def heard(connection: sa.Connection) -> list[Heard]:
    """Return every listener that was ever to be told of something, with its numbers and its newest problem."""
    table = LISTENER_TASK
    failed = table.c.outcome == "failed"
    counted = sa.select(
        table.c.listener,
        sa.func.sum(sa.case((table.c.done.is_not(None) & ~failed, 1), else_=0)).label("done"),
        sa.func.sum(sa.case((table.c.done.is_(None), 1), else_=0)).label("waiting"),
        sa.func.sum(sa.case((failed, 1), else_=0)).label("failed"),
        sa.func.max(sa.case((table.c.problem != "", table.c.id))).label("newest"),
    ).group_by(table.c.listener)
    rows = connection.execute(counted.order_by(table.c.listener)).all()
    chosen = sa.select(table.c.id, table.c.problem).where(table.c.id.in_([row.newest for row in rows if row.newest]))
    problems = {row.id: row.problem for row in connection.execute(chosen)}
    return [Heard(row.listener, row.done, row.waiting, row.failed, problems.get(row.newest, "")) for row in rows]


def _change(connection: sa.Connection, task: Task, worker: str, values: dict[str, object]) -> bool:
    mine = (LISTENER_TASK.c.id == task.number) & (LISTENER_TASK.c.owner == worker) & _OPEN
    return connection.execute(sa.update(LISTENER_TASK).where(mine).values(values)).rowcount == 1


def _tell(connection: sa.Connection, kind: Kind, task: Task, result: str, now: datetime) -> None:
    event = task.event
    body = {"key": event.key, "attempts": task.attempts + 1}
    entry = Entry(kind, now, event.subject.id, type=event.type, result=result, name=task.listener, body=body)
    append(connection, [entry])


def _event(row: sa.RowMapping) -> Event:
    return Event(
        key=row["key"],
        id=row["envelope_id"],
        source=row["source"],
        type=row["type"],
        subject=ResourceId(Cloud(row["cloud"]), row["account"], row["region"], row["kind"], row["resource"]),
        time=moment_of(row["occurred"]),
        received=moment_of(row["received"]),
        status=row["status"],
        data=json.loads(row["data"]),
        channel=Channel(row["channel"]),
        simulated=row["simulated"],
        raw=row["raw"],
    )
