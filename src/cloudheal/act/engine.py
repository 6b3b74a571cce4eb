"""The durable engine: the only module that knows DBOS.

One workflow is registered, `heal(run, look)`; which playbook it runs is written in the run's row. A look is queued in
the same transaction as the rows that cause it, so that neither can exist without the other. Steps return JSON values
and are checkpointed; after a crash a look runs again from its first step, and finished steps answer from their
checkpoint. A step never raises into a playbook: exceptions change class on replay.

The library keeps one instance per process, so there is one `Engine` per process at a time. Its own retries, sleeps and
recovery are not used: a process has a fresh executor id, and dead workers' runs are taken over by `workers.py`.

A look whose database does not answer is left where it stands, without a checkpoint of the step that failed, and taken
up again from its last checkpoint when the database answers: an outage of the store is never a failure of a playbook.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any, TypeAlias

import sqlalchemy as sa

from cloudheal.act.outcome import EngineError
from cloudheal.act.raising import kept, result_of
from cloudheal.ports.hurry import hurrying
from cloudheal.ports.store import STORE_AWAY, Store, is_away
from cloudheal.postponed import postponed

# The driver is of no use on SQLite, and comes with the first connection to PostgreSQL.
with postponed("psycopg"):
    from dbos import DBOS, DBOSClient, EnqueueOptions, SetWorkflowID
    from dbos import Serializer as DBOSSerializer
    from dbos import error as failures

#: What may be checkpointed: JSON values only, never pickled objects.
Json: TypeAlias = Any
#: Runs one look of one run; called again from the start after a crash.
Body: TypeAlias = Callable[[str, int], None]
#: A run and the number of its look.
Look: TypeAlias = tuple[str, int]

#: The version of this module's workflow: looks queued by another one wait for a process that speaks it.
SCHEMA = "1"
QUEUE = "heal"
#: Looks at work in one process; each is a thread that mostly waits for a cloud.
CONCURRENCY = 64
POLL_SECONDS = 0.1
#: Looks at work in a process up to which it begins those that it committed itself, without the queue and its poll.
FEW_AT_WORK = 16
#: For how long a place counts as taken that was promised to a look: a commit may be undone, and then nothing comes.
PROMISED_SECONDS = 1.0
#: Looks forgotten in one transaction, so that writers wait for a moment only.
FORGET_AT_ONCE = 500
SELDOM_SECONDS = 60.0
_ENDED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]

log = logging.getLogger("cloudheal.engine")


class LookLeft(BaseException):
    """A look cannot go on here now: it stays begun, and is resumed by this worker later or by another one.

    The process was told to stop while the look waited, or the database does not answer.

    Not an Exception: neither a playbook nor the library may take it for a failure of the look.
    """


class _Seldom(logging.Filter):
    """The library tells of a database that fails at each of ten polls a second; once a minute is enough."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._told: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Let a line pass whose beginning was not told within a minute."""
        key, now = record.getMessage()[:40], self._clock()
        if now - self._told.get(key, float("-inf")) < SELDOM_SECONDS:
            return False
        self._told[key] = now
        return True


class _JsonSerializer(DBOSSerializer):
    """Checkpoints as plain JSON text, which other programs read, too; `name` is stored with each row."""

    def serialize(self, data: Json) -> str:
        return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))

    def deserialize(self, serialized_data: str) -> Json:
        return json.loads(serialized_data)

    def name(self) -> str:
        return "cloudheal_json/1"


