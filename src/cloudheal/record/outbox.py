"""The outbox: what people must be told, written in the transaction that is the reason for telling it.

A notice is a row; sending it to one target is a delivery with its own attempts, so that one deaf target costs the
others nothing. What was committed is delivered at least once, whatever dies in between, and marked once. Notices of one
`bundle` (an incident) travel together; one of the same `key` that was told lately waits out the quiet time, and is then
told with the number of times. Nothing here knows how a message is worded or sent.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.tables import DELIVERY, OUTBOX

#: Rows that one pass looks at, per target.
PASS_ROWS = 5000
#: Rows that one statement names.
SLICE = 500
_OPEN = DELIVERY.c.sent.is_(None) & DELIVERY.c.given_up.is_(None)
_ADDRESSED = sa.select(DELIVERY.c.notice).where(DELIVERY.c.notice == OUTBOX.c.id).exists()


class Topic(StrEnum):
    """What a notice is about."""

    NOT_HEALED = "incident.not_healed"
    UNKNOWN = "incident.unknown"
    FAILURE_SURVIVED = "failure.survived"
    STORM = "storm"
    ESCALATED = "escalated"
    APPROVAL_ASKED = "approval.asked"
    RUN_PARKED = "run.parked"
    WORKER_DEAD = "worker.dead"
    DEAD_LETTER = "dead_letter"
    CANARY_MISSING = "canary.missing"
    CANARY_BACK = "canary.back"
    SOURCE_SILENT = "source.silent"
    SOURCE_BACK = "source.back"
    QUEUE_LATE = "queue.late"
    QUEUE_CURRENT = "queue.current"
    WAITS_LONG = "run.waits_long"
    LISTENER_FAILED = "listener.failed"
    PLAN_NO_SLOT = "plan.no_slot"
    PLAN_MISSED = "plan.missed"
    ALARM_CRITICAL = "alarm.critical"
    ALARM_WARN = "alarm.warn"
    ALARM_INFO = "alarm.info"
    ALARM_NO_DATA = "alarm.no_data"
    ALARM_AGAIN = "alarm.again"
    ALARM_STILL = "alarm.still"
    ALARM_RECOVERED = "alarm.recovered"
    ALARM_CHANGED = "alarm.changed"
    ALARM_ESCALATED = "alarm.escalated"
    ALARM_CALMED = "alarm.calmed"


#: What a second group of people is told; the first is told everything but that what only the second knew of is over.
FOR_SECOND = frozenset({Topic.ALARM_ESCALATED, Topic.ALARM_CALMED, Topic.WAITS_LONG})
_FOR_FIRST = frozenset(Topic) - {Topic.ALARM_CALMED}


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that people must be told. `facts` fill the placeholders of the topic's text."""

    topic: Topic
    at: datetime
    key: str
    bundle: str
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Due:
    """A notice that is to be delivered to one target now; `number` and `target` name the delivery."""

    number: int
    target: str
    notice: Notice
    attempts: int


def tell(connection: sa.Connection, notice: Notice) -> int:
    """Write a notice in the caller's transaction; returns its number."""
    row = {
        "at": millis_of(notice.at),
        "topic": notice.topic.value,
        "key": notice.key,
        "bundle": notice.bundle,
        "facts": json.dumps(dict(notice.facts), ensure_ascii=False),
    }
    return int(connection.execute(sa.insert(OUTBOX).values(row).returning(OUTBOX.c.id)).scalar_one())


def has_work(connection: sa.Connection, now: datetime) -> bool:
    """Say whether a notice is new or a delivery is due; a cheap question for the idle state."""
    late = sa.select(DELIVERY.c.notice).where(_OPEN, DELIVERY.c.due <= millis_of(now)).exists()
    new = sa.select(OUTBOX.c.id).where(OUTBOX.c.done.is_(None), ~_ADDRESSED).exists()
    return bool(connection.scalar(sa.select(sa.or_(late, new))))


def address(
    connection: sa.Connection, targets: Sequence[str], gather: timedelta, now: datetime, second: Collection[str] = ()
) -> int:
    """Address new notices to every target, due when their bundle had time to gather; returns how many were new.

    Targets that are `second` are told only of what was escalated. Notices that nobody is to be told are done.
    """
    _forget_others(connection, targets, now)
    fresh = sa.select(OUTBOX.c.id, OUTBOX.c.at, OUTBOX.c.key, OUTBOX.c.topic).where(
        OUTBOX.c.done.is_(None), ~_ADDRESSED
    )
    rows = connection.execute(fresh.order_by(OUTBOX.c.id).limit(PASS_ROWS)).all()
    wait = gather // timedelta(milliseconds=1)
    deliveries = [
        {"notice": row.id, "target": name, "key": row.key, "due": row.at + wait}
        for row in rows
        for name in targets
        if row.topic in (FOR_SECOND if name in second else _FOR_FIRST)
    ]
    told = {one["notice"] for one in deliveries}
    if nobody := [row.id for row in rows if row.id not in told]:
        done = sa.update(OUTBOX).where(OUTBOX.c.id.in_(nobody))
        connection.execute(done.values(done=millis_of(now)))
    if deliveries:
        insert = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(DELIVERY)
        connection.execute(insert.on_conflict_do_nothing(), deliveries)
    return len(rows)


