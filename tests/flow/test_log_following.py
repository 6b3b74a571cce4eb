"""A log from its file to the record: every line once in its minute, whatever fails in between."""

from __future__ import annotations

import fcntl
import gzip
import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloudheal.app import App
from cloudheal.app.following import Following
from cloudheal.logs import formats
from cloudheal.logs.counting import Reason
from cloudheal.logs.definition import Definition, Field, Function, Kind, Measure, Metric
from cloudheal.logs.engines import pick
from cloudheal.pipeline.log_following import LINES_AT_ONCE, OPEN_LATE, Follower, pieces
from cloudheal.record.database import Database, open_database
from cloudheal.record.log_following import OvertakenError, open_minutes, standing
from cloudheal.record.log_series import windows_of
from cloudheal.record.schema import migrate
from cloudheal.record.tables import LOG_MINUTE
from cloudheal.settings.schema import Settings
from cloudheal.sources.log_files import TailedFiles
from cloudheal.testing import VirtualClock
from tests.flow.operators import until

FORMAT = formats.key_value((Field("batch"), Field("number", Kind.NUMBER)))
COUNTS = Metric(
    "lines",
    by=("batch",),
    measures=(Measure("lines", Function.COUNT, "line"), Measure("sum", Function.SUM, "number")),
    most=10_000,
)


