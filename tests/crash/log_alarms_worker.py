"""A process that evaluates alarms until it is killed or has seen all. Usage: log_alarms_worker.py DATABASE_URL NAME."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from random import Random

import sqlalchemy as sa

from cloudheal.model.alarm import Level
from cloudheal.record.database import Database, open_database
from cloudheal.record.log_alarms import Name, marks
from cloudheal.record.tables import LEASE
from tests.contract.log_site import LATE, NOON, Site, alarm

PERIODS, SERIES = 100, 3
ALARM = alarm({"warn": {"over": 20, "times": 2, "of": 3}, "critical": {"over": 60, "times": 2}}, by=["url"], mute="10m")
KEYS = tuple((f"/{number}",) for number in range(SERIES))


def values() -> list[dict[tuple[str, ...], float]]:
    """Return the same values in every process."""
    chance = Random(11)
    return [{key: chance.choice([10.0, 30.0, 70.0]) for key in KEYS} for _ in range(PERIODS)]


def site_on(database: Database) -> Site:
    """Return the site with everything written down."""
    site = Site(database, ALARM)
    for minute, period in enumerate(values()):
        for key, value in period.items():
            site.series.put(NOON + timedelta(minutes=minute), value, key)
    return site


def done(database: Database) -> int:
    """Return how many periods were evaluated."""
    with database.snapshot() as connection:
        mark = marks(connection).get(Name("web", "slow"))
    return 0 if mark is None else (mark.upto - int(NOON.timestamp())) // 60


def evaluate(site: Site) -> int:
    """Evaluate one period after another, each in its own commit, until all are; returns how many."""
    while (count := done(site.database)) < PERIODS:
        now = NOON + timedelta(minutes=count + 1, seconds=LATE)
        site.clock.advance(now - site.clock.now())
        site.alarms.tick()
    return count


def expected_levels() -> list[list[Level]]:
    """Return the level of each series after each period, by the definition."""
    from cloudheal.logs.alarm_rounds import Period, one_by_one  # noqa: PLC0415 - only whoever checks needs it

    begin = int(NOON.timestamp())
    periods = [Period(begin + 60 * at, begin + 60 * at + 60, one) for at, one in enumerate(values())]
    return [[one.level for one in row] for row in one_by_one(ALARM, KEYS, {}, periods)]


def main(url: str, name: str) -> None:
    """Evaluate; a lease that a killed process left is broken at the start, so that no test waits half a minute."""
    database = open_database(url)
    with database.transaction() as connection:
        connection.execute(sa.delete(LEASE))
    print(f"ready {name} {datetime.now(UTC):%H:%M}", flush=True)
    evaluate(site_on(database))


if __name__ == "__main__":
    main(*sys.argv[1:])
