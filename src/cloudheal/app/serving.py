"""What serving an outlet has in common, whatever goes out: when it is looked, how long it rests, who serves it.

One process serves an outlet at a time, under a lease; a receiver that is away is asked again after a pause that grows
to a minute, and is told of once. What is sent, and how far it came, is for those who serve.
"""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from cloudheal.app.chores import RestingError
from cloudheal.errors import CloudPermanentError, CloudTransientError, TransientError
from cloudheal.metrics.counters import Counters
from cloudheal.outlets.posting import OutletAwayError, OutletRefusedError
from cloudheal.ports.store import Store
from cloudheal.record.leases import take_lease

log = logging.getLogger("cloudheal.outlets")

#: How often it is looked for something new, and the pause after a failure, doubled up to the longest.
LOOK_SECONDS, LONGEST_PAUSE = 2.0, 60.0
#: Above what one post may take.
LEASE_MILLIS = 30_000


class ServedElsewhereError(TransientError):
    """Another process serves the outlet, or did until half a minute ago."""

    code = "outlet.served_elsewhere"


@dataclass(slots=True, kw_only=True)
class Serving(ABC):
    """One receiver, served by one thread."""

    name: str
    store: Store
    worker: str
    counters: Counters
    monotonic: Callable[[], float] = time.monotonic
    _due: float = 0.0
    _pause: float = LOOK_SECONDS
    _failed: str = ""
    """Why the last attempt failed; empty when it did not."""

    @abstractmethod
    def serve(self) -> int:
        """Send everything that is new; returns how much. Raises Outlet*Error, Cloud*Error and ServedElsewhereError."""

    def tick(self) -> int:
        """Send what is new, when it is time to look; returns how much that was.

        Raises Outlet*Error and Cloud*Error, and RestingError while it waits after one.
        """
        if self.monotonic() < self._due:
            if self._failed:
                raise RestingError
            return 0
        try:
            count = self.serve()
        except ServedElsewhereError:
            count = 0
        except (OutletAwayError, OutletRefusedError, CloudTransientError, CloudPermanentError) as problem:
            self._rest(str(problem.args[0]))
            raise
        if self._failed:
            log.warning("outlet.works_again outlet=%s", self.name)
        self._failed, self._pause = "", LOOK_SECONDS
        self._due = self.monotonic() + LOOK_SECONDS
        return count

    def _rest(self, reason: str) -> float:
        """Count a failure, tell it unless it was told, and wait longer than before; returns how long."""
        self.counters.count("cloudheal_outlet_failures_total", outlet=self.name)
        if reason != self._failed:
            log.warning("outlet.failed outlet=%s reason=%r", self.name, reason)
        self._failed, self._pause = reason, min(self._pause * 2, LONGEST_PAUSE)
        self._due = self.monotonic() + self._pause
        return self._pause

    def _hold(self, connection: sa.Connection) -> None:
        if not take_lease(connection, f"outlet {self.name}", self.worker, LEASE_MILLIS):
            raise ServedElsewhereError
