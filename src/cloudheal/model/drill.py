"""Drill: a rehearsal with events that a cloud simulates; one row for each server, written before the cloud is asked.

A simulated event looks like a real one in every channel, so what may be done about it is decided by these rows alone:
without one, or with one that is over, actions are dry (law 10).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cloudheal.model.resource import ResourceId

#: The most simulated events of one account that a cloud lets wait for their time.
MOST_SCHEDULED = 1000
#: Types that a cloud simulates, as rules name them. Planned ones wait for their time, failures begin at once.
PLANNED = (
    "Instance:SystemMaintenance.Reboot",
    "Instance:SystemMaintenance.Stop",
    "Instance:SystemMaintenance.Redeploy",
)
FAILURES = (
    "Instance:SystemFailure.Reboot",
    "Instance:SystemFailure.Stop",
    "Instance:SystemFailure.Redeploy",
    "Instance:InstanceFailure.Reboot",
)


class DrillState(StrEnum):
    """How far the drill of one server is."""

    CREATING = "creating"
    """The cloud is asked for the event; its answer is not there, or was lost."""
    OPEN = "open"
    """The cloud has the event, and its id stands in the row."""
    CANCELLED = "cancelled"
    """It was taken back."""
    OVER = "over"
    """The event ran to its end, or there never was one: then `problem` says why."""


#: States of a drill that may still allow something.
LIVE = (DrillState.CREATING, DrillState.OPEN)


class Allowance(StrEnum):
    """What the drills on record allow about an event."""

    NONE = "none"
    """No drill is about it. If it is simulated all the same, its actions are dry."""
    DRY = "dry"
    """A drill is about it, and allows dry actions only."""
    REAL = "real"
    """A drill is about it, and allows real actions on this resource."""


@dataclass(frozen=True, slots=True)
class DrillOrder:
    """What is asked for: one simulated event for each server. `expires` is when real actions are allowed no more."""

    id: str
    label: str
    servers: Sequence[ResourceId]
    type: str
    not_before: datetime
    real: bool
    who: str
    created: datetime
    expires: datetime

    @property
    def is_planned(self) -> bool:
        """True when its events wait for their time and count against the cloud's limit."""
        return self.type in PLANNED


@dataclass(frozen=True, slots=True)
class DrillRow:
    """The drill of one server as it stands; `event` is the id that the cloud gave, empty while it is not known."""

    drill: str
    label: str
    resource: ResourceId
    type: str
    not_before: datetime
    real: bool
    event: str
    state: DrillState
    problem: str
    who: str
    created: datetime
    expires: datetime


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one call for simulated events brought: the id of the event by server, or the vendor's code of the failure.

    `lost`: there was no answer to rely on, and the events may exist.
    """

    servers: tuple[str, ...]
    events: Mapping[str, str]
    problem: str = ""
    lost: bool = False
