"""Who is at work, and whose work it is: heartbeats, ownership of runs, and the taking over of a dead worker's runs.

Ownership is one column of the run and a number, the epoch, which rises whenever the run changes hands: whoever holds an
older one can commit no further intent. Whoever finds a dead worker becomes its heir by one conditional update that also
renews the row's lease; the winner gets the runs, and any worker may begin what the winner queues again. The row is
deleted when everything the dead worker had begun is queued again; an heir that dies before that is followed by another.
All times are the database's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from cloudheal.model.incident import INTERRUPTION, Parked, RunState
from cloudheal.record.budget import give_back
from cloudheal.record.leases import give_up_leases
from cloudheal.record.ledger import Entry, Kind, about_run, append
from cloudheal.record.moments import database_millis, database_now, moment_of
from cloudheal.record.outbox import Notice, Topic, tell
from cloudheal.record.tables import INCIDENT, RUN, WORKER

#: A worker that has not been heard of for so long is dead; beats come every second.
LEASE_MILLIS = 10_000
#: A lease that no heartbeat meets: for whoever knows that all others are dead.
EVERYONE = -(10**15)
#: A run that was at work in so many processes when they died is not given to another one.
MOST_RECOVERIES = 5
_AT_WORK = (RunState.STARTING.value, RunState.RUNNING.value)

_OF: sa.BindParameter[str] = sa.bindparam("of")
_CLAIM = (
    sa.update(RUN)
    .where(RUN.c.id == _OF, RUN.c.look == sa.bindparam("begun"), RUN.c.state.in_(_AT_WORK))
    .values(owner=sa.bindparam("worker"), epoch=RUN.c.epoch + 1, state=RunState.RUNNING.value)
    .returning(RUN.c.epoch)
)
_MINE = (RUN.c.id == _OF) & (RUN.c.owner == sa.bindparam("holder")) & (RUN.c.epoch == sa.bindparam("held"))
_STILL_HOLDS = sa.select(RUN.c.id).where(_MINE).with_for_update()
_RELEASE = sa.update(RUN).where(_MINE).values(owner="", state=sa.bindparam("then"))
_STRANDED = (
    sa.select(RUN.c.id, RUN.c.look, INCIDENT.c.trouble)
    .join(INCIDENT, INCIDENT.c.id == RUN.c.incident)
    .where(RUN.c.owner == _OF, RUN.c.state == RunState.STARTING.value)
)


@dataclass(frozen=True, slots=True)
class Taken:
    """A run that changed hands: which look is to be resumed, and how often that has happened to it."""

    run: str
    look: int
    recoveries: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Stranded:
    """A run that its worker is to begin itself, because it was not queued."""

    run: str
    look: int
    hurries: bool


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


def leave(connection: sa.Connection, worker: str, *, all_done: bool = True) -> bool:
    """Take a worker off the list when it ends in order; False when it leaves work, which others may have at once.

    `all_done` is the engine's word that no look is left that this worker took from the queue and did not end: such a
    look may not have claimed its run yet, so that the runs alone do not tell.
    """
    owns = sa.select(RUN.c.id).where(RUN.c.owner == worker, RUN.c.state.in_(_AT_WORK)).exists()
    gone = sa.delete(WORKER).where(WORKER.c.id == worker, ~owns)
    if all_done and connection.execute(gone).rowcount == 1:
        return True
    connection.execute(sa.update(WORKER).where(WORKER.c.id == worker, WORKER.c.heir == "").values(heartbeat=0))
    return False


def listed(connection: sa.Connection) -> set[str]:
    """Return every worker on the list, the dead ones included whose work is not queued again yet."""
    return set(connection.scalars(sa.select(WORKER.c.id)))


def stranded(connection: sa.Connection, worker: str) -> list[Stranded]:
    """Return the runs that a worker owns and has not begun, those that hurry first: nobody else begins them."""
    rows = connection.execute(_STRANDED, {"of": worker})
    found = [Stranded(row.id, row.look, row.trouble == INTERRUPTION) for row in rows]
    return sorted(found, key=lambda one: not one.hurries)


def is_anyone_alive(connection: sa.Connection, lease_millis: int = LEASE_MILLIS) -> bool:
    """Say whether any worker was heard of within a lease."""
    alive = (WORKER.c.heir == "") & (WORKER.c.heartbeat >= database_now(connection) - lease_millis)
    return connection.execute(sa.select(WORKER.c.id).where(alive).limit(1)).first() is not None


def at_work(connection: sa.Connection) -> bool:
    """Say whether any run is being worked on, or about to be, by any worker."""
    return connection.execute(sa.select(RUN.c.id).where(RUN.c.state.in_(_AT_WORK)).limit(1)).first() is not None


def claim(connection: sa.Connection, run: str, worker: str, look: int, at: datetime | None = None) -> Claim | None:
    """Make `worker` the owner of a run whose look it begins; None when that look is over.

    The engine gives a look to one process at a time, so whoever begins it owns the run, whoever did before: an heir
    that queued it for all, or a process that was declared dead. The epoch rises with every claim and fences those.
    """
    epoch = connection.execute(_CLAIM, {"of": run, "begun": look, "worker": worker}).scalar_one_or_none()
    if epoch is None:
        return None
    _tell(connection, Kind.RUN_BEGUN, run, at, {"worker": worker, "look": look, "epoch": epoch})
    return Claim(run, worker, epoch)


def still_holds(connection: sa.Connection, held: Claim) -> bool:
    """Say whether a claim stands; asked in the transaction that commits an intent."""
    return connection.execute(_STILL_HOLDS, _holding(held)).first() is not None


def release(connection: sa.Connection, held: Claim, state: RunState, at: datetime | None = None) -> bool:
    """Give a run up in `state`, so that anyone may take its next look; False when it is not ours any more."""
    released = connection.execute(_RELEASE, {**_holding(held), "then": state.value}).rowcount == 1
    if released:
        _tell(connection, Kind.RUN_RELEASED, held.run, at, {"worker": held.owner, "state": state.value})
    return released


def park(connection: sa.Connection, held: Claim, why: Parked, at: datetime | None = None) -> bool:
    """Put a run aside for a person, who restarts or abandons it; its grants are given back. False when not ours."""
    if not release(connection, held, RunState.PARKED, at):
        return False
    connection.execute(sa.update(RUN).where(RUN.c.id == held.run).values(waits_for=why.value))
    give_back(connection, held.run)
    resource, incident = about_run(connection, held.run)
    facts = {"resource": resource, "run": held.run, "reason": why.value}
    moment = at or _database_moment(connection)
    tell(connection, Notice(Topic.RUN_PARKED, moment, f"{Topic.RUN_PARKED}|{held.run}", incident, facts))
    return True


def inherit(
    connection: sa.Connection, worker: str, lease_millis: int = LEASE_MILLIS, at: datetime | None = None
) -> list[Estate]:
    """Become the heir of every dead worker that nobody else is the living heir of, and the owner of its runs.

    What it did for everybody by lease (polling, sealing, sending) is free at once.
    """
    now = database_now(connection)
    dead = (WORKER.c.id != worker) & (WORKER.c.heartbeat < now - lease_millis)
    won = sa.update(WORKER).where(dead).values(heir=worker, heartbeat=now).returning(WORKER.c.id)
    dead_now = connection.scalars(won).all()
    estates = [Estate(one, tuple(_taken(connection, one, worker, at))) for one in dead_now]
    for estate in estates:
        give_up_leases(connection, estate.dead)
        _tell_death(connection, worker, estate, at)
    return estates


def settle(connection: sa.Connection, worker: str, estate: Estate, queued: Collection[tuple[str, int]] = ()) -> bool:
    """Strike a dead worker off the list once its work is queued again; False when another became its heir.

    The runs whose looks were `queued` are nobody's until one begins them: an heir that is drained has no work there.
    """
    for one in estate.runs:
        if (one.run, one.look) in queued:
            give_up_run(connection, one.run, worker, one.epoch)
    mine = (WORKER.c.id == estate.dead) & (WORKER.c.heir == worker)
    return connection.execute(sa.delete(WORKER).where(mine)).rowcount == 1


def give_up_run(connection: sa.Connection, run: str, worker: str, epoch: int | None = None) -> bool:
    """Let a run be nobody's whose look is queued; False when it is not that worker's, or began anew since `epoch`.

    Without an epoch the worker is on no list: whoever is may claim the run at any moment.
    """
    mine = (RUN.c.id == run) & (RUN.c.owner == worker) & RUN.c.state.in_(_AT_WORK)
    return _nobodys(connection, mine if epoch is None else mine & (RUN.c.epoch == epoch))


def withdraw(connection: sa.Connection, run: str, worker: str) -> bool:
    """Let a run be nobody's that its worker was to begin and will not; False when it has begun, or is another's."""
    mine = (RUN.c.id == run) & (RUN.c.owner == worker) & (RUN.c.state == RunState.STARTING.value)
    return _nobodys(connection, mine)


def _nobodys(connection: sa.Connection, runs: sa.ColumnElement[bool]) -> bool:
    given_up = sa.update(RUN).where(runs).values(owner="", epoch=RUN.c.epoch + 1)
    return connection.execute(given_up).rowcount == 1


def unowned(connection: sa.Connection) -> dict[tuple[str, int], str]:
    """Return the looks of runs that are at work for somebody who is on no list, with that name."""
    strange = RUN.c.owner.not_in(sa.select(WORKER.c.id)) & (RUN.c.owner != "") & RUN.c.state.in_(_AT_WORK)
    rows = connection.execute(sa.select(RUN.c.id, RUN.c.look, RUN.c.owner).where(strange))
    return {(row.id, row.look): row.owner for row in rows}


def _holding(held: Claim) -> dict[str, str | int]:
    return {"of": held.run, "holder": held.owner, "held": held.epoch}


def _tell(connection: sa.Connection, kind: Kind, run: str, at: datetime | None, body: Mapping[str, object]) -> None:
    resource, incident = about_run(connection, run)
    result = str(body.get("state", ""))
    append(connection, [Entry(kind, at, resource, result=result, incident=incident, run=run, body=body)])


def _tell_death(connection: sa.Connection, heir: str, estate: Estate, at: datetime | None) -> None:
    """Write who died and who follows, and what changed hands; people are told, because it may happen again."""
    runs = [one.run for one in estate.runs]
    append(connection, [Entry(Kind.WORKER_DEAD, at, name=estate.dead, body={"heir": heir, "runs": runs})])
    for one in estate.runs:
        body = {"worker": heir, "from": estate.dead, "look": one.look, "recoveries": one.recoveries}
        _tell(connection, Kind.RUN_TAKEN_OVER, one.run, at, body)
    key, moment = f"{Topic.WORKER_DEAD}|{estate.dead}", at or _database_moment(connection)
    facts = {"worker": estate.dead, "heir": heir, "runs": str(len(runs))}
    tell(connection, Notice(Topic.WORKER_DEAD, moment, key, key, facts))


def _database_moment(connection: sa.Connection) -> datetime:
    return moment_of(database_millis(connection))


def _taken(connection: sa.Connection, dead: str, heir: str, at: datetime | None) -> list[Taken]:
    """Take a dead worker's runs over; one that was at work in too many deaths is put aside for a person."""
    inherited = (
        sa.update(RUN)
        .where(RUN.c.owner == dead, RUN.c.state.in_(_AT_WORK))
        .values(owner=heir, epoch=RUN.c.epoch + 1, recoveries=RUN.c.recoveries + 1)
        .returning(RUN.c.id, RUN.c.look, RUN.c.recoveries, RUN.c.epoch)
    )
    rows = connection.execute(inherited).all()
    for row in rows:
        if row.recoveries >= MOST_RECOVERIES:
            park(connection, Claim(row.id, heir, row.epoch), Parked.POISONOUS, at)
    rest = (row for row in rows if row.recoveries < MOST_RECOVERIES)
    return [Taken(row.id, row.look, row.recoveries, row.epoch) for row in rest]
