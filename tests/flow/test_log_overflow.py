"""A log with more URLs than a metric may have series, from its file to the record, an event and people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from cloudheal.logs.alarm_cap import cap_alarm
from cloudheal.logs.alarms import Alarm
from cloudheal.logs.definition import Definition
from cloudheal.logs.engines import pick
from cloudheal.logs.names import OTHER
from cloudheal.pipeline.log_following import Follower
from cloudheal.pipeline.log_readings import StoredReadings
from cloudheal.record.database import Database, open_database
from cloudheal.record.log_series import windows_of
from cloudheal.record.schema import migrate
from cloudheal.sources.log_files import TailedFiles
from tests.contract.log_site import NOON, Site
from tests.unit.log_cases import MORNING, access, defined, metric

LOG = "metrics: [{name: m, by: [url], measures: [count() as n]}, {name: total, measures: [count()]}]"


class Busy:
    """A machine that follows a log, and a worker that evaluates alarms on it."""

    def __init__(self, folder: Path, definition: Definition, database: Database) -> None:
        self.log = folder / "access.log"
        self.definition = definition
        self.site = Site(database)
        files = TailedFiles((str(self.log),), self._tick, lambda: int(self._tick()))
        self.follower = Follower(database, definition, pick(), files, "h1", self.site.clock, self._tick)
        self.minutes = int(NOON.timestamp() - MORNING) // 60
        alarm = cap_alarm(definition, "Group by less.")
        assert alarm is not None
        self.site.alarms = replace(
            self.site.worker("w", alarm), readings=StoredReadings({definition.name: definition}, self.site.clock.now())
        )
        self.alarm: Alarm = alarm

    def _tick(self) -> float:
        return self.site.clock.now().timestamp()

    def minute(self, urls: int, twice: int = 0) -> None:
        """Write a line for each of so many URLs, another one for the last of them, and let it be evaluated."""
        lines = [access(f"/{number:04}-x", at=60 * self.minutes) for number in range(urls)]
        lines += [access(f"/{number:04}-x", at=60 * self.minutes + 1) for number in range(urls - twice, urls)]
        with self.log.open("ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))
        self.minutes += 1
        self.follower.follow()
        for _ in range(6):
            self.site.clock.advance(timedelta(seconds=10))
            self.follower.follow()
            self.site.alarms.tick()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An open database with all tables."""
    opened = open_database(f"sqlite:///{tmp_path / 'c.db'}")
    migrate(opened)
    yield opened
    opened.close()


def test_fifteen_hundred_urls_are_a_thousand_series_the_rest_and_one_event(tmp_path: Path, database: Database) -> None:
    """S4.4: kept by volume, the sum is that of the lines; an event and one notice, not each minute, and its end."""
    definition = metric("{by: [url], measures: [count() as n]}")
    busy = Busy(tmp_path, definition, database)
    busy.minute(10)
    begin = int(NOON.timestamp()) + 60
    for _ in range(5):
        busy.minute(1_500, twice=1_000)
    for _ in range(4):
        busy.minute(10)
    with database.snapshot() as connection:
        windows = windows_of(connection, definition, definition.metrics[0], begin, begin + 180, 1)
    assert [len(window.rows) for window in windows] == [1_001] * 3
    assert [sum(row.count for row in window.rows) for window in windows] == [2_500] * 3
    assert {row.count for window in windows for row in window.rows if row.key != (OTHER,)} == {2}
    fired, recovered = busy.site.events
    assert (fired.type, fired.status, fired.data["alarm"]) == ("Log:Alarm", "firing", "too-many-series.access")
    assert (fired.data["series"], fired.data["value"], fired.data["text"]) == ({"metric": "m"}, 500, "Group by less.")
    assert recovered.status == "recovered"
    assert busy.site.topics == ["alarm.warn", "alarm.recovered"]


def test_windows_and_not_minutes_have_too_many_series(tmp_path: Path, database: Database) -> None:
    """Each minute has few enough; five minutes together have not, which no single minute shows."""
    definition = metric("{by: [url], measures: [count() as n], minutes: 5, most: 30}")
    busy = Busy(tmp_path, definition, database)
    for _ in range(3):
        lines = [access(f"/{busy.minutes}-{n}-x", at=60 * busy.minutes) for n in range(20)]
        with busy.log.open("ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))
        busy.minute(0)
    for _ in range(5):
        busy.minute(1)
    (event,) = [one for one in busy.site.events if one.status == "firing"]
    assert (event.data["value"], event.data["minutes"]) == (31, 5)


def test_a_log_without_groups_has_no_such_alarm() -> None:
    """There is one series, and it is never too many; with groups of several lengths the alarm's window holds all."""
    assert cap_alarm(metric("{measures: [count()]}"), "") is None
    several = LOG.replace("measures: [count() as n]", "measures: [count() as n], minutes: 4")
    made = cap_alarm(
        defined(several.replace("measures: [count()]", "by: [status], measures: [count()], minutes: 10")), ""
    )
    assert made is not None
    assert made.minutes == 20
