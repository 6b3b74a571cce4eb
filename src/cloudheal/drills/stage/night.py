"""The passing of time on a stage: when all is idle, and how far time may leap then.

Idle is: no run begun and not ended, none that may wake now, no plan to be made, no look at the cloud that is due, no
message in the queue, in hand or not. A leap goes to whatever is due next: the next change in the world, the next waking
of a run, the next look, the end of a question, or what the caller waits for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from cloudheal.drills.stage.simulator import SimulatedCloud
from cloudheal.model.incident import RunState
from cloudheal.record.database import Database
from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.tables import APPROVAL, PLAN, POLL, RUN
from cloudheal.record.workers import at_work

#: Idle twice in a row, so that what was just deleted from the queue or begun is seen.
_QUIET_LOOKS = 2
#: Nothing is waited for in smaller leaps than this; below it time passes by itself.
_SMALLEST = timedelta(seconds=1)
#: Runs that wait for a time.
_TIMED = RUN.c.state.in_((RunState.WAITING.value, RunState.PLANNED.value)) & RUN.c.next_eligible.is_not(None)
#: Looks that may bring news; servers that only an event named are described every few seconds, and bring none.
_LOOKS = POLL.c.name.not_like("enrich/%")


class Night:
    """Looks at the simulated cloud and the handler's database, and moves the cloud's clock."""

    def __init__(
        self,
        cloud: SimulatedCloud,
        database: Database,
        messages: Callable[[], int],
        lives: Callable[[], bool] = lambda: True,
        *,
        looks: bool = True,
    ) -> None:
        """`messages` counts those in the queue; `lives` says whether somebody is there to handle anything.

        `looks`: no look at the cloud is leapt over, though only what a message told may matter.
        """
        self._cloud = cloud
        self._database = database
        self._messages = messages
        self._lives = lives
        self._looks = _LOOKS if looks else sa.false()
        self._quiet = 0

    def now(self) -> datetime:
        """Return the simulated present."""
        return moment_of(self._cloud.control("GET", "clock")["now_ms"])

    def is_idle(self) -> bool:
        """Say whether nothing has been going on for two looks, or nobody is there whom to wait for."""
        # The queue first: a message leaves it once it is committed, so that it is seen in one place or the other.
        busy = self._lives() and (self._messages() > 0 or self._is_busy())
        self._quiet = 0 if busy else self._quiet + 1
        return self._quiet >= _QUIET_LOOKS

    def leap(self, latest: datetime) -> datetime:
        """Go to what is due next, at most to `latest`; returns when that is."""
        with self._database.snapshot() as connection:
            due = list(self._handler_due(connection)) if self._lives() else []
        target = min([latest, *due, *self._cloud_due()])
        if target - self.now() > _SMALLEST:
            self._quiet = 0
            self._cloud.control("POST", "clock/advance", {"to": target.isoformat()})
        return target

    def _cloud_due(self) -> Iterator[datetime]:
        change = self._cloud.control("GET", "clock")["next_change"]
        if change is not None:
            yield datetime.fromisoformat(change).astimezone(UTC)

    def _handler_due(self, connection: sa.Connection) -> Iterator[datetime]:
        """Yield when waiting runs wake, looks are taken and questions end, as far as that is to come."""
        now = self.now()
        waking = sa.select(RUN.c.next_eligible).where(_TIMED)
        asking = sa.select(APPROVAL.c.expires).where(APPROVAL.c.answer == "")
        looking = sa.select(POLL.c.due).where(self._looks)
        for chosen in (waking, asking, looking):
            yield from (moment_of(one) for one in connection.scalars(chosen) if moment_of(one) > now)

    def _is_busy(self) -> bool:
        """Say whether somebody works, or may begin now: the handler looks every second."""
        now = millis_of(self.now())
        planned = sa.select(PLAN.c.run).join(RUN, RUN.c.id == PLAN.c.run)
        due = (
            sa.select(RUN.c.id).where(_TIMED, RUN.c.next_eligible <= now),
            sa.select(POLL.c.name).where(self._looks, POLL.c.due <= now),
            planned.where(PLAN.c.stale, RUN.c.state == RunState.PLANNED.value),
        )
        with self._database.snapshot() as connection:
            return at_work(connection) or any(connection.execute(one.limit(1)).first() for one in due)
