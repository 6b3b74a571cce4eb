"""The keeping of the record: sealed every second, relieved of what is too old every hour; one worker at a time."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from cloudheal.ports.clock import Clock
from cloudheal.ports.store import Store
from cloudheal.record.leases import take_lease
from cloudheal.record.retention import remove_old_notices, remove_old_segments
from cloudheal.record.seal import Sealer

log = logging.getLogger("cloudheal.record")

EVERY = timedelta(hours=1)
LEASE_NAME, LEASE_MILLIS = "retention", 60_000


@dataclass(slots=True)
class Keeper:
    """Keeps the record of one database; every worker has one, leases let one of them work."""

    store: Store
    sealer: Sealer
    clock: Clock
    worker: str
    ledger: timedelta
    """How long rows of the ledger are kept."""
    notices: timedelta
    """How long notices are kept after they were delivered."""
    _removed: datetime | None = None

    def tick(self) -> int:
        """Seal what is final and, when an hour has passed, remove what is too old; returns the rows sealed."""
        sealed, now = self.sealer.seal(), self.clock.now()
        if self._removed is None or now - self._removed >= EVERY:
            self._removed = now
            self._remove(now)
        return sealed

    def _remove(self, now: datetime) -> None:
        segments = 0
        while count := self._some_segments(now):
            segments += count
        with self.store.transaction() as connection:
            notices = remove_old_notices(connection, now - self.notices)
        if segments or notices:
            log.info("record.removed segments=%d notices=%d", segments, notices)

    def _some_segments(self, now: datetime) -> int:
        with self.store.transaction() as connection:
            if not take_lease(connection, LEASE_NAME, self.worker, LEASE_MILLIS):
                return 0
            return remove_old_segments(connection, now - self.ledger, now)