class Failing:
    """A database that fails when told to, before a commit or right after it, when nobody can know."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.fails = ""
        self.snapshot = database.snapshot
        self.writing = database.writing

    @contextmanager
    def transaction(self, check: Callable[[], object] | None = None) -> Iterator[sa.Connection]:
        """Do it, or fail."""
        if self.fails == "before":
            self.fails = ""
            raise sa.exc.OperationalError("commit", {}, OSError("disk full"))
        with self.database.transaction(check) as connection:
            yield connection
        if self.fails == "after":
            self.fails = ""
            raise sa.exc.OperationalError("commit", {}, OSError("connection lost"))


class Machine:
    """One host that follows one log of a folder."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.clock = VirtualClock()
        self.live = folder / "app.log"
        self.live.touch()
        self.database = database
        self.store = Failing(database)
        self.definition = Definition("app", (str(self.live),), FORMAT, (COUNTS,))
        self.written: Counter[str] = Counter()
        self.sums: Counter[str] = Counter()
        self.number = self.rotations = 0
        self.follower = self.started()

    def started(self) -> Follower:
        """Return a follower that knows nothing but the record."""
        return Follower(
            store=self.store,
            definition=self.definition,
            engine=pick(),
            files=TailedFiles(self.definition.files, self._tick, lambda: int(self._tick())),
            host="h1",
            clock=self.clock,
            tick=self._tick,
        )

    def _tick(self) -> float:
        return self.clock.now().timestamp()

    def write(self, count: int = 1, at: datetime | None = None, to: Path | None = None) -> int:
        """Append lines; returns the number of the last one."""
        stamp = (at or self.clock.now()).strftime("%Y-%m-%dT%H:%M:%SZ")
        with (to or self.live).open("a") as file:
            for _ in range(count):
                self.number += 1
                batch = f"b{self.number // 20}"
                file.write(f"{stamp} batch={batch} number={self.number}\n")
                self.written[batch] += 1
                self.sums[batch] += self.number
        return self.number

    def follow(self, seconds: float = 1.0, rounds: int = 1) -> Follower:
        """Follow for some rounds."""
        for _ in range(rounds):
            self.follower.follow()
            self.clock.advance(timedelta(seconds=seconds))
        return self.follower

    def crash(self) -> Follower:
        """Die; another process begins."""
        self.follower.forget()
        self.follower = self.started()
        return self.follower

    def fail(self) -> bool:
        """Lose the database in the middle of a commit, before or after it."""
        self.store.fails = "before" if self.number % 2 else "after"
        try:
            self.follow(seconds=6, rounds=2)
        except sa.exc.OperationalError:
            return True
        self.store.fails = ""
        return False

    def rotated(self) -> Path:
        """Name the next rotated file."""
        self.rotations += 1
        return self.live.with_name(f"app.log-{2026_0000 + self.rotations}")

    def renamed(self) -> Path:
        """Rotate by renaming."""
        self.live.rename(target := self.rotated())
        self.live.touch()
        return target

    def copied(self) -> Path:
        """Rotate by copying and truncating."""
        shutil.copyfile(self.live, target := self.rotated())
        os.truncate(self.live, 0)
        return target

    def packed(self) -> int:
        """Compress the oldest rotated file that is not; its time stays."""
        for path in sorted(self.live.parent.glob("app.log-*[0-9]"))[:1]:
            status, target = path.stat(), path.with_name(f"{path.name}.gz")
            target.write_bytes(gzip.compress(path.read_bytes()))
            os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
            path.unlink()
        return self.rotations

    def counted(self) -> tuple[Counter[str], Counter[str]]:
        """Return lines and sums by batch, over all minutes on record."""
        with self.database.snapshot() as connection:
            windows = windows_of(connection, self.definition, self.definition.metrics[0], 0, 1 << 33, 1)
        lines, sums = Counter[str](), Counter[str]()
        for row in (row for window in windows for row in window.rows):
            lines[row.key[0]] += row.count
            sums[row.key[0]] += row.values["number"].total
        return lines, sums

    def assert_each_once(self) -> None:
        """Every line is on record once: as many of each batch, with the same numbers."""
        self.follower.end()
        lines, sums = self.counted()
        assert (lines - self.written, self.written - lines) == (Counter(), Counter())
        assert sums == self.sums


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A host with an empty log."""
    database = open_database(f"sqlite:///{tmp_path / 'logs.db'}")
    migrate(database)
    (tmp_path / "logs").mkdir()
    yield Machine(tmp_path / "logs", database)
    database.close()


def stored(machine: Machine) -> list[int]:
    """Return the minutes on record, as minutes of the clock's hour, with repetitions."""
    with machine.database.snapshot() as connection:
        starts = connection.scalars(sa.select(LOG_MINUTE.c.start).order_by(LOG_MINUTE.c.sequence))
        return [start // 60 % 60 for start in starts]


def test_a_minute_is_stored_when_no_more_lines_are_expected(machine: Machine) -> None:
    """The clock closes a minute, a minute after its end; what is open is shown as far as it was committed."""
    machine.write(3)
    machine.follow(seconds=10, rounds=6)
    assert stored(machine) == []
    with machine.database.snapshot() as connection:
        (open_one,) = open_minutes(connection, machine.definition, pick())
    assert sum(row.count for row in open_one.rows) == 3
    machine.write(1)
    machine.follow(seconds=10, rounds=8)
    assert stored(machine) == [0]
    machine.follow(seconds=10, rounds=8)
    assert stored(machine) == [0, 1]
    machine.assert_each_once()


def test_a_late_line_is_added_to_its_minute(machine: Machine) -> None:
    """What comes after its minute was stored is stored beside it and counts."""
    begin = machine.clock.now()
    machine.write(3)
    machine.follow(seconds=20, rounds=10)
    machine.write(2, at=begin)
    machine.follow(seconds=20, rounds=3)
    assert stored(machine) == [0, 0]
    assert machine.follower.reading.fed.late == 2
    machine.assert_each_once()


@pytest.mark.parametrize("fails", ["before", "after"])
def test_a_commit_of_which_nobody_knows_counts_once(machine: Machine, fails: str) -> None:
    """When the database fails, before a commit or after it, the follower begins again from what is on record."""
    for _ in range(5):
        machine.write(30)
        machine.follow(seconds=6, rounds=2)
        machine.write(30)
        machine.store.fails = fails
        with pytest.raises(sa.exc.OperationalError):
            machine.follow(seconds=6, rounds=3)
    machine.follow(seconds=6, rounds=2)
    machine.assert_each_once()


def test_a_database_that_is_away_is_asked_once_a_second(machine: Machine) -> None:
    """After a failure a second passes before the next try, however often the follower is ticked."""
    machine.write(3)
    machine.store.fails = "before"
    with pytest.raises(sa.exc.OperationalError):
        machine.follow(seconds=0.1)
    machine.store.fails = "before"
    machine.follow(seconds=0.1, rounds=9)
    assert machine.store.fails == "before"
    with pytest.raises(sa.exc.OperationalError):
        machine.follow(seconds=0.1, rounds=2)
    machine.follow(rounds=3)
    machine.assert_each_once()


def test_two_processes_on_one_log_count_each_line_once(machine: Machine) -> None:
    """Whoever commits second is refused, and begins again behind the first."""
    other, refused = machine.started(), 0
    for _ in range(6):
        machine.write(30)
        for one in (machine.follower, other):
            machine.clock.advance(timedelta(seconds=6))
            try:
                one.follow()
            except OvertakenError:
                refused += 1
    assert refused
    other.forget()
    machine.follow(seconds=6, rounds=3)
    machine.assert_each_once()


def test_any_history_of_crashes_and_rotations_counts_each_line_once(machine: Machine) -> None:
    """Killed at any moment, rotated in both ways, compressed, failing commits: the sums are exact."""
    chance = random.Random(5)
    deeds = [machine.renamed, machine.copied, machine.packed, machine.crash]
    for _ in range(400):
        deed = chance.choice((*deeds, *[machine.write] * 4, *[machine.follow] * 4, machine.fail))
        if deed == machine.write:
            machine.write(chance.choice((1, 40)))
        elif deed == machine.follow:
            machine.follow(seconds=chance.choice((0.1, 2.0, 6.0)))
        else:
            deed()
    machine.follow(seconds=2, rounds=20)
    machine.assert_each_once()


def test_what_is_counted_may_be_changed_between_two_starts(machine: Machine) -> None:
    """An orderly end stores the open minutes, so that another definition begins with nothing that it cannot read."""
    machine.write(5)
    machine.follow(rounds=2)
    machine.follower.end()
    machine.definition = replace(machine.definition, metrics=(COUNTS, Metric("all", measures=COUNTS.measures)))
    machine.follower = machine.started()
    machine.write(5)
    machine.follow(rounds=2)
    machine.assert_each_once()


def test_lines_after_an_orderly_end_are_not_late(machine: Machine) -> None:
    """Closing everything at the end does not make late lines of what the next process reads."""
    machine.write(5)
    machine.follow(rounds=2)
    machine.follower.end()
    machine.follower = machine.started()
    machine.write(5)
    machine.follow(rounds=10)
    assert machine.follower.reading.fed.late == 0
    machine.assert_each_once()


def test_a_line_of_the_future_moves_no_time_of_the_record(machine: Machine) -> None:
    """A time to come, which a client or a wrong clock may write, does not close what is open: within `ahead` too."""
    machine.write(1, at=machine.clock.now() + timedelta(minutes=5))
    machine.follow(seconds=6, rounds=2)
    with machine.database.snapshot() as connection:
        assert standing(connection, "app", "h1").newest <= machine.clock.now().timestamp()
    machine.crash()
    for _ in range(3):
        machine.write(OPEN_LATE + 1, at=machine.clock.now() - timedelta(minutes=30))
        machine.follow(seconds=6, rounds=2)
    late = machine.follower.reading.fed.late
    machine.write(OPEN_LATE + 1)
    machine.follow(seconds=6, rounds=2)
    assert machine.follower.reading.fed.late == late
    assert late > OPEN_LATE


def test_a_clock_that_is_wrong_fills_no_minutes_to_come(machine: Machine) -> None:
    """However many there are, each is refused with its reason, and lines of now have room; so has what comes true."""
    begin = machine.clock.now()
    with machine.live.open("a") as file:
        file.writelines(
            f"{begin + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%SZ} batch=far number=1\n" for minute in range(6, 2000)
        )
    machine.write(5)
    machine.write(3, at=begin + timedelta(minutes=5))
    machine.follow(seconds=6, rounds=2)
    fed = machine.follower.reading.fed
    assert (fed.counted, fed.reasons) == (8, {Reason.AHEAD: 1994})
    machine.clock.advance(timedelta(minutes=30))
    machine.write(3)
    machine.follow(seconds=6, rounds=2)
    assert machine.follower.reading.fed.counted == 11
    machine.assert_each_once()


def test_a_log_of_years_with_a_line_a_minute_is_counted_whole(machine: Machine) -> None:
    """More minutes than a counter has room for are no reason to leave lines out, in files of any order."""
    begin = machine.clock.now() - timedelta(days=30)
    older = machine.live.with_name("app.log.1")
    machine.definition = replace(machine.definition, files=(f"{machine.live}*",))
    machine.follower = machine.started()
    for minute in range(0, 4000, 2):
        machine.write(2, at=begin + timedelta(minutes=minute), to=older)
        machine.write(1, at=begin + timedelta(minutes=minute * 3))
    os.utime(older, (begin.timestamp(), begin.timestamp()))
    machine.follow(rounds=3)
    with machine.database.snapshot() as connection:
        found = standing(connection, "app", "h1")
    assert (found.lines, found.rejected) == (6_000, 0)
    machine.assert_each_once()


def test_blocks_are_counted_in_pieces_with_room_for_every_line() -> None:
    """However lines of different lengths are mixed, no piece has more than a counter has room for."""
    chance = random.Random(1)
    lines = [b"x" * chance.choice((1, 1, 1, 400)) + b"\n" for _ in range(20_000)] + [b"\n"] * 9000
    found = list(pieces(b"".join(lines)))
    assert b"".join(found) == b"".join(lines)
    assert max(one.count(b"\n") for one in found) <= LINES_AT_ONCE
    assert list(pieces(b"a")) == [b"a"]


def test_a_reading_says_what_is_wrong(machine: Machine) -> None:
    """No file, a damaged one, and half a line, which is nothing to worry about."""
    machine.live.unlink()
    followed = Following(machine.database, {"app": machine.follower}, "h1")
    assert list(followed.problems()) == []
    assert machine.follow().reading.files == 0
    assert list(followed.problems()) == ["log.none app"]
    machine.write(1)
    with machine.live.open("a") as file:
        file.write("half a line")
    reading = machine.follow(rounds=3).reading
    assert (reading.files, reading.behind, reading.late) == (1, 0, 0.0)
    machine.live.with_name("app.log.1.gz").write_bytes(b"no gzip")
    os.utime(machine.live.with_name("app.log.1.gz"))
    reading = machine.follow(rounds=3).reading
    assert [Path(one.path).name for one in reading.troubles] == ["app.log.1.gz"]
    (problem,) = followed.problems()
    assert problem.startswith("log.unreadable app path=")


def test_a_worker_follows_its_logs_and_tells_what_is_wrong(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """`run` counts beside all else; a log without a file is in /healthz, and logged once; an orderly end commits."""
    live = tmp_path / "app.log"
    live.write_text("2026-03-02T03:00:00Z batch=b0 number=7\n" * 3 + "no time\n", encoding="utf-8")
    metrics = [{"name": "lines", "by": ["batch"], "measures": ["count()"]}]
    log = {"format": {"key_value": True}, "fields": {"batch": "text"}, "metrics": metrics}
    logs = [{"name": "app", "files": [str(live)], **log}, {"name": "none", "files": [str(tmp_path / "no.log")], **log}]
    document = {"database": f"sqlite:///{tmp_path / 'cloudheal.db'}", "logs": logs, "follow": {"host": "h1"}}
    with App(Settings.model_validate(document)).running() as app:
        until(lambda: app.following.followers["app"].reading.fed.lines == 4, what="four lines")
        until(lambda: "log.none none" in app.watch.health()["problems"], what="the log without a file")  # type: ignore[operator]
        until(lambda: "logs.problem log.none none" in caplog.text, what="its warning")
        assert app.following.warn() == 0
        metrics_page = app.watch.metrics()
    assert 'cloudheal_log_lines_total{log="app",outcome="counted"} 3' in metrics_page
    assert 'cloudheal_log_lines_total{log="app",outcome="time"} 1' in metrics_page
    assert 'cloudheal_log_files{log="none"} 0' in metrics_page
    database = open_database(app.settings.database)
    with database.snapshot() as connection:
        assert standing(connection, "app", "h1").lines == 4
        assert connection.scalar(sa.select(sa.func.count()).select_from(LOG_MINUTE)) == 1
    database.close()


def test_databases_of_one_name_in_two_folders_do_not_wait_for_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database of the settings is a file of the working folder, if nothing is said; each folder has its own."""
    found: list[Following] = []
    for folder in (tmp_path / "one", tmp_path / "other"):
        folder.mkdir()
        monkeypatch.chdir(folder)
        database = open_database("sqlite:///cloudheal.db")
        migrate(database)
        machine = Machine(folder, database)
        machine.write(3)
        found.append(Following(database, {"app": machine.follower}, "h1"))
        found[-1].catch_up(lambda: False)
    assert [one.stands_by for one in found] == [False, False]
    assert [one.readings()[0].files for one in found] == [1, 1]
    for one in found:
        one.followers["app"].forget()
        one.release()
        one.database.close()


def test_a_second_process_stands_by_until_the_first_has_ended(machine: Machine) -> None:
    """The lock of the host says who follows; it is free at once when its holder ends or dies."""
    first, second = (Following(machine.database, {"app": one}, "h1") for one in (machine.follower, machine.started()))
    machine.write(3)
    first.catch_up(lambda: False)
    second.catch_up(lambda: False)
    assert (first.stands_by, second.stands_by) == (False, True)
    assert [one.files for one in second.readings()] == [0]
    assert list(second.problems()) == []
    first.release()
    second.catch_up(lambda: False)
    assert not second.stands_by
    assert second.end() == 1
    machine.follower.forget()
    machine.assert_each_once()


def test_a_stranger_who_takes_the_place_of_the_lock_keeps_nobody_from_following(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of the lock is everybody's; what somebody else put there is no lock, and the log is followed."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "everybodys"))
    Path(tempfile.gettempdir()).mkdir()
    followed = Following(machine.database, {"app": machine.follower}, "h1")
    followed.catch_up(lambda: False)
    followed.release()
    (lock,) = Path(tempfile.gettempdir()).iterdir()
    lock.unlink()
    lock.symlink_to(machine.live)
    machine.write(3)
    followed.catch_up(lambda: False)
    assert not followed.stands_by
    followed.release()
    if os.getuid() == 0:
        lock.unlink()
        lock.touch()
        os.chown(lock, 65534, 65534)
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            followed.catch_up(lambda: False)
        assert not followed.stands_by
    assert followed.end() == 1
    machine.follower.forget()
    machine.assert_each_once()
