"""The review of a span of time: what clouds announced and what became of it, and which remedies helped how fast.

It counts what stands in the tables and judges nothing. Drills and test messages are left out everywhere. Months are
those of the operator's zone. A time that has no end yet is absent, never zero; a rate of nothing is absent too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from cloudheal.model.incident import Healed
from cloudheal.model.system_event import FINAL, Cycle
from cloudheal.record.drills import IS_SIMULATED
from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.tables import EVENT, INCIDENT, RUN, SYSTEM_EVENT
from cloudheal.record.timelines import Spread, spread

#: Endings after which one can say whether an announced event was answered ahead of time.
_DECIDED = (Cycle.AVOIDED.value, Cycle.EXECUTED.value, Cycle.FAILED.value)
_S = SYSTEM_EVENT.c
_ABOUT = (_S.cloud == INCIDENT.c.cloud) & (_S.account == INCIDENT.c.account) & (_S.id == INCIDENT.c.trouble_id)
_SAME = (_S.cloud == EVENT.c.cloud) & (_S.account == EVENT.c.account) & (_S.resource == EVENT.c.resource)
#: Messages that tell of a simulated event without saying so: the list of events does, or a drill of ours asked for it.
_OF_DRILLS = sa.join(
    SYSTEM_EVENT,
    EVENT,
    IS_SIMULATED & _SAME & EVENT.c.simulated.is_(False) & EVENT.c.data.contains('"' + _S.id + '"'),
)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many events of a type came in a month, written as 2026-03."""

    month: str
    type: str
    events: int


@dataclass(frozen=True, slots=True)
class Announced:
    """One planned event: when it was announced, decided on, acted on, over and verified, and how much time was left.

    `over` is the event's own end, `verified` when its incident got its verdict; either may be without the other. `left`
    is from our first action to the time at which the cloud would have begun; absent where nothing was done.
    """

    event: str
    type: str
    resource: str
    published: datetime
    decided: datetime | None
    acted: datetime | None
    over: datetime | None
    verified: datetime | None
    not_before: datetime | None
    left: timedelta | None
    status: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Remedy:
    """What came of the incidents that one playbook took on, and how long healing took."""

    playbook: str
    incidents: int
    healed: int
    not_healed: int
    not_needed: int
    unknown: int
    open: int
    rate: float | None
    """Healed of healed, not healed and unknown."""
    to_heal: Spread
    looks: int
    """How often its runs were taken up."""
    calls: int
    """Calls of the cloud that its looks sent."""
    worked: timedelta
    """How long its looks were at work, together."""


@dataclass(frozen=True, slots=True)
class Review:
    """Everything about a span of time."""

    since: datetime
    until: datetime
    tallies: tuple[Tally, ...]
    announced: tuple[Announced, ...]
    endings: Mapping[str, int]
    avoided_rate: float | None
    """Avoided of avoided, executed and failed."""
    left: Spread
    remedies: tuple[Remedy, ...]


def review(connection: sa.Connection, since: datetime, until: datetime, zone: tzinfo) -> Review:
    """Return the review of what happened from `since` up to, but not at, `until`."""
    announced = tuple(_announced(connection, since, until))
    endings = Counter(one.status for one in announced)
    decided = sum(endings[one] for one in _DECIDED)
    return Review(
        since=since,
        until=until,
        tallies=tuple(_tallies(connection, since, until, zone)),
        announced=announced,
        endings=dict(sorted(endings.items())),
        avoided_rate=endings[Cycle.AVOIDED.value] / decided if decided else None,
        left=spread([one.left for one in announced if one.left is not None]),
        remedies=tuple(_remedies(connection, since, until)),
    )


def _tallies(connection: sa.Connection, since: datetime, until: datetime, zone: tzinfo) -> Iterator[Tally]:
    for begin, end in _months(since, until, zone):
        within = (EVENT.c.occurred >= millis_of(begin)) & (EVENT.c.occurred < millis_of(end))
        counted = sa.select(EVENT.c.type, sa.func.count()).where(within, EVENT.c.simulated.is_(False))
        of_drills = sa.select(EVENT.c.type, sa.func.count()).select_from(_OF_DRILLS).where(within)
        drills = dict(_counts(connection, of_drills))
        for type_, number in _counts(connection, counted):
            if number > drills.get(type_, 0):
                yield Tally(begin.astimezone(zone).strftime("%Y-%m"), type_, number - drills.get(type_, 0))


def _counts(connection: sa.Connection, counted: sa.Select[Any]) -> list[tuple[str, int]]:
    rows = connection.execute(counted.group_by(EVENT.c.type).order_by(EVENT.c.type))
    return [(type_, number) for type_, number in rows]


