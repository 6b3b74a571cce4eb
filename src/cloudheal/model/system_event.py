"""SystemEvent: what a cloud plans for, or does to, a server or a disk; one id through all of its statuses.

The life of one is a graph that leads forward only, so the furthest status that anybody told is the present one, in
whatever order messages and looks arrive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cloudheal.model.incident import Healed
from cloudheal.model.resource import ResourceId


class Cycle(StrEnum):
    """The statuses in the life of a system event."""

    INQUIRING = "Inquiring"
    """It waits for the owner to accept it, without a time limit."""
    SCHEDULED = "Scheduled"
    """It is planned for a time: until then the owner may answer it."""
    EXECUTING = "Executing"
    EXECUTED = "Executed"
    AVOIDED = "Avoided"
    """The owner answered it ahead of time."""
    CANCELED = "Canceled"
    FAILED = "Failed"


class Consent(StrEnum):
    """What the owner of a server may say to what is planned for it, before the cloud does it by itself."""

    NONE = ""
    """Nothing that the cloud would take: such an event is answered in another way."""
    OPEN = "open"
    """It waits to be authorised and begins then; what is on the disks stays."""
    LOSSY = "lossy"
    """It waits to be authorised, and data may be lost by that."""
    UNCLEAR = "unclear"
    """It waits to be authorised, and what that does is not known here."""
    GIVEN = "given"
    """It was authorised, and begins at its time."""


STATUSES = frozenset(one.value for one in Cycle)
FINAL = frozenset({Cycle.EXECUTED.value, Cycle.AVOIDED.value, Cycle.CANCELED.value, Cycle.FAILED.value})
#: What an event says when it is over, as the end of an incident on which nothing was done.
ENDINGS: Mapping[str, tuple[Healed, str]] = {
    Cycle.EXECUTED.value: (Healed.NOT_NEEDED, "event_executed"),
    Cycle.AVOIDED.value: (Healed.NOT_NEEDED, "event_avoided"),
    Cycle.CANCELED.value: (Healed.NOT_NEEDED, "event_canceled"),
    Cycle.FAILED.value: (Healed.NOT_HEALED, "event_failed"),
}
_FURTHEST = 3
_RANKS: Mapping[str, int] = {
    Cycle.INQUIRING.value: 0,
    Cycle.SCHEDULED.value: 1,
    Cycle.EXECUTING.value: 2,
    **dict.fromkeys(FINAL, _FURTHEST),
}


def rank(status: str) -> int:
    """Say how far along its life a status is; one that is not documented is taken for planned."""
    return _RANKS.get(status, _RANKS[Cycle.SCHEDULED.value])


@dataclass(frozen=True, slots=True)
class SystemEvent:
    """A system event as far as it is known now; times that nobody told are None, texts empty.

    `not_before` is when a planned one begins by itself, `finished` when it was over. `resource` is a server or a disk;
    `disk` names the disk that an event about either is about. `type` is as rules name it, without the status.
    """

    id: str
    type: str
    resource: ResourceId
    status: str
    published: datetime | None = None
    not_before: datetime | None = None
    finished: datetime | None = None
    reason: str = ""
    impact: str = ""
    disk: str = ""
    simulated: bool = False
    consent: Consent = Consent.NONE

    @property
    def is_over(self) -> bool:
        """True when nothing will happen any more."""
        return self.status in FINAL
