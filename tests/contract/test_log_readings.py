"""From lines of a log to an alarm: what was counted is stored, read back as periods, and raised; on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cloudheal.app.log_alarms import guarded_of
from cloudheal.logs.counting import Fed
from cloudheal.logs.declared import definitions_of
from cloudheal.logs.oracle import Oracle
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
#: Seconds behind now up to which nothing is awaited, when all is well.
USUAL = 5 + int(ON_ITS_WAY.total_seconds())
PLACE = Place(1, "access.log", 1, 2, 900, "a", "b", 3)


class Followed:
    """A log that is written and followed, and a worker with its alarms."""

    def __init__(self, database: Database) -> None:
        settings = Settings.model_validate({"logs": [LOG]})
        (self.definition,) = definitions_of(settings)
        self.site, self.standing = Site(database), Standing()
        self.readings = StoredReadings({"web": self.definition}, NOON - timedelta(hours=1))
        guarded = guarded_of(settings)
        alarms = self.site.worker("w", *(one.alarm for one in guarded), subject=guarded[0].subject)
        self.site.alarms = replace(alarms, readings=self.readings)
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
            progress = Progress(closed, b"open", fed, (PLACE,), int(now.timestamp()))
            self.standing = advance(connection, "web", "h1", self.standing, progress, now)
        self.site.clock.advance(timedelta(seconds=USUAL))
        done = self.site.alarms.tick()
        self.site.clock.advance(timedelta(seconds=60 - USUAL))
        return done


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


@pytest.mark.parametrize(
    ("closed", "written", "began", "behind"),
    [
        (7, 1, 3600, USUAL),
        (3600, 3600, 3600, USUAL),
        (305, 2, 3600, 305),
        (7200, 2, 3600, int(PATIENCE.total_seconds()) + USUAL),
        (305, 300, 10, 305),
    ],
    ids=["keeps up", "is gone", "makes up", "is far behind", "begins with us"],
)
def test_alarms_wait_for_hosts_that_make_up_for_what_they_missed(
    followed: Followed, closed: int, written: int, began: int, behind: int
) -> None:
    """A host says up to where its minutes are complete; one that is gone, or never catches up, is not waited for."""
    now = NOON + timedelta(days=1)
    at = int(now.timestamp())
    readings = StoredReadings({"web": followed.definition}, now - timedelta(seconds=began))
    progress = Progress((), b"open", Fed(1, 1, newest=at - closed), (PLACE,), at - closed)
    with followed.site.database.transaction() as connection:
        advance(connection, "web", "h1", Standing(), progress, now - timedelta(seconds=written))
        assert at - readings.closed(connection, "web", now) == behind


def test_a_worker_that_begins_after_an_outage_misses_no_period_of_it(followed: Followed) -> None:
    """Nothing is evaluated before the host that was away too has stored what happened meanwhile."""
    followed.minutes(1, pay=200)
    followed.minutes(1, pay=200)
    site = followed.site
    evaluated = site.lines("failing")[("/pay",)].period
    site.clock.advance(timedelta(minutes=10))
    site.alarms = replace(site.alarms, readings=StoredReadings({"web": followed.definition}, site.clock.now()))
    site.clock.advance(timedelta(seconds=5))
    assert site.alarms.tick() == 0
    assert site.lines("failing")[("/pay",)].period == evaluated
