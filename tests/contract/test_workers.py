"""Runs have one owner at a time, and a dead worker's runs pass to exactly one other; on both databases."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from cloudheal.model.incident import RunState
from cloudheal.record.budget import grant, is_granted
from cloudheal.record.database import Database
from cloudheal.record.tables import OUTBOX, RUN, WORKER
from cloudheal.record.workers import (
    MOST_RECOVERIES,
    Estate,
    Taken,
    beat,
    claim,
    enlist,
    inherit,
    leave,
    release,
    settle,
    still_holds,
)

#: A lease that every worker has outlived: whoever is listed counts as dead.
EXPIRED = -60_000
LONG = 60_000
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def insert_run(database: Database, id_: str, look: int = 0) -> None:
    """Put one queued run into the table."""
    with database.transaction() as connection:
        connection.execute(
            sa.insert(RUN).values(
                id=id_,
                incident="inc",
                rule="r",
                playbook="p",
                playbook_digest="d",
                mode="auto",
                state=RunState.STARTING.value,
                look=look,
            )
        )


def insert_worker(database: Database, *ids: str) -> None:
    """Enlist workers."""
    with database.transaction() as connection:
        for id_ in ids:
            enlist(connection, id_, "host")


def test_a_run_has_one_owner(database: Database) -> None:
    """Whoever begins the look owns the run, with a higher epoch; what was owned before stands no more."""
    insert_run(database, "r")
    with database.transaction() as connection:
        held = [claim(connection, "r", name, 0) for name in ("a", "a", "b")]
        assert [one and one.epoch for one in held] == [1, 2, 3]
        assert [one and still_holds(connection, one) for one in held] == [False, False, True]
        assert claim(connection, "r", "a", 1) is None
        assert claim(connection, "none", "a", 0) is None


def test_any_worker_may_begin_what_an_heir_queued_again(database: Database) -> None:
    """The heir queues a dead worker's look for all: a third worker that takes it owns the run, and nobody else does."""
    insert_run(database, "r")
    insert_worker(database, "dead")
    with database.transaction() as connection:
        before = claim(connection, "r", "dead", 0)
        assert [one.dead for one in inherit(connection, "heir", EXPIRED)] == ["dead"]
        third = claim(connection, "r", "third", 0)
        assert before is not None
        assert third is not None
        assert not still_holds(connection, before)
        assert still_holds(connection, third)


def test_a_released_run_is_free_for_its_next_look(database: Database) -> None:
    """After release anyone may claim; the old claim stands no more."""
    insert_run(database, "r")
    with database.transaction() as connection:
        held = claim(connection, "r", "a", 0)
        assert held is not None
        assert release(connection, held, RunState.STARTING)
        assert not still_holds(connection, held)
        assert not release(connection, held, RunState.ENDED)
        assert claim(connection, "r", "b", 0) is not None


def test_a_living_worker_is_not_robbed(database: Database) -> None:
    """A fresh heartbeat protects a worker's runs."""
    insert_run(database, "r")
    insert_worker(database, "a", "b")
    with database.transaction() as connection:
        assert claim(connection, "r", "a", 0) is not None
        assert beat(connection, "a")
        assert inherit(connection, "b") == []


def test_a_sleeper_that_was_robbed_is_fenced(database: Database) -> None:
    """Once its runs were taken, the old owner's claim, its heartbeat and its release all fail."""
    insert_run(database, "r", look=3)
    insert_worker(database, "a", "b")
    with database.transaction() as connection:
        held = claim(connection, "r", "a", 3)
    assert held is not None
    with database.transaction() as connection:
        assert inherit(connection, "b", EXPIRED) == [Estate("a", (Taken("r", 3, 1, 2),))]
    with database.transaction() as connection:
        assert not still_holds(connection, held)
        assert not beat(connection, "a")
        assert not release(connection, held, RunState.ENDED)
        assert claim(connection, "r", "b", 3) is not None


