"""Whose turn it is to write: SQLite admits one writer, and has those that wait ask again at longer and longer times.

Whoever waits longest asks least often, so that under load it may wait for seconds beside others that just came. Here
the writers of one process stand in a line, in which those that hurry go first; each is woken by the one before it. What
hurries writes several times in a row, so for a moment after each the others leave the way free; a moment has an end,
however many come. Writers of other processes are waited for in SQLite's own way.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from cloudheal.ports.hurry import is_hurrying

#: For how long the way stays free for what hurries to write again, and the longest that the others wait for that.
FREE_SECONDS, PATIENCE_SECONDS = 0.03, 0.5
_TURN = "cloudheal.turn"
_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")


@dataclass(slots=True, eq=False)
class _Waiting:
    """A thread that waits, and since when."""

    thread: int
    since: float
    turn: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class Turns:
    """Gives the right to write to one thread at a time, in order, and to those that hurry before the others."""

    monotonic: Callable[[], float] = time.monotonic
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _owner: int | None = None
    _hurries: bool = False
    _free_until: float = float("-inf")
    _hurried: deque[_Waiting] = field(default_factory=deque)
    _others: deque[_Waiting] = field(default_factory=deque)

    def take(self, seconds: float, *, hurries: bool) -> bool:
        """Wait for one's turn; False when it did not come within so many seconds."""
        mine = _Waiting(threading.get_ident(), self.monotonic())
        line = self._hurried if hurries else self._others
        with self._guard:
            line.append(mine)
            self._next()
        return self._patiently(mine, line, seconds)

    def give(self) -> bool:
        """End one's turn; False when nobody has it now."""
        with self._guard:
            if self._hurries:
                self._free_until = self.monotonic() + FREE_SECONDS
            self._owner = None
            return self._next()

    def is_mine(self) -> bool:
        """Say whether it is the turn of the thread that asks."""
        return self._owner == threading.get_ident()

    def _patiently(self, mine: _Waiting, line: deque[_Waiting], seconds: float) -> bool:
        """Wait in a line; whoever is told to end there gives way."""
        try:
            while not mine.turn.wait(FREE_SECONDS):
                with self._guard:
                    if not self._next() and not mine.turn.is_set() and self.monotonic() >= mine.since + seconds:
                        line.remove(mine)
                        return False
        except BaseException:
            self._leave(mine, line)
            raise
        return True

    def _leave(self, mine: _Waiting, line: deque[_Waiting]) -> bool:
        """Leave a line, or give the turn that came meanwhile; True when another one has it now."""
        with self._guard:
            if mine in line:
                line.remove(mine)
                return False
        return self.give()

    def _next(self) -> bool:
        """Let the first in line have a turn that nobody has; False when nobody may yet."""
        if self._owner is not None:
            return False
        now = self.monotonic()
        self._hurries = bool(self._hurried)
        line = self._hurried or self._others
        if not line or (not self._hurries and now < min(self._free_until, line[0].since + PATIENCE_SECONDS)):
            return False
        first = line.popleft()
        self._owner = first.thread
        first.turn.set()
        return True


@contextmanager
def in_turn(turns: Turns, seconds: float) -> Iterator[bool]:
    """Wait for one's turn and have it until the block ends; False when it did not come within so many seconds."""
    taken = turns.take(seconds, hurries=is_hurrying())
    try:
        yield taken
    finally:
        if taken:
            turns.give()


def has_begun(connection: sa.Connection) -> None:
    """Say that a transaction is SQLite's one writer: it stands in no line any more, with its turn or without.

    Where it would, whoever has the turn waits for SQLite, and this one for the turn.
    """
    connection.info[_TURN] = False


def write_in_turns(engine: sa.Engine, turns: Turns, seconds: float) -> None:
    """Have transactions that are begun elsewhere take their turn before they write first, until their end.

    Whose turn does not come within so many seconds goes on without it: SQLite then says that it is locked.
    """

    def take(connection: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        if _TURN not in connection.info and statement.startswith(_WRITES) and not turns.is_mine():
            connection.info[_TURN] = turns.take(seconds, hurries=is_hurrying())

    def give(_connection: object, record: Any, *_: object) -> None:
        if record.info.pop(_TURN, False):
            turns.give()

    event.listen(engine, "before_cursor_execute", take)
    event.listen(engine, "checkin", give)
    event.listen(engine, "invalidate", give)
