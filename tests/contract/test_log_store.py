"""What was counted in logs and how far they were read, on both databases: together or not at all, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from cloudheal.logs import formats
from cloudheal.logs.counting import Fed, Minute, Row, Values
from cloudheal.logs.definition import Definition, Function, Measure, Metric
from cloudheal.logs.windows import Window
from cloudheal.ports.log_files import Place
from cloudheal.record.database import Database
from cloudheal.record.log_following import OvertakenError, Progress, Standing, advance, standing
from cloudheal.record.log_rollup import Ages, SeriesKeeper, drop_series, roll_up
from cloudheal.record.log_series import Stored, put, windows_of
from cloudheal.record.tables import LOG_MINUTE
from cloudheal.testing import VirtualClock

#: 2026-03-02T03:00 UTC, the beginning of an hour.
T0 = 1_772_420_400
HOUR = 3600
METRIC = Metric("all", measures=(Measure("requests", Function.COUNT, "line"),), most=2)
WEB = Definition("web", ("access.log",), formats.preset("combined"), (METRIC,))
PLACE = Place(1, "/var/log/access.log", 64769, (1 << 64) - 2, 900, "900:ab", "128:cd", 1_772_420_400_123_456_789)


def minute(start: int, **counts: int) -> Minute:
    """Make a minute with a row for each key."""
    rows = (Row((key,), count, {"rt": Values(count, count * 5, 5, 5, {5: count})}) for key, count in counts.items())
    return Minute("all", start, tuple(sorted(rows, key=lambda one: one.key)))


def progress(*minutes: Minute, places: Sequence[Place] = (PLACE,), state: bytes = b"open", lines: int = 1) -> Progress:
    """Make what came since the last commit."""
    return Progress(minutes, state, Fed(lines, lines, newest=T0), places)


def moved(database: Database, before: Standing, what: Progress, host: str = "h1") -> Standing:
    """Commit what came since."""
    with database.transaction() as connection:
        return advance(connection, "web", host, before, what, VirtualClock().now())


def stands(database: Database, host: str = "h1") -> Standing:
    """Read how the log stands."""
    with database.snapshot() as connection:
        return standing(connection, "web", host)


def windows(database: Database, start: int = T0, end: int = T0 + HOUR, minutes: int = 1) -> tuple[Window, ...]:
    """Read windows."""
    with database.snapshot() as connection:
        return windows_of(connection, WEB, METRIC, start, end, minutes)


def counts(found: Sequence[Window]) -> list[tuple[int, int, dict[str, int]]]:
    """Return start, length and lines by series of each window."""
    return [(one.start - T0, one.minutes, {row.key[0]: row.count for row in one.rows}) for one in found]


def test_a_commit_is_places_and_counts_together(database: Database) -> None:
    """What is read back is what was written: places, open minutes, sums, closed minutes."""
    assert stands(database) == Standing(places={})
    first = moved(database, stands(database), progress(minute(T0, a=3), lines=3))
    assert stands(database) == first
    assert (first.version, first.sequence, first.lines, first.state) == (1, 1, 3, b"open")
    assert first.places == {1: PLACE}
    further = replace(PLACE, offset=1800, tail="128:ef")
    second = moved(database, first, progress(minute(T0 + 60, a=1), places=[further, replace(PLACE, number=2)]))
    assert stands(database) == second
    assert second.places == {1: further, 2: replace(PLACE, number=2)}
    third = moved(database, second, progress(places=[replace(PLACE, number=2)], lines=0))
    assert stands(database).places == third.places == {2: replace(PLACE, number=2)}
    assert counts(windows(database)) == [(0, 1, {"a": 3}), (60, 1, {"a": 1})]


def test_whoever_was_overtaken_writes_nothing(database: Database) -> None:
    """Of two processes that go on from one standing, the second is refused whole: minutes, places and all."""
    first = moved(database, Standing(places={}), progress(minute(T0, a=3)))
    moved(database, first, progress(minute(T0 + 60, a=1), places=[replace(PLACE, offset=1800)]))
    before = stands(database)
    for late in (first, Standing(places={})):
        with pytest.raises(OvertakenError, match="another process follows the log web on host h1"):
            moved(database, late, progress(minute(T0 + 120, a=9), places=[replace(PLACE, number=7)]))
    assert stands(database) == before
    assert sum(row.count for one in windows(database) for row in one.rows) == 4


def test_hosts_and_corrections_add_up(database: Database) -> None:
    """A minute that two hosts counted, and that one of them closed twice, is one window with the sum."""
    first = moved(database, Standing(places={}), progress(minute(T0, a=3, b=1)))
    moved(database, first, progress(minute(T0, a=2)))
    moved(database, Standing(places={}), progress(minute(T0, b=10)), host="h2")
    (window,) = windows(database)
    assert {row.key[0]: row.count for row in window.rows} == {"a": 5, "b": 11}
    assert window.rows[0].values["rt"].percentile(99) == 5


def test_windows_are_whole_and_have_no_more_series_than_the_metric_may(database: Database) -> None:
    """A longer window is the sum of its minutes, and its largest series are chosen in the sum."""
    some = [minute(T0 + 60 * n, a=1, b=2 if n else 1, c=3 if n == 4 else 1) for n in range(5)]
    moved(database, Standing(places={}), progress(*some, minute(T0 + 300, a=7)))
    assert counts(windows(database, start=T0 + 130, end=T0 + 131, minutes=5)) == [
        (0, 5, {"b": 9, "c": 7, "__other__": 5})
    ]


def test_a_row_that_is_sent_twice_counts_once(database: Database) -> None:
    """Rows carry the number that their host gave them."""
    row = Stored("web", "h9", 4, 1, minute(T0, a=3))
    for _ in range(2):
        with database.transaction() as connection:
            put(connection, [row])
    assert counts(windows(database)) == [(0, 1, {"a": 3})]


def test_old_minutes_become_quarters_and_hours_and_leave(database: Database) -> None:
    """The sums stay the same to the line; what is left says how long it is."""
    clock = VirtualClock()
    keeper = SeriesKeeper(database, "w1", clock, Ages(timedelta(days=1), timedelta(days=2), timedelta(days=3)))
    some = [minute(T0 + 60 * n, a=1) for n in range(60)]
    moved(database, Standing(places={}), progress(*some))
    assert keeper.tick() == 0
    clock.advance(timedelta(days=1, hours=1))
    assert keeper.tick() == 60
    assert counts(windows(database)) == [(n * 900, 15, {"a": 15}) for n in range(4)]
    assert counts(windows(database, minutes=20)) == [(0, 30, {"a": 30}), (1800, 30, {"a": 30})]
    clock.advance(timedelta(days=1))
    assert keeper.tick() == 4
    assert counts(windows(database)) == [(0, 60, {"a": 60})]
    clock.advance(timedelta(days=1))
    assert keeper.tick() == 1
    assert windows(database) == ()


def test_a_line_later_than_retention_joins_what_its_minute_became(database: Database) -> None:
    """A minute that was added up already takes what comes later, and nothing is left beside it."""
    first = moved(database, Standing(places={}), progress(minute(T0, a=3), minute(T0 + 60, b=1)))
    before = VirtualClock().now() + timedelta(days=2)
    with database.transaction() as connection:
        assert roll_up(connection, before, 1, 15) == 2
    moved(database, first, progress(minute(T0, a=1)))
    with database.transaction() as connection:
        assert roll_up(connection, before, 1, 15) == 2
        assert roll_up(connection, before, 1, 15) == 0
        assert connection.scalar(sa.select(sa.func.count()).select_from(LOG_MINUTE)) == 1
    assert counts(windows(database)) == [(0, 15, {"a": 4, "b": 1})]


def test_what_is_not_old_stays(database: Database) -> None:
    """Only whole longer windows are made, and only rows that are older leave."""
    moved(database, Standing(places={}), progress(minute(T0, a=1), minute(T0 + 900, a=1)))
    with database.transaction() as connection:
        assert roll_up(connection, VirtualClock().now() + timedelta(minutes=14), 1, 15) == 0
        assert drop_series(connection, VirtualClock().now()) == 0
        assert drop_series(connection, VirtualClock().now() + timedelta(minutes=1)) == 1
    assert counts(windows(database)) == [(900, 1, {"a": 1})]
