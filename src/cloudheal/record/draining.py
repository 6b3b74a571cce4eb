"""Draining, before an upgrade: workers begin nothing new, end what is at work, and stay idle until told otherwise.

The operator's word is one row that every worker reads with each heartbeat. A worker writes that it heeds it once its
queue is closed, so that whoever waits knows that nothing can begin any more. A worker that died does not hold a drain
up: what it left is taken over after the drain has ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cloudheal.model.incident import RunState
from cloudheal.record.ledger import Entry, Kind, append
from cloudheal.record.moments import database_now, millis_of
from cloudheal.record.tables import CONTROL, RUN, WORKER

DRAIN = "drain"


@dataclass(frozen=True, slots=True)
class Progress:
    """What a drain still waits for."""

    at_work: int
    """Runs at work at living workers."""
    unheeding: tuple[str, ...]
    """Living workers that may still begin something."""
    left: int
    """Runs of dead workers; they are taken over when the drain has ended."""

    @property
    def is_done(self) -> bool:
        """True when nothing is at work and nothing can begin."""
        return self.at_work == 0 and not self.unheeding


def begin_drain(connection: sa.Connection, who: str, now: datetime) -> bool:
    """Ask every worker to drain; False when they were asked before."""
    insert = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(CONTROL)
    row = {"name": DRAIN, "who": who, "since": millis_of(now)}
    added = (
        connection.execute(insert.values(row).on_conflict_do_nothing().returning(CONTROL.c.name)).first() is not None
    )
    if added:
        append(connection, [Entry(Kind.DRAIN_BEGUN, now, name=who)])
    return added


def end_drain(connection: sa.Connection, who: str, now: datetime) -> bool:
    """Let workers go on; False when they were not draining."""
    ended = connection.execute(sa.delete(CONTROL).where(CONTROL.c.name == DRAIN)).rowcount == 1
    if ended:
        append(connection, [Entry(Kind.DRAIN_ENDED, now, name=who)])
    return ended


def is_draining(connection: sa.Connection) -> bool:
    """Say whether an operator asked for a drain."""
    return connection.execute(sa.select(CONTROL.c.name).where(CONTROL.c.name == DRAIN)).first() is not None


def heed(connection: sa.Connection, worker: str, *, draining: bool) -> bool:
    """Write whether a worker heeds the drain; False when that was written before."""
    other = (WORKER.c.id == worker) & (WORKER.c.draining != draining)
    return connection.execute(sa.update(WORKER).where(other).values(draining=draining)).rowcount == 1


def progress(connection: sa.Connection, lease_millis: int) -> Progress:
    """Return what a drain still waits for; a worker not heard of for a lease is dead."""
    alive = WORKER.c.heartbeat >= database_now(connection) - lease_millis
    living = connection.execute(sa.select(WORKER.c.id, WORKER.c.draining).where(alive)).all()
    names = [one.id for one in living]
    working = sa.select(sa.func.count()).where(RUN.c.state.in_((RunState.RUNNING.value, RunState.STARTING.value)))
    return Progress(
        at_work=connection.scalar(working.where(RUN.c.owner.in_(names))) or 0,
        unheeding=tuple(one.id for one in living if not one.draining),
        left=connection.scalar(working.where(RUN.c.owner != "", RUN.c.owner.not_in(names))) or 0,
    )
