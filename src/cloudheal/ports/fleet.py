"""What the reconciliation asks of a cloud: to describe an account's servers. Adapters stand in `clouds/`.

Every method raises CloudTransientError or CloudPermanentError, possibly after some pages were handed out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from cloudheal.model.event import Event
from cloudheal.model.inventory import Description
from cloudheal.model.system_event import SystemEvent
from cloudheal.ports.cloud import Place, SystemEvents


class Fleet(Protocol):
    """The servers of one account."""

    def sweep(self, region: str, members: Sequence[tuple[Place, str]] | None) -> Iterator[Sequence[Description]]:
        """Yield every server of a region, page by page; groups of balancers are formed from `members`, if there are."""

    def members(self, region: str) -> Sequence[tuple[Place, str]]:
        """Return every member of every balancer's groups in a region: the place and the server."""

    def reclaimed(self, region: str) -> Iterator[Sequence[Description]]:
        """Yield the servers of a region that their cloud is taking back, page by page."""

    def look(self, region: str, ids: Sequence[str]) -> Iterator[Description]:
        """Describe servers by id; one that does not exist is absent."""


class Announcements(SystemEvents, Protocol):
    """What one account's cloud announces, beside the messages about it."""

    def announced(self, region: str) -> Iterator[Sequence[Event]]:
        """Yield the system events of a region in every status, page by page; half a list is not the list."""

    def of_disks(self, region: str, known: Sequence[SystemEvent]) -> Sequence[Event]:
        """Return what befalls the disks of a region now, and the ends of `known` events that are over by now."""
