"""What our own tables tell a playbook: its run's earlier deeds, those of others, and what was heard meanwhile.

A look begins afresh, so whatever must outlive a look stands in the journal. Everything here may change from one moment
to the next; a playbook asks it only inside what its hands read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from cloudheal.model.deed import Deed


class Memory(Protocol):
    """The tables, as one run sees them."""

    def deeds(self) -> Sequence[Deed]:
        """Return what this run journaled in its earlier looks, in order."""

    def reboots_by_others(self, since: datetime) -> Sequence[Deed]:
        """Return the reboots of this resource that other runs asked for, or may have asked for, in order."""

    def claimant(self) -> str:
        """Return the other run that has taken this resource on and has not ended; empty when there is none."""

    def states_told(self, since: datetime) -> Sequence[str]:
        """Return the states of this resource that messages told of, in order."""

    def ledger(self, limit: int) -> Sequence[str]:
        """Return the newest entries of the ledger about this resource, the oldest first, a line each."""


class NoMemory:
    """Nothing was done and nothing was heard."""

    def deeds(self) -> Sequence[Deed]:
        """Return nothing."""
        return ()

    def reboots_by_others(self, since: datetime) -> Sequence[Deed]:  # noqa: ARG002 - as the tables do
        """Return nothing."""
        return ()

    def claimant(self) -> str:
        """Return nobody."""
        return ""

    def states_told(self, since: datetime) -> Sequence[str]:  # noqa: ARG002 - as the tables do
        """Return nothing."""
        return ()

    def ledger(self, limit: int) -> Sequence[str]:  # noqa: ARG002 - as the tables do
        """Return nothing."""
        return ()
