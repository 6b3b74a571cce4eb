"""Alarms on log metrics are raised once, told as often as people want, and outlive their worker; on both databases."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from cloudheal.logs.alarm_telling import series_text
from cloudheal.model.alarm import Level
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.notifiers.sender import Pace, Sender
from cloudheal.notifiers.wording import Wording
from cloudheal.ports.notify import Letter
from cloudheal.record.database import Database, open_database
from cloudheal.record.log_alarms import firing
from cloudheal.record.schema import migrate
from cloudheal.record.tables import DECISION, INCIDENT, LEASE
from tests.contract.log_site import LATE, NOON, WEB, Site, alarm

THRICE = {"warn": {"over": 20, "times": 3}}
ONCE = {"warn": {"over": 20, "times": 1}}
DAY = 24 * 60
RULE: dict[str, Any] = {
    "name": "mend",
    "when": {"source": ["cloudheal.logs"]},
    "resources": {"all": True},
    "playbook": "rerun_process",
    "with": {"unit": "nginx"},
    "mode": "auto",
}


def statuses(site: Site) -> list[str]:
    """Return the statuses of all events."""
    return [one.status for one in site.events]


def test_three_bad_periods_are_one_event_and_one_notice_and_so_is_the_recovery(database: Database) -> None:
    """The event says what fired, where and with which numbers; the state is kept."""
    site = Site(database, alarm(THRICE, by=["url"]))
    for value in (30, 30, 30, 30):
        site.minute(value, ("/pay",))
    (event,) = site.events
    assert (event.source, event.type, event.status, event.subject) == ("cloudheal.logs", "Log:Alarm", "firing", WEB)
    expected = {"alarm": "slow", "level": "warn", "metric": "requests", "alias": "rt", "series": {"url": "/pay"}}
    assert expected.items() <= event.data.items()
    assert (event.data["value"], event.data["threshold"], event.data["bad"], event.data["of"]) == (30, "over 20", 3, 3)
    assert site.topics == ["alarm.warn"]
    assert site.lines()["/pay",].level is Level.WARN
    site.minute(10, ("/pay",))
    assert statuses(site) == ["firing", "recovered"]
    assert site.topics == ["alarm.warn", "alarm.recovered"]


def test_two_bad_periods_and_a_good_one_are_nothing(database: Database) -> None:
    """Neither an event nor a notice."""
    site = Site(database, alarm(THRICE))
    for value in (30, 30, 10, 30, 30):
        site.minute(value)
    assert (site.events, site.told) == ([], [])


def test_half_as_much_again_as_yesterday_fires_on_the_second_day_only(database: Database) -> None:
    """On the first there is nothing to compare with, on the third it was as much the day before."""
    site = Site(database, alarm({"warn": {"up": 50, "than": "yesterday", "times": 1}}, minutes=60))
    site.clock.advance(timedelta(minutes=1))
    site.minute(100, minutes=60)
    fired = []
    for day, value in enumerate((100.0, 150.0, 150.0)):
        begin = site.clock.now() - timedelta(seconds=LATE)
        for hour in range(24):
            site.series.put(begin + timedelta(hours=hour), value)
        site.clock.advance(timedelta(days=1))
        assert site.alarms.tick() == 24
        fired.append((day, sum(one.status == "firing" for one in site.events)))
    assert fired == [(0, 0), (1, 1), (2, 1)]
    assert statuses(site) == ["firing", "recovered"]


@pytest.mark.parametrize(
    ("policy", "expected"), [("ok", ["firing", "recovered"]), ("ignore", ["firing"]), ("alarm", ["firing", "firing"])]
)
def test_a_log_that_falls_silent_is_what_the_policy_says(database: Database, policy: str, expected: list[str]) -> None:
    """It recovers, it stays as it was, or after two periods the missing data are told as such."""
    site = Site(database, alarm(ONCE, no_data=policy, no_data_times=2))
    for value in (30, None, None, None):
        site.minute(value)
    assert statuses(site) == expected
    assert ("alarm.no_data" in site.topics) == (policy == "alarm")
    assert site.events[-1].data["level"] == {"ok": "ok", "ignore": "warn", "alarm": "no_data"}[policy]


class Desk:
    """Somebody who reads messages."""

    name = "ops"

    def __init__(self) -> None:
        self.letters: list[Letter] = []

    def send(self, letter: Letter) -> str:
        """Take a message."""
        self.letters.append(letter)
        return ""


@pytest.fixture
def desk() -> Desk:
    """Somebody who has read nothing."""
    return Desk()


def sending(site: Site, desk: Desk, language: str = "en") -> Sender:
    """Return the way to somebody."""
    wording = Wording(language, ZoneInfo("UTC"))
    return Sender(site.database, "w", [desk], wording, site.clock, Pace(gather=timedelta(seconds=5)))


@pytest.fixture
def usual_database(usual_database_url: str) -> Iterator[Database]:
    """An open database with all tables: SQLite, and PostgreSQL in `make soak`."""
    opened = open_database(usual_database_url)
    migrate(opened)
    yield opened
    opened.close()


def test_a_hundred_alarms_in_the_mute_period_are_one_message_with_a_count(usual_database: Database, desk: Desk) -> None:
    """It comes and goes every minute: one message, one recovery, and after the period how often it was."""
    site = Site(usual_database, alarm(ONCE, mute="4h"))
    sender = sending(site, desk)
    for _ in range(100):
        site.minute(30)
        site.minute(10)
        sender.send_due()
    assert len(site.told) == 2
    assert [letter.title[:30] for letter in desk.letters] == [
        "cloudheal: WARN slow: rt is 30",
        "cloudheal: RECOVERED slow: rt ",
    ]
    assert statuses(site).count("firing") == 100
    site.clock.advance(timedelta(hours=1))
    site.minute(10)
    site.clock.advance(timedelta(minutes=1))
    sender.send_due()
    assert "slow has fired 99 more times" in desk.letters[2].body
    assert len(desk.letters) == 3


def test_an_alarm_that_lasts_is_one_message_until_its_mute_period_is_over(database: Database) -> None:
    """Then people are told that it still fires, and rules see it anew."""
    site = Site(database, alarm(ONCE, mute="30m"))
    for _ in range(30):
        site.minute(30)
    assert site.topics == ["alarm.warn"]
    site.minute(30)
    assert site.topics == ["alarm.warn", "alarm.still"]
    assert [(one.status, one.data["before"]) for one in site.events] == [("firing", "ok"), ("firing", "warn")]


def test_a_graver_level_is_told_at_once_and_a_lesser_one_is_not(database: Database) -> None:
    """Muted is what people know already."""
    site = Site(database, alarm({**ONCE, "critical": {"over": 50, "times": 1}}))
    for value in (30, 60, 30, 60):
        site.minute(value)
    assert site.topics == ["alarm.warn", "alarm.critical"]
    assert [one.data["level"] for one in site.events] == ["warn", "critical", "warn", "critical"]


def test_many_series_of_one_alarm_are_one_message_and_end_one_by_one(database: Database, desk: Desk) -> None:
    """A hundred paths that are slow at once are one message; the alarm has recovered when the last of them has."""
    site = Site(database, alarm(ONCE, by=["url"]))
    keys = [(f"/{number:03}",) for number in range(100)]
    site.minutes(dict.fromkeys(keys, 30.0))
    site.clock.advance(timedelta(seconds=6))
    sending(site, desk).send_due()
    (letter,) = desk.letters
    assert "and 80 more" in letter.body
    with database.snapshot() as connection:
        assert firing(connection) == {"slow": 100}
    site.clock.advance(timedelta(seconds=54))
    site.alarms.tick()
    site.series.points.clear()
    assert statuses(site).count("eased") == 99
    assert statuses(site)[-1] == "recovered"
    with database.snapshot() as connection:
        assert firing(connection) == {"slow": 0}


def test_another_worker_goes_on_where_the_first_was(database: Database) -> None:
    """Two bad periods are remembered; the third fires, whoever sees it."""
    site = Site(database, alarm(THRICE))
    site.minute(30)
    site.minute(30)
    free_leases(database)
    site.alarms = site.worker("other", alarm(THRICE))
    site.minute(30)
    assert statuses(site) == ["firing"]


def free_leases(database: Database) -> None:
    """Let any worker take up what another one does."""
    with database.transaction() as connection:
        connection.execute(sa.delete(LEASE))


def test_a_worker_that_fails_before_its_commit_has_raised_nothing(database: Database) -> None:
    """The same periods are evaluated again, and raise once."""
    site = Site(database, alarm(ONCE))

    def fail() -> None:
        raise ConnectionError

    site.series.meanwhile = fail
    with pytest.raises(ConnectionError):
        site.minute(30)
    assert (site.events, site.told, site.lines()) == ([], [], {})
    site.minute(30)
    assert statuses(site) == ["firing"]


def test_of_two_workers_on_the_same_periods_one_raises(database: Database) -> None:
    """One whose lease was taken over while it read writes nothing: the mark has moved."""
    site = Site(database, alarm(ONCE))
    other = site.worker("other", alarm(ONCE))

    def overtake() -> None:
        free_leases(database)
        assert other.tick() == 1

    site.series.meanwhile = overtake
    assert site.minute(30) == 0
    assert (statuses(site), site.topics) == (["firing"], ["alarm.warn"])
    site.minute(30)
    assert (statuses(site), site.lines()[()].fired) == (["firing"], 1)


def test_periods_that_closed_while_nobody_looked_are_made_up_for(database: Database) -> None:
    """What began and ended meanwhile opens nothing; what still fires does, as news of now."""
    site = Site(database, alarm(ONCE, by=["url"]), rules=[RULE])
    site.minute(10, ("/pay",))
    for minute in range(60):
        at = NOON + timedelta(minutes=minute)
        site.series.put(at, 30 if minute < 5 else 10, ("/pay",))
        site.series.put(at, 30 if minute > 30 else 10, ("/buy",))
    site.clock.advance(timedelta(hours=1))
    site.alarms.tick()
    told = [(one.data["series"]["url"], one.status, one.time == one.received) for one in site.events]
    assert told == [("/pay", "firing", False), ("/pay", "recovered", True), ("/buy", "firing", True)]
    with database.snapshot() as connection:
        assert len(connection.execute(sa.select(INCIDENT)).all()) == 1


def test_a_day_is_made_up_for_at_most(database: Database) -> None:
    """What was bad three days ago and is well again rouses nobody after a long outage."""
    site = Site(database, alarm(ONCE, minutes=60))
    site.clock.advance(timedelta(minutes=1))
    site.minute(10, minutes=60)
    site.series.put(site.clock.now() - timedelta(seconds=LATE), 30)
    site.clock.advance(timedelta(days=3))
    assert site.alarms.tick() == 24
    assert site.events == []


def test_an_alarm_opens_one_incident_and_its_recovery_ends_what_has_not_begun(database: Database) -> None:
    """A rule for alarms of logs takes it up; while it is held nothing begins, and then nothing is needed."""
    rule = {**RULE, "mode": "ask"}
    site = Site(database, alarm(ONCE, by=["url"]), rules=[rule])
    site.minutes({("/a",): 30, ("/b",): 30})
    site.minutes({("/a",): 10, ("/b",): 30})
    with database.snapshot() as connection:
        (incident,) = connection.execute(sa.select(INCIDENT)).all()
        reasons = connection.scalars(sa.select(DECISION.c.reason).order_by(DECISION.c.id)).all()
    assert (incident.resource, incident.trouble, incident.trouble_id) == (WEB.id, "alarm", "slow")
    assert list(reasons) == ["ask", "joined"]
    assert incident.ended is None
    site.minutes({("/a",): 10, ("/b",): 10})
    with database.snapshot() as connection:
        (incident,) = connection.execute(sa.select(INCIDENT)).all()
    assert (incident.verdict, json.loads(incident.evidence)["code"]) == ("not needed", "recovered")


def test_an_alarm_that_is_defined_otherwise_recovers_and_begins_anew(database: Database) -> None:
    """Also one that is not defined any more; people who believe that it fires are told."""
    site = Site(database, alarm(ONCE))
    site.minute(30)
    site.alarms = site.worker("w", alarm({"warn": {"over": 40, "times": 1}}))
    site.minute(30)
    assert statuses(site) == ["firing", "recovered"]
    assert site.events[-1].data["why"] == "changed"
    assert site.topics == ["alarm.warn", "alarm.changed"]
    site.minute(50)
    assert statuses(site)[-1] == "firing"
    site.alarms = site.worker("w")
    site.alarms.tick()
    assert statuses(site)[-1] == "recovered"
    assert site.lines() == {}


def test_a_log_that_belongs_to_no_server_is_a_resource_of_its_own(database: Database) -> None:
    """Its events name the log."""
    site = Site(database)
    log = ResourceId(Cloud.ALIBABA, "1000000000000001", "", "log", "web")
    site.alarms = site.worker("w", alarm(ONCE), subject=log)
    site.minute(30)
    assert (site.events[0].subject, statuses(site)) == (log, ["firing"])


FORGED = '/x" slow\n\x1b[2JRECOVERED slow: all is well. \u202e\n{alarm} {0}'


def test_alarms_are_evaluated_without_numpy(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes them faster and is an optional part: the definition in plain Python is used in its place."""
    monkeypatch.setitem(sys.modules, "cloudheal.logs.alarm_board", None)
    site = Site(database, alarm(THRICE, by=["url"]))
    for value in (30, 30, 30, 10):
        site.minutes({("/a",): value, ("/b",): 10})
    assert statuses(site) == ["firing", "recovered"]


