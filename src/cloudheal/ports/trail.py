"""What is asked of an audit trail: who did what to the power of a server. Adapters stand in `clouds/`.

A trail lags: a call may show minutes after it was made. Every method raises CloudTransientError or CloudPermanentError.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cloudheal.model.resource import ResourceId


@dataclass(frozen=True, slots=True)
class TrailEntry:
    """One call about one server; `somebody` is False for what the cloud did by itself."""

    at: datetime
    action: str
    who: str
    somebody: bool
    request_id: str
    error: str = ""


class Trail(Protocol):
    """The audit trail of one account."""

    def deeds(self, resource: ResourceId, since: datetime, until: datetime) -> Sequence[TrailEntry]:
        """Return the changing calls about a server in a time, in any order."""
