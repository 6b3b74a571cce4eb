"""Plan: when planned maintenance of servers is done by us, before the platform does it in its own time.

These records travel between the planner (`decide.planning`), the store and the screens. Times are aware; a slot begins
on a grid of five minutes and lasts whole steps of it. Nothing here decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from math import isfinite

from cloudheal.model.resource import ResourceId
from cloudheal.model.window import Stretch, Window

#: The grid on which slots lie.
STEP = timedelta(minutes=5)
#: How many steps a week has: a load profile has one number for each.
STEPS_OF_WEEK = timedelta(days=7) // STEP


class Policy(StrEnum):
    """Who does the maintenance of a server."""

    HANDLE = "handle"
    """We do, in the slot."""
    ASK = "ask"
    """We do, in the slot, when a person agrees."""
    LEAVE = "leave"
    """The platform does, in its own time."""


class TooLate(StrEnum):
    """What follows when no slot is left before the deadline."""

    ACT_NOW = "act_now"
    ASK = "ask"
    PLATFORM = "platform"


class Prefer(StrEnum):
    """Which opening of its windows a group takes, of those that end in time."""

    LAST = "last"
    """The last one: the platform often cancels, and people have longest to object."""
    FIRST = "first"


class Choice(StrEnum):
    """Why a slot is where it is; stable, because people search for it."""

    WINDOW = "window"
    LOW_TRAFFIC = "low_traffic"
    EARLIEST = "earliest"
    PINNED = "pinned"
    """An operator put it there."""


class Binding(StrEnum):
    """What leaves no slot, or breaks one; the first of these that holds is named."""

    OFF_GRID = "off_grid"
    """An operator's slot does not begin on a step of five minutes."""
    MISSED = "missed"
    """An operator's slot has passed."""
    TOO_EARLY = "too_early"
    """An operator's slot lies before the earliest time of the event."""
    TOO_LATE = "too_late"
    """The deadline leaves no time, or an operator's slot begins after it."""
    NO_WINDOW = "no_window"
    """No window of the group is open long enough before the deadline."""
    GROUP_SERIAL = "group_serial"
    """Other members of the group take all the time there is."""
    AT_ONCE = "at_once"
    """As many servers as allowed are under maintenance all the time."""
    PER_HOUR = "per_hour"
    """As many servers as allowed begin in each hour."""


@dataclass(frozen=True, slots=True)
class Maintenance:
    """One scheduled event of one server, and how it is to be treated.

    `not_before` is when the platform acts at the earliest; `lasts` how long our own work is expected to take; `margin`
    what must remain after it. `earliest` is the first moment at which we may begin; None is now.
    """

    event: str
    resource: ResourceId
    not_before: datetime
    lasts: timedelta
    name: str = ""
    group: str = ""
    margin: timedelta = timedelta(minutes=30)
    policy: Policy = Policy.ASK
    too_late: TooLate = TooLate.ASK
    earliest: datetime | None = None


@dataclass(frozen=True, slots=True)
class LoadProfile:
    """The usual load of a week, relative to its mean: a number for each step from Monday 00:00 in `zone`."""

    loads: tuple[float, ...]
    zone: str

    def __post_init__(self) -> None:
        if len(self.loads) != STEPS_OF_WEEK:
            raise ValueError(f"expected {STEPS_OF_WEEK} loads, one for each five minutes of a week")
        if not (min(self.loads) >= 0 and isfinite(max(self.loads))):
            raise ValueError("expected loads from 0 on")


@dataclass(frozen=True, slots=True)
class Terms:
    """What a group of servers agrees to: without windows any time is good; without a profile none is better."""

    windows: tuple[Window, ...] = ()
    profile: LoadProfile | None = None
    at_once: int = 1
    prefer: Prefer = Prefer.LAST


@dataclass(frozen=True, slots=True)
class Budgets:
    """Limits over all groups: servers under maintenance at once, and servers that begin within any hour."""

    at_once: int = 5
    per_hour: int = 30


@dataclass(frozen=True, slots=True)
class Taken:
    """Time that is taken already, by a server at work or by another plan; `end` is when it is expected to end."""

    begin: datetime
    end: datetime
    group: str = ""
    resource: ResourceId | None = None


@dataclass(frozen=True, slots=True)
class Pin:
    """An operator's slot for a server; `anywhere`: outside the windows too, because a person said so."""

    resource: ResourceId
    begin: datetime
    anywhere: bool = False


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """All that a plan depends on. A group without terms has the default ones.

    A slot whose begin has passed by less than `catch_up` is about to be taken up and stays where it is.
    """

    now: datetime
    maintenances: tuple[Maintenance, ...]
    terms: Mapping[str, Terms] = field(default_factory=dict)
    budgets: Budgets = Budgets()
    taken: tuple[Taken, ...] = ()
    pins: tuple[Pin, ...] = ()
    catch_up: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Why:
    """The reason for a slot and its facts: the opening it lies in, its load and which part of the week is busier.

    `no_load` says why measured traffic, which was to be asked, was not: a code, and details after a space. `unkept` is
    what stands against the slot that an operator asked for instead.
    """

    choice: Choice
    opening: Stretch | None = None
    load: float | None = None
    busier: float | None = None
    no_load: str = ""
    unkept: Binding | None = None


@dataclass(frozen=True, slots=True)
class Slot:
    """One row of a plan: one server, all its events, when. It begins before `deadline`, the latest of beginnings."""

    resource: ResourceId
    name: str
    group: str
    events: tuple[str, ...]
    begin: datetime
    end: datetime
    deadline: datetime
    policy: Policy
    why: Why


@dataclass(frozen=True, slots=True)
class Unplaced:
    """Events of one server for which there is no slot: what is in the way, and what follows."""

    resource: ResourceId
    name: str
    group: str
    events: tuple[str, ...]
    deadline: datetime
    binding: Binding
    then: TooLate


@dataclass(frozen=True, slots=True)
class Schedule:
    """A whole plan: rows by begin, what has no slot, and events left to the platform."""

    rows: tuple[Slot, ...] = ()
    unplaced: tuple[Unplaced, ...] = ()
    left: tuple[Maintenance, ...] = ()