class Engine:
    """Queues, starts and resumes looks on one database, and checkpoints their steps."""

    _present: Engine | None = None
    _guard = threading.Lock()

    def __init__(self, store: Store, worker: str, body: Body) -> None:
        """`worker` must be new for every process; it owns the looks that this process has begun."""
        self._store = store
        self._worker = worker
        self._body = body
        self._client: DBOSClient | None = None
        self._held = False
        self._at_work: set[tuple[Look, int]] = set()
        self._idle: frozenset[Look] = frozenset()
        self._hurried: set[Look] = set()
        self._promised: deque[float] = deque()
        self._rehearsed: Look | None = None
        #: True when looks that this process began may be idle.
        self.has_left = False

    def start(self, *, held: bool = False) -> Engine:
        """Open the engine and begin taking looks from the queue, unless it is `held`."""
        self._held = held
        with Engine._guard:
            if Engine._present is not None:
                raise EngineError("one process runs one engine, and this one has one already")
            Engine._present = self
        try:
            self._launch()
        except BaseException:
            DBOS.destroy()
            self._make_room()
            raise
        return self

    def _launch(self) -> None:
        DBOS(
            config={
                "name": "cloudheal",
                "system_database_engine": self._store.writing,
                "executor_id": self._worker,
                "application_version": SCHEMA,
                "serializer": _JsonSerializer(),
                "use_listen_notify": False,
                "log_level": "WARNING",
            }
        )
        library = logging.getLogger("dbos")
        if not any(isinstance(one, _Seldom) for one in library.filters):
            library.addFilter(_Seldom())
        DBOS.launch()
        places = 0 if self._held else CONCURRENCY
        DBOS.register_queue(QUEUE, worker_concurrency=places, polling_interval_sec=POLL_SECONDS)
        self._client = DBOSClient(
            system_database_engine=self._store.writing, serializer=_JsonSerializer(), application_name="cloudheal"
        )

    def hold(self, *, held: bool) -> bool:
        """Begin no look any more, or begin them again; what has begun goes on. False when nothing changed.

        The library reads the queue's row before every poll, in every process; zero places mean that none is taken.
        """
        self._held = held
        queue = DBOS.retrieve_queue(QUEUE)
        if queue is None:
            raise EngineError(f"the queue {QUEUE} is gone from the database")
        places = 0 if held else CONCURRENCY
        if queue.worker_concurrency == places:
            return False
        queue.set_worker_concurrency(places)
        return True

    def stop(self, seconds: float = 10) -> bool:
        """Take no more looks, give those at work `seconds` to end, and close; False when it leaves looks begun."""
        try:
            # The library looks for the first time after a second, which is wasted where nothing is at work.
            DBOS.destroy(workflow_completion_timeout_sec=round(seconds) if self._leaves_looks() else 0)
            return not self._leaves_looks()
        except STORE_AWAY:
            log.warning("engine.ended_without_store worker=%s", self._worker, exc_info=True)
            return False
        finally:
            self._make_room()

    def _make_room(self) -> None:
        """Let this process run another engine."""
        self.disconnect()
        with Engine._guard:
            Engine._present = None

    def _leaves_looks(self) -> bool:
        """Say whether another worker has something to resume; a database that does not answer may hold anything."""
        begun: dict[str, Any] = {"executor_id": self._worker, "status": "PENDING", "limit": 1}
        try:
            client = self._client
            return client is not None and bool(client.list_workflows(**begun, load_input=False, load_output=False))
        except (*STORE_AWAY, failures.DBOSException):
            return True

    def connect(self) -> Engine:
        """Open the engine for queueing only; looks are begun by workers. Where no worker ever ran, make its tables."""
        if not self.has_tables:
            self.start()
            self.stop(0)
        self._client = DBOSClient(
            system_database_engine=self._store.writing, serializer=_JsonSerializer(), application_name="cloudheal"
        )
        return self

    def disconnect(self) -> None:
        """Close what `connect` opened."""
        if self._client is not None:
            self._client.destroy()
        self._client = None

    def enqueue(self, connection: sa.Connection, run: str, look: int) -> str:
        """Queue a look in the caller's transaction; returns its workflow id."""
        if self._client is None:
            raise EngineError("the engine is not started")
        id_ = workflow_id(run, look)
        options: EnqueueOptions = {
            "queue_name": QUEUE,
            "workflow_name": "heal",
            "workflow_id": id_,
            "app_version": SCHEMA,
        }
        self._client.enqueue_in_transaction(connection, options, run, look)
        return id_

    def start_at_once(self, run: str, look: int, *, hurries: bool) -> str:
        """Begin a look in this process without the queue; a look that has begun is not begun again."""
        id_ = workflow_id(run, look)
        if hurries:
            self._hurried.add((run, look))
        with hurrying() if hurries else nullcontext(), SetWorkflowID(id_):
            DBOS.start_workflow(_heal, run, look)
        return id_

    def rehearse(self) -> str:
        """Begin a look of a run that there is not, with a step; returns its workflow's id, which retention deletes."""
        self._rehearsed = (f"ahead-of-time-{self._worker}", 0)
        return self.start_at_once(*self._rehearsed, hurries=False)

    def has_place(self) -> bool:
        """Promise a look of this process a place at once; False when it is to be queued, for whichever worker has one.

        The queue is asked ten times a second, which is most of the way of a look that nothing else holds up. Where
        many are at work the queue is the better place: it keeps their number, and other workers share it.
        """
        now = time.monotonic()
        while self._promised and self._promised[0] < now - PROMISED_SECONDS:
            self._promised.popleft()
        has_place = self.begins_here and len(self._at_work) + len(self._promised) < FEW_AT_WORK
        if has_place:
            self._promised.append(now)
        return has_place

    @property
    def begins_here(self) -> bool:
        """True when this process runs looks itself; otherwise it can only queue them for others."""
        return Engine._present is self and not self._held

    @property
    def has_tables(self) -> bool:
        """True where an engine has been started before."""
        schema = None if self._store.writing.dialect.name == "sqlite" else "dbos"
        return sa.inspect(self._store.writing).has_table("workflow_status", schema=schema)

    def forget(self, ended_before: datetime | None = None) -> int:
        """Delete looks that ended before an instant, or every look; returns how many.

        A name that was forgotten could be queued again. Only looks of runs that still wait for exactly that look would
        run then, and there are none: a run is at a higher look, or has ended.
        """
        if self._client is None:
            raise EngineError("the engine is not started")
        chosen: dict[str, Any] = {"name": "heal", "limit": FORGET_AT_ONCE, "load_input": False, "load_output": False}
        if ended_before is not None:
            chosen |= {"status": _ENDED, "completed_before": ended_before.isoformat()}
        count = 0
        while ids := [one.workflow_id for one in self._client.list_workflows(**chosen)]:
            self._client.delete_workflows(ids)
            count += len(ids)
        return count

    def begun_by(self, worker: str) -> list[Look]:
        """Return the looks that a worker had begun and not ended, whether or not it owned their runs yet."""
        return sorted(self._begun({"executor_id": worker}).get(worker, ()))

    def begun(self) -> dict[str, list[Look]]:
        """Return the looks that were begun and have not ended, by the worker that began them."""
        return self._begun({})

    def _begun(self, chosen: dict[str, Any]) -> dict[str, list[Look]]:
        by_worker: dict[str, list[Look]] = {}
        for one in DBOS.list_workflows(name="heal", status="PENDING", load_input=False, load_output=False, **chosen):
            by_worker.setdefault(str(one.executor_id), []).append(look_of(one.workflow_id))
        return by_worker

    def resume(self, looks: Sequence[Look]) -> list[Look]:
        """Queue looks again that a dead worker had begun; returns which. Any worker may take them.

        A look that is queued already, or that was never begun, is left as it is.
        """
        wanted = [workflow_id(run, look) for run, look in looks]
        chosen: dict[str, Any] = {"workflow_ids": wanted, "status": "PENDING", "load_input": False}
        ids = sorted(one.workflow_id for one in DBOS.list_workflows(**chosen, load_output=False)) if wanted else []
        if ids:
            DBOS.resume_workflows(ids, queue_name=QUEUE)
        return [look_of(one) for one in ids]

    def step(self, name: str, do: Callable[[], Json]) -> Json:
        """Do one thing inside a look and checkpoint its JSON result; a finished step is not done again.

        Raises EngineError when the engine or the store fails, StepRaisedError when `do` raises; the same on replay.
        """

        def guarded() -> Json:
            try:
                return do()
            except Exception as problem:
                if is_away(problem):
                    # Not an error of the step: it must not be checkpointed; the look goes on when the database does.
                    raise LookLeft from problem
                log.exception("step.raised step=%s", name)
                return kept(problem)

        try:
            result = DBOS.run_step({"name": name}, guarded)
        except failures.DBOSException as problem:
            raise EngineError(f"step {name}: {type(problem).__name__}: {problem}") from problem
        return result_of(name, result)

    def run_body(self, run: str, look: int) -> None:
        """Run the body of one look; a database that fails leaves the look begun. Raises LookLeft."""
        here = (run, look), threading.get_ident()
        self._at_work.add(here)
        hurries = (run, look) in self._hurried
        self._hurried.discard((run, look))
        try:
            with hurrying(hurries):
                self._body(run, look)
                if (run, look) == self._rehearsed:
                    self.step("ahead of time", dict)
        except (*STORE_AWAY, LookLeft) as problem:
            log.warning("look.left run=%s look=%d problem=%s", run, look, type(problem).__name__)
            self.has_left = True
            raise LookLeft from problem
        finally:
            self._at_work.discard(here)

    def resume_idle(self) -> list[Look]:
        """Queue the looks again that this process began and nobody works on, as a database's outage leaves them.

        A look between its dequeuing and its first line looks the same, so only what was idle at the call before counts.
        Returns which were queued.
        """
        self.has_left = False
        idle = frozenset(self.begun_by(self._worker)) - {one for one, _ in self._at_work.copy()}
        again, self._idle = sorted(idle & self._idle), idle
        queued = self.resume(again)
        self.has_left = self.has_left or bool(idle)
        return queued


def workflow_id(run: str, look: int) -> str:
    """Name the workflow of one look: a finished name can never be queued again, so each look has its own."""
    return f"{run}/{look}"


def look_of(id_: str) -> Look:
    """Read a workflow's name back into run and look."""
    run, _, look = id_.rpartition("/")
    return run, int(look)


@DBOS.workflow(name="heal")
def _heal(run: str, look: int) -> None:
    engine = Engine._present  # noqa: SLF001 - the library calls this function, which has no other way to its engine
    if engine is None:
        raise EngineError("a look was started in a process without an engine")
    engine.run_body(run, look)
