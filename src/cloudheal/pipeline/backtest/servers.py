"""What a history has told of one server so far, and which members of a group are down.

Only what a guard may still ask is kept; `memory` finds the server and forgets what has left every window.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from cloudheal.model.incident import Trouble

#: Keys of one server that are remembered to know a message that comes again.
KEYS = 32


@dataclass(slots=True)
class Members:
    """A group: how many it has, and who of them is down without help."""

    total: int = 0
    down: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Server:
    """One resource as the history has told of it so far."""

    state: str = ""
    as_of: datetime | None = None
    counted: list[Members] = field(default_factory=list)
    down: bool = False
    """It does not run, and no run helps it; so it stands in every group that counts it."""
    newest: dict[str, datetime] = field(default_factory=dict)
    """By type: what messages told."""
    told: dict[tuple[str, str, str], datetime] = field(default_factory=dict)
    """By type, status and source: what was told of faults that have recoveries."""
    looked: dict[tuple[str, str], datetime] = field(default_factory=dict)
    """By type and status: what looks at the cloud showed."""
    keys: dict[int, None] = field(default_factory=dict)
    """The newest ones, in order; each event looks for its own among them."""
    attempts: deque[tuple[datetime, bool, object]] = field(default_factory=deque)
    heals: dict[str, deque[datetime]] = field(default_factory=dict)
    given_up: dict[str, datetime] = field(default_factory=dict)
    open: dict[Trouble, str] = field(default_factory=dict)
    well: dict[str, str] = field(default_factory=dict)
    """Incidents about failures that ended well, by the id of the event: it is looked into once."""
    granted: int = 0

    def tried(self, hurried: bool, since: datetime) -> list[datetime]:  # noqa: FBT001 - one of the two that are counted
        """Return when it was acted on: for interruptions, or for anything else."""
        return [at for at, hurry, _ in self.attempts if hurry is hurried and at >= since]

    def healed(self, kind: str, since: datetime) -> list[datetime]:
        """Return when a trouble of a kind was healed."""
        return [at for at in self.heals.get(kind, ()) if at >= since]


def latest(*moments: datetime | None) -> datetime | None:
    """Return the latest of some moments; None where there is none."""
    found: datetime | None = None
    for one in moments:
        if one is not None and (found is None or one > found):
            found = one
    return found
