"""Counts what a decision is based on, from our own tables, inside the committing transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from cloudheal.model.incident import FAILURE, INTERRUPTION, MAINTENANCE, Healed, RunState, StepKind, Trouble
from cloudheal.model.resource import ResourceId, place_of
from cloudheal.record.budget import AT_ONCE
from cloudheal.record.bulk import among, texts
from cloudheal.record.incidents import attempts_where
from cloudheal.record.moments import millis_of
from cloudheal.record.naming import about, names_of
from cloudheal.record.tables import GRANT, INCIDENT, RUN, STEP

HOUR = timedelta(hours=1)
#: Names in one statement.
SLICE = 1000
_NONE: tuple[int, int | None, int | None] = (0, None, None)

_SINCE = sa.bindparam("since", type_=sa.BigInteger)
_ABOUT = about(INCIDENT)
#: The trouble that an event tells of, and the interruption that takes the resource away.
_SAME = (INCIDENT.c.trouble == sa.bindparam("trouble")) & (INCIDENT.c.trouble_id == sa.bindparam("trouble_id"))
_JOINED = INCIDENT.c.ended.is_(None) & (_SAME | (INCIDENT.c.trouble == INTERRUPTION))
_PLANNED = (INCIDENT.c.trouble == MAINTENANCE) & (INCIDENT.c.trouble_id == sa.bindparam("trouble_id"))
_WELL = INCIDENT.c.verdict.in_((Healed.HEALED.value, Healed.NOT_NEEDED.value))
_NEWEST = sa.select(INCIDENT.c.id).where(_ABOUT).order_by(INCIDENT.c.detected.desc()).limit(1)
_OPEN = _NEWEST.where(_JOINED)
_OPEN_FAILURE = _NEWEST.where(_JOINED | (_PLANNED & INCIDENT.c.ended.is_(None)) | (_SAME & _WELL))

_OF_RUNS = STEP.join(RUN, RUN.c.id == STEP.c.run).join(INCIDENT, INCIDENT.c.id == RUN.c.incident)
_TRIED = sa.select(sa.func.count(), sa.func.min(STEP.c.at), sa.func.max(STEP.c.at)).select_from(_OF_RUNS)
_HURRIED = INCIDENT.c.trouble == INTERRUPTION
_TRIES = {
    hurried: _TRIED.where(attempts_where(_ABOUT, _HURRIED if hurried else ~_HURRIED, STEP.c.at >= _SINCE))
    for hurried in (True, False)
}
_HEALS = sa.select(sa.func.count(), sa.func.min(INCIDENT.c.ended)).where(
    _ABOUT,
    INCIDENT.c.trouble == sa.bindparam("trouble"),
    INCIDENT.c.verdict == Healed.HEALED.value,
    INCIDENT.c.ended >= _SINCE,
)
_HEARD = sa.select(INCIDENT.c.resource).where(among(INCIDENT.c.resource, "ids")).distinct()
_GRANTS = sa.select(sa.func.count()).where(GRANT.c.scope == AT_ONCE)
_TOUCHING = (
    sa.select(RUN.c.id)
    .select_from(GRANT.join(RUN, RUN.c.id == GRANT.c.run).join(INCIDENT, INCIDENT.c.id == RUN.c.incident))
    .where(_ABOUT)
    .limit(1)
)
_AT_WORK = _TOUCHING.where(RUN.c.state.in_((RunState.STARTING.value, RunState.RUNNING.value)))
#: In the words of the index, which has nothing else.
_TOUCHED = (STEP.c.at >= _SINCE) & (STEP.c.kind != sa.literal_column(f"'{StepKind.READ.value}'"))
_EITHER = sa.union(
    sa.select(RUN.c.incident).join(STEP, STEP.c.run == RUN.c.id).where(_TOUCHED),
    sa.select(RUN.c.incident).join(GRANT, GRANT.c.run == RUN.c.id),
).subquery()
_ACTED = sa.select(sa.func.count()).select_from(_EITHER)
_IN_GROUP = (
    (INCIDENT.c.group == sa.bindparam("group"))
    & (INCIDENT.c.cloud == sa.bindparam("of_cloud"))
    & (INCIDENT.c.account == sa.bindparam("of_account"))
)
_UNDER_ACTION = (
    sa.select(sa.func.count(sa.distinct(INCIDENT.c.resource)))
    .select_from(GRANT.join(RUN, RUN.c.id == GRANT.c.run).join(INCIDENT, INCIDENT.c.id == RUN.c.incident))
    .where(_IN_GROUP)
)
_FELL = sa.select(sa.func.count(sa.distinct(INCIDENT.c.resource))).where(
    _IN_GROUP,
    INCIDENT.c.trouble == sa.bindparam("trouble"),
    INCIDENT.c.detected >= _SINCE,
)


class Counted(NamedTuple):
    """The history of one resource and trouble, and of everything, as numbers and instants."""

    open_incident: str | None
    attempts: int
    oldest_attempt: datetime | None
    last_attempt: datetime | None
    heals: int
    oldest_heal: datetime | None
    at_once: int
    in_last_hour: int
    at_work: bool = False
    """A run about the resource is at work and may change it."""


class Windows(NamedTuple):
    """The windows in which a rule counts attempts and heals."""

    within: timedelta
    flap: timedelta


class Counting:
    """Counts for the decisions of one transaction.

    Of thousands that fall in one batch most are compared with the same few numbers: these are counted once, until a
    decision of the transaction changes them.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._granted: dict[object, int] = {}
        self._fell: dict[tuple[str, str, datetime], int] = {}
        self._unheard: set[ResourceId] = set()

    def expect(self, subjects: Iterable[ResourceId]) -> int:
        """Learn at one go which of these never had an incident: there is nothing to count of them; returns how many."""
        asked = list(set(subjects))
        for start in range(0, len(asked), SLICE):
            part = asked[start : start + SLICE]
            names = set(self._connection.scalars(_HEARD, {"ids": texts(one.id for one in part)}))
            self._unheard.update(one for one in part if one.id not in names)
        return len(self._unheard)

    def of(self, subject: ResourceId, trouble: Trouble, now: datetime, windows: Windows) -> Counted:
        """Count everything of a resource and of all that the walk compares with limits."""
        unheard = subject in self._unheard
        attempts = _NONE if unheard else _attempts(self._connection, subject, trouble, now - windows.within)
        heals = _NONE[:2] if unheard else _heals(self._connection, subject, trouble, now - windows.flap)
        return Counted(
            open_incident=None if unheard else _open(self._connection, subject, trouble),
            attempts=attempts[0],
            oldest_attempt=_moment(attempts[1]),
            last_attempt=_moment(attempts[2]),
            heals=heals[0],
            oldest_heal=_moment(heals[1]),
            at_once=self._at_once(),
            in_last_hour=self._in_last_hour(now),
            at_work=not unheard and _at_work(self._connection, subject),
        )

    def crowd(self, subject: ResourceId, group: str, trouble: Trouble, since: datetime) -> tuple[int, int]:
        """Count how many of a resource's group are under action, and how many fell into a trouble since."""
        return self._under_action(subject, group), self._fallen(subject, group, trouble, since)

    def is_touched(self, subject: ResourceId) -> bool:
        """Say whether any run has a grant for a resource."""
        return subject not in self._unheard and _is_touched(self._connection, subject)

    def opened(self, subject: ResourceId, trouble: Trouble, group: str) -> int:
        """Take in that an incident was opened; returns how many numbers that changed."""
        same = [name for name in self._fell if name[:2] == (place_of(subject, group), trouble.kind)]
        for name in same:
            if subject in self._unheard:
                self._fell[name] += 1
            else:
                del self._fell[name]  # it may be among them already
        self._unheard.discard(subject)
        return len(same)

    def granted(self) -> int:
        """Take in that grants were given, or given back; returns how many numbers will be counted anew."""
        stale = len(self._granted)
        self._granted.clear()
        return stale

    def _at_once(self) -> int:
        return self._once("at once", lambda: self._connection.scalar(_GRANTS) or 0)

    def _in_last_hour(self, now: datetime) -> int:
        return self._once(now, lambda: _acted_since(self._connection, now - HOUR))

    def _under_action(self, subject: ResourceId, group: str) -> int:
        place = ("group", place_of(subject, group))
        return self._once(place, lambda: _under_action(self._connection, subject, group))

    def _fallen(self, subject: ResourceId, group: str, trouble: Trouble, since: datetime) -> int:
        name = (place_of(subject, group), trouble.kind, since)
        if name not in self._fell:
            self._fell[name] = _fell(self._connection, subject, group, trouble, since)
        return self._fell[name]

    def _once(self, name: object, counted: Callable[[], int]) -> int:
        if name not in self._granted:
            self._granted[name] = counted()
        return self._granted[name]


