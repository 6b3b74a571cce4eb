"""Counts in the tables, inside the transaction that will commit the decision."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from cloudheal.model.control import Hold
from cloudheal.model.incident import Mode, Trouble
from cloudheal.model.resource import ResourceId
from cloudheal.record.facts import Counted, Windows, count
from cloudheal.record.holds import holds_on
from cloudheal.record.inventory import Sizes
from cloudheal.record.promotions import effective_mode
from cloudheal.settings.rules import Rule, Selector


class TableCounts:
    """What the guards look at, as one transaction sees it; groups are counted once in it."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._sizes = Sizes(connection)

    def counted(self, subject: ResourceId, trouble: Trouble, group: str, now: datetime, windows: Windows) -> Counted:
        """Return the history of a resource and its trouble, and how much is being done."""
        return count(self._connection, subject, trouble, group, now, windows)

    def size(self, subject: ResourceId, group: str, selector: Selector | None) -> tuple[int, int]:
        """Return how many members a group has, and how many of them nobody helps yet."""
        return self._sizes.of(subject, group, selector)

    def holds_on(self, scopes: Sequence[str], now: datetime) -> list[Hold]:
        """Return the holds in force, oldest first."""
        return holds_on(self._connection, scopes, now)

    def mode_of(self, rule: Rule) -> Mode:
        """Return how far a rule is trusted now."""
        return effective_mode(self._connection, rule)

    def helped(self, subject: ResourceId) -> int:
        """Take in that a run was granted for a resource; returns in how many groups it was waited for."""
        return self._sizes.helped(subject)
