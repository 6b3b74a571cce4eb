"""The tables as one look of one run sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cloudheal.model.deed import Deed
from cloudheal.model.resource import ResourceId
from cloudheal.ports.store import Store
from cloudheal.record.deeds import claimant, deeds_of, deeds_of_others, recent_entries, states_told

#: How the steps are named that reboot a server, and the messages that tell of its state.
_REBOOT, _STATE_CHANGE = "reboot", "Instance:StateChange"


@dataclass(frozen=True, slots=True)
class TableMemory:
    """What is on record about a resource and the run of this look."""

    store: Store
    resource: ResourceId
    run: str
    look: int

    def deeds(self) -> Sequence[Deed]:
        """Return what this run journaled in its earlier looks, in order."""
        with self.store.snapshot() as connection:
            return deeds_of(connection, self.run, self.look)

    def reboots_by_others(self, since: datetime) -> Sequence[Deed]:
        """Return the reboots of this resource that other runs asked for, or may have asked for, in order."""
        with self.store.snapshot() as connection:
            return deeds_of_others(connection, self.resource, self.run, _REBOOT, since)

    def claimant(self) -> str:
        """Return the other run that has taken this resource on and has not ended; empty when there is none."""
        with self.store.snapshot() as connection:
            return claimant(connection, self.resource, self.run)

    def states_told(self, since: datetime) -> Sequence[str]:
        """Return the states of this resource that messages told of, in order."""
        with self.store.snapshot() as connection:
            return states_told(connection, self.resource, _STATE_CHANGE, since)

    def ledger(self, limit: int) -> Sequence[str]:
        """Return the newest entries of the ledger about this resource, the oldest first, a line each."""
        with self.store.snapshot() as connection:
            return recent_entries(connection, self.resource, limit)
