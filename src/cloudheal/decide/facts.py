"""What a decision is based on: counted by `record` from our own tables in the committing transaction.

Facts are named tuples: a walk makes half a dozen of them and most events make a walk, and a tuple costs a fifth of a
frozen class to make.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from cloudheal.model.incident import Mode


class Group(NamedTuple):
    """A resource's group as known now; `known` is 0 while the inventory has not seen it."""

    name: str
    known: int
    unhealthy: int
    under_action: int
    fell_lately: int


class Past(NamedTuple):
    """What happened to one resource and trouble before; `open` is the incident that is still open."""

    open: str | None = None
    newest: datetime | None = None
    attempts: int = 0
    oldest_attempt: datetime | None = None
    last_attempt: datetime | None = None
    heals: int = 0
    oldest_heal: datetime | None = None


class Will(NamedTuple):
    """What people said: a pause of everything, a hold on this scope, working hours."""

    paused_by: str = ""
    held_by: str = ""
    held_until: datetime | None = None
    off_hours_until: datetime | None = None


class Busy(NamedTuple):
    """How much is being done: resources under action, acted on in the last hour, and whether this one is worked on."""

    at_once: int
    per_hour: int
    here: bool = False
    """A run about another trouble of the same resource is at work."""


class Bounds(NamedTuple):
    """A rule's limits, in the form that the walk compares with."""

    attempts: int
    within: timedelta
    cool_down: timedelta
    flaps: int
    flap_window: timedelta
    at_once: int
    share: float
    per_hour: int
    storm_share: float
    storm_members: int


class Facts(NamedTuple):
    """Everything that the first half of the walk looks at."""

    selected: bool
    deadline: datetime | None
    """When acting has become pointless (a reclaim); such events are exempt from share, storm, hold and ask."""
    past: Past
    will: Will
    busy: Busy
    group: Group
    bounds: Bounds
    mode: Mode
    planned: bool = False
    only_looks: bool = False
    """What the rule runs changes nothing: no budget and no storm holds it back."""
