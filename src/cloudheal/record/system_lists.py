"""What an operator lists of system events: the events, and how whole the reading is that they come from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from cloudheal.record.drills import IS_SIMULATED
from cloudheal.record.lists import Narrow
from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.polls import COMPLETE, is_incomplete, polls
from cloudheal.record.system_events import IS_OPEN
from cloudheal.record.tables import SYSTEM_EVENT

#: The poll that reads system events; its name goes on with cloud, account and region.
POLL_NAME = "system_events"
_T = SYSTEM_EVENT.c


@dataclass(frozen=True, slots=True)
class SystemEventRow:
    """One system event; `channels` are the ways by which it was heard of, `not_before` when it begins by itself."""

    id: str
    resource: str
    region: str
    account: str
    type: str
    status: str
    not_before: datetime | None
    published: datetime | None
    finished: datetime | None
    reason: str
    impact: str
    disk: str
    simulated: bool
    channels: tuple[str, ...]
    first_heard: datetime
    changed: datetime


@dataclass(frozen=True, slots=True)
class Reading:
    """How the events of a region were read last; `outcome` is the code of what broke it off, empty where nothing did.

    `read` is None, and the reading not whole, while there was none.
    """

    account: str
    region: str
    read: datetime | None
    outcome: str
    whole: bool


def list_system_events(
    connection: sa.Connection, narrow: Narrow, *, type_: str = "", over: bool = False
) -> list[SystemEventRow]:
    """List system events, the earliest to begin first, or with `over` every one, the newest first."""
    order = (_T.changed.desc(), _T.id) if over else (_T.not_before.is_(None), _T.not_before, _T.id)
    chosen = sa.select(SYSTEM_EVENT, IS_SIMULATED.label("drilled")).order_by(*order).limit(narrow.limit)
    if not over:
        chosen = chosen.where(IS_OPEN)
    if narrow.since is not None:
        chosen = chosen.where(_T.changed >= millis_of(narrow.since))
    if narrow.resource:
        chosen = chosen.where((_T.resource == narrow.resource) | (_T.disk == narrow.resource))
    if type_:
        chosen = chosen.where(_T.type.contains(type_, autoescape=True))
    return [_row(one) for one in connection.execute(chosen).mappings()]


def list_readings(connection: sa.Connection, places: Iterable[tuple[str, str, str]]) -> list[Reading]:
    """Say how whole the reading of each place (cloud, account, region) is."""
    ended = polls(connection)
    return [
        _reading(account, region, ended.get(f"{POLL_NAME}/{cloud}/{account}/{region}"))
        for cloud, account, region in places
    ]


def _reading(account: str, region: str, ended: tuple[datetime, str] | None) -> Reading:
    if ended is None:
        return Reading(account, region, None, "", whole=False)
    read, outcome = ended
    broken = is_incomplete(outcome)
    # One that was handed over was not read to its end, and whoever has it now has not ended yet.
    return Reading(account, region, read, outcome if broken else "", whole=outcome == COMPLETE)


def _row(row: sa.RowMapping) -> SystemEventRow:
    return SystemEventRow(
        id=row["id"],
        resource=row["resource"],
        region=row["region"],
        account=row["account"],
        type=row["type"],
        status=row["status"],
        not_before=_moment(row["not_before"]),
        published=_moment(row["published"]),
        finished=_moment(row["finished"]),
        reason=row["reason"],
        impact=row["impact"],
        disk=row["disk"],
        simulated=bool(row["drilled"]),
        channels=tuple(row["channels"].split()),
        first_heard=moment_of(row["first_heard"]),
        changed=moment_of(row["changed"]),
    )


def _moment(millis: int | None) -> datetime | None:
    return None if millis is None else moment_of(millis)
