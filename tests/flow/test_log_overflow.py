"""A log with more URLs than a metric may have series, from its file to the record and to people."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from cloudheal.logs.engines import pick
from cloudheal.logs.names import OTHER
from cloudheal.pipeline.log_following import Follower
from cloudheal.record.database import open_database
from cloudheal.record.log_series import windows_of
from cloudheal.record.schema import migrate
from cloudheal.record.tables import OUTBOX
from cloudheal.sources.log_files import TailedFiles
from cloudheal.testing import VirtualClock
from tests.unit.log_cases import MORNING, access, metric


def test_fifteen_hundred_urls_are_a_thousand_series_the_rest_and_one_notice(tmp_path: Path) -> None:
    """S4.4: kept by volume, the sum is that of the lines, and people are told once and not each minute."""
    log, clock = tmp_path / "access.log", VirtualClock()
    clock.advance(timedelta(seconds=MORNING - clock.now().timestamp()))
    database = open_database(f"sqlite:///{tmp_path / 'c.db'}")
    migrate(database)
    definition = metric("{by: [url], measures: [count() as n]}", files=[str(log)])
    files = TailedFiles(definition.files, lambda: clock.now().timestamp(), lambda: int(clock.now().timestamp()))
    tick = lambda: clock.now().timestamp()  # noqa: E731 - the follower's own clock
    follower = Follower(database, definition, pick(), files, "h1", clock, tick)
    for minute in range(3):
        lines = [access(f"/{number:04}-x", at=60 * minute) for number in range(1_500)]
        lines += [access(f"/{number:04}-x", at=60 * minute + 1) for number in range(500, 1_500)]
        with log.open("ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))
        follower.follow()
        clock.advance(timedelta(seconds=60))
        follower.follow()
    follower.end()
    with database.snapshot() as connection:
        windows = windows_of(connection, definition, definition.metrics[0], MORNING, MORNING + 180, 1)
        told = connection.execute(OUTBOX.select()).all()
    assert [len(window.rows) for window in windows] == [1_001] * 3
    assert [sum(row.count for row in window.rows) for window in windows] == [2_500] * 3
    assert {row.count for window in windows for row in window.rows if row.key != (OTHER,)} == {2}
    assert [row.topic for row in told] == ["log.overflow"]
    database.close()
