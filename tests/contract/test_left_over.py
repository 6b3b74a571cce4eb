"""Nothing that a worker left is forgotten, whatever it left it to: a queue, a list that it is not on, a question."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from dbos import DBOS

from cloudheal.act import engine as engine_module
from cloudheal.act.engine import QUEUE, Engine
from cloudheal.app import App
from cloudheal.app.succession import Succession
from cloudheal.model.control import Answer, Approval
from cloudheal.model.decision import Reason
from cloudheal.model.incident import Healed, Mode, Run, RunState, Trouble, Verdict
from cloudheal.model.inventory import Description
from cloudheal.pipeline.intake import Intake
from cloudheal.ports.clock import SystemClock
from cloudheal.record.approvals import answer, ask, expire, open_questions
from cloudheal.record.budget import lock_budget
from cloudheal.record.database import Database, open_database
from cloudheal.record.draining import Progress, heed, progress
from cloudheal.record.inbox import add_events
from cloudheal.record.incidents import add_run, open_incident
from cloudheal.record.tables import APPROVAL, RUN, WORKER
from cloudheal.record.waiting import end_if_recovered, end_patient
from cloudheal.record.workers import claim, enlist, leave, listed, release
from cloudheal.settings.schema import Settings
from tests.contract.shell import ACCOUNT
from tests.contract.test_budget import rules_with, worker
from tests.contract.test_inbox import NOON
from tests.contract.test_retention import DAY, LATER, keep, stop_of
from tests.flow.operators import until
from tests.migrated import cleared

LONG = 20.0
LEASE = 0.5
LEASE_MILLIS = 60_000


class Bench:
    """One worker's engine on a database, whose looks are told and wait until they may end."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.began: list[str] = []
        self.go = threading.Event()
        with database.transaction() as connection:
            enlist(connection, "me", "host")
        self.engine = Engine(database, "me", self._look).start()
        self.now = 0.0
        self.succession = Succession(database, self.engine, "me", SystemClock(), LEASE, lambda: self.now)

    def _look(self, run: str, look: int) -> None:
        with self.database.transaction() as connection:
            held = claim(connection, run, "me", look)
        self.began.append(run)
        self.go.wait(LONG)
        if held is not None:
            with self.database.transaction() as connection:
                release(connection, held, RunState.ENDED)

    def add(self, run: str, owner: str = "", state: RunState = RunState.STARTING, *, queued: bool) -> None:
        """Put a run into the table, with its first look on the queue or without."""
        row = {"incident": run, "rule": "r", "playbook": "p", "playbook_digest": "d", "mode": "auto"}
        with self.database.transaction() as connection:
            event = stop_of(f"i-{run}")
            add_events(connection, [event])
            open_incident(connection, run, event, Trouble("stopped"), "web", NOON)
            connection.execute(sa.insert(RUN).values(id=run, owner=owner, state=state.value, **row))
            if queued:
                self.engine.enqueue(connection, run, 0)

    def passes(self) -> int:
        """Let a lease pass."""
        self.now += LEASE
        return self.succession.take_over(LEASE_MILLIS)

    def drained(self) -> Callable[[], bool]:
        """Close the queue as the heart does; returns what says whether the drain is done."""
        self.engine.hold(held=True)
        with self.database.transaction() as connection:
            heed(connection, "me", draining=True)
        return lambda: self._progress().is_done

    def _progress(self) -> Progress:
        with self.database.snapshot() as connection:
            return progress(connection, LEASE_MILLIS)

    def intake(self) -> Intake:
        """Return as much of the way in as begins runs."""
        some = Intake.__new__(Intake)
        decider = SimpleNamespace(looks=self.engine, worker="me")
        for name, part in {"decider": decider, "store": self.database}.items():
            object.__setattr__(some, name, part)
        return some


