"""What an operator types about what was counted in logs, and what is answered."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from cloudheal.app.following import following_of
from cloudheal.cli import main
from cloudheal.cli.log_series import sparkline
from cloudheal.logs.counting import Minute, Row, Values
from cloudheal.logs.declared import definitions_of
from cloudheal.metrics.counters import Counters
from cloudheal.ports import SystemClock
from cloudheal.record.database import open_database
from cloudheal.record.log_series import add_minutes
from cloudheal.record.schema import migrate
from cloudheal.settings.loader import load_settings
from tests.zygote import run

SETTINGS = """
database: sqlite:///{folder}/cloudheal.db
language: {language}
logs:
  - name: web
    files: [access.log]
    format: {{nginx: '[$time_local] "$request" $request_time $status'}}
    metrics:
      - name: by_url
        by: [url]
        measures: [count() as requests, max(request_time) as slowest, avg(request_time) as mean, countps() as rate]
      - name: all
        measures: [count() as requests]
"""
#: What a stranger might send so that a terminal obeys.
FORGED = "/\x1b]0;owned\x07\x1b[2J"


def line(url: str, at: datetime, seconds: float) -> str:
    """Write a line of the log."""
    return f'[{at.strftime("%d/%b/%Y:%H:%M:%S +0000")}] "GET {url} HTTP/1.1" {seconds:.3f} 200\n'


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with settings and a log of half an hour, counted; its last minutes are not over."""
    (tmp_path / "cloudheal.yaml").write_text(SETTINGS.format(folder=tmp_path, language="en"), encoding="utf-8")
    now = datetime.now(UTC)
    lines = [line("/cart", now - timedelta(minutes=minute), 0.1 * minute) for minute in range(30)]
    lines += [line("/home", now - timedelta(minutes=minute), 0.01) for minute in range(30) for _ in range(3)]
    lines += [line(FORGED, now - timedelta(minutes=2), 9)]
    (tmp_path / "access.log").write_text("".join(lines), encoding="utf-8")
    read = load_settings(tmp_path / "cloudheal.yaml")
    database = open_database(read.database)
    migrate(database)
    following = following_of(read, database, definitions_of(read), SystemClock(), Counters())
    (follower,) = following.followers.values()
    follower.tick = count(step=60.0).__next__  # whenever it looks at the time a commit is due
    following.catch_up(lambda: False)
    follower.forget()
    following.release()
    database.close()
    return tmp_path


