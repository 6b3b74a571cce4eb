"""The age of series: minutes become quarters of an hour, those become hours, and hours leave.

Rows are added up cell by cell, so nothing is lost but the moment; a percentile of an old hour is as good as one of
today. A line that comes so late that its minute was added up already joins what it was added up to. One slice is one
transaction, so that writers wait for a moment only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

import sqlalchemy as sa

from cloudheal.logs.counting import Minute, merged
from cloudheal.logs.windows import capped
from cloudheal.ports.clock import Clock
from cloudheal.ports.store import Store
from cloudheal.record.leases import take_lease
from cloudheal.record.log_series import Stored, put, stored
from cloudheal.record.tables import LOG_MINUTE

log = logging.getLogger("cloudheal.logs")

EVERY = timedelta(minutes=10)
LEASE_NAME, LEASE_MILLIS = "log series", 60_000
#: Rows that are made in one transaction.
MADE_AT_ONCE, DROPPED_AT_ONCE = 20, 500
#: Series that a row of several minutes may have; what a metric shows is less.
MOST_SERIES = 4_000


@dataclass(frozen=True, slots=True)
class Ages:
    """How long rows of each length are kept before they are added up, and the longest before they leave."""

    minutes: timedelta
    quarters: timedelta
    hours: timedelta

    def steps(self) -> Iterator[tuple[int, int, timedelta]]:
        """Yield which length becomes which other after which age."""
        yield 1, 15, self.minutes
        yield 15, 60, self.quarters


@dataclass(slots=True)
class SeriesKeeper:
    """Lets the series of one database grow old; a lease lets one process work."""

    store: Store
    worker: str
    clock: Clock
    ages: Ages
    _done: datetime | None = None

    def tick(self) -> int:
        """Add up and remove what is old enough, when ten minutes have passed; returns how many rows left."""
        now = self.clock.now()
        if self._done is not None and now - self._done < EVERY:
            return 0
        self._done = now
        gone = {f"to_{longer}m": self._roll(now, kept, shorter, longer) for shorter, longer, kept in self.ages.steps()}
        gone["dropped"] = self._drop(now)
        if any(gone.values()):
            log.info("log.series_aged %s", " ".join(f"{what}={count}" for what, count in gone.items()))
        return sum(gone.values())

    def _roll(self, now: datetime, kept: timedelta, shorter: int, longer: int) -> int:
        total = 0
        while count := self._once(lambda connection: roll_up(connection, now - kept, shorter, longer)):
            total += count
        return total

    def _drop(self, now: datetime) -> int:
        total = 0
        while count := self._once(lambda connection: drop_series(connection, now - self.ages.hours)):
            total += count
        return total

    def _once(self, work: Callable[[sa.Connection], int]) -> int:
        with self.store.transaction() as connection:
            mine = take_lease(connection, LEASE_NAME, self.worker, LEASE_MILLIS)
            return work(connection) if mine else 0


def roll_up(connection: sa.Connection, before: datetime, shorter: int, longer: int) -> int:
    """Add rows of one length up to a longer one where all of that is older; returns how many left, 0 at the end."""
    limit = int(before.timestamp()) // (longer * 60) * longer * 60
    gone = 0
    for _ in range(MADE_AT_ONCE):
        old = (LOG_MINUTE.c.minutes == shorter) & (LOG_MINUTE.c.start < limit)
        first = connection.execute(sa.select(LOG_MINUTE).where(old).order_by(LOG_MINUTE.c.start).limit(1)).first()
        if first is None:
            break
        gone += _add_up(connection, first._mapping, shorter, longer)  # noqa: SLF001 - SQLAlchemy's public name
    return gone


def drop_series(connection: sa.Connection, before: datetime) -> int:
    """Remove some of the rows that are older than anything is kept; returns how many."""
    old = sa.select(LOG_MINUTE).where(LOG_MINUTE.c.start < int(before.timestamp()))
    oldest = connection.scalar(
        sa.select(sa.func.max(old.order_by(LOG_MINUTE.c.start).limit(DROPPED_AT_ONCE).subquery().c.start))
    )
    if oldest is None:
        return 0
    return connection.execute(sa.delete(LOG_MINUTE).where(LOG_MINUTE.c.start <= oldest)).rowcount


def _add_up(connection: sa.Connection, first: Mapping[Any, Any], shorter: int, longer: int) -> int:
    """Put one longer row in the place of those that it covers, an earlier one of its own length included."""
    begin = first["start"] // (longer * 60) * longer * 60
    of_one = sa.and_(*(LOG_MINUTE.c[name] == first[name] for name in ("definition", "metric", "host")))
    within = (LOG_MINUTE.c.start >= begin) & (LOG_MINUTE.c.start < begin + longer * 60)
    covered = of_one & within & LOG_MINUTE.c.minutes.in_((shorter, longer))
    found = list(stored(connection, covered))
    rows = merged(chain.from_iterable(one.minute.rows for one in found))
    minute = Minute(first["metric"], begin, rows, sum(one.minute.error for one in found))
    kept, _ = capped(minute, MOST_SERIES)
    made = Stored(first["definition"], first["host"], max(one.sequence for one in found), longer, kept)
    count = connection.execute(sa.delete(LOG_MINUTE).where(covered)).rowcount
    put(connection, [made])
    return count
