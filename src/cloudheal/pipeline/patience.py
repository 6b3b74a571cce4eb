"""A look outlasts a database that fails for a while, and a pause when it has no time for another look.

What must be committed is tried again until it is: a look whose end was lost would keep its run for ever. Whoever is
told to stop meanwhile leaves the look to its heir. Nothing is sent to a cloud while this waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa

from cloudheal.act.hands import IntentId, Intents
from cloudheal.model.decision import Reason
from cloudheal.model.incident import StepKind
from cloudheal.ports.clock import Clock
from cloudheal.ports.store import Store

T = TypeVar("T")
#: Between two tries; the end of a pause takes effect within a second.
AGAIN_SECONDS = 0.5


def committed(
    store: Store,
    pause: Callable[[float], object],
    do: Callable[[sa.Connection], T],
    check: Callable[[], object] | None = None,
) -> T:
    """Do something in a transaction, as often as it takes to commit it; what is wrong with the data is raised.

    So is what `check` raises, which is asked before every statement.
    """

    def once() -> T:
        with store.transaction(check) as connection:
            return do(connection)

    return _outlasting(pause, once)


@dataclass(frozen=True, slots=True)
class PatientIntents:
    """The intent journal of one look.

    A run with a `deadline` waits inside the look while everything is paused, because a look that ended would come too
    late; after the deadline the pause ends it.
    """

    intents: Intents
    pause: Callable[[float], object]
    clock: Clock
    deadline: datetime | None

    def intend(
        self,
        name: str,
        before: Mapping[str, Any],
        kind: StepKind = StepKind.ACT,
        *,
        sole: bool = False,
        most_orders: int | None = None,
    ) -> IntentId | str:
        """Commit an intent, or return the reason code why it may not be."""

        def once() -> IntentId | str:
            # An answer that was lost may hide a commit: then the intent is there, and nobody has sent for it yet.
            left = self.intents.left_open(name)
            return left or self.intents.intend(name, before, kind, sole=sole, most_orders=most_orders)

        while True:
            written = _outlasting(self.pause, once)
            hurries = self.deadline is not None and self.clock.now() < self.deadline
            if written != Reason.PAUSED or not hurries:
                return written
            self.pause(AGAIN_SECONDS)

    def note(self, name: str, facts: Mapping[str, Any]) -> bool:
        """Keep facts in the journal."""
        return _outlasting(self.pause, lambda: self.intents.note(name, facts))

    def left_open(self, name: str) -> IntentId | None:
        """Return the intent of that name that an earlier process committed in this look and did not conclude."""
        return _outlasting(self.pause, lambda: self.intents.left_open(name))

    def objection(self) -> str:
        """Ask the guards once more; returns the reason code of the one that objects by now, or an empty one."""
        return _outlasting(self.pause, self.intents.objection)

    def remaining_seconds(self, intent: IntentId) -> float:
        """Return what is left of the intent's time to send."""
        return _outlasting(self.pause, lambda: self.intents.remaining_seconds(intent))

    def conclude(self, intent: IntentId, kind: str, code: str, request_id: str, value: Mapping[str, Any]) -> bool:
        """Commit what came of it."""
        return _outlasting(self.pause, lambda: self.intents.conclude(intent, kind, code, request_id, value))

    def concluded(self, intent: IntentId) -> Mapping[str, Any] | None:
        """Return the outcome that was committed; None when there is none."""
        return _outlasting(self.pause, lambda: self.intents.concluded(intent))


def _outlasting(pause: Callable[[float], object], do: Callable[[], T]) -> T:
    while True:
        try:
            return do()
        except sa.exc.OperationalError:
            pause(AGAIN_SECONDS)
