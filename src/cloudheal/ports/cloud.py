"""What playbooks may ask of a cloud, whichever it is. Adapters stand in `clouds/`, one folder each.

Every method raises CloudTransientError or CloudPermanentError with the vendor's code and request id, and nothing else.
Mutating methods send at most one request, within `seconds`, and never retry by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from cloudheal.model.resource import ResourceId


@dataclass(frozen=True, slots=True)
class Server:
    """One server as its cloud shows it now; `state` and `locks` are the vendor's words, `started` its last start."""

    id: ResourceId
    state: str
    name: str
    zone: str
    locks: tuple[str, ...] = ()
    expires: datetime | None = None
    started: str = ""
    spot: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


class Compute(Protocol):
    """The servers of one account."""

    def servers(self, region: str, ids: Sequence[str]) -> Mapping[str, Server]:
        """Read servers afresh, by the hundred; one that does not exist is absent."""

    def start(self, region: str, id_: str, seconds: float) -> str:
        """Ask for a stopped server to be started; returns the vendor's request id."""
