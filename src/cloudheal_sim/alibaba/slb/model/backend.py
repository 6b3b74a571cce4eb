"""One member of a server group, and the pure ways in which a list of members changes.

A member is known by server and port (and by address where one server has several). Members that a change names but
the list does not hold are passed over in silence: the real service answers such calls with success, which is why a
client has to read the membership back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_WEIGHT = 100
MOST_PORT = 65535
ECS = "ecs"


@dataclass(frozen=True, slots=True)
class Backend:
    """One member; `port` is 0 in a default group, where the listener says which port is meant."""

    server_id: str
    port: int = 0
    weight: int = MOST_WEIGHT
    type: str = ECS
    server_ip: str = ""
    description: str = ""
    since: int = 0
    """Member since that instant (epoch milliseconds); 0 is since ever, its health checks are settled."""

    def is_meant(self, other: Backend) -> bool:
        """Say whether `other`, taken from a request, names this member."""
        same = (self.server_id, self.port) == (other.server_id, other.port)
        return same and other.server_ip in {"", self.server_ip}

    @property
    def label(self) -> str:
        """`server:port`, as the journal and the world document write it."""
        return f"{self.server_id}:{self.port}"


Members = tuple[Backend, ...]


@dataclass(frozen=True, slots=True)
class Weighted:
    """What a request says of a member that is there already; None leaves the present value."""

    backend: Backend
    weight: int | None
    description: str | None


def added(members: Members, news: Iterable[Weighted], now: int) -> Members:
    """Return the members with `news` taken in; one that is there already gets the weight and description given."""
    result = list(members)
    for new in news:
        place = _place(result, new.backend)
        if place is None:
            result.append(replace(new.backend, since=now))
        else:
            result[place] = _changed(result[place], new)
    return tuple(result)


def reweighted(members: Members, changes: Iterable[Weighted]) -> Members:
    """Return the members with new weights and descriptions; those that are not there are passed over."""
    result = list(members)
    for change in changes:
        place = _place(result, change.backend)
        if place is not None:
            result[place] = _changed(result[place], change)
    return tuple(result)


def removed(members: Members, leavers: Iterable[Backend]) -> Members:
    """Return the members without `leavers`; those that are not there are passed over."""
    gone = tuple(leavers)
    return tuple(member for member in members if not any(member.is_meant(one) for one in gone))


def _place(members: list[Backend], meant: Backend) -> int | None:
    return next((place for place, member in enumerate(members) if member.is_meant(meant)), None)


def _changed(member: Backend, change: Weighted) -> Backend:
    return replace(
        member,
        weight=member.weight if change.weight is None else change.weight,
        description=member.description if change.description is None else change.description,
    )
