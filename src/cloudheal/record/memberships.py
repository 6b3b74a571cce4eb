"""Which groups of balancers each server was in when they were last swept: where to look first when it must leave.

It is a hint, never an answer: whoever changes a group reads it before, and looks at all groups afterwards. A fleet has
a hundred thousand of them, of which hardly any change from one sweep to the next: only what differs is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.ports.cloud import Place
from cloudheal.record.tables import MEMBERSHIP

#: Rows in one transaction: others wait for the end of it.
SLICE = 500
_M = MEMBERSHIP.c
_PLACE = ("cloud", "account", "region", "server", "balancer", "group")
_GONE = sa.delete(MEMBERSHIP).where(*(_M[name] == sa.bindparam(f"the_{name}") for name in _PLACE))


@dataclass(frozen=True, slots=True)
class Change:
    """A part of what a sweep found to be different: rows that are gone and rows that are new."""

    gone: tuple[Mapping[str, str], ...] = ()
    new: tuple[Mapping[str, str], ...] = ()


def changes(
    connection: sa.Connection, cloud: Cloud, account: str, region: str, found: Iterable[tuple[Place, str]]
) -> Iterator[Change]:
    """Return what is to be written so that what a sweep of a region's balancers found is what is known, in parts."""
    where = {"cloud": str(cloud), "account": account, "region": region}
    rows = connection.execute(sa.select(_M.server, _M.balancer, _M.group).where(*_same(where)))
    known = {(row.server, row.balancer, row.group) for row in rows}
    now = {(server, place.balancer, place.group) for place, server in found}
    gone, new = (
        [where | dict(zip(_PLACE[3:], one, strict=True)) for one in sorted(some)] for some in (known - now, now - known)
    )
    parts = range(0, max(len(gone), len(new)), SLICE)
    return (Change(tuple(gone[start : start + SLICE]), tuple(new[start : start + SLICE])) for start in parts)


def write_change(connection: sa.Connection, change: Change) -> int:
    """Write a part of what is different; returns how many rows. What another worker wrote meanwhile is no hindrance."""
    connection.execute(_GONE, [{f"the_{name}": one[name] for name in _PLACE} for one in (*change.gone, *change.new)])
    if change.new:
        connection.execute(sa.insert(MEMBERSHIP), list(change.new))
    return len(change.gone) + len(change.new)


def places_of(connection: sa.Connection, server: ResourceId) -> tuple[Place, ...]:
    """Return the places that a server was last seen in, in order."""
    where = {"cloud": str(server.cloud), "account": server.account, "region": server.region, "server": server.id}
    rows = connection.execute(sa.select(MEMBERSHIP).where(*_same(where)))
    return tuple(sorted(Place(row.balancer, row.group) for row in rows))


def _same(where: Mapping[str, Any]) -> list[sa.ColumnElement[bool]]:
    return [_M[name] == value for name, value in where.items()]
