"""Load balancers, their listeners and forwarding rules. Instants are epoch milliseconds.

A listener of layer 4 holds targets itself, one of layer 7 has rules that do: either way a `Place` holds them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cloudheal_sim.kernel.health_checks import Check

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloudheal_sim.kernel.timeline import Timeline
    from cloudheal_sim.tencent.clb.model.target import Targets

LAYER_7 = frozenset({"HTTP", "HTTPS"})


@dataclass(slots=True, eq=False)
class Place:
    """Where targets stand: the listener itself (no location), or one of its rules."""

    listener: str
    location: str
    targets: Timeline[Targets]
    check: Check = field(default_factory=Check)
    domain: str = ""
    url: str = ""

    @property
    def label(self) -> str:
        """The id under which the journal knows it."""
        return self.location or self.listener


@dataclass(slots=True, eq=False)
class Listener:
    """A front port of a balancer."""

    id: str
    protocol: str
    port: int
    name: str = ""
    scheduler: str = "WRR"
    created: int = 0
    places: dict[str, Place] = field(default_factory=dict)
    """By location; layer 4 has one without."""

    @property
    def of_layer_7(self) -> bool:
        """True for the protocols that have forwarding rules."""
        return self.protocol in LAYER_7

    def find(self, location: str, domain: str = "", url: str = "") -> Place | None:
        """Return a place by its location, or by domain and URL; layer 4 has only one."""
        if not self.of_layer_7:
            return self.places.get("") if not location else None
        if location:
            return self.places.get(location)
        asked = (domain, url or "/")
        return next((one for one in self.places.values() if domain and (one.domain, one.url) == asked), None)


@dataclass(slots=True, eq=False)
class Balancer:
    """One load balancer."""

    id: str
    region: str
    name: str = ""
    kind: str = "OPEN"
    """`OPEN` to the internet, or `INTERNAL`."""
    addresses: tuple[str, ...] = ()
    zone: str = ""
    vpc: str = ""
    project: int = 0
    created: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)
    listeners: dict[str, Listener] = field(default_factory=dict)

    def places(self) -> Iterator[tuple[Listener, Place]]:
        """Iterate over everything that holds targets."""
        for listener in self.listeners.values():
            for place in listener.places.values():
                yield listener, place
