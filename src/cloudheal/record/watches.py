"""What is watched about the healer itself, kept so that every worker knows it and a restart tells nothing twice.

A watch is good or bad, with a number that says how much; the transaction that notices a turn for the worse or for the
better is the one that tells it. All times are the operator's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cloudheal.model.event import Channel
from cloudheal.model.resource import Cloud
from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.tables import CANARY, EVENT, WATCH

#: How long flights of canaries are kept.
CANARIES_KEPT = timedelta(days=1)
#: Ways by which no cloud tells anything.
_OWN = (Channel.POLL.value, Channel.LOG.value)
#: The watch that remembers up to which event arrivals were counted.
_COUNTED = "counted"


class Turn(StrEnum):
    """How a watch changed."""

    WORSE = "worse"
    BETTER = "better"


@dataclass(frozen=True, slots=True)
class Watched:
    """One watch as it was last seen; `since` is when it became bad, None while it is good."""

    name: str
    looked: datetime
    since: datetime | None
    value: float


@dataclass(frozen=True, slots=True)
class Flight:
    """One canary: when it was sent, and when it came back."""

    id: str
    queue: str
    sent: datetime
    returned: datetime | None

    @property
    def seconds(self) -> float | None:
        """How long it was away; None while it is."""
        return None if self.returned is None else (self.returned - self.sent).total_seconds()


def watches(connection: sa.Connection) -> dict[str, Watched]:
    """Return every watch by its name."""
    rows = connection.execute(sa.select(WATCH).order_by(WATCH.c.name))
    found = (
        Watched(row.name, moment_of(row.looked), None if row.since is None else moment_of(row.since), row.value)
        for row in rows
    )
    return {one.name: one for one in found if one.name != _COUNTED}


def note_watch(connection: sa.Connection, name: str, now: datetime, value: float, *, bad: bool) -> Turn | None:
    """Write how a watch is; returns how it turned, None when it did not."""
    before = connection.execute(sa.select(WATCH.c.since).where(WATCH.c.name == name)).first()
    was_bad = before is not None and before.since is not None
    since = (before.since if before is not None and was_bad else millis_of(now)) if bad else None
    _put(connection, name, looked=millis_of(now), since=since, value=value)
    if bad == was_bad:
        return None
    return Turn.WORSE if bad else Turn.BETTER


def forget_watches(connection: sa.Connection, kept: set[str]) -> int:
    """Forget what is watched no more, such as queues that left the settings; returns how many watches."""
    gone = WATCH.c.name.not_in([*kept, _COUNTED])
    return connection.execute(sa.delete(WATCH).where(gone)).rowcount


def arrivals(connection: sa.Connection) -> Mapping[tuple[Cloud, str], datetime]:
    """Return which accounts' events came since the last call, and when the newest did; our own do not count."""
    counted = int(connection.scalar(sa.select(WATCH.c.value).where(WATCH.c.name == _COUNTED)) or 0)
    newest = int(connection.scalar(sa.select(sa.func.max(EVENT.c.id))) or 0)
    told = (EVENT.c.id > counted) & (EVENT.c.id <= newest) & EVENT.c.channel.not_in(_OWN)
    by_account = sa.select(EVENT.c.cloud, EVENT.c.account, sa.func.max(EVENT.c.received).label("received"))
    rows = connection.execute(by_account.where(told).group_by(EVENT.c.cloud, EVENT.c.account)).all()
    _put(connection, _COUNTED, looked=0, since=None, value=newest)
    return {(Cloud(row.cloud), row.account): moment_of(row.received) for row in rows}


def launch(connection: sa.Connection, id_: str, queue: str, now: datetime) -> int:
    """Write that a canary is about to be sent, and forget old flights; returns how many were forgotten."""
    old = CANARY.c.sent < millis_of(now - CANARIES_KEPT)
    forgotten = connection.execute(sa.delete(CANARY).where(old)).rowcount
    connection.execute(sa.insert(CANARY).values(id=id_, queue=queue, sent=millis_of(now)))
    return forgotten


def welcome(connection: sa.Connection, id_: str, now: datetime) -> bool:
    """Write that a canary came back; False for one that came before or that this database did not send."""
    away = (CANARY.c.id == id_) & CANARY.c.returned.is_(None)
    return connection.execute(sa.update(CANARY).where(away).values(returned=millis_of(now))).rowcount == 1


def newest_flight(connection: sa.Connection, queue: str, before: datetime | None = None) -> Flight | None:
    """Return the canary that was sent last, or last before a time; None when there is none."""
    mine = sa.select(CANARY).where(CANARY.c.queue == queue)
    if before is not None:
        mine = mine.where(CANARY.c.sent <= millis_of(before))
    row = connection.execute(mine.order_by(CANARY.c.sent.desc()).limit(1)).first()
    if row is None:
        return None
    return Flight(row.id, row.queue, moment_of(row.sent), None if row.returned is None else moment_of(row.returned))


def last_return(connection: sa.Connection, queue: str) -> Flight | None:
    """Return the canary that was sent last among those that came back."""
    back = sa.select(CANARY).where(CANARY.c.queue == queue, CANARY.c.returned.is_not(None))
    row = connection.execute(back.order_by(CANARY.c.sent.desc()).limit(1)).first()
    return None if row is None else Flight(row.id, row.queue, moment_of(row.sent), moment_of(row.returned))


def _put(connection: sa.Connection, name: str, **values: object) -> None:
    insert = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(WATCH)
    row = {"name": name, **values}
    connection.execute(insert.values(row).on_conflict_do_update(index_elements=["name"], set_=row))
