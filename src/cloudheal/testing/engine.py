"""The durable engine's part in a scene: checkpoints that survive the death of a process, and a queue of looks.

Steps are told apart by their number within a look, as the real engine does. A step that has another name on replay
than it had at first means that the playbook decided by something that it did not read through its hands.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from cloudheal.act import raising
from cloudheal.act.raising import result_of

Look = tuple[str, int]


class Died(BaseException):
    """The process is gone. Not an Exception, because nothing in a dead process can catch it."""


class ReplayDiffersError(BaseException):
    """A replayed look did other things than at first. Not an Exception: neither playbook nor pipeline may take it."""


@dataclass(frozen=True, slots=True)
class Death:
    """When the process dies: at the step of that number, counted over the scene; after or before its checkpoint."""

    step: int
    checkpointed: bool


@dataclass(slots=True)
class _Frame:
    look: Look
    next: int = 0


@dataclass(slots=True)
class Engine:
    """Keeps checkpoints and queued looks, over any number of lives of the process."""

    death: Death | None = None
    steps: list[str] = field(default_factory=list)
    """The names of all steps done, in order; replayed ones are not done."""
    queued: list[Look] = field(default_factory=list)
    begun: set[Look] = field(default_factory=set)
    _checkpoints: dict[Look, list[tuple[str, str]]] = field(default_factory=dict)
    _frames: list[_Frame] = field(default_factory=list)

    def enqueue(self, connection: sa.Connection, run: str, look: int) -> str:  # noqa: ARG002 - the scene never rolls back
        """Queue a look."""
        return self.start_at_once(run, look, hurries=False)

    @property
    def begins_here(self) -> bool:
        """This process runs looks itself."""
        return True

    def has_place(self) -> bool:
        """Say that a look is to be queued: a scene does one at a time."""
        return False

    def start_at_once(self, run: str, look: int, *, hurries: bool) -> str:  # noqa: ARG002 - the scene does one at a time
        """Queue a look that has not begun."""
        if (run, look) not in self.begun and (run, look) not in self.queued:
            self.queued.append((run, look))
        return f"{run}/{look}"

    def next_look(self) -> Look | None:
        """Take a look from the queue."""
        if not self.queued:
            return None
        look = self.queued.pop(0)
        self.begun.add(look)
        return look

    def resume(self, looks: list[Look]) -> None:
        """Queue looks again that had begun when the process died."""
        self._frames.clear()
        self.queued = [*(one for one in looks if one in self.begun and one not in self.queued), *self.queued]

    @contextmanager
    def looking(self, look: Look) -> Iterator[None]:
        """Do the steps of one look until the block ends; every checkpoint that there was must have been asked for."""
        frame = _Frame(look)
        self._frames.append(frame)
        yield
        self._frames.remove(frame)
        left = self._checkpoints.get(look, [])[frame.next :]
        if left:
            raise ReplayDiffersError(f"step {frame.next + 1} was {left[0][0]!r} at first, and nothing on replay")

    def step(self, name: str, do: Callable[[], Any]) -> Any:
        """Do a step and keep its result, or answer from what was kept."""
        frame = self._frames[-1]
        kept = self._checkpoints.setdefault(frame.look, [])
        number = frame.next
        frame.next += 1
        if number < len(kept):
            if kept[number][0] != name:
                message = f"step {number + 1} was {kept[number][0]!r} at first, and is {name!r} on replay"
                raise ReplayDiffersError(message)
            return result_of(name, json.loads(kept[number][1]))
        result = json.dumps(_done(do), ensure_ascii=False, allow_nan=False)
        self.steps.append(name)
        if self._dies(checkpointed=False):
            raise Died(name)
        kept.append((name, result))
        if self._dies(checkpointed=True):
            raise Died(name)
        return result_of(name, json.loads(result))

    def _dies(self, *, checkpointed: bool) -> bool:
        if self.death != Death(len(self.steps), checkpointed):
            return False
        self.death = None
        return True


def _done(do: Callable[[], Any]) -> Any:
    try:
        return do()
    except Exception as problem:  # noqa: BLE001 - as the real engine does
        return raising.kept(problem)
