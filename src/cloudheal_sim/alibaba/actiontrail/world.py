"""ActionTrail's share of the world document.

trail_events          what the trail holds: [{"id", "at", "action", "region", "servers", ...}]
trail_delay_seconds   how long after a call the trail shows it
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import AwareDatetime, Field

from cloudheal_sim.alibaba.actiontrail.model import Deed
from cloudheal_sim.kernel.clock import LONGEST_SECONDS, iso_millis, to_millis
from cloudheal_sim.kernel.world import Part, WorldError, parsed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.alibaba.actiontrail.state import ActionTrail


class TrailEventPart(Part):
    """One call in the trail."""

    id: str = Field(min_length=1)
    at: AwareDatetime
    action: str = Field(min_length=1)
    region: str = ""
    servers: list[str] = Field([])
    access_key: str = ""
    user: str = "root"
    account: str = ""
    request_id: str = ""
    error: str = ""
    address: str = "127.0.0.1"


class TrailPart(Part):
    """The whole share."""

    trail_events: list[TrailEventPart] = Field([])
    trail_delay_seconds: float = Field(0.0, ge=0, le=LONGEST_SECONDS)


@dataclass(frozen=True, slots=True)
class TrailSection:
    """Reads and writes one trail."""

    state: ActionTrail
    keys: frozenset[str] = frozenset(TrailPart.model_fields)

    def read(self, part: Mapping[str, Any]) -> object:
        """Validate without touching anything. Raises WorldError."""
        read = parsed(TrailPart, dict(part), "alibaba")
        ids = [one.id for one in read.trail_events]
        if len(ids) != len(set(ids)):
            msg = "alibaba.trail_events: two events have the same id"
            raise WorldError(msg)
        return read

    def install(self, parsed: Any) -> None:
        """Replace the trail."""
        part: TrailPart = parsed
        trail = self.state.trail
        trail.delay_seconds = part.trail_delay_seconds
        trail.deeds = sorted((_deed(one) for one in part.trail_events), key=lambda one: one.at)

    def dump(self) -> dict[str, object]:
        """Return the trail in its full form."""
        trail = self.state.trail
        return {
            "trail_events": [_written(one) for one in trail.deeds],
            "trail_delay_seconds": trail.delay_seconds,
        }


def _deed(part: TrailEventPart) -> Deed:
    told = part.model_dump(exclude={"at", "servers"})
    return Deed(at=to_millis(part.at), servers=tuple(part.servers), **told)


def _written(deed: Deed) -> dict[str, object]:
    names = ("id", "action", "region", "access_key", "user", "account", "request_id", "error", "address")
    told: dict[str, object] = {name: getattr(deed, name) for name in names}
    return {**told, "at": iso_millis(deed.at), "servers": list(deed.servers)}