def typed(desk: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Type a command, in this process, which is much faster."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(desk)
        patch.setenv("COLUMNS", "160")
        patch.setattr(sys, "argv", ["cloudheal", "logs", *words])
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    assert "Traceback" not in err.getvalue(), err.getvalue()
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def document(desk: Path, *words: str) -> Any:
    """Type a command for programs."""
    done = typed(desk, *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_series_are_shown_with_the_busiest_first(desk: Path) -> None:
    """A table has a row for each figure of each series, with its course, and no more series than asked for."""
    shown = typed(desk, "query", "web", "by_url", "--since", "2h", "--limit", "2").stdout
    assert "/home" in shown
    assert "/cart" in shown
    assert shown.index("/home") < shown.index("/cart")
    assert any(bar in shown for bar in "▁▂▃▄▅▆▇█")
    assert "owned" not in shown


def test_a_range_is_the_sum_of_its_minutes(desk: Path) -> None:
    """Windows of the length that was asked for, and every line in one of them, those that are not over left out."""
    rows = document(desk, "query", "web", "by_url", "--since", "2h", "--minutes", "15", "--figure", "requests")
    home = next(row for row in rows if row["key"] == ["/home"])
    assert home["minutes"] == 15
    assert 80 <= sum(value for _, value in home["points"]) <= 90
    assert {row["figure"] for row in rows} == {"requests"}
    assert document(desk, "query", "web", "by_url", "--since", "2h", "--series", "/cart")[0]["key"] == ["/cart"]
    assert document(desk, "query", "web", "by_url", "--since", "9h", "--until", "8h") == []


def test_top_ranks_by_any_figure_and_counts_what_is_not_over(desk: Path) -> None:
    """By lines, if nothing is said; all of them are there."""
    rows = document(desk, "top", "web", "by_url", "--since", "2h")
    assert [(row["key"], row["figures"]["requests"]) for row in rows[:2]] == [(["/home"], 90), (["/cart"], 30)]
    by_slowest = document(desk, "top", "web", "by_url", "--since", "2h", "--by", "slowest")
    assert [row["figures"]["slowest"] for row in by_slowest] == [9, 2.9, 0.01]
    shown = typed(desk, "top", "web", "by_url", "--since", "2h", "--limit", "1").stdout
    assert "74.4%" in shown
    assert "/cart" not in shown


def test_rates_of_a_range_are_by_the_time_that_was_counted(desk: Path) -> None:
    """A range of 90 s begins with a whole minute, up to 150 s ago: lines of 150 s are not divided by 60."""
    before = time.time()
    row = document(desk, "top", "web", "by_url", "--since", "90s")[0]
    seconds = row["lines"] / row["figures"]["rate"]
    begun = [at - (at - 90) // 60 * 60 for at in (before, time.time())]
    assert any(at - 2 <= seconds <= at + 10 for at in begun)
    whole = document(desk, "top", "web", "by_url", "--since", "2h", "--until", "5m")[0]
    minutes = whole["lines"] / whole["figures"]["rate"] / 60
    assert minutes == pytest.approx(round(minutes))


def test_nothing_is_told_with_where_to_look(desk: Path) -> None:
    """A range in which nothing is stored names the command that shows what is open, and that one who counts."""
    done = typed(desk, "query", "web", "--since", "9h", "--until", "8h")
    assert (done.returncode, "cloudheal logs top web" in done.stdout) == (0, True)
    assert "cloudheal logs preview web" in typed(desk, "top", "web", "--since", "9h", "--until", "8h").stdout


def test_what_was_typed_is_not_made_into_something_else(desk: Path) -> None:
    """A name that no series has is not taken for a time without any, and a length that no window has for another."""
    done = typed(desk, "query", "web", "by_url", "--since", "2h", "--series", "/hone")
    assert "No series of web of this time has /hone in its name; there are /home, /cart" in done.stdout
    refused = typed(desk, "query", "web", "--minutes", "7")
    assert (refused.returncode, "expected one of 1, 2, 3, 4, 5, 10" in refused.stderr) == (2, True)


def test_names_of_series_cannot_drive_a_terminal(desk: Path) -> None:
    """What a stranger sent is shown without what a terminal would obey, in tables and for programs."""
    for words in (("query", "web", "by_url", "--since", "2h"), ("top", "web", "by_url", "--since", "2h")):
        for more in ((), ("--json",)):
            shown = typed(desk, *words, *more).stdout
            assert "owned" in shown
            assert not {one for one in shown if not one.isprintable() and one != "\n"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("query", "wep"), "web"),
        (("query", "web", "by_uri"), "by_url"),
        (("query", "web", "by_url", "--figure", "p99"), "slowest"),
        (("top", "web", "by_url", "--by", "p99"), "slowest"),
    ],
)
def test_what_does_not_exist_is_told_with_what_does(desk: Path, words: tuple[str, ...], said: str) -> None:
    """A misspelt log, metric or figure ends with 1 and the names that there are."""
    done = typed(desk, *words)
    assert done.returncode == 1
    assert said in done.stdout


def test_it_speaks_chinese(desk: Path) -> None:
    """Tables have their heads in the operator's language."""
    text = SETTINGS.format(folder=desk, language="zh")
    (desk / "cloudheal.yaml").write_text(text, encoding="utf-8")
    assert "走势" in typed(desk, "query", "web").stdout
    assert "名次" in typed(desk, "top", "web").stdout


def test_a_machine_that_only_counts_needs_no_account(desk: Path) -> None:
    """`logs follow --once` counts what is there, goes on where another process died, and says what it counted."""
    with (desk / "access.log").open("a", encoding="utf-8") as file:
        file.writelines(line("/home", datetime.now(UTC), 0.2) for _ in range(5))
    command = [sys.executable, "-m", "cloudheal", "logs", "follow", "--once", "--json"]
    done = run(command, cwd=desk)
    (row,) = json.loads(done.stdout)
    assert (row["lines"], row["counted"], row["files"]) == (5, 5, 1)
    text = SETTINGS.format(folder=desk, language="en").replace("[access.log]", "[none/*.log]")
    (desk / "cloudheal.yaml").write_text(text.replace("cloudheal.db", "other.db"), encoding="utf-8")
    assert "No file is there for web" in run([*command[:-1]], cwd=desk).stdout


def test_top_is_drawn_anew_until_it_is_interrupted(desk: Path) -> None:
    """`--live` in a terminal shows what was counted meanwhile, and Ctrl-C ends it in order."""
    here, there = pty.openpty()
    command = [sys.executable, "-m", "cloudheal", "logs", "top", "web", "by_url", "--since", "2h", "--live"]
    with subprocess.Popen(command, cwd=desk, stdin=there, stdout=there, stderr=subprocess.PIPE) as process:
        os.close(there)
        seen = read_until(here, b"/cart")
        database = open_database(load_settings(desk / "cloudheal.yaml").database)
        row = Row(("/new",), 1000, {"request_time": Values(1000, 1000, 1, 1, {1: 1000})})
        with database.transaction() as connection:
            add_minutes(connection, "web", "h2", [Minute("by_url", int(time.time()) // 60 * 60, (row,))], 0)
        database.close()
        seen += read_until(here, b"/new")
        process.send_signal(signal.SIGINT)
        while read_some(here):
            pass
        os.close(here)
        assert process.stderr is not None
        told = process.stderr.read()
    assert process.returncode == 0
    assert b"Traceback" not in told
    assert b"\x1b]0" not in seen


def read_some(terminal: int) -> bytes:
    """Read what a program has drawn; nothing when it has ended."""
    try:
        return os.read(terminal, 65_536)
    except OSError:
        return b""


def read_until(terminal: int, wanted: bytes) -> bytes:
    """Read until something was drawn."""
    seen = b""
    while wanted not in seen:
        some = read_some(terminal)
        assert some, seen
        seen += some
    return seen


@pytest.mark.parametrize(
    ("points", "drawn"),
    [
        ([(0, 1), (60, 2), (120, 8)], "▂▃█"),
        ([(0, 5), (120, 5)], "█ █"),
        ([(0, 0), (60, 0), (120, 0)], "▁▁▁"),
        ([(0, -4), (60, 4)], "▁█ "),
        ([], "   "),
    ],
)
def test_a_sparkline_is_drawn_from_zero(points: list[tuple[int, float]], drawn: str) -> None:
    """Heights are comparable, and a window without a value is a blank."""
    assert sparkline(points, 0, 180, 60) == drawn


def test_a_long_range_shows_the_largest_of_what_shares_a_character() -> None:
    """A peak of one minute in a day is seen."""
    points = [(minute * 60, 100.0 if minute == 700 else 1.0) for minute in range(1440)]
    drawn = sparkline(points, 0, 86_400, 60)
    assert (len(drawn), drawn.count("█")) == (48, 1)
