"""The trail: calls that change servers, in the order in which they were made, each shown after a delay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cloudheal_sim.kernel.clock import MILLIS_PER_DAY, MILLIS_PER_SECOND

#: Events of the last ninety days can be looked up.
KEPT = 90 * MILLIS_PER_DAY
#: What the trail holds at the most; the oldest leave first.
CAPACITY = 100_000


@dataclass(frozen=True, slots=True)
class Deed:
    """One call as the trail keeps it; an empty access key is the console's, `user` is who was logged in there."""

    id: str
    at: int
    action: str
    region: str
    servers: tuple[str, ...]
    access_key: str = ""
    user: str = "root"
    account: str = ""
    request_id: str = ""
    error: str = ""
    address: str = "127.0.0.1"


@dataclass(slots=True)
class Trail:
    """One account's trail."""

    delay_seconds: float = 0.0
    deeds: list[Deed] = field(default_factory=list)

    def add(self, deed: Deed) -> Deed:
        """Write down one deed."""
        self.deeds.append(deed)
        del self.deeds[:-CAPACITY]
        return deed

    def shown(self, now: int, start: int, end: int) -> Iterator[Deed]:
        """Iterate over what can be seen by now of what was done in a time, oldest first; both ends belong to it."""
        ripe = now - round(self.delay_seconds * MILLIS_PER_SECOND)
        oldest = max(start, now - KEPT)
        return (one for one in self.deeds if oldest <= one.at <= min(end, ripe))


#: What can be looked up by, and where it stands in an event.
ATTRIBUTES: Mapping[str, str] = {
    "ServiceName": "serviceName",
    "EventName": "eventName",
    "EventId": "eventId",
    "EventType": "eventType",
    "EventRW": "eventRW",
}