def test_runs_that_wait_or_ended_are_not_taken(database: Database) -> None:
    """Only work in progress passes to the heir; rows that wait belong to nobody."""
    for id_, state in (("w", RunState.WAITING), ("e", RunState.ENDED)):
        insert_run(database, id_)
        with database.transaction() as connection:
            held = claim(connection, id_, "a", 0)
            assert held is not None
            release(connection, held, state)
    insert_worker(database, "a")
    with database.transaction() as connection:
        (estate,) = inherit(connection, "b", EXPIRED)
        assert estate.runs == ()
        assert settle(connection, "b", estate)
        assert connection.scalar(sa.select(sa.func.count()).select_from(WORKER)) == 0


def test_an_heir_that_dies_is_followed_by_another(database: Database) -> None:
    """The estate of a dead worker is open until it is settled; the heir that was overtaken cannot settle it."""
    insert_worker(database, "a", "b", "c")
    with database.transaction() as connection:
        connection.execute(sa.update(WORKER).where(WORKER.c.id != "a").values(heartbeat=WORKER.c.heartbeat + 10**9))
        (first,) = inherit(connection, "b", EXPIRED)
    with database.transaction() as connection:
        (second,) = inherit(connection, "c", EXPIRED)
        assert first.dead == second.dead == "a"
        assert not settle(connection, "b", first)
        assert settle(connection, "c", second)


def test_two_heirs_share_nothing(database: Database) -> None:
    """Two sweepers at once: every run is taken exactly once."""
    ids = [f"r{n}" for n in range(40)]
    for number, id_ in enumerate(ids):
        insert_run(database, id_)
        with database.transaction() as connection:
            assert claim(connection, id_, f"dead{number % 4}", 0) is not None
    insert_worker(database, *(f"dead{n}" for n in range(4)))
    with database.transaction() as connection:
        connection.execute(sa.update(WORKER).values(heartbeat=WORKER.c.heartbeat - 10 * LONG))
    taken: list[Taken] = []

    def sweep(name: str) -> None:
        with database.transaction() as connection:
            taken.extend(one for estate in inherit(connection, name, LONG) for one in estate.runs)

    threads = [threading.Thread(target=sweep, args=(name,)) for name in ("x", "y", "z")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.run for one in taken) == sorted(ids)


@pytest.mark.parametrize("busy", [True, False])
def test_a_worker_leaves_only_without_work(database: Database, busy: bool) -> None:  # noqa: FBT001
    """A worker with work in progress stays on the list, so that its work is found."""
    insert_run(database, "r")
    insert_worker(database, "a")
    with database.transaction() as connection:
        held = claim(connection, "r", "a", 0)
        assert held is not None
        if not busy:
            release(connection, held, RunState.ENDED)
        assert leave(connection, "a") is not busy


def test_a_worker_that_took_a_look_without_its_run_yet_is_inherited_at_once(database: Database) -> None:
    """Its runs do not tell of the look, the engine does: the row stays, and the next worker is its heir."""
    insert_worker(database, "a", "b")
    with database.transaction() as connection:
        assert not leave(connection, "a", all_done=False)
        assert [one.dead for one in inherit(connection, "b", LONG)] == ["a"]


def test_a_run_that_kills_its_workers_is_put_aside(database: Database) -> None:
    """After five deaths it is parked with the reason and people are told; its room is given back."""
    insert_run(database, "r")
    with database.transaction() as connection:
        grant(connection, "r", NOON)
    for death in range(MOST_RECOVERIES):
        insert_worker(database, f"w{death}", f"heir{death}")
        with database.transaction() as connection:
            connection.execute(sa.update(RUN).values(owner=f"w{death}"))
            connection.execute(sa.update(WORKER).where(WORKER.c.id == f"w{death}").values(heartbeat=0))
            (estate,) = [one for one in inherit(connection, f"heir{death}") if one.dead == f"w{death}"]
            assert bool(estate.runs) == (death < MOST_RECOVERIES - 1)
    with database.snapshot() as connection:
        (run,) = connection.execute(sa.select(RUN)).all()
        assert (run.state, run.waits_for, run.owner) == ("parked", "poisonous", "")
        assert not is_granted(connection, "r")
        assert "run.parked" in connection.scalars(sa.select(OUTBOX.c.topic)).all()
