"""Where a backtest differs from what it is held against: the record, or another rule file before the same history.

Of every event both sides say what they made of it: by which rules, with which reasons. All are counted; of those that
differ only the first so many are kept, so that memory stays flat however long the history is.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from cloudheal.pipeline.backtest.tally import Reasons
from cloudheal.record.history import Arrived
from cloudheal.record.ledger import Kind, Written

#: Events whose recorded decisions may still be about to come.
MOST_OPEN = 10_000
#: So many more are held against the record at once.
AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Difference:
    """An event of which both sides make different things."""

    at: datetime
    event: int
    type: str
    status: str
    resource: str
    would: tuple[str, ...]
    """What the rules would do, as `rule: reason`."""
    other: tuple[str, ...]
    """What was done, or what the other rules would do."""


@dataclass(slots=True)
class Differences:
    """Counts pairs, and keeps the first of those that differ."""

    most: int
    compared: int = 0
    differing: int = 0
    kept: list[Difference] = field(default_factory=list)
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often which became which: what was, or the other rules would do; and what these would do."""

    def pair(self, arrived: Arrived, would: Reasons, other: Reasons) -> bool:
        """Hold both sides of one event against each other; True when they agree."""
        self.compared += 1
        if would == other or dict(would) == dict(other):
            return True
        self.differing += 1
        told, was = _told(would), _told(other)
        self.changes["; ".join(was), "; ".join(told)] += 1
        if len(self.kept) < self.most:
            event = arrived.event
            about = (arrived.number, event.type, event.status, event.subject.id)
            self.kept.append(Difference(arrived.at, *about, told, was))
        return False


@dataclass(slots=True)
class AgainstRules:
    """Holds one rule file against another: both have seen the same events in the same order."""

    differences: Differences
    _open: deque[Arrived] = field(default_factory=deque)
    _ours: dict[int, Reasons] = field(default_factory=dict)
    _others: dict[int, Reasons] = field(default_factory=dict)

    def would(self, arrived: Arrived, made: Reasons) -> None:
        """Take what the rules would do; asked first."""
        self._open.append(arrived)
        self._ours[id(arrived)] = made

    def would_too(self, arrived: Arrived, made: Reasons) -> None:
        """Take what they would do, too, as turns out later."""
        if id(arrived) in self._ours:
            self._ours[id(arrived)] += made

    def other(self, arrived: Arrived, made: Reasons) -> None:
        """Take what the other rules would do with the same event."""
        if id(arrived) not in self._ours:
            message = f"event {arrived.number} was held against no event"
            raise AssertionError(message)
        self._others[id(arrived)] = made
        if len(self._open) > MOST_OPEN:
            self._close()

    def other_too(self, arrived: Arrived, made: Reasons) -> None:
        """Take what the other rules would do, too, as turns out later."""
        if id(arrived) in self._others:
            self._others[id(arrived)] += made

    def finish(self) -> None:
        """Hold what is left against each other."""
        while self._open:
            self._close()

    def _close(self) -> None:
        arrived = self._open.popleft()
        self.differences.pair(arrived, self._ours.pop(id(arrived)), self._others.pop(id(arrived)))


@dataclass(slots=True)
class AgainstRecord:
    """Holds the rules against what was recorded: the first decision of each rule on each event.

    What the record says of an event follows it within its transaction, or when a fault that it had overtaken comes;
    what a run decided later is its course.
    """

    differences: Differences
    was: Counter[tuple[str, str]] = field(default_factory=Counter)
    """What was decided on events, by rule and reason."""
    _open: dict[int, tuple[Arrived, Reasons]] = field(default_factory=dict)
    """What the rules would do, by the number of the event, in order."""
    _was: dict[int, dict[str, str]] = field(default_factory=dict)

    def would(self, arrived: Arrived, made: Reasons) -> None:
        """Take what the rules would do; an event that was never in the record is held against nothing."""
        if arrived.recorded:
            self._open[arrived.number] = (arrived, made)
            if len(self._open) > MOST_OPEN + AT_ONCE:
                self._close(AT_ONCE)

    def would_too(self, arrived: Arrived, made: Reasons) -> None:
        """Take what they would do, too, as turns out later."""
        if arrived.recorded and arrived.number in self._open:
            self._open[arrived.number] = (arrived, self._open[arrived.number][1] + made)

    def recorded(self, row: Written) -> None:
        """Take what was decided."""
        if row.kind != Kind.DECISION or row.event not in self._open:
            return
        was = self._was.setdefault(row.event, {})
        if row.name not in was:
            was[row.name] = row.result
            self.was[row.name, row.result] += 1

    def finish(self) -> None:
        """Hold what is left against what was recorded."""
        self._close(len(self._open))

    def _close(self, count: int) -> int:
        """Hold the oldest of them against what was recorded."""
        for number in list(islice(self._open, count)):
            arrived, made = self._open.pop(number)
            was = self._was.pop(number, None)
            if made or was:
                self.differences.pair(arrived, made, tuple(was.items()) if was else ())
            else:
                self.differences.compared += 1
        return count


def _told(made: Reasons) -> tuple[str, ...]:
    return tuple(f"{rule}: {reason}" for rule, reason in made)
