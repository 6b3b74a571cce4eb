"""Periods that were corrected after they had been judged: judged again, once, within an hour; on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from cloudheal.model.alarm import Level
from cloudheal.record.database import Database, open_database
from cloudheal.record.schema import migrate
from tests.contract.log_site import LATE, Site, alarm
from tests.contract.test_log_alarms import free_leases, statuses

ONCE = {"warn": {"over": 20, "times": 1}}
TWICE = {"warn": {"over": 20, "times": 2}}
TWO_OF_THREE = {"critical": {"over": 20, "times": 2, "of": 3}}


@pytest.fixture
def usual_database(usual_database_url: str) -> Iterator[Database]:
    """An open database with all tables: SQLite, and PostgreSQL in `make soak`."""
    opened = open_database(usual_database_url)
    migrate(opened)
    yield opened
    opened.close()


def correct(site: Site, ago: int, value: float, key: tuple[str, ...] = (), *, minutes: int = 1) -> int:
    """Store another value for a period that ended so many periods ago, and let the worker look; returns evaluations."""
    end = site.clock.now() - timedelta(seconds=LATE)
    site.series.put(end - timedelta(minutes=ago * minutes), value, key)
    return site.alarms.tick()


def test_a_late_line_makes_an_alarm_fire_that_had_not(database: Database) -> None:
    """The period was good when it was judged; people and rules are told once, by an event that says what it is."""
    site = Site(database, alarm(TWICE))
    for value in (10, 10, 30):
        site.minute(value)
    assert site.events == []
    correct(site, 2, 30)
    (event,) = site.events
    assert (event.status, event.data["corrected"], event.time == event.received) == ("firing", True, True)
    assert site.topics == ["alarm.warn"]
    assert site.lines()[()].level is Level.WARN
    for _ in range(3):
        site.alarms.tick()
    site.minute(30)
    assert len(site.events) == 1


def test_a_late_line_clears_an_alarm_that_was_none(usual_database: Database) -> None:
    """Such as a lowest number of requests, of which one machine's came late."""
    site = Site(usual_database, alarm({"warn": {"under": 20, "times": 1}}))
    site.minute(50)
    site.minute(10)
    assert statuses(site) == ["firing"]
    correct(site, 1, 40)
    assert statuses(site) == ["firing", "recovered"]
    assert site.topics == ["alarm.warn", "alarm.recovered"]
    site.minute(50)
    assert statuses(site) == ["firing", "recovered"]


def test_what_would_have_fired_and_is_over_is_told_with_its_recovery(usual_database: Database) -> None:
    """A word that was in a line which came late is not lost because the next minutes are good."""
    site = Site(usual_database, alarm(ONCE))
    for value in (10, 10, 10, 10):
        site.minute(value)
    correct(site, 3, 30)
    assert statuses(site) == ["firing", "recovered"]
    assert [one.time == one.received for one in site.events] == [False, True]
    assert site.topics == ["alarm.warn", "alarm.recovered"]
    assert site.lines()[()].level is Level.OK


def test_a_period_is_never_told_twice(database: Database) -> None:
    """Corrected again and again, by a worker that begins anew too: one event for each turn."""
    site = Site(database, alarm(ONCE))
    site.minute(30)
    site.minute(10)
    assert statuses(site) == ["firing", "recovered"]
    for value in (40, 50, 60):
        correct(site, 2, value)
        free_leases(database)
        site.alarms = site.worker("other", alarm(ONCE))
        site.alarms.tick()
    assert statuses(site) == ["firing", "recovered"]
    correct(site, 2, 5)  # it had fired, and was well again already
    correct(site, 2, 30)
    assert statuses(site) == ["firing", "recovered"]


def test_periods_after_the_correction_count_on_from_it(usual_database: Database) -> None:
    """Two of three: the corrected one and one that comes; then what was told lasts as long as it would have."""
    site = Site(usual_database, alarm(TWO_OF_THREE))
    site.minute(10)
    correct(site, 1, 30)
    assert site.events == []
    site.minute(30)
    assert statuses(site) == ["firing"]
    site.minute(10)
    assert statuses(site) == ["firing"]
    site.minute(10)
    assert statuses(site) == ["firing", "recovered"]


def test_only_the_last_hour_is_judged_again(usual_database: Database) -> None:
    """What is older is in the figures and changes no alarm; a series that nobody had seen is judged within the hour."""
    site = Site(usual_database, alarm(ONCE, by=["url"], minutes=10))
    site.clock.advance(timedelta(seconds=LATE))
    for _ in range(13):
        site.minute(10, ("/a",), minutes=10)
    correct(site, 7, 30, ("/a",), minutes=10)
    correct(site, 7, 30, ("/new",), minutes=10)
    assert site.events == []
    correct(site, 6, 30, ("/a",), minutes=10)
    correct(site, 3, 30, ("/new",), minutes=10)
    assert [(one.data["series"]["url"], one.status) for one in site.events] == [
        ("/a", "firing"),
        ("/a", "recovered"),
        ("/new", "firing"),
        ("/new", "recovered"),
    ]


def test_a_window_of_an_hour_is_judged_again_until_the_next_one_is_over(usual_database: Database) -> None:
    """At once, not when the next hour has closed."""
    site = Site(usual_database, alarm(ONCE, minutes=60))
    site.clock.advance(timedelta(seconds=LATE))
    site.minute(10, minutes=60)
    site.minute(10, minutes=60)
    end = int((site.clock.now().timestamp() - LATE) // 3600 * 3600)
    at = site.clock.now() - timedelta(seconds=site.clock.now().timestamp() - end + 3600)
    site.series.put(at, 30)
    site.alarms.tick()
    assert statuses(site) == ["firing"]


def test_hours_and_policies_hold_for_corrections_too(usual_database: Database) -> None:
    """A bad period out of hours does not count when it is corrected either."""
    hours = [{"days": "FREQ=WEEKLY;BYDAY=SU", "from": "00:00", "lasts": "1h", "timezone": "UTC"}]
    site = Site(usual_database, alarm(ONCE, hours=hours))
    site.minute(10)
    site.minute(10)
    correct(site, 1, 30)
    assert site.events == []


@pytest.mark.parametrize("policy", ["ok", "ignore", "alarm"])
def test_a_correction_of_one_series_leaves_others_as_they_are(usual_database: Database, policy: str) -> None:
    """Also those without data, whatever that is taken for."""
    site = Site(usual_database, alarm(ONCE, by=["url"], no_data=policy, no_data_times=2))
    for _ in range(3):
        site.minutes({("/a",): 10, ("/b",): 30})
    before = site.lines()[("/b",)]
    correct(site, 2, 30, ("/a",))
    assert site.lines()[("/b",)] == before
    assert [one.data["series"]["url"] for one in site.events].count("/b") == 1


def test_a_correction_between_two_looks_is_not_lost(usual_database: Database) -> None:
    """It is stored while a later period is evaluated, and judged at the next look."""
    site = Site(usual_database, alarm(TWICE))
    site.minute(10)
    site.minute(30)
    at = site.clock.now() - timedelta(seconds=LATE)
    site.series.meanwhile = lambda: site.series.put(at - timedelta(minutes=2), 30)
    site.minute(10)
    site.alarms.tick()
    assert statuses(site) == ["firing", "recovered"]
