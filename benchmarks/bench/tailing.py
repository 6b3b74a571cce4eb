"""One growing file, followed by `cloudheal logs follow` and by mtail at once: CPU seconds a line of each.

Both count lines and add up the response times by URL. Ours keeps them in SQLite on disk, with every commit that it
makes; mtail keeps them in memory and loses them with the process. Lines are those of logs.py, as of now. The time is
taken when both have counted every line, and what they came to is compared with what was written before anything is
printed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench.figures import cpu_seconds, met, shown

STEP_SECONDS = 0.01
PATIENCE_SECONDS = 60.0
GOAL = 25.0
#: By URL: lines, and milliseconds in all.
Sums = dict[str, tuple[int, int]]

PROGRAM = r"""
counter lines by url
counter took by url
/^\S+ - \S+ \[[^\]]*\] "\S+ (?P<url>[^ "?]*)\S* [^"]*" (?P<took>[0-9.]+) \d+ \d+ \d+ "[^"]*" "[^"]*"$/ {
  lines[$url]++
  took[$url] += $took
}
"""


@dataclass(frozen=True, slots=True)
class Side:
    """One who follows: its process, and what it has counted so far."""

    process: int
    sums: Callable[[], Sums]


def settings(folder: Path, log: Path) -> Path:
    """Write the settings of our follower; returns their file."""
    metric = {"name": "m", "by": ["url"], "measures": ["count()", "sum(request_time) as took"]}
    declared = {"name": "site", "files": [str(log)], "format": {"preset": "timed"}, "urls": {"field": "url"}}
    path = folder / "cloudheal.yaml"
    database = f"sqlite:///{folder / 'logs.db'}"
    text = yaml.safe_dump({"database": database, "logs": [{**declared, "metrics": [metric]}]})
    path.write_text(text, encoding="utf-8")
    return path


@contextmanager
def ours(folder: Path, log: Path) -> Iterator[Side]:
    """Follow with cloudheal."""
    path = settings(folder, log)
    command = [sys.executable, "-m", "cloudheal", "logs", "follow", "-c", str(path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while "logs.ready" not in process.stderr.readline():
            if process.poll() is not None:
                raise SystemExit("cloudheal logs follow did not start")
        yield Side(process.pid, lambda: _kept(path))
        process.send_signal(signal.SIGTERM)


def _kept(settings_path: Path) -> Sums:
    """Return what our follower has committed, open minutes included."""
    import sqlalchemy as sa  # noqa: PLC0415 - logs.py needs none of this where mtail is missing

    from cloudheal.logs.declared import definitions_of  # noqa: PLC0415
    from cloudheal.logs.engines import pick  # noqa: PLC0415
    from cloudheal.record.database import open_database  # noqa: PLC0415
    from cloudheal.record.log_following import open_minutes  # noqa: PLC0415
    from cloudheal.record.log_series import stored  # noqa: PLC0415
    from cloudheal.settings.loader import load_settings  # noqa: PLC0415

    read = load_settings(settings_path)
    database, (definition,) = open_database(read.database), definitions_of(read)
    with database.snapshot() as connection:
        minutes = [one.minute for one in stored(connection, sa.true())]
        minutes += open_minutes(connection, definition, pick())
    database.close()
    found: Sums = {}
    for row in (row for minute in minutes for row in minute.rows):
        count, total = found.get(row.key[0], (0, 0))
        found[row.key[0]] = count + row.count, total + row.values["request_time"].total
    return found


@contextmanager
def theirs(folder: Path, log: Path) -> Iterator[Side]:
    """Follow with mtail from Debian, with one thread, as it comes."""
    (folder / "site.mtail").write_text(PROGRAM, encoding="ascii")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = ["mtail", "--logs", str(log), "--progs", str(folder), "--log_dir", str(folder)]
    command += ["--address", "127.0.0.1", "--port", port]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ | {"GOMAXPROCS": "1"}) as process:
        url = f"http://127.0.0.1:{port}/json"
        until(lambda: _answers(url) is not None, "mtail did not start")
        yield Side(process.pid, lambda: _sums(_answers(url) or []))
        process.terminate()


def _answers(url: str) -> list[Mapping[str, object]] | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return list(json.load(answer) or [])
    except (urllib.error.URLError, ConnectionError):
        return None


def _sums(metrics: Sequence[Mapping[str, object]]) -> Sums:
    by_name: dict[object, dict[str, float]] = {}
    for one in metrics:
        values = one["LabelValues"]
        assert isinstance(values, list)
        by_name[one["Name"]] = {value["Labels"][0]: value["Value"]["Value"] for value in values}
    took = by_name.get("took", {})
    return {url: (int(count), round(took[url] * 1000)) for url, count in by_name.get("lines", {}).items()}


def until(done: Callable[[], bool], otherwise: str) -> float:
    """Wait for something; returns how long. Ends the program when it does not come."""
    began = time.monotonic()
    while not done():
        if time.monotonic() > began + PATIENCE_SECONDS:
            raise SystemExit(otherwise)
        time.sleep(0.2)
    return time.monotonic() - began


def write(log: Path, rate: int, seconds: float) -> Sums:
    """Append so many lines a second; returns what they come to."""
    chance = random.Random(6)
    tooks = [chance.lognormvariate(-3, 1.2) for _ in range(5000)]
    each = max(1, round(rate * STEP_SECONDS))
    chunks = [
        [(chance.randrange(1000), f"{min(chance.choice(tooks), 60):.3f}") for _ in range(each)] for _ in range(50)
    ]
    texts = ["".join(_line(number, url, took) for number, (url, took) in enumerate(chunk)) for chunk in chunks]
    counts: Counter[int] = Counter()
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    begin, count = time.monotonic(), 0
    while (now := time.monotonic()) < begin + seconds:
        which = count // each % len(texts)
        stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
        os.write(descriptor, texts[which].replace("STAMP", stamp).encode())
        counts[which] += 1
        count += each
        time.sleep(max(0.0, begin + count / rate - now))
    os.close(descriptor)
    found: Sums = {}
    for which, times in counts.items():
        for number, took in chunks[which]:
            lines, total = found.get(_url(number), (0, 0))
            found[_url(number)] = lines + times, total + times * int(took.replace(".", ""))
    return found


def _url(number: int) -> str:
    return f"/shop/{chr(97 + number % 26)}{number:03}/item"


def _line(number: int, url: int, took: str) -> str:
    return (
        f'10.{number % 251}.{url % 241}.{number % 199} - - [STAMP] "GET {_url(url)}?session={number * 7919 + url:08} '
        f'HTTP/1.1" {took} {300 + number % 400} {200 if number % 9 else 404} {number * 31 % 50_000} '
        '"https://www.example.com/start" "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0"\n'
    )


def follow(rate: int, seconds: float) -> float:
    """Let both follow, compare, print; returns how many times our CPU time mtail takes for a line."""
    with tempfile.TemporaryDirectory(prefix="cloudheal-benchmark-") as folder:
        log, sub = Path(folder) / "access.log", Path(folder) / "mtail"
        log.touch()
        sub.mkdir()
        with ours(Path(folder), log) as one, theirs(sub, log) as other:
            before = [cpu_seconds(side.process) for side in (one, other)]
            truth = write(log, rate, seconds)
            lines = sum(count for count, _ in truth.values())
            for side, name in ((other, "mtail"), (one, "cloudheal")):
                until(lambda side=side: _lines(side) >= lines, f"{name} did not count every line")  # type: ignore[misc]
            spent = [cpu_seconds(side.process) - was for side, was in zip((one, other), before, strict=True)]
            found = [side.sums() for side in (one, other)]
    if found != [truth, truth]:
        raise SystemExit("what was counted is not what was written")
    lead = spent[1] / max(spent[0], 0.01)
    print(f"followed at {rate:,} lines a second for {seconds:g} s, {lines:,} lines; both came to what was written")
    for name, cpu in zip(("cloudheal logs follow, commits included", "mtail"), spent, strict=True):
        shown(f"{name}: microseconds of CPU a line", f"{cpu / lines * 1e6:.2f}")
    shown("ours, as a multiple of mtail that follows", f"{lead:.1f}", f"{GOAL:g}: {met(lead >= GOAL)}")
    return lead


def _lines(side: Side) -> int:
    return sum(count for count, _ in side.sums().values())
