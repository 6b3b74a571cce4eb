"""How many members a group has, and how many of them need help that nobody gives yet.

Counted from the inventory, inside the transaction that decides; what is chosen by a selector is chosen in SQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from cloudheal.model.inventory import STOPPED
from cloudheal.model.resource import ResourceId
from cloudheal.record.naming import about, names_of
from cloudheal.record.tables import GRANT, INCIDENT, RESOURCE, RUN
from cloudheal.settings.rules import Selector

NOT_RUNNING = ("Pending", "Created", "Starting", "Stopping", STOPPED)
_OF_GRANTS = GRANT.join(RUN, RUN.c.id == GRANT.c.run).join(INCIDENT, INCIDENT.c.id == RUN.c.incident)
_OF_ACCOUNT = (INCIDENT.c.cloud == sa.bindparam("of_cloud")) & (INCIDENT.c.account == sa.bindparam("of_account"))
_HELPED = sa.select(INCIDENT.c.resource).select_from(_OF_GRANTS).where(_OF_ACCOUNT)
_GRANTS_OF = (
    sa.select(sa.func.count())
    .select_from(_OF_GRANTS)
    .where(_OF_ACCOUNT, INCIDENT.c.resource == sa.bindparam("of_resource"))
)
_IS = about(RESOURCE, "id")


class Sizes:
    """How large groups are, within one transaction: each is counted once, and kept true while runs are granted.

    Counting looks at every member; of thousands that fall in one batch most belong to the same few groups.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection
        self._counted: dict[tuple[str, str, str], _Size] = {}
        self._helped: set[ResourceId] = set()

    def of(self, subject: ResourceId, group: str, selector: Selector | None) -> tuple[int, int]:
        """Return how many members a group of the subject's account has, and how many of them nobody helps yet.

        A group that is a rule's own, and named for it, has the members that its `selector` selects.
        """
        name = (str(subject.cloud), subject.account, group)
        if name not in self._counted:
            self._counted[name] = _size(self.connection, subject, group, selector)
        size = self._counted[name]
        return size.total, size.down

    def is_down(self, subject: ResourceId, group: str) -> bool:
        """Say whether a resource is among those of a group, whose size was asked for, that nobody helps yet."""
        size = self._counted[str(subject.cloud), subject.account, group]
        among = sa.select(RESOURCE.c.id).where(size.needing, _IS, RESOURCE.c.id.not_in(_HELPED)).exists()
        return bool(self.connection.scalar(sa.select(among), names_of(subject)))

    def helped(self, subject: ResourceId) -> int:
        """Take in that a run was granted for a resource; returns in how many groups it was waited for."""
        if subject in self._helped:
            return 0
        self._helped.add(subject)
        waited = [size for size in self._counted.values() if self._waited(subject, size)]
        for size in waited:
            size.down -= 1
        return len(waited)

    def _waited(self, subject: ResourceId, size: _Size) -> bool:
        """Say whether a resource, which has a grant now, was counted as one that nobody helps."""
        down = sa.select(RESOURCE.c.id).where(size.needing, _IS).exists()
        granted = self.connection.scalar(_GRANTS_OF, {"of_resource": subject.id, **_place(subject)}) or 0
        return granted <= 1 and bool(self.connection.scalar(sa.select(down), names_of(subject)))


@dataclass(slots=True)
class _Size:
    """How large a group is; `needing` selects its members that need help, whether or not they get it."""

    total: int
    down: int
    needing: sa.ColumnElement[bool]


def _size(connection: sa.Connection, subject: ResourceId, group: str, selector: Selector | None) -> _Size:
    """Count the members, and those that need help which nobody gives yet.

    Only described members count, so that an event about a server that does not exist cannot make a group look larger.
    """
    chosen = RESOURCE.c.group == group if selector is None else _selected(connection, selector)
    same = (RESOURCE.c.cloud == str(subject.cloud)) & (RESOURCE.c.account == subject.account)
    there = same & chosen & RESOURCE.c.released.is_(None) & RESOURCE.c.described.is_not(None)
    fallen = RESOURCE.c.state.in_(NOT_RUNNING)
    down = sa.func.count().filter(fallen, RESOURCE.c.id.not_in(_HELPED))
    counted = sa.select(sa.func.count(), down).select_from(RESOURCE).where(there)
    total, down_now = connection.execute(counted, _place(subject)).one()
    return _Size(total, down_now, there & fallen)


def _place(subject: ResourceId) -> dict[str, str]:
    return {"of_cloud": str(subject.cloud), "of_account": subject.account}


def _selected(connection: sa.Connection, selector: Selector) -> sa.ColumnElement[bool]:
    """Say in SQL what a selector selects; name patterns are read the way of the shell, in either database."""
    if selector.selects_nothing:
        return sa.false()
    wanted: list[sa.ColumnElement[bool]] = [
        RESOURCE.c[column].in_(values)
        for column, values in (("id", selector.ids), ("region", selector.regions), ("group", selector.groups))
        if values
    ]
    if selector.names:
        every = connection.scalars(sa.select(RESOURCE.c.name).distinct())
        matching = [name for name in every if any(fnmatchcase(name, one) for one in selector.names)]
        wanted.append(RESOURCE.c.name.in_(matching))
    wanted += [_tagged(connection, key, values) for key, values in selector.tags.items()]
    return sa.and_(sa.true(), *wanted)


def _tagged(connection: sa.Connection, key: str, values: Sequence[str]) -> sa.ColumnElement[bool]:
    if connection.dialect.name == "sqlite":
        if not {'"', "\\"} & set(key):  # a path cannot name such a key
            return sa.func.json_extract(RESOURCE.c.tags, f'$."{key}"').in_(values)
        each = sa.func.json_each(RESOURCE.c.tags).table_valued("key", "value")
        return sa.exists().where(each.c.key == key, each.c.value.in_(values))
    tag: sa.ColumnElement[str] = sa.cast(RESOURCE.c.tags, postgresql.JSONB)[key].astext
    return tag.in_(values)
