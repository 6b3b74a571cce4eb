"""A database that fails for a while: told once when it begins and once when it is over, and shown in /healthz.

Every thread of a worker outlives it: a full disk, a server that restarts, a cut network. Nothing is acknowledged that
was not committed. Afterwards nobody is declared dead for a lease, because others could not say that they live either.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import sqlalchemy as sa

from cloudheal.settings.discretion import discreet

log = logging.getLogger("cloudheal.database")


@dataclass(slots=True)
class Outage:
    """Whether the database takes what a worker writes; shared by all of its threads."""

    tick: Callable[[], float] = time.monotonic
    _reason: str = ""
    _began: float = 0.0
    _over: float = float("-inf")
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def reason(self) -> str:
        """Why the database fails; empty while it works."""
        return self._reason

    def over_for(self, seconds: float) -> bool:
        """Say whether it has worked for so long without a break."""
        return not self._reason and self.tick() - self._over >= seconds

    def failed(self, problem: sa.exc.SQLAlchemyError) -> bool:
        """Note a failure; True when it is the first of an outage."""
        with self._guard:
            first = not self._reason
            self._reason = reason_of(problem)
            if first:
                self._began = self.tick()
                log.error("database.failed reason=%s", self._reason)
            return first

    def worked(self) -> bool:
        """Note that a write was committed; True when that ends an outage."""
        with self._guard:
            ended = bool(self._reason)
            if ended:
                self._over = self.tick()
                log.warning("database.works_again after=%.0fs", self._over - self._began)
            self._reason = ""
            return ended


def reason_of(problem: sa.exc.SQLAlchemyError) -> str:
    """Return the driver's reason in one line, without the address, which may hold a password."""
    told = str(getattr(problem, "orig", None) or "").partition("\n")[0]
    # The driver names the address that it could not reach; the rest of its line is about that only.
    named = type(problem).__name__
    return discreet(f"{named}: {told}") if told and "host" not in told and "@" not in told else named
