"""A worker's heart: every second it tells the database that the worker lives, and learns whether others think so too.

It does nothing else, because whatever another worker holds locked, a beat must not wait. Where nobody can have heard of
a worker for a lease, others take its work, and it stops. Nothing that acts relies on it: an intent needs the database.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from cloudheal.act.engine import Engine
from cloudheal.app.chores import Chores
from cloudheal.app.outage import Outage
from cloudheal.record.database import Database
from cloudheal.record.draining import heed, is_draining
from cloudheal.record.leases import give_up_leases
from cloudheal.record.seal import Sealer
from cloudheal.record.versions import note_rules
from cloudheal.record.workers import beat, enlist, leave
from cloudheal.settings.rules import Rule

log = logging.getLogger("cloudheal.app")

BEAT_SECONDS = 1.0
#: A worker that its database has not heard of for a lease stops, but never sooner than this: machines stutter.
SHORTEST_SILENCE = 5.0


@dataclass(slots=True)
class Heart:
    """What keeps one worker on the list of the living; `is_tending` tells whether it sees to what waits right now."""

    database: Database
    worker: str
    engine: Engine
    sealer: Sealer
    chores: Chores
    outage: Outage
    stopping: threading.Event
    rules: Sequence[Rule]
    """As they stood in the settings file when the worker started."""
    lease_seconds: float
    is_tending: Callable[[], bool]
    draining: bool = False
    """Whether an operator drains the workers: what is at work ends as ever, and nothing new begins."""
    cut_off: threading.Event = field(default_factory=threading.Event)
    """Set when the database has not heard of this worker for a lease: it must end, and can give nothing back."""
    _heard: float = field(default_factory=time.monotonic)
    _keeping: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> threading.Thread:
        """Put the worker on the list and begin to beat; returns the thread, which ends when the worker stops."""
        with self.database.transaction() as connection:
            enlist(connection, self.worker, socket.gethostname())
            note_rules(connection, self.worker, self.rules)
        self._heard = time.monotonic()
        if not self.database.is_sqlite:  # there nobody else takes the work, and it goes on when the disk does
            threading.Thread(target=self._listen, name="cloudheal-silence", daemon=True).start()
        beating = threading.Thread(target=self._beat, name="cloudheal-heartbeat", daemon=True)
        beating.start()
        return beating

    def learn(self) -> bool:
        """Read whether the workers are drained, before anything begins."""
        with self.database.snapshot() as connection:
            self.draining = is_draining(connection)
        return self.draining

    def sign_off(self, *, all_done: bool) -> None:
        """Give back what this worker holds, and seal what it wrote; without a database others find out by the lease."""
        try:
            with self.database.transaction() as connection:
                leave(connection, self.worker, all_done=all_done)
                # Who dies between this and the seal is on no list, and nobody would take its leases over.
                give_up_leases(connection, self.worker)
            self.sealer.seal()
            with self.database.transaction() as connection:
                give_up_leases(connection, self.worker)
        except (sa.exc.OperationalError, sa.exc.InterfaceError) as problem:
            log.error("worker.not_signed_off worker=%s problem=%s", self.worker, type(problem).__name__)  # noqa: TRY400
            self.cut_off.set()

    def _beat(self) -> None:
        while not self.stopping.wait(BEAT_SECONDS):
            self.chores.attempt("beat", self._beat_once)

    def _beat_once(self) -> None:
        heard = time.monotonic()
        with self.database.transaction() as connection:
            alive = beat(connection, self.worker)
            asked = is_draining(connection)
            # What was closed a beat ago can have let nothing through since, unless it is still being seen to.
            heed(connection, self.worker, draining=asked and self.draining and not self.is_tending())
        if self.outage.worked():
            self.engine.has_left = True
        if not alive:
            log.error("worker.declared_dead worker=%s others_have=its_runs", self.worker)
            self.stopping.set()
            return
        self._heard = heard
        self._heed(draining=asked)

    def _heed(self, *, draining: bool) -> None:
        if draining != self.draining:
            self.draining = draining
            self.keep_queue()
            log.warning("worker.draining worker=%s" if draining else "worker.resumed worker=%s", self.worker)

    def keep_queue(self) -> bool:
        """Close the queue while the workers are drained, and open it again; False when it was so.

        It is one for all workers: another, which heard of a drain sooner or later, may have left it otherwise.
        """
        with self._keeping:
            return self.engine.hold(held=self.draining)

    def _listen(self) -> None:
        """Stop when nobody can have heard of us for a lease. A beat may hang, so it is not asked.

        Time in which the whole process stood still does not count: the next beat learns what became of it.
        """
        longest, awake = max(self.lease_seconds, SHORTEST_SILENCE), time.monotonic()
        while not self.stopping.wait(BEAT_SECONDS):
            before, awake = awake, time.monotonic()
            if awake - before > longest:
                self._heard = awake
            silent = awake - self._heard
            if silent > longest:
                log.error("worker.cut_off worker=%s database_silent=%.0fs others_take=its_runs", self.worker, silent)
                self.cut_off.set()
                self.stopping.set()