def due(connection: sa.Connection, target: str, now: datetime) -> list[Due]:
    """Return what is to be delivered to a target now, oldest first."""
    mine = (DELIVERY.c.target == target) & _OPEN
    joined = sa.select(OUTBOX, DELIVERY.c.attempts).join(DELIVERY, DELIVERY.c.notice == OUTBOX.c.id)
    ripe = joined.where(mine, DELIVERY.c.due <= millis_of(now)).order_by(OUTBOX.c.id).limit(PASS_ROWS)
    return [Due(row["id"], target, _notice(row), row["attempts"]) for row in connection.execute(ripe).mappings().all()]


def quiet_until(
    connection: sa.Connection, target: str, keys: Iterable[str], mute: timedelta, now: datetime
) -> dict[str, datetime]:
    """Return the keys that were told to a target within the quiet time, each with the end of it."""
    newest = sa.select(DELIVERY.c.key, sa.func.max(DELIVERY.c.sent).label("sent")).group_by(DELIVERY.c.key)
    lately = DELIVERY.c.key.in_(sorted(set(keys))) & (DELIVERY.c.sent > millis_of(now - mute))
    rows = connection.execute(newest.where(DELIVERY.c.target == target, lately))
    return {row.key: moment_of(row.sent) + mute for row in rows}


def postpone(connection: sa.Connection, target: str, key: str, until: datetime) -> int:
    """Put everything of one key off without counting an attempt; returns how many deliveries."""
    earlier = _OPEN & (DELIVERY.c.target == target) & (DELIVERY.c.key == key) & (DELIVERY.c.due < millis_of(until))
    return connection.execute(sa.update(DELIVERY).where(earlier).values(due=millis_of(until))).rowcount


def mark_sent(connection: sa.Connection, deliveries: Sequence[Due], now: datetime) -> int:
    """Mark deliveries as made; returns how many were not marked before."""
    marked = _change(connection, deliveries, {"sent": millis_of(now), "problem": ""})
    _finish(connection, deliveries, now)
    return marked


def mark_failed(connection: sa.Connection, deliveries: Sequence[Due], problem: str, again: datetime) -> int:
    """Count an attempt that failed and say when the next one is due; returns how many deliveries were open."""
    values = {"attempts": DELIVERY.c.attempts + 1, "due": millis_of(again), "problem": problem}
    return _change(connection, deliveries, values)


def give_up(connection: sa.Connection, deliveries: Sequence[Due], problem: str, now: datetime) -> int:
    """End deliveries that failed for too long; they stay in the table with their problem. Returns how many."""
    values = {"attempts": DELIVERY.c.attempts + 1, "given_up": millis_of(now), "problem": problem}
    ended = _change(connection, deliveries, values)
    _finish(connection, deliveries, now)
    return ended


def _change(connection: sa.Connection, deliveries: Iterable[Due], values: Mapping[str, object]) -> int:
    """Write the same of many deliveries, hundreds in a statement: one message may tell of thousands."""
    numbers: dict[str, list[int]] = {}
    for one in deliveries:
        numbers.setdefault(one.target, []).append(one.number)
    changed = 0
    for target, notices in numbers.items():
        for start in range(0, len(notices), SLICE):
            these = (DELIVERY.c.target == target) & DELIVERY.c.notice.in_(notices[start : start + SLICE]) & _OPEN
            changed += connection.execute(sa.update(DELIVERY).where(these).values(dict(values))).rowcount
    return changed


def _forget_others(connection: sa.Connection, targets: Sequence[str], now: datetime) -> None:
    """End what was meant for targets that the settings name no more."""
    others = sa.select(DELIVERY).where(_OPEN, DELIVERY.c.target.not_in(targets)).limit(PASS_ROWS)
    nothing = Notice(Topic.DEAD_LETTER, now, "", "")
    found = [Due(row.notice, row.target, nothing, row.attempts) for row in connection.execute(others)]
    give_up(connection, found, "the target was removed from the settings", now)


def _finish(connection: sa.Connection, deliveries: Iterable[Due], now: datetime) -> None:
    """Close the notices that have no open delivery left."""
    waiting = sa.select(DELIVERY.c.notice).where(DELIVERY.c.notice == OUTBOX.c.id, _OPEN)
    ended = OUTBOX.c.id.in_([one.number for one in deliveries]) & OUTBOX.c.done.is_(None) & ~waiting.exists()
    connection.execute(sa.update(OUTBOX).where(ended).values(done=millis_of(now)))


def _notice(row: sa.RowMapping) -> Notice:
    return Notice(Topic(row["topic"]), moment_of(row["at"]), row["key"], row["bundle"], json.loads(row["facts"]))
