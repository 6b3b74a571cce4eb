"""What a log counted is the usual traffic that the plan of maintenance goes by."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloudheal.app import accounts_of
from cloudheal.app.loads import lines_per_second, loads_of, log_of, named_loads
from cloudheal.errors import SettingsError
from cloudheal.logs.counting import Minute, Row
from cloudheal.record.database import Database, open_database
from cloudheal.record.log_series import add_minutes
from cloudheal.record.schema import migrate
from cloudheal.settings.schema import Settings

NOW = datetime(2026, 3, 2, tzinfo=UTC)
LOG = {
    "name": "shop",
    "files": ["/nowhere/*.log"],
    "format": "combined",
    "metrics": [{"name": "requests", "measures": ["count() as n"]}],
}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database."""
    opened = open_database(f"sqlite:///{tmp_path / 'logs.db'}")
    migrate(opened)
    yield opened
    opened.close()


def settings(**load: object) -> Settings:
    """Return settings that go by a log."""
    return Settings.model_validate({"logs": [LOG], "maintenance": {"load": {"weeks": 1, **load}}})


def test_the_hours_of_the_week_are_those_of_the_log(database: Database) -> None:
    """Two days on two machines with a quiet hour at four: the profile has it there, in lines a second of both."""
    begin = NOW - timedelta(days=2)
    for number, host in enumerate(("web-1", "web-2")):
        minutes = []
        for quarter in range(2 * 96):
            start = begin + timedelta(minutes=15 * quarter)
            lines = 9 if start.hour == 4 else 900
            minutes.append(Minute("requests", int(start.timestamp()), (Row((), lines),)))
        with database.transaction() as connection:
            add_minutes(connection, "shop", host, minutes, number)
    chosen = settings(log={"name": "shop", "metric": "requests"})
    loads = loads_of(chosen, accounts_of(chosen), database)
    (load,) = named_loads(chosen)
    assert load.log is not None
    profile = loads.of(load, NOW).profile
    assert profile is not None
    day = profile.loads[: len(profile.loads) // 7]
    quiet = len(day) * 4 // 24
    assert min(day) == day[quiet]
    assert max(profile.loads) == pytest.approx(100 * min(profile.loads))
    measured = lines_per_second(database, *log_of(chosen, load.log), load.period, begin, NOW)
    assert {one for _, one in measured} == {2.0, 0.02}


def test_a_log_that_counted_too_little_is_not_used(database: Database) -> None:
    """With the reason, as from any other source."""
    chosen = settings(log={"name": "shop", "metric": "requests"})
    (load,) = named_loads(chosen)
    assert loads_of(chosen, accounts_of(chosen), database).of(load, NOW).problem == "empty"


def test_a_log_or_metric_that_is_not_there_is_told(database: Database) -> None:
    """By what there is."""
    chosen = settings(log={"name": "shop", "metric": "request"})
    with pytest.raises(SettingsError, match="shop/requests, got shop/request"):
        loads_of(chosen, accounts_of(chosen), database)


def test_one_source_is_named(database: Database) -> None:
    """Two cannot be the load at once."""
    with pytest.raises(ValueError, match="one of file, metric and log"):
        settings(log={"name": "shop", "metric": "requests"}, file="traffic.csv")
