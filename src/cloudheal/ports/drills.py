"""What a drill may ask of a cloud. Adapters stand in `clouds/`; no playbook is ever handed one of these.

A simulated event touches nothing by itself: none of these calls ever asks the cloud to stop or release anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from cloudheal.model.drill import Chunk
from cloudheal.model.resource import ResourceId
from cloudheal.model.system_event import SystemEvent


class Drills(Protocol):
    """The simulated events of one account. Methods raise CloudTransientError or CloudPermanentError, nothing else."""

    def create(self, region: str, type_: str, not_before: datetime, servers: Sequence[str]) -> Iterator[Chunk]:
        """Ask for one event for each server, a chunk at a time, up to the first chunk that fails.

        The failed chunk is the last one; what was not sent is in none. A time that has passed and more servers than
        the cloud allows are refused when this is called, before anything is sent.
        """

    def cancel(self, region: str, ids: Sequence[str]) -> Mapping[str, str]:
        """Take events back; returns the vendor's code for each that could not be, the others are cancelled."""

    def simulated(self, region: str) -> Sequence[SystemEvent]:
        """List the simulated events of a region that are not over."""

    def events(self, region: str, ids: Sequence[str]) -> Mapping[str, SystemEvent]:
        """Read events by id, real ones too; one that the cloud does not show is absent."""

    def fire(self, resource: ResourceId, name: str, content: Mapping[str, Any], token: str) -> str:
        """Send one message about an event that did not happen through the cloud's rules; returns the request id.

        `token` makes it a message of its own. It is marked as a test, so that nothing follows from it.
        """
