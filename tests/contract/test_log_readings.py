"""From lines of a log to an alarm: what was counted is stored, read back as periods, and raised; on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cloudheal.app.log_alarms import guarded_of
from cloudheal.logs.counting import Fed
from cloudheal.logs.declared import definitions_of
from cloudheal.logs.definition import Definition
from cloudheal.logs.oracle import Oracle
from cloudheal.pipeline.log_alarms import LogAlarms
from cloudheal.pipeline.log_readings import ON_ITS_WAY, PATIENCE, StoredReadings
from cloudheal.ports.log_files import Place
from cloudheal.record.database import Database
from cloudheal.record.log_following import Progress, Standing, advance
from cloudheal.settings.schema import Settings
from tests.contract.log_site import NOON, Site

LOG = {
    "name": "web",
    "files": ["access.log"],
    "format": "combined",
    "late": "5s",
    "metrics": [
        {
            "name": "answers",
            "by": ["url"],
            "measures": ["count() as requests", "max(status) as worst"],
            "derived": {"share": "requests / worst * 100"},
            "minutes": 2,
        }
    ],
    "alarms": [
        {
            "name": "failing",
            "metric": "answers",
            "value": "worst",
            "levels": {"critical": {"at_least": 500, "times": 2}},
        },
        {"name": "odd", "metric": "answers", "value": "share", "levels": {"info": {"over": 1, "times": 1}}},
    ],
}
LINE = '192.0.2.1 - - [{:%d/%b/%Y:%H:%M:%S} +0000] "GET {} HTTP/1.1" {} 168 "-" "Wget"\n'
PLACE = Place(1, "access.log", 1, 2, 900, "a", "b", 3)


class Followed:
    """A log that is written and followed, and a worker with its alarms."""

    def __init__(self, database: Database) -> None:
        settings = Settings.model_validate({"logs": [LOG]})
        (self.definition,) = definitions_of(settings)
        self.site, self.standing = Site(database), Standing()
        self.readings = StoredReadings({"web": self.definition})
        guarded = guarded_of(settings)
        alarms = self.site.worker("w", *(one.alarm for one in guarded), subject=guarded[0].subject)
        self.site.alarms = replace_readings(alarms, self.readings)
        self.counter = Oracle(self.definition)

    def minutes(self, count: int, **status_by_url: int) -> int:
        """Let minutes pass in which every URL is asked for ten times a minute, and evaluate them."""
        at = self.site.clock.now()
        lines = [
            LINE.format(at + timedelta(minutes=minute, seconds=second), f"/{url}", status)
            for minute in range(count)
            for second in range(0, 60, 6)
            for url, status in status_by_url.items()
        ]
        fed = self.counter.feed("".join(lines).encode())
        self.site.clock.advance(timedelta(minutes=count))
        now = self.site.clock.now()
        closed = self.counter.close(int(now.timestamp()))
        with self.site.database.transaction() as connection:
            progress = Progress(closed, b"open", fed, (PLACE,))
            self.standing = advance(connection, "web", "h1", self.standing, progress, now)
        self.site.clock.advance(timedelta(seconds=5 + ON_ITS_WAY))
        done = self.site.alarms.tick()
        self.site.clock.advance(timedelta(seconds=45 - ON_ITS_WAY + 10))
        return done


def replace_readings(alarms: LogAlarms, readings: StoredReadings) -> LogAlarms:
    """Return the same evaluation that reads the store."""
    return replace(alarms, readings=readings)


@pytest.fixture
def followed(database: Database) -> Followed:
    """A log of which nothing was written yet."""
    return Followed(database)


def test_lines_become_periods_and_periods_an_alarm_of_the_log(followed: Followed) -> None:
    """Two periods of two minutes with failures of one URL: the alarm names it, and is about the log itself."""
    followed.minutes(1, buy=200, pay=200)
    for status in (503, 503):
        followed.minutes(1, buy=200, pay=status)
        followed.minutes(1, buy=200, pay=status)
        followed.minutes(1, buy=200, pay=status)
    firing = [one for one in followed.site.events if one.data["alarm"] == "failing"]
    assert [(one.status, one.data["series"], one.data["value"]) for one in firing] == [
        ("firing", {"url": "/pay"}, 503.0)
    ]
    assert (firing[0].subject.kind, firing[0].subject.id, firing[0].subject.account) == ("log", "web", "local")
    assert {one.data["level"] for one in followed.site.events if one.data["alarm"] == "odd"} == {"info"}


def waits_until(
    definition: Definition, database: Database, *, newest: datetime, written: datetime, now: datetime
) -> int:
    """Return up to where a log is closed, in seconds before now."""
    progress = Progress((), b"open", Fed(1, 1, newest=int(newest.timestamp())), (PLACE,))
    with database.transaction() as connection:
        advance(connection, "web", "h1", Standing(), progress, written)
        closed = StoredReadings({"web": definition}).closed(connection, "web", now)
    return int(now.timestamp()) - closed


@pytest.mark.parametrize(
    ("newest", "written", "behind"),
    [
        (1, 0, 5 + ON_ITS_WAY),
        (3600, 1800, 5 + ON_ITS_WAY),
        (300, 2, 305),
        (7200, 2, PATIENCE + 5 + ON_ITS_WAY),
    ],
    ids=["keeps up", "is silent", "makes up", "is far behind"],
)
def test_a_host_that_makes_up_for_what_it_missed_is_waited_for(
    followed: Followed, newest: int, written: int, behind: int
) -> None:
    """A log that nobody writes is no reason to wait, one that is read late is, and not for ever."""
    now = NOON + timedelta(days=1)
    found = waits_until(
        followed.definition,
        followed.site.database,
        newest=now - timedelta(seconds=newest),
        written=now - timedelta(seconds=written),
        now=now.astimezone(UTC),
    )
    assert found == behind
