"""Tells listeners of events, outside of the commit that took them in, each until it is done or has failed for good.

A listener that raises is told again after a pause, alone; the others are not. After the last attempt the event is a
dead letter of that listener, with the reason, and people are told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cloudheal.act.listening import Audience, EventDocument
from cloudheal.model.event import Event
from cloudheal.ports.clock import Clock
from cloudheal.ports.store import Store
from cloudheal.record.listeners import Task, end_task, give_up_task, put_off_task, take_task

log = logging.getLogger("cloudheal.listeners")

#: Pauses before the second attempt and the ones after it; when they are used up the listener has failed for good.
PAUSES = tuple(timedelta(seconds=one) for one in (1, 10, 60, 300, 1800))
#: Rows of one tick, so that whoever ticks can be told to stop in between.
MOST = 100
#: Characters of a problem that are kept.
MOST_PROBLEM = 300


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells the listeners of one worker."""

    store: Store
    audience: Audience
    worker: str
    clock: Clock
    document: Callable[[Event], Mapping[str, Any]]
    """Returns an event in the form of the vendor's messages."""

    def tick(self) -> int:
        """Tell listeners of what is due; returns how many calls were made."""
        names = list(self.audience.subscriptions)
        calls = 0
        while names and calls < MOST:
            with self.store.transaction() as connection:
                task = take_task(connection, self.worker, names, self.clock.now())
            if task is None:
                break
            self._tell(task)
            calls += 1
        return calls

    def _tell(self, task: Task) -> bool:
        try:
            heard = self.audience.deliver(task.listener, EventDocument(self.document(task.event), task.event))
        except (Exception, SystemExit) as problem:  # noqa: BLE001 - it is not our code
            return self._failed(task, f"{type(problem).__name__}: {problem}"[:MOST_PROBLEM])
        with self.store.transaction() as connection:
            return end_task(connection, task, self.worker, "heard" if heard else "not wanted", self.clock.now())

    def _failed(self, task: Task, problem: str) -> bool:
        now = self.clock.now()
        text = problem.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
        log.warning("listener.failed listener=%s attempt=%d problem=%s", task.listener, task.attempts + 1, text)
        with self.store.transaction() as connection:
            if task.attempts < len(PAUSES):
                return put_off_task(connection, task, self.worker, text, now + PAUSES[task.attempts])
            return give_up_task(connection, task, self.worker, text, now) is not None
