"""An alarm that fires on is told to a second group, unless somebody sees to it or it recovers; on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from cloudheal.notifiers.sender import Pace, Sender
from cloudheal.notifiers.wording import Wording
from cloudheal.record.database import Database, open_database
from cloudheal.record.log_escalation import acknowledge, acknowledged
from cloudheal.record.schema import migrate
from cloudheal.record.tables import LEDGER, OUTBOX
from cloudheal.settings.notify import NotifySettings
from tests.contract.log_site import Site, alarm
from tests.contract.test_log_alarms import Desk

ONCE = {"warn": {"over": 20, "times": 1}}


@pytest.fixture
def usual_database(usual_database_url: str) -> Iterator[Database]:
    """An open database with all tables: SQLite, and PostgreSQL in `make soak`."""
    opened = open_database(usual_database_url)
    migrate(opened)
    yield opened
    opened.close()


class Room:
    """A site whose alarm escalates after three minutes, and two groups of people."""

    def __init__(self, database: Database, language: str = "en", **more: Any) -> None:
        self.site = Site(database, alarm(ONCE, escalate_after="3m", **more))
        self.first, self.second = Desk(), Desk()
        self.second.name = "boss"
        wording = Wording(language, ZoneInfo("UTC"))
        targets, pace = [self.first, self.second], Pace(gather=timedelta(0), mute=timedelta(0))
        self.sender = Sender(database, "w", targets, wording, self.site.clock, pace, frozenset({"boss"}))

    def minutes(self, count: int, value: float) -> None:
        """Let minutes pass."""
        for _ in range(count):
            self.site.minute(value)
            self.sender.send_due()

    def acknowledge(self) -> int:
        """Say that somebody sees to it."""
        with self.site.database.transaction() as connection:
            return acknowledge(connection, "slow", "alice", self.site.clock.now())

    @property
    def heard(self) -> tuple[list[str], list[str]]:
        """The first words of what each group was told."""
        first, second = ([one.title.split()[1] for one in desk.letters] for desk in (self.first, self.second))
        return first, second


def test_what_nobody_acknowledges_is_told_to_a_second_group_once_and_so_is_its_end(database: Database) -> None:
    """Not before its time, not again while it lasts, and whoever was woken hears that it is over."""
    room = Room(database)
    room.minutes(2, 30)
    assert room.heard == (["WARN"], [])
    room.minutes(5, 30)
    assert room.heard == (["WARN", "ESCALATED"], ["ESCALATED"])
    assert "fires for 3m, at warn, 1 series, and nobody has acknowledged it" in room.second.letters[0].body
    room.minutes(2, 10)
    assert room.heard == (["WARN", "ESCALATED", "RECOVERED"], ["ESCALATED", "RECOVERED"])
    room.minutes(4, 30)
    assert room.heard[1] == ["ESCALATED", "RECOVERED", "ESCALATED"]


def test_who_acknowledges_keeps_the_others_asleep_until_it_has_recovered(usual_database: Database) -> None:
    """It stands in the ledger who that was; the next time it fires nobody has."""
    room = Room(usual_database)
    assert room.acknowledge() == 0
    room.minutes(1, 30)
    assert room.acknowledge() == 1
    with usual_database.snapshot() as connection:
        (said,) = acknowledged(connection).values()
        kinds = connection.scalars(sa.select(LEDGER.c.kind).where(LEDGER.c.name == "alice")).all()
    assert (said.who, list(kinds)) == ("alice", ["alarm.acknowledged"])
    room.minutes(6, 30)
    assert room.heard[1] == []
    room.minutes(2, 10)
    room.minutes(4, 30)
    assert room.heard[1] == ["ESCALATED"]


def test_what_recovers_in_time_is_not_escalated(usual_database: Database) -> None:
    """A series that comes and goes begins anew each time."""
    room = Room(usual_database)
    for _ in range(3):
        room.minutes(2, 30)
        room.minutes(1, 10)
    assert room.heard[1] == []


def test_an_escalated_alarm_that_is_not_defined_any_more_is_over_for_both_groups(usual_database: Database) -> None:
    """And what stands in the outbox for nobody is done."""
    room = Room(usual_database)
    room.minutes(4, 30)
    room.site.alarms = room.site.worker("w")
    room.site.alarms.tick()
    room.sender.send_due()
    assert room.heard == (["WARN", "ESCALATED", "slow"], ["ESCALATED", "RECOVERED"])
    with usual_database.snapshot() as connection:
        assert connection.scalar(sa.select(sa.func.count()).where(OUTBOX.c.done.is_(None))) == 0


def test_people_are_told_in_chinese(usual_database: Database) -> None:
    """Thresholds and periods too, and no number has a plural."""
    room = Room(usual_database, "zh")
    room.minutes(4, 30)
    assert "警告 slow：rt 为 30（大于 20），最近 1 分钟。日志 web。" in room.first.letters[0].body
    assert "已升级 slow：已触发 3m，级别 warn，1 个序列，无人确认。" in room.second.letters[0].body


def test_somebody_has_to_be_told_first() -> None:
    """A second group alone would hear nothing of most."""
    with pytest.raises(ValueError, match="every target is `second`"):
        NotifySettings.model_validate({"targets": [{"name": "boss", "url_env": "BOSS", "second": True}]})
