"""Who is at work, and whose work it is: heartbeats, ownership of runs, and the taking over of a dead worker's runs.

Ownership is one column of the run, changed only in transactions that check it. Whoever finds a dead worker becomes its
heir by one conditional update that also renews the row's lease; the winner gets the runs, each with a higher epoch, so
that the former owner (if it was only asleep) can commit no further intent. The row is deleted when everything the dead
worker had begun is queued again; an heir that dies before that is followed by another. All times are the database's.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from cloudheal.model.incident import RunState
from cloudheal.record.moments import database_now
from cloudheal.record.tables import RUN, WORKER

#: A worker that has not been heard of for so long is dead; beats come every second.
LEASE_MILLIS = 10_000
_AT_WORK = (RunState.STARTING.value, RunState.RUNNING.value)


@dataclass(frozen=True, slots=True)
class Taken:
    """A run that changed hands: which look is to be resumed, and how often that has happened to it."""

    run: str
    look: int
    recoveries: int


@dataclass(frozen=True, slots=True)
class Estate:
    """What a dead worker left: the runs that it owned. What it had begun without owning it yet, the engine knows."""

    dead: str
    runs: tuple[Taken, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to act for a run; it ends when the run's owner or epoch is no longer this one."""

    run: str
    owner: str
    epoch: int


def beat(connection: sa.Connection, worker: str) -> bool:
    """Say that a worker is alive. False when it was declared dead meanwhile: it must stop."""
    mine = (WORKER.c.id == worker) & (WORKER.c.heir == "")
    return connection.execute(sa.update(WORKER).where(mine).values(heartbeat=database_now(connection))).rowcount == 1


def enlist(connection: sa.Connection, worker: str, host: str) -> None:
    """Enter a new worker with its first heartbeat."""
    connection.execute(sa.insert(WORKER).values(id=worker, host=host, heartbeat=database_now(connection)))


def leave(connection: sa.Connection, worker: str) -> bool:
    """Take a worker off the list when it ends in order and owns nothing any more."""
    owns = sa.select(RUN.c.id).where(RUN.c.owner == worker, RUN.c.state.in_(_AT_WORK)).exists()
    return connection.execute(sa.delete(WORKER).where(WORKER.c.id == worker, ~owns)).rowcount == 1


def claim(connection: sa.Connection, run: str, worker: str, look: int) -> Claim | None:
    """Make `worker` the owner of a run whose look it begins; None when the run is another's or at another look."""
    free = RUN.c.owner.in_(("", worker)) & (RUN.c.look == look) & (RUN.c.state != RunState.ENDED.value)
    values = {"owner": worker, "state": RunState.RUNNING.value}
    updated = sa.update(RUN).where(RUN.c.id == run, free).values(values).returning(RUN.c.epoch)
    epoch = connection.execute(updated).scalar_one_or_none()
    return None if epoch is None else Claim(run, worker, epoch)


def still_holds(connection: sa.Connection, held: Claim) -> bool:
    """Say whether a claim stands; asked in the transaction that commits an intent."""
    one = (RUN.c.id == held.run) & (RUN.c.owner == held.owner) & (RUN.c.epoch == held.epoch)
    return connection.execute(sa.select(RUN.c.id).where(one).with_for_update()).first() is not None


def release(connection: sa.Connection, held: Claim, state: RunState) -> bool:
    """Give a run up in `state`, so that anyone may take its next look; False when it is not ours any more."""
    one = (RUN.c.id == held.run) & (RUN.c.owner == held.owner) & (RUN.c.epoch == held.epoch)
    return connection.execute(sa.update(RUN).where(one).values(owner="", state=state.value)).rowcount == 1


def inherit(connection: sa.Connection, worker: str, lease_millis: int = LEASE_MILLIS) -> list[Estate]:
    """Become the heir of every dead worker that nobody else is the living heir of, and the owner of its runs."""
    now = database_now(connection)
    dead = (WORKER.c.id != worker) & (WORKER.c.heartbeat < now - lease_millis)
    won = sa.update(WORKER).where(dead).values(heir=worker, heartbeat=now).returning(WORKER.c.id)
    return [Estate(one, tuple(_taken(connection, one, worker))) for one in connection.scalars(won).all()]


def settle(connection: sa.Connection, worker: str, estate: Estate) -> bool:
    """Strike a dead worker off the list once its work is queued again; False when another became its heir."""
    mine = (WORKER.c.id == estate.dead) & (WORKER.c.heir == worker)
    return connection.execute(sa.delete(WORKER).where(mine)).rowcount == 1


def _taken(connection: sa.Connection, dead: str, heir: str) -> list[Taken]:
    inherited = (
        sa.update(RUN)
        .where(RUN.c.owner == dead, RUN.c.state.in_(_AT_WORK))
        .values(owner=heir, epoch=RUN.c.epoch + 1, recoveries=RUN.c.recoveries + 1)
        .returning(RUN.c.id, RUN.c.look, RUN.c.recoveries)
    )
    return [Taken(row.id, row.look, row.recoveries) for row in connection.execute(inherited)]
