"""Which groups of balancers each server was in when they were last swept: where to look first when it must leave.

It is a hint, never an answer: whoever changes a group reads it before, and looks at all groups afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.ports.cloud import Place
from cloudheal.record.tables import MEMBERSHIP

#: Rows in one statement: six parameters each, far below every dialect's limit.
SLICE = 1000


def replace_memberships(
    connection: sa.Connection, cloud: Cloud, account: str, region: str, found: Iterable[tuple[Place, str]]
) -> int:
    """Put what a sweep of a region's balancers found in place of what was known; returns how many members."""
    where = {"cloud": str(cloud), "account": account, "region": region}
    rows = [
        {**where, "server": server, "balancer": place.balancer, "group": place.group}
        for place, server in sorted(set(found))
    ]
    same = [MEMBERSHIP.c[name] == value for name, value in where.items()]
    connection.execute(sa.delete(MEMBERSHIP).where(*same))
    for start in range(0, len(rows), SLICE):
        connection.execute(sa.insert(MEMBERSHIP), rows[start : start + SLICE])
    return len(rows)


def places_of(connection: sa.Connection, server: ResourceId) -> tuple[Place, ...]:
    """Return the places that a server was last seen in, in order."""
    where = {"cloud": str(server.cloud), "account": server.account, "region": server.region, "server": server.id}
    same = [MEMBERSHIP.c[name] == value for name, value in where.items()]
    return tuple(
        sorted(Place(row.balancer, row.group) for row in connection.execute(sa.select(MEMBERSHIP).where(*same)))
    )
