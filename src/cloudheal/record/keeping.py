"""The keeping of the record: sealed every second, relieved of what is too old every hour; one worker at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from cloudheal.ports.clock import Clock
from cloudheal.ports.store import Store
from cloudheal.record.leases import take_lease
from cloudheal.record.ledger_outlets import taken_by_all
from cloudheal.record.retention import (
    remove_old_dead_letters,
    remove_old_drills,
    remove_old_events,
    remove_old_holds,
    remove_old_incidents,
    remove_old_lifecycle,
    remove_old_notices,
    remove_old_segments,
    remove_old_system_events,
    remove_released,
)
from cloudheal.record.seal import Sealer

log = logging.getLogger("cloudheal.record")

EVERY = timedelta(hours=1)
LEASE_NAME, LEASE_MILLIS = "retention", 60_000


@dataclass(frozen=True, slots=True)
class Spans:
    """How long rows are kept, by what they are."""

    history: timedelta
    dead_letters: timedelta
    workflows: timedelta
    instances: timedelta


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
    spans: Spans
    """How long everything else is kept."""
    forget: Callable[[datetime], int]
    """Lets the engine forget the looks that ended before an instant of real time; returns how many."""
    outlets: Sequence[str] = ()
    """The outlets that take the ledger: what one of them has not had yet stays."""
    _removed: datetime | None = None

    def tick(self) -> int:
        """Seal what is final and, when an hour has passed, remove what is too old; returns the rows sealed."""
        sealed, now = self.sealer.seal(), self.clock.now()
        if self._removed is None or now - self._removed >= EVERY:
            self._removed = now
            self._remove(now)
        return sealed

    def _remove(self, now: datetime) -> None:
        spans = self.spans
        history = now - spans.history
        removed = {
            "segments": self._all(lambda connection: self._remove_segments(connection, now)),
            "notices": self._all(lambda connection: remove_old_notices(connection, now - self.notices)),
            "incidents": self._all(lambda connection: remove_old_incidents(connection, history)),
            "events": self._all(lambda connection: remove_old_events(connection, history)),
            "system_events": self._all(lambda connection: remove_old_system_events(connection, history)),
            "drills": self._all(lambda connection: remove_old_drills(connection, history)),
            "holds": self._all(lambda connection: remove_old_holds(connection, history)),
            "dead_letters": self._all(lambda connection: remove_old_dead_letters(connection, now - spans.dead_letters)),
            "lifecycle": self._all(lambda connection: remove_old_lifecycle(connection, now - spans.instances)),
            "instances": self._all(lambda connection: remove_released(connection, now - spans.instances)),
            "looks": self.forget(datetime.now(UTC) - spans.workflows),
        }
        if any(removed.values()):
            log.info("record.removed %s", " ".join(f"{what}={count}" for what, count in removed.items()))

    def _remove_segments(self, connection: sa.Connection, now: datetime) -> int:
        carried = taken_by_all(connection, self.outlets)
        return remove_old_segments(connection, now - self.ledger, now, carried)

    def _all(self, some: Callable[[sa.Connection], int]) -> int:
        """Remove slice after slice, while the lease is ours; returns how many rows in all."""
        total = 0
        while True:
            with self.store.transaction() as connection:
                mine = take_lease(connection, LEASE_NAME, self.worker, LEASE_MILLIS)
                count = some(connection) if mine else 0
            total += count
            if count == 0:
                return total
