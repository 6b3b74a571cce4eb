"""Going on with what dead workers began: their runs change hands, and what they had begun is queued again for all.

A worker that froze for longer than its lease, and goes on after its estate was settled, may take looks from the queue
until its next heartbeat tells it that it is dead. Those have a worker that is on no list, so they are looked for too.
It refuses to judge by one glance there: a worker that is just starting is not on the list for a moment either.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cloudheal.act.engine import Engine, Look
from cloudheal.ports.clock import Clock
from cloudheal.ports.store import Store
from cloudheal.record.workers import Estate, inherit, listed, settle

log = logging.getLogger("cloudheal.workers")


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
    _sought: float = field(default=float("-inf"))

    def take_over(self, lease_millis: int | None = None) -> int:
        """Take over what workers dead for a lease left; returns how many looks were queued again."""
        lease = round(self.lease_seconds * 1000) if lease_millis is None else lease_millis
        with self.store.transaction() as connection:
            estates = inherit(connection, self.worker, lease, self.clock.now())
        return sum(self._settle(estate) for estate in estates) + self._seek_orphans()

    def _settle(self, estate: Estate) -> int:
        resumed = self.engine.resume(self.engine.begun_by(estate.dead))
        with self.store.transaction() as connection:
            settle(connection, self.worker, estate)
        log.warning("worker.inherited dead=%s runs=%d looks=%d", estate.dead, len(estate.runs), resumed)
        return resumed

    def _seek_orphans(self) -> int:
        """Queue again, once a lease, what was begun by nobody on the list then and a lease ago."""
        if self.tick() - self._sought < self.lease_seconds:
            return 0
        self._sought = self.tick()
        begun = self.engine.begun()
        with self.store.snapshot() as connection:
            known = listed(connection)
        orphans = frozenset(look for worker, looks in begun.items() if worker not in known for look in looks)
        again, self._orphans = orphans & self._orphans, orphans
        if again:
            log.warning("looks.orphaned looks=%d", len(again))
        return self.engine.resume(sorted(again))