@pytest.mark.parametrize(("language", "said"), [("en", "WARN slow: rt is 30 (over 20)"), ("zh", "警告 slow：rt 为 30")])
def test_people_are_told_in_their_language_what_to_do(database: Database, desk: Desk, language: str, said: str) -> None:
    """The numbers, the log and the words of the settings."""
    site = Site(database, alarm(ONCE, text="Look at {x} first."))
    site.minute(30)
    site.clock.advance(timedelta(seconds=6))
    sending(site, desk, language).send_due()
    (letter,) = desk.letters
    assert said in letter.body
    assert "Look at {x} first." in letter.body


def test_what_stands_in_a_log_forges_neither_name_nor_text_of_an_alarm(database: Database, desk: Desk) -> None:
    """Quotes, line breaks, escapes of terminals, turned writing and braces stay inside the quotes of one line."""
    site = Site(database, alarm(ONCE, by=["url"]))
    site.minutes({(FORGED,): 30, ("slow|web|ok",): 30})
    assert {one.data["alarm"] for one in site.events} == {"slow"}
    assert len({one.key for one in site.events}) == 2
    site.clock.advance(timedelta(seconds=6))
    sending(site, desk).send_due()
    (letter,) = desk.letters
    lines = letter.body.splitlines()
    assert len(lines) == 2
    assert all("WARN slow: rt is 30 (over 20)" in line for line in lines)
    assert letter.body.replace("\n", "").isprintable()
    assert series_text(["url"], [FORGED]).count('"') - series_text(["url"], [FORGED]).count('\\"') == 2
    assert site.lines()[FORGED,].level is Level.WARN
