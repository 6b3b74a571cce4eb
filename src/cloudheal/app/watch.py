"""How this worker does, for those who watch it: /healthz and /metrics."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from cloudheal.metrics.counters import Counters
from cloudheal.ports.clock import Clock
from cloudheal.record.database import Database
from cloudheal.record.health import gauges_of, pulse, shown


@dataclass(frozen=True, slots=True)
class Watch:
    """What is told about one worker."""

    database: Database
    worker: str
    clock: Clock
    counters: Counters
    stopping: threading.Event

    def health(self) -> Mapping[str, object]:
        """Say how the worker does; `ok` is false when its tables cannot be read or others declared it dead."""
        try:
            with self.database.snapshot() as connection:
                found = pulse(connection, self.worker)
        except sa.exc.SQLAlchemyError as problem:
            return {"ok": False, "worker": self.worker, "database": type(problem).__name__}
        alive = found.alive and not self.stopping.is_set()
        return {"ok": alive, "worker": self.worker, "database": "ok", **shown(found)}

    def metrics(self) -> str:
        """Return the worker's counters and gauges as Prometheus reads them."""
        with self.database.snapshot() as connection:
            found = pulse(connection, self.worker)
        return self.counters.exposition(gauges_of(found, self.clock.now()))
