"""A log of 50,000 lines a second, followed: how much of a core that takes, and how soon a line is counted.

    python benchmarks/follow.py [LINES_A_SECOND] [SECONDS]

The follower is `cloudheal logs follow`, a process of its own, with SQLite on disk. The baseline of the same run is
`tail -F FILE > /dev/null`, which reads and counts nothing. Latency is measured in a second run inside of the follower,
because looking at every line for the time at which it was written costs more than counting it.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from bench.figures import cpu_seconds, met, percentile, shown

from cloudheal.app.chores import Chores
from cloudheal.app.following import POLL_SECONDS, following_of
from cloudheal.app.outage import Outage
from cloudheal.logs.counting import EVER, Counter, Engine, Fed, Limits, Minute
from cloudheal.logs.declared import definitions_of
from cloudheal.logs.definition import Definition
from cloudheal.logs.engines import pick
from cloudheal.metrics.counters import Counters
from cloudheal.ports.clock import SystemClock
from cloudheal.record.database import open_database
from cloudheal.record.schema import migrate
from cloudheal.settings.loader import load_settings

#: The writer appends so often.
STEP_SECONDS = 0.01
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
FORMAT = '$remote_addr - - [$time_local] "$request" $request_time $status $body_bytes_sent "$http_user_agent"'
WRITTEN = re.compile(rb"written=(\d+\.\d+)")
GOAL_SHARE, GOAL_MILLIS = 0.05, 150


def settings(folder: Path) -> Path:
    """Write the settings of the follower; returns their file."""
    measures = ["count()", "avg(request_time) as rt", "p99(request_time)", "countps() as qps"]
    log = {
        "name": "web",
        "files": [str(folder / "access.log")],
        "format": {"nginx": FORMAT},
        "urls": {"field": "url"},
        "metrics": [
            {"name": "all", "measures": measures},
            {"name": "by_url", "by": ["url"], "measures": measures},
            {"name": "failed", "where": "status >= 500", "by": ["status"], "measures": ["count()"]},
        ],
    }
    path = folder / "cloudheal.yaml"
    path.write_text(yaml.safe_dump({"database": f"sqlite:///{folder / 'logs.db'}", "logs": [log]}), encoding="utf-8")
    return path


def write(path: str, rate: int, seconds: float) -> int:
    """Append so many lines a second; returns how many were written. The role of a process of its own."""
    each, count = max(1, round(rate * STEP_SECONDS)), 0
    lines = [
        f'203.0.113.{n % 250} - - [%s] "GET /item/{n * 7919 % 100_000}/view{n % 50}?session={n} HTTP/1.1"'
        f' 0.{n % 999:03} {500 if n % 97 == 0 else 200} {n % 9000} "{AGENT} written=%s"\n'
        for n in range(each)
    ]
    chunk = "".join(lines)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    begin = time.monotonic()
    while (now := time.monotonic()) < begin + seconds:
        stamp, at = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime()), f"{time.time():.6f}"
        os.write(descriptor, (chunk % ((stamp, at) * each)).encode())
        count += each
        time.sleep(max(0.0, begin + (count / rate) - now))
    os.close(descriptor)
    return count


@contextmanager
def writer(folder: Path, rate: int, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """Run a writer."""
    command = [sys.executable, __file__, "write", str(folder / "access.log"), str(rate), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process


@dataclass(slots=True)
class Shares:
    """What each process took of a core."""

    lines: int
    ours: float
    tail: float


def shares(folder: Path, rate: int, seconds: float) -> Shares:
    """Follow with both; returns what each took while lines were written."""
    (folder / "access.log").touch()
    follow = [sys.executable, "-m", "cloudheal", "logs", "follow", "-c", str(settings(folder))]
    tail = [shutil.which("tail") or "tail", "-F", str(folder / "access.log")]
    with (
        subprocess.Popen(follow, stderr=subprocess.PIPE, text=True) as ours,
        subprocess.Popen(tail, stdout=subprocess.DEVNULL) as theirs,
    ):
        assert ours.stderr is not None
        while "logs.ready" not in ours.stderr.readline():
            pass
        with writer(folder, rate, seconds) as process:
            began = [cpu_seconds(one) for one in (ours.pid, theirs.pid)]
            process.wait()
            spent = [cpu_seconds(one) - before for one, before in zip((ours.pid, theirs.pid), began, strict=True)]
            assert process.stdout is not None
            lines = int(process.stdout.read())
        ours.send_signal(signal.SIGTERM)
        theirs.terminate()
    return Shares(lines, spent[0] / seconds, spent[1] / seconds)


@dataclass(slots=True)
class Timed:
    """A counter that notes how long after it was written each line was counted."""

    inner: Counter
    after: list[float]

    def feed(self, block: bytes, until: int = EVER) -> Fed:
        """Count, then look."""
        fed = self.inner.feed(block, until)
        now = time.time()
        self.after += [now - float(one) for one in WRITTEN.findall(block)]
        return fed

    def close(self, before: int) -> tuple[Minute, ...]:
        """Hand minutes out."""
        return self.inner.close(before)

    def dump(self) -> bytes:
        """Return the open minutes."""
        return self.inner.dump()


@dataclass(slots=True)
class TimedEngine:
    """Makes such counters."""

    inner: Engine
    name: str = "timed"
    after: list[float] = field(default_factory=list)

    def counter(self, definition: Definition, limits: Limits | None = None) -> Counter:
        """Return a counter that has seen nothing."""
        return Timed(self.inner.counter(definition, limits or Limits()), self.after)

    def load(self, definition: Definition, state: bytes, limits: Limits | None = None) -> Counter:
        """Return a counter as it was."""
        return Timed(self.inner.load(definition, state, limits or Limits()), self.after)


def delays(folder: Path, rate: int, seconds: float) -> Sequence[float]:
    """Follow in this process; returns for each line how many seconds passed until it was counted."""
    (folder / "access.log").touch()
    read = load_settings(settings(folder))
    database, counters = open_database(read.database), Counters()
    migrate(database)
    following = following_of(read, database, definitions_of(read), SystemClock(), counters)
    (follower,) = following.followers.values()
    stopping, engine = threading.Event(), TimedEngine(follower.engine)
    follower.engine = engine
    chores = Chores(stopping, Outage(), counters)
    for name, work in following.works().items():
        chores.start(name, work, POLL_SECONDS)
    with writer(folder, rate, seconds) as process:
        process.wait()
    time.sleep(3 * POLL_SECONDS)
    stopping.set()
    chores.join(5)
    following.end()
    database.close()
    return engine.after


def main(rate: int = 50_000, seconds: float = 30) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="cloudheal-benchmark-") as folder:
        found = shares(Path(folder), rate, seconds)
    shown(f"engine {pick().name}: lines followed, a second", f"{found.lines / seconds:,.0f}")
    shown("share of a core", f"{found.ours:.1%}", f"{GOAL_SHARE:.0%} {met(found.ours <= GOAL_SHARE)}")
    shown("baseline: tail -F, which counts nothing", f"{found.tail:.1%}")
    shown("times the baseline", f"{found.ours / max(found.tail, 0.001):.1f}")
    with tempfile.TemporaryDirectory(prefix="cloudheal-benchmark-") as folder:
        after = delays(Path(folder), rate, seconds)
    p50, p99, most = (percentile(after, share) * 1000 for share in (0.5, 0.99, 1.0))
    shown(f"line to counter, {len(after):,} lines: median / most", f"{p50:.0f} / {most:.0f} ms")
    shown("line to counter, 99th percentile", f"{p99:.0f} ms", f"{GOAL_MILLIS} ms {met(p99 <= GOAL_MILLIS)}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["write"]:
        print(write(sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
    else:
        main(*(int(one) for one in sys.argv[1:]))
