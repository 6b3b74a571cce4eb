"""How the queues of this worker are doing: when each answered last, and what keeps it from answering."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime


@dataclass(frozen=True, slots=True)
class QueueState:
    """One queue as its receivers see it; `problem` is empty while it answers."""

    account: str
    queue: str
    answered: datetime | None = None
    problem: str = ""
    code: str = ""
    failing_since: datetime | None = None
    failures: int = 0


class QueueStates:
    """The states of all queues; shared between threads."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._states: dict[tuple[str, str], QueueState] = {}
        self._guard = threading.Lock()

    def all(self) -> list[QueueState]:
        """Return the states as they are now."""
        with self._guard:
            return [self._states[name] for name in sorted(self._states)]

    def answered(self, account: str, queue: str) -> QueueState:
        """Note that a queue answered, with or without messages."""
        return self._note(QueueState(account, queue, self._now()))

    def failed(self, account: str, queue: str, problem: str, code: str) -> QueueState:
        """Note that a queue did not answer, and why."""
        now = self._now()
        with self._guard:
            before = self._states.get((account, queue), QueueState(account, queue))
        failures, since = before.failures + 1, before.failing_since or now
        return self._note(replace(before, problem=problem, code=code, failing_since=since, failures=failures))

    def _note(self, state: QueueState) -> QueueState:
        with self._guard:
            self._states[state.account, state.queue] = state
        return state
