"""What a worker does again and again, each in a thread of its own, for as long as the worker lives.

A chore outlives whatever it raises: the failure is logged with its reason, counted, shown in /healthz while it lasts,
and the chore is done again. A database that fails is an outage, which is told once and not by every chore. The text of
an error may hold a secret (an address with its token), so a reason is the error's class and the line that raised it.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from cloudheal.app.outage import Outage
from cloudheal.metrics.counters import Counters
from cloudheal.record.blame import blame

log = logging.getLogger("cloudheal.chores")

#: Where this package is.
OURS = Path(__file__).parent.parent
#: Failures of a chore in a row that are an illness; one may be a message or a moment.
MOST_FAILURES = 3


class RestingError(Exception):
    """A chore that failed waits before it tries again: neither another failure, nor a sign that it works."""


@dataclass(frozen=True, slots=True)
class Failing:
    """A chore that fails: why it did so last, and how often in a row."""

    chore: str
    reason: str
    times: int


@dataclass(slots=True)
class Chores:
    """The chores of one worker; shared between their threads."""

    stopping: threading.Event
    outage: Outage
    counters: Counters
    tick: Callable[[], float] = time.monotonic
    _threads: list[threading.Thread] = field(default_factory=list)
    _failing: dict[str, Failing] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def start(self, chore: str, work: Callable[[], object], every: float) -> threading.Thread:
        """Do something again and again, so many seconds after it was done, until the worker stops."""

        def repeat() -> None:
            while not self.stopping.wait(every):
                self.attempt(chore, work)

        thread = threading.Thread(target=repeat, name=f"cloudheal-{chore}", daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def attempt(self, chore: str, work: Callable[[], object]) -> bool:
        """Do something once; False when it failed, whatever it raised, or rests after a failure."""
        try:
            work()
        except RestingError:
            return False
        except sa.exc.SQLAlchemyError as problem:
            self._failed_by_store(chore, problem)
        except Exception as problem:  # noqa: BLE001 - a thread that ends would be missed only when it is needed
            self._failed(chore, raised_at(problem))
        else:
            self._worked(chore)
            return True
        return False

    def ill(self) -> list[Failing]:
        """Return the chores that failed several times in a row; a database that fails is told as such."""
        with self._guard:
            found = sorted(self._failing.values(), key=lambda one: one.chore)
        return [one for one in found if one.times >= MOST_FAILURES]

    def join(self, seconds: float) -> list[str]:
        """Wait so long in all until the threads have ended; returns the names of those that have not."""
        until = self.tick() + seconds
        for thread in self._threads:
            thread.join(timeout=max(0.0, until - self.tick()))
        return [thread.name for thread in self._threads if thread.is_alive()]

    def _failed_by_store(self, chore: str, problem: sa.exc.SQLAlchemyError) -> None:
        reason = blame(problem)
        if reason:
            self._failed(chore, f"{reason} at {_place(problem)}")
            return
        self.counters.count("cloudheal_chore_failures_total", chore=chore)
        if self.outage.failed(problem):
            log.warning("chore.failed chore=%s reason=database", chore)

    def _failed(self, chore: str, reason: str) -> None:
        """Count a failure, and log it unless it is the same as the one before it."""
        self.counters.count("cloudheal_chore_failures_total", chore=chore)
        with self._guard:
            before = self._failing.get(chore)
            self._failing[chore] = Failing(chore, reason, before.times + 1 if before else 1)
        if before is None or before.reason != reason:
            log.error("chore.failed chore=%s reason=%r", chore, reason)

    def _worked(self, chore: str) -> None:
        with self._guard:
            before = self._failing.pop(chore, None)
        if before is not None:
            log.warning("chore.works_again chore=%s failures=%d", chore, before.times)


def raised_at(problem: BaseException) -> str:
    """Return an error's class and the line of code that raised it, and nothing of its text."""
    return f"{type(problem).__name__} at {_place(problem)}"


def _place(problem: BaseException) -> str:
    """Name the line that raised, and where it is in a library the line of ours that led there."""
    frames = traceback.extract_tb(problem.__traceback__)
    ours = [one for one in frames if one.filename != __file__ and Path(one.filename).is_relative_to(OURS)]
    return " from ".join(dict.fromkeys(map(_line, [*frames[-1:], *ours[-1:]]))) or "nowhere"


def _line(frame: traceback.FrameSummary) -> str:
    return f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno}"
