"""What was seen of resources: told by an event, or described by the cloud; and what a look changed in our knowledge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from cloudheal.model.resource import Resource, ResourceId

#: States that last; the others are on the way to one of them.
RUNNING, STOPPED, DELETED = "Running", "Stopped", "Deleted"
#: The lock of a spot server that is being taken back.
RECYCLING = "recycling"
#: The attribute that says whether the agent in a server answers, `Online` or `Offline`; absent where nobody asked.
AGENT = "cloudheal:agent"


class Sighting(NamedTuple):
    """What an event says of a resource: its state, or a lock, at a time. An empty state says nothing of it."""

    id: ResourceId
    at: datetime
    state: str
    lock: str = ""


@dataclass(frozen=True, slots=True)
class Description:
    """A resource as its cloud describes it; `at` is when the question was sent. `attributes` is the whole answer.

    A group of None leaves the group as it is known: not every look can tell.
    """

    id: ResourceId
    at: datetime
    state: str
    name: str = ""
    zone: str = ""
    group: str | None = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    locks: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Known:
    """A row of the inventory: the resource, since when it is in its state, and what else is known of it."""

    resource: Resource
    since: datetime
    first_seen: datetime
    locks: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    described: datetime | None = None
    released: datetime | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What a description changed; `before` is None when the resource was not known."""

    before: Known | None
    now: Description