@pytest.fixture
def bench(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A worker with room for one look."""
    monkeypatch.setattr(engine_module, "CONCURRENCY", 1)
    one = Bench(database)
    yield one
    one.go.set()
    one.engine.stop(5)


def test_a_drain_ends_although_inherited_looks_stand_in_the_queue(bench: Bench) -> None:
    """They are nobody's until one begins them, and so nobody waits for them."""
    bench.add("mine", queued=True)
    until(lambda: bench.began == ["mine"], what="a look at work")
    with bench.database.transaction() as connection:
        enlist(connection, "dead", "host")
    for run in ("his1", "his2"):
        bench.add(run, "dead", RunState.RUNNING, queued=True)
    schema = "" if bench.database.is_sqlite else "dbos."
    with bench.database.transaction() as connection:
        pending = f"UPDATE {schema}workflow_status SET status = 'PENDING', executor_id = 'dead'"
        connection.exec_driver_sql(f"{pending} WHERE workflow_uuid IN ('his1/0', 'his2/0')")
        connection.execute(sa.update(WORKER).where(WORKER.c.id == "dead").values(heartbeat=0))
    assert bench.succession.take_over(LEASE_MILLIS) == 2
    is_done = bench.drained()
    assert not is_done()
    bench.go.set()
    until(is_done, what="the end of the drain")


def test_a_run_that_was_to_begin_here_is_queued_when_the_worker_is_drained_first(bench: Bench) -> None:
    """Its commit promised it a place, and then nothing begins any more."""
    bench.add("mine", "me", queued=False)
    is_done = bench.drained()
    assert not is_done()
    bench.intake().begin_stranded()
    assert is_done()
    bench.go.set()
    bench.engine.hold(held=False)
    until(lambda: bench.began == ["mine"], what="its beginning after the drain")


@pytest.mark.parametrize("state", [RunState.STARTING, RunState.RUNNING])
def test_a_run_of_somebody_on_no_list_is_begun_by_another(bench: Bench, state: RunState) -> None:
    """Its commit came after its owner had left, or was struck off; one glance is not enough to say so."""
    with bench.database.transaction() as connection:
        enlist(connection, "one", "host")
        assert leave(connection, "one")
    bench.add("late", "one", state, queued=False)
    assert bench.passes() == 0
    assert bench.passes() == 1
    bench.go.set()
    until(lambda: bench.began == ["late"], what="its beginning")


def test_a_look_that_was_taken_and_never_begun_is_queued_again(bench: Bench) -> None:
    """The answer to the commit that took it was lost, no outage was noticed, and the worker lives on."""
    bench.add("lost", queued=False)
    bench.engine.hold(held=True)
    with bench.database.transaction() as connection:
        bench.engine.enqueue(connection, "lost", 0)
    schema = "" if bench.database.is_sqlite else "dbos."
    with bench.database.transaction() as connection:
        taken = f"UPDATE {schema}workflow_status SET status = 'PENDING', executor_id = 'me'"
        connection.exec_driver_sql(f"{taken} WHERE workflow_uuid = 'lost/0'")
    bench.engine.hold(held=False)
    assert not bench.engine.has_left
    for _ in range(2):
        bench.now += 60
        bench.succession.resume_idle()
    bench.go.set()
    until(lambda: bench.began == ["lost"], what="its beginning")


def test_the_queue_is_opened_again_whoever_closed_it(bench: Bench) -> None:
    """It is one for all workers; each puts right what another, that heard of a drain too late, left."""
    other = DBOS.retrieve_queue(QUEUE)
    assert other is not None
    other.set_worker_concurrency(0)
    bench.add("waits", queued=True)
    assert bench.engine.hold(held=False)
    assert not bench.engine.hold(held=False)
    bench.go.set()
    until(lambda: bench.began == ["waits"], what="its beginning")
    other.set_worker_concurrency(1)
    assert bench.engine.hold(held=True)


def test_the_question_of_a_storm_is_kept_as_long_as_one_of_its_runs_waits(database: Database) -> None:
    """The run that it was asked for first may end long before; when the last is gone it goes, too."""
    with database.transaction() as connection:
        for name in ("a", "b"):
            event = stop_of(f"i-{name}")
            add_events(connection, [event])
            open_incident(connection, name, event, Trouble("stopped"), "web", NOON)
            run = Run(f"run-{name}", name, "rule", "p", "d", Mode.AUTO, RunState.ASKING)
            add_run(connection, run, Reason.STORM.value)
            ask(connection, Approval(f"ask-{name}", run.id, "?", NOON, NOON + DAY), "storm|rule|web|stopped")
        end_patient(connection, "run-a", Verdict("a", Healed.NOT_NEEDED, NOON, {"code": "recovered"}))
        expire(connection, NOON + 2 * DAY)
    keep(database, LATER)
    with database.transaction() as connection:
        assert [one.id for one in open_questions(connection, LATER)] == ["ask-a"]
        assert answer(connection, "ask-a", Answer.APPROVED, "ops", LATER)
        end_patient(connection, "run-b", Verdict("b", Healed.HEALED, NOON, {"code": "running"}))
    keep(database, LATER)
    with database.snapshot() as connection:
        assert connection.execute(sa.select(APPROVAL)).all() == []


def test_a_sweep_and_a_message_about_one_run_do_not_wait_for_each_other(postgres_url: str) -> None:
    """Whoever changes runs and takes the budget's lock takes the lock first, so that no one is undone."""
    database = open_database(cleared(postgres_url))
    intake, event = worker(database, rules_with(), "me"), stop_of("i-a")
    intake.notice([Description(event.subject, NOON, "Stopped")], [], NOON)
    with database.transaction() as connection:
        add_events(connection, [event])
        open_incident(connection, "inc", event, Trouble("stopped"), "web", NOON)
        locked = Run("run", "inc", "restart", "restart_stopped", "d", Mode.AUTO, RunState.WAITING, next_eligible=LATER)
        add_run(connection, locked, "locked.financial")
    later = NOON + timedelta(minutes=1)
    shown = [Description(event.subject, later, "Running")]
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as connection:
            lock_budget(connection)
            sweep = pool.submit(intake.notice, shown, [], later)
            waits = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            until(lambda: sweep.done() or bool(connection.scalar(waits)), what="a sweep that waits for the lock")
            end_if_recovered(connection, event._replace(status="Running", time=later), later)
        assert sweep.result(LONG).new == 1
    database.close()


def test_a_worker_that_waits_with_every_connection_is_alive_all_the_same(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its looks may wait for somebody else's lock, each with a connection; others hear of it from one of its own."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    app = App(Settings.model_validate({"accounts": [ACCOUNT], "database": cleared(postgres_url)}))
    with ExitStack() as connections:
        for engine in (app.database.writing, app.database.reading):
            for _ in range(_most(engine)):
                connections.enter_context(engine.connect())
        beating = app.heart.start()
        app.stopping.set()
        beating.join(LONG)
        with app.pulse.snapshot() as connection:
            assert app.worker in listed(connection)
    app.pulse.close()
    app.database.close()


def _most(engine: sa.Engine) -> int:
    pool = engine.pool
    assert isinstance(pool, sa.pool.QueuePool)
    return pool.size() + pool._max_overflow  # noqa: SLF001 - nothing else says it
