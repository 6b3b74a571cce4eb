"""Going on with what dead workers began: their runs change hands, and what they had begun is queued again for all.

A worker that froze for longer than its lease, and goes on after its estate was settled, may take looks from the queue
until its next heartbeat tells it that it is dead. Those have a worker that is on no list, so they are looked for too.
It refuses to judge by one glance there: a worker that is just starting is not on the list for a moment either.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cloudheal.act.engine import Engine, Look
from cloudheal.ports.clock import Clock
from cloudheal.ports.store import Store
from cloudheal.record.workers import Estate, give_up_run, inherit, listed, settle, unowned

log = logging.getLogger("cloudheal.workers")

#: Looks that this worker began and nobody works on are looked for so often where no outage left any: one that is just
#: being begun may look the same for a moment.
SELDOM_SECONDS = 10.0


@dataclass(slots=True)
class Succession:
    """What one worker does about the deaths of others."""

    store: Store
    engine: Engine
    worker: str
    clock: Clock
    lease_seconds: float
    tick: Callable[[], float] = time.monotonic
    """Real time, in seconds: leases are."""
    _orphans: frozenset[Look] = frozenset()
    _strange: Mapping[Look, str] = field(default_factory=dict)
    _sought: float = field(default=float("-inf"))
    _looked: float = field(default=float("-inf"))

    def take_over(self, lease_millis: int | None = None) -> int:
        """Take over what workers dead for a lease left; returns how many looks were queued again."""
        lease = round(self.lease_seconds * 1000) if lease_millis is None else lease_millis
        with self.store.transaction() as connection:
            estates = inherit(connection, self.worker, lease, self.clock.now())
        return sum(self._settle(estate) for estate in estates) + self._seek_orphans()

    def _settle(self, estate: Estate) -> int:
        resumed = self.engine.resume(self.engine.begun_by(estate.dead))
        with self.store.transaction() as connection:
            settle(connection, self.worker, estate, resumed)
        log.warning("worker.inherited dead=%s runs=%d looks=%d", estate.dead, len(estate.runs), len(resumed))
        return len(resumed)

    def resume_idle(self) -> int:
        """Queue again what this worker began and nobody works on: at once after an outage, else looked for seldom.

        An outage may be as short as the answer to the commit by which a look was taken from the queue.
        """
        if not self.engine.has_left and self.tick() - self._looked < max(self.lease_seconds, SELDOM_SECONDS):
            return 0
        self._looked = self.tick()
        # Their runs stay this worker's until one claims them: it may be doing so at this moment.
        return len(self.engine.resume_idle())

    def _seek_orphans(self) -> int:
        """Queue again, once a lease, what was begun by nobody on the list then and a lease ago."""
        if self.tick() - self._sought < self.lease_seconds:
            return 0
        self._sought = self.tick()
        begun = self.engine.begun()
        with self.store.snapshot() as connection:
            known, strange = listed(connection), unowned(connection)
        adopted = self._adopt(strange)
        orphans = frozenset(look for worker, looks in begun.items() if worker not in known for look in looks)
        again, self._orphans = orphans & self._orphans, orphans
        if again:
            log.warning("looks.orphaned looks=%d", len(again))
        return adopted + len(self.engine.resume(sorted(again)))

    def _adopt(self, strange: Mapping[Look, str]) -> int:
        """Queue the looks of runs whose owner is on no list now and was on none a lease ago.

        Its commit may have come after everybody had struck it off the list. One that is queued or begun stays so.
        """
        again, self._strange = {one: who for one, who in strange.items() if self._strange.get(one) == who}, strange
        if not again:
            return 0
        with self.store.transaction() as connection:
            for (run, look), owner in again.items():
                if give_up_run(connection, run, owner):
                    self.engine.enqueue(connection, run, look)
        log.warning("runs.orphaned runs=%d", len(again))
        return len(again)
