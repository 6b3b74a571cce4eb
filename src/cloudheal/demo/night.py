"""The passing of the night: when all is idle, and how far time may leap then.

Idle is: no run begun and not ended, no message in the queue, in hand or not. A leap goes to whatever is due next: the
next scene, the next change in the world, the next waking of a run, the end of a question.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from cloudheal.demo.operator import Operator
from cloudheal.demo.simulator import SimulatedCloud
from cloudheal.record.database import Database
from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.tables import APPROVAL, RUN
from cloudheal.record.workers import at_work

#: Idle twice in a row, so that what was just deleted from the queue or begun is seen.
_QUIET_LOOKS = 2
#: Nothing is waited for in smaller leaps than this; below it time passes by itself.
_SMALLEST = timedelta(seconds=1)


class Night:
    """Looks at the simulated cloud and the engine's database, and moves the cloud's clock."""

    def __init__(self, cloud: SimulatedCloud, database: Database, operator: Operator) -> None:
        self._cloud = cloud
        self._database = database
        self._operator = operator
        self._quiet = 0

    def now(self) -> datetime:
        """Return the simulated present."""
        return moment_of(self._cloud.control("GET", "clock")["now_ms"])

    def is_idle(self) -> bool:
        """Say whether nothing has been going on for two looks."""
        with self._database.snapshot() as connection:
            busy = at_work(connection) or self._is_due(connection)
        self._quiet = 0 if busy or self._operator.messages() else self._quiet + 1
        return self._quiet >= _QUIET_LOOKS

    def leap(self, latest: datetime) -> datetime:
        """Go to what is due next, at most to `latest`; returns when that is."""
        with self._database.snapshot() as connection:
            engine = list(self._engine_due(connection))
        target = min([latest, *engine, *self._cloud_due()])
        if target - self.now() > _SMALLEST:
            self._quiet = 0
            self._cloud.control("POST", "clock/advance", {"to": target.isoformat()})
        return target

    def _cloud_due(self) -> Iterator[datetime]:
        change = self._cloud.control("GET", "clock")["next_change"]
        if change is not None:
            yield datetime.fromisoformat(change).astimezone(UTC)

    def _engine_due(self, connection: sa.Connection) -> Iterator[datetime]:
        """Yield when waiting runs wake and questions end, as far as that is to come."""
        now = self.now()
        waking = sa.select(RUN.c.next_eligible).where(RUN.c.state == "waiting", RUN.c.next_eligible.is_not(None))
        asking = sa.select(APPROVAL.c.expires).where(APPROVAL.c.answer == "")
        for millis in (*connection.scalars(waking), *connection.scalars(asking)):
            if moment_of(millis) > now:
                yield moment_of(millis)

    def _is_due(self, connection: sa.Connection) -> bool:
        """Say whether a run may wake now: the engine looks every second."""
        due = (RUN.c.state == "waiting") & (RUN.c.next_eligible <= millis_of(self.now()))
        return connection.execute(sa.select(RUN.c.id).where(due).limit(1)).first() is not None
