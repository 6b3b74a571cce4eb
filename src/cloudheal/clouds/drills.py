"""The simulated events of a cloud that has none: there are none to list, and asking for one is refused by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cloudheal.model.drill import Chunk
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.model.system_event import SystemEvent
from cloudheal.ports.account import NOT_OFFERED, not_offered


@dataclass(frozen=True, slots=True)
class NoDrills:
    """What stands for them, so that drills on accounts of another cloud go on beside."""

    cloud: Cloud

    def create(self, region: str, type_: str, not_before: datetime, servers: Sequence[str]) -> Iterator[Chunk]:
        """Refuse."""
        asked = f"{type_} for {len(servers)} servers in {region} at {not_before.isoformat()}"
        raise not_offered(f"simulated events (asked for {asked})", self.cloud)

    def cancel(self, region: str, ids: Sequence[str]) -> Mapping[str, str]:  # noqa: ARG002 - the port's
        """Refuse each."""
        return dict.fromkeys(ids, NOT_OFFERED)

    def simulated(self, region: str) -> Sequence[SystemEvent]:  # noqa: ARG002 - the port's
        """Return none."""
        return ()

    def events(self, region: str, ids: Sequence[str]) -> Mapping[str, SystemEvent]:  # noqa: ARG002 - the port's
        """Return none: whatever has these ids, no drill of this cloud made it."""
        return {}

    def fire(self, resource: ResourceId, name: str, content: Mapping[str, Any], token: str) -> str:  # noqa: ARG002
        """Refuse."""
        raise not_offered(f"test messages (asked for {name} about {resource.id})", self.cloud)
