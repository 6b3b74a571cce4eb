"""Who goes first in a process: what hurries and what is new, before what is under way.

Runs by the hundred share an interpreter with the threads that take messages in, and each of them gets as much of it as
any other: in a mass outage an interruption would be read only after the runs of thousands had their turns. So a step of
a run that does not hurry stands back while messages are committed, or while a run that hurries does a step. It stands
back for a moment only, however long the others take: nothing starves, and nothing that is decided depends on it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cloudheal.act.hands import Steps

#: The longest that one step stands back.
MOMENT_SECONDS = 0.5


@dataclass(slots=True)
class Courtesy:
    """Knows who goes first now; shared by the threads of one process."""

    longest: float = MOMENT_SECONDS
    _first: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @contextmanager
    def first(self) -> Iterator[None]:
        """Go before others until the block ends."""
        with self._changed:
            self._first += 1
        try:
            yield
        finally:
            with self._changed:
                self._first -= 1
                if not self._first:
                    self._changed.notify_all()

    def stand_back(self) -> bool:
        """Wait while somebody goes first; False when a moment was not enough."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._first, self.longest)


@dataclass(frozen=True, slots=True)
class Orderly:
    """The steps of one look, done before or behind those of others."""

    steps: Steps
    courtesy: Courtesy
    hurries: bool

    def step(self, name: str, do: Callable[[], Any]) -> Any:
        """Do one thing, checkpointed."""
        if self.hurries:
            with self.courtesy.first():
                return self.steps.step(name, do)
        self.courtesy.stand_back()
        return self.steps.step(name, do)