def _open(connection: sa.Connection, subject: ResourceId, trouble: Trouble) -> str | None:
    """Return the incident that a trouble joins: its own, or the interruption that takes the resource away.

    A failure joins what is being done about the same event, and its own incident also when that has ended well: one
    event is looked into once, however many statuses tell of it.
    """
    newest = _OPEN_FAILURE if trouble.kind == FAILURE else _OPEN
    return connection.scalar(newest, {**names_of(subject), "trouble": trouble.kind, "trouble_id": trouble.id})


def _attempts(
    connection: sa.Connection, subject: ResourceId, trouble: Trouble, since: datetime
) -> tuple[int, int | None, int | None]:
    """Count attempts on the resource, whichever incident they belonged to.

    An interruption and everything else are counted apart: leaving a balancer is no attempt at starting.
    """
    tries = _TRIES[trouble.kind == INTERRUPTION]
    row = connection.execute(tries, {**names_of(subject), "since": millis_of(since)}).one()
    return row[0], row[1], row[2]


def _heals(connection: sa.Connection, subject: ResourceId, trouble: Trouble, since: datetime) -> tuple[int, int | None]:
    values = {**names_of(subject), "trouble": trouble.kind, "since": millis_of(since)}
    row = connection.execute(_HEALS, values).one()
    return row[0], row[1]


def _is_touched(connection: sa.Connection, subject: ResourceId) -> bool:
    return connection.execute(_TOUCHING, names_of(subject)).first() is not None


def _at_work(connection: sa.Connection, subject: ResourceId) -> bool:
    return connection.execute(_AT_WORK, names_of(subject)).first() is not None


def _acted_since(connection: sa.Connection, since: datetime) -> int:
    """Count the incidents acted on, with those that may act at any moment because they have a grant."""
    return connection.scalar(_ACTED, {"since": millis_of(since)}) or 0


def _under_action(connection: sa.Connection, subject: ResourceId, group: str) -> int:
    return connection.scalar(_UNDER_ACTION, _naming(subject, group)) or 0


def _fell(connection: sa.Connection, subject: ResourceId, group: str, trouble: Trouble, since: datetime) -> int:
    values = {**_naming(subject, group), "trouble": trouble.kind, "since": millis_of(since)}
    return connection.scalar(_FELL, values) or 0


def _naming(subject: ResourceId, group: str) -> dict[str, str]:
    return {"group": group, "of_cloud": str(subject.cloud), "of_account": subject.account}


def _moment(millis: int | None) -> datetime | None:
    return None if millis is None else datetime.fromtimestamp(millis / 1000, UTC)
