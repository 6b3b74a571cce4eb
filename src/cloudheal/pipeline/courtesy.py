"""Who goes first in a process: what hurries and what is new, before what is under way.

Runs by the hundred share an interpreter with the threads that take messages in, and each of them gets as much of it as
any other: in a mass outage an interruption would be read only after the runs of thousands had their turns. So a step of
a run that does not hurry, unless it is a look's first, stands back while messages are committed, or while a run that
hurries does a step. And before
an urgent message even transactions that have begun give way: the commit of other messages, the end of a look, a page of
a sweep. In the middle of its work each is undone, and done again afterwards, because nobody has been told of it yet.
Everyone stands back for a moment only, however long the others take: nothing starves, and nothing that is decided
depends on it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cloudheal.act.hands import Steps
from cloudheal.ports.hurry import is_hurrying

T = TypeVar("T")

#: The longest that one step or commit stands back.
MOMENT_SECONDS = 0.5
#: What a run that hurries needs from its commit to its first call.
BEGINNING_SECONDS = 0.1
#: How often a commit gives way to urgent ones before it is done all the same.
GIVES_WAY = 4


class OvertakenError(Exception):
    """Something urgent came in the middle of a commit, which is undone and done again after it."""


@dataclass(slots=True)
class Courtesy:
    """Knows who goes first now; shared by the threads of one process."""

    longest: float = MOMENT_SECONDS
    beginning: float = BEGINNING_SECONDS
    monotonic: Callable[[], float] = time.monotonic
    overtaken: Callable[[], object] = lambda: None
    """Is told of every commit that was undone."""
    _first: int = 0
    _urgent: int = 0
    _begun_by: float = float("-inf")
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @contextmanager
    def first(self) -> Iterator[None]:
        """Go before steps that do not hurry until the block ends."""
        with self._changed:
            self._first += 1
        try:
            yield
        finally:
            with self._changed:
                self._first -= 1
                self._changed.notify_all()

    @contextmanager
    def urgent(self) -> Iterator[None]:
        """Go before everything else until the block ends, and so does what begins by it."""
        with self._changed:
            self._urgent += 1
        try:
            yield
        finally:
            with self._changed:
                self._urgent -= 1
                self._begun_by = self.monotonic() + self.beginning
                self._changed.notify_all()

    def stand_back(self) -> bool:
        """Wait while somebody goes first; False when a moment was not enough."""
        return self._wait(lambda: bool(self._first))

    def give_way(self) -> bool:
        """Wait while something urgent goes on; False when a moment was not enough."""
        return self._wait(lambda: False)

    def check(self) -> None:
        """Go on unless something urgent goes on or has just begun: then OvertakenError is raised."""
        if self._urgent or self.monotonic() < self._begun_by:
            raise OvertakenError

    def politely(self, do: Callable[[Callable[[], None]], T]) -> T:
        """Do something that can be undone, behind whatever is urgent; it is handed what to ask on the way."""
        return Polite(self).do(do)

    def _wait(self, others: Callable[[], bool]) -> bool:
        """Wait until nothing urgent goes on or has just begun, and no others go first either."""
        end = self.monotonic() + self.longest
        with self._changed:
            while True:
                now = self.monotonic()
                busy = self._urgent or others()
                if not busy and now >= self._begun_by:
                    return True
                if now >= end:
                    return False
                self._changed.wait((end if busy else min(end, self._begun_by)) - now)


@dataclass(slots=True)
class Polite:
    """Somebody who gives way, so many times in all; what hurries itself does not."""

    courtesy: Courtesy
    times: int = GIVES_WAY

    def do(self, do: Callable[[Callable[[], None]], T]) -> T:
        """Do something after whatever is urgent, again when something urgent comes before the end of it."""
        while self.times and not is_hurrying():
            self.courtesy.give_way()
            try:
                return do(self.courtesy.check)
            except OvertakenError:
                self.times -= 1
                self.courtesy.overtaken()
        return do(lambda: None)


@dataclass(slots=True)
class Orderly:
    """The steps of one look, done before or behind those of others.

    The first step, which looks at the resource, waits for nothing where the look hurries, and for what is urgent
    elsewhere: whoever is about to begin is new too. Later ones let what has come meanwhile begin.
    """

    steps: Steps
    courtesy: Courtesy
    hurries: bool
    _has_begun: bool = False

    def step(self, name: str, do: Callable[[], Any]) -> Any:
        """Do one thing, checkpointed."""
        begins, self._has_begun = not self._has_begun, True
        if not self.hurries:
            self.courtesy.give_way() if begins else self.courtesy.stand_back()
            return self.steps.step(name, do)
        if not begins:
            self.courtesy.give_way()
        with self.courtesy.first():
            return self.steps.step(name, do)
