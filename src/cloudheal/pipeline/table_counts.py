"""Counts in the tables, inside the transaction that will commit the decision."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from cloudheal.model.control import Hold
from cloudheal.model.incident import Mode, Trouble
from cloudheal.model.resource import ResourceId
from cloudheal.record.facts import Counted, Counting, Windows
from cloudheal.record.holds import holds_in_force
from cloudheal.record.promotions import effective_mode
from cloudheal.record.sizes import Sizes
from cloudheal.settings.rules import Rule, Selector


class TableCounts:
    """What the guards look at, as one transaction sees it; what many decisions of it look at is counted once."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._sizes = Sizes(connection)
        self._counting = Counting(connection)
        self._holds: dict[datetime, list[Hold]] = {}
        self._modes: dict[str, Mode] = {}

    def expect(self, subjects: Iterable[ResourceId]) -> int:
        """Learn at one go which of these resources never had an incident; returns how many."""
        return self._counting.expect(subjects)

    def counted(self, subject: ResourceId, trouble: Trouble, now: datetime, windows: Windows) -> Counted:
        """Return the history of a resource and its trouble, and how much is being done."""
        return self._counting.of(subject, trouble, now, windows)

    def crowd(
        self, subject: ResourceId, group: str, trouble: Trouble, now: datetime, window: timedelta
    ) -> tuple[int, int]:
        """Return how many of a resource's group are under action, and how many fell into a trouble in a window."""
        return self._counting.crowd(subject, group, trouble, now - window)

    def is_touched(self, subject: ResourceId) -> bool:
        """Say whether a run has the right to touch a resource."""
        return self._counting.is_touched(subject)

    def size(self, subject: ResourceId, group: str, selector: Selector | None) -> tuple[int, int]:
        """Return how many members a group has, and how many of them nobody helps yet."""
        return self._sizes.of(subject, group, selector)

    def is_down(self, subject: ResourceId, group: str) -> bool:
        """Say whether a resource is among those of a group, whose size was asked for, that nobody helps yet."""
        return self._sizes.is_down(subject, group)

    def holds_on(self, scopes: Sequence[str], now: datetime) -> list[Hold]:
        """Return the holds in force, oldest first."""
        if now not in self._holds:
            self._holds[now] = holds_in_force(self._connection, now)
        return [one for one in self._holds[now] if one.scope in scopes]

    def mode_of(self, rule: Rule) -> Mode:
        """Return how far a rule is trusted now."""
        if rule.name not in self._modes:
            self._modes[rule.name] = effective_mode(self._connection, rule)
        return self._modes[rule.name]

    def opened(self, subject: ResourceId, trouble: Trouble, group: str) -> int:
        """Take in that an incident was opened; returns how many numbers that changed."""
        return self._counting.opened(subject, trouble, group)

    def granted(self, subject: ResourceId) -> int:
        """Take in that a run was granted for a resource; returns in how many groups it was waited for."""
        self._counting.granted()
        return self._sizes.helped(subject)