def _months(since: datetime, until: datetime, zone: tzinfo) -> Iterator[tuple[datetime, datetime]]:
    begin = since.astimezone(zone)
    while begin < until:
        year, month = (begin.year + 1, 1) if begin.month == 12 else (begin.year, begin.month + 1)
        end = datetime(year, month, 1, tzinfo=zone)
        yield begin, min(end, until)
        begin = end


def _announced(connection: sa.Connection, since: datetime, until: datetime) -> Iterator[Announced]:
    """Yield each event once, however many incidents it opened: one that was turned down may befall its server yet."""
    event = SYSTEM_EVENT.c
    joined = sa.outerjoin(SYSTEM_EVENT, INCIDENT, _ABOUT)
    came = sa.func.coalesce(event.published, event.first_heard)
    chosen = sa.select(
        *(event.cloud, event.account, event.id),
        *(event.type, event.resource, event.status, event.not_before, event.finished),
        *(came.label("came"), INCIDENT.c.detected, INCIDENT.c.acted, INCIDENT.c.ended, INCIDENT.c.verdict),
    ).select_from(joined)
    within = (came >= millis_of(since)) & (came < millis_of(until)) & ~IS_SIMULATED
    planned = event.not_before.is_not(None)
    order = (came, event.id, event.cloud, event.account, INCIDENT.c.detected, INCIDENT.c.id)
    rows = connection.execute(chosen.where(within, planned).order_by(*order)).mappings()
    for _, of_it in groupby(rows, key=lambda row: (row.cloud, row.account, row.id)):
        yield _told(list(of_it))


def _told(rows: Sequence[sa.RowMapping]) -> Announced:
    """Join what is known of one event, a row for each incident about it: it is decided on once, and verified last."""
    first, last = rows[0], rows[-1]
    not_before = moment_of(last.not_before)
    acted = min((moment_of(row.acted) for row in rows if row.acted is not None), default=None)
    return Announced(
        event=last.id,
        type=last.type,
        resource=last.resource,
        published=moment_of(last.came),
        decided=_moment(first.detected),
        acted=acted,
        over=_moment(last.finished) or (_moment(last.ended) if last.status in FINAL else None),
        verified=_moment(last.ended),
        not_before=not_before,
        left=None if acted is None else not_before - acted,
        status=last.status,
        verdict=last.verdict or "",
    )


def _remedies(connection: sa.Connection, since: datetime, until: datetime) -> Iterator[Remedy]:
    within = (INCIDENT.c.detected >= millis_of(since)) & (INCIDENT.c.detected < millis_of(until))
    spent = (RUN.c.looks, RUN.c.calls, RUN.c.worked)
    columns = (RUN.c.playbook, INCIDENT.c.occurred, INCIDENT.c.ended, INCIDENT.c.verdict, *spent)
    joined = sa.join(INCIDENT, RUN, RUN.c.incident == INCIDENT.c.id).outerjoin(SYSTEM_EVENT, _ABOUT)
    chosen = sa.select(*columns).select_from(joined).where(within, _S.id.is_(None) | ~IS_SIMULATED)
    rows = connection.execute(chosen.order_by(RUN.c.playbook))
    found: dict[str, list[sa.RowMapping]] = {}
    for row in rows.mappings():
        found.setdefault(row["playbook"], []).append(row)
    yield from (_remedy(playbook, of_it) for playbook, of_it in found.items())


def _remedy(playbook: str, rows: Sequence[sa.RowMapping]) -> Remedy:
    verdicts = Counter(row["verdict"] if row["ended"] is not None else "" for row in rows)
    tried = sum(verdicts[one.value] for one in (Healed.HEALED, Healed.NOT_HEALED, Healed.UNKNOWN))
    healed = [row for row in rows if row["verdict"] == Healed.HEALED.value and row["ended"] is not None]
    return Remedy(
        playbook=playbook,
        incidents=len(rows),
        healed=verdicts[Healed.HEALED.value],
        not_healed=verdicts[Healed.NOT_HEALED.value],
        not_needed=verdicts[Healed.NOT_NEEDED.value],
        unknown=verdicts[Healed.UNKNOWN.value],
        open=verdicts[""],
        rate=verdicts[Healed.HEALED.value] / tried if tried else None,
        to_heal=spread([timedelta(milliseconds=row["ended"] - row["occurred"]) for row in healed]),
        looks=sum(row["looks"] for row in rows),
        calls=sum(row["calls"] for row in rows),
        worked=timedelta(milliseconds=sum(row["worked"] for row in rows)),
    )


def _moment(value: int | None) -> datetime | None:
    return None if value is None else moment_of(value)
