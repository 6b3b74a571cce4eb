"""Tells listeners of events, outside of the commit that took them in, each until it is done or has failed for good.

A listener is strangers' code: it may raise, exit, dawdle or never return. So each has a teller of its own, driven by a
thread of its own, and none waits for another. One that raises is told again after a pause, alone. After the last
attempt the event is a dead letter of that listener, with the reason, and people are told. One that does not return
cannot be ended from outside; it is told of in the log and in /healthz for as long as it lasts.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cloudheal.act.listening import Audience, EventDocument
from cloudheal.model.event import Event
from cloudheal.ports.clock import Clock
from cloudheal.ports.store import Store
from cloudheal.record.listeners import Task, end_task, give_up_task, is_owed, put_off_task, take_task
from cloudheal.settings.discretion import discreet

log = logging.getLogger("cloudheal.listeners")

#: Pauses before the second attempt and the ones after it; when they are used up the listener has failed for good.
PAUSES = tuple(timedelta(seconds=one) for one in (1, 10, 60, 300, 1800))
#: Rows of one tick, so that whoever ticks can be told to stop in between.
MOST = 100
#: Characters of a problem that are kept.
MOST_PROBLEM = 300


@dataclass(frozen=True, slots=True)
class Call:
    """A listener that is being told of an event: since when, on the clock that real waits are measured with."""

    listener: str
    resource: str
    began: float


@dataclass(slots=True)
class Teller:
    """Tells one listener of one worker; one thread at a time ticks it."""

    store: Store
    audience: Audience
    listener: str
    worker: str
    clock: Clock
    document: Callable[[Event], Mapping[str, Any]]
    """Returns an event in the form of the vendor's messages."""
    real: Callable[[], float] = time.monotonic
    stopping: threading.Event = field(default_factory=threading.Event)
    call: Call | None = field(default=None, init=False)
    """What the listener is being told now; read by other threads."""

    def tick(self) -> int:
        """Tell the listener of what is due; returns how many calls were made."""
        calls = 0
        while calls < MOST and not self.stopping.is_set() and (task := self._task()) is not None:
            self._tell(task)
            calls += 1
        return calls

    def _task(self) -> Task | None:
        """Claim what is due; the question whether anything is costs an idle listener no write."""
        with self.store.snapshot() as connection:
            if not is_owed(connection, [self.listener], self.clock.now()):
                return None
        with self.store.transaction() as connection:
            return take_task(connection, self.worker, self.listener, self.clock.now())

    def _tell(self, task: Task) -> bool:
        self.call = Call(self.listener, task.event.subject.id, self.real())
        try:
            heard = self.audience.deliver(task.listener, EventDocument(self.document(task.event), task.event))
        except (Exception, SystemExit) as problem:  # noqa: BLE001 - it is not our code
            return self._failed(task, discreet(f"{type(problem).__name__}: {problem}")[:MOST_PROBLEM])
        finally:
            self.call = None
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


@dataclass(slots=True)
class Patrol:
    """Looks after the tellers of one worker: who is in a call for longer than the operator allows."""

    tellers: Sequence[Teller]
    limit: timedelta
    real: Callable[[], float] = time.monotonic
    _told: dict[str, Call] = field(default_factory=dict)

    def calls(self) -> list[tuple[Call, float]]:
        """Return every call that goes on now, with the seconds that it has taken."""
        now = self.real()
        found = (one.call for one in self.tellers)
        return [(call, now - call.began) for call in found if call is not None]

    def hanging(self) -> list[tuple[Call, float]]:
        """Return the calls that go on for longer than allowed."""
        return [(call, seconds) for call, seconds in self.calls() if seconds > self.limit.total_seconds()]

    def tick(self) -> int:
        """Log every call that has begun to hang, and every one that came back after all; returns how many hang."""
        hanging = {call.listener: (call, seconds) for call, seconds in self.hanging()}
        for name, told in list(self._told.items()):
            if name not in hanging or hanging[name][0] != told:
                log.warning("listener.returned listener=%s resource=%s", name, told.resource)
                del self._told[name]
        for name, (call, seconds) in hanging.items():
            if name not in self._told:
                log.error("listener.hangs listener=%s resource=%s seconds=%.0f", name, call.resource, seconds)
                self._told[name] = call
        return len(hanging)
