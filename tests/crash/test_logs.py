"""A log is followed by a real process that is killed at any moment, while the log is rotated: each line counts once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from cloudheal.app.following import following_of
from cloudheal.logs.declared import definitions_of
from cloudheal.metrics.counters import Counters
from cloudheal.ports import SystemClock
from cloudheal.record.database import open_database
from cloudheal.record.log_series import windows_of
from cloudheal.record.schema import migrate
from cloudheal.settings.loader import load_settings
from tests.crash.log_writer import LogWriter
from tests.zygote import Forked


@dataclass(frozen=True)
class Tally:
    """What became of the lines."""

    lines: int
    counted: int
    lost: int
    doubled: int
    kills: int
    rotations: int
    packed: int
    sums_right: bool


def settings(folder: Path, url: str) -> Path:
    """Write the settings of the follower; returns their file."""
    log = {
        "name": "app",
        "files": [str(folder / "logs" / "app.log")],
        "format": {"nginx": "$remote_user [$time_local] $request_length"},
        "metrics": [
            {"name": "lines", "by": ["remote_user"], "measures": ["count()", "sum(request_length)"], "most": 10_000}
        ],
        "late": "5s",
    }
    path = folder / "cloudheal.yaml"
    path.write_text(yaml.safe_dump({"database": url, "logs": [log]}), encoding="utf-8")
    return path


def follower(config: Path) -> subprocess.Popen[str]:
    """Start `cloudheal logs follow`."""
    command = [sys.executable, "-m", "cloudheal", "logs", "follow", "-c", str(config)]
    return Forked(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def caught_up(config: Path) -> int:
    """Count what is there, as `--once` does; returns how many logs that are."""
    read = load_settings(config)
    database = open_database(read.database)
    migrate(database)
    following = following_of(read, database, definitions_of(read), SystemClock(), Counters())
    following.catch_up(lambda: False)
    count = following.end()
    database.close()
    return count


def chaos(folder: Path, url: str, seconds: float, seed: int) -> Tally:
    """Write, rotate and kill for so long; then let one follower come to the end, and count."""
    (folder / "logs").mkdir()
    (folder / "logs" / "app.log").touch()
    chance, config, kills = random.Random(seed), settings(folder, url), 0
    caught_up(config)  # from then on the log is known; what was rotated away before that is none of it
    until = time.monotonic() + seconds
    with LogWriter(folder / "logs", random.Random(seed + 1)) as writer:
        while time.monotonic() < until:
            process = follower(config)
            assert process.stderr is not None
            said = next((line for line in process.stderr if "logs.ready" in line), "")
            assert said, "the follower did not begin"
            threading.Event().wait(chance.choice((0.1, 0.7, 2.5)) * chance.random())  # the moment of the kill
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
            kills += 1
    caught_up(config)
    lines, sums = counted(config)
    lost, doubled = writer.batches - lines, lines - writer.batches
    return Tally(
        lines=writer.number,
        counted=lines.total(),
        lost=lost.total(),
        doubled=doubled.total(),
        kills=kills,
        rotations=writer.rotations,
        packed=writer.packed,
        sums_right=sums == writer.sums,
    )


def counted(config: Path) -> tuple[Counter[str], Counter[str]]:
    """Return how many lines of each batch are on record, and the sums of their numbers."""
    read = load_settings(config)
    (definition,) = definitions_of(read)
    database = open_database(read.database)
    with database.snapshot() as connection:
        windows = windows_of(connection, definition, definition.metrics[0], 0, 1 << 33, 1)
    database.close()
    lines, sums = Counter[str](), Counter[str]()
    for row in (row for window in windows for row in window.rows):
        lines[row.key[0]] += row.count
        sums[row.key[0]] += row.values["request_length"].total
    return lines, sums


def shown(tally: Tally) -> str:
    """Write what was counted in one line."""
    return (
        f"followed log: lines={tally.lines} counted={tally.counted} lost={tally.lost} doubled={tally.doubled}"
        f" kills={tally.kills} rotations={tally.rotations} compressed={tally.packed}"
    )


@pytest.mark.parametrize(
    ("database_url", "seconds"),
    [
        ("sqlite", 6),
        pytest.param("sqlite", 240, marks=[pytest.mark.soak, pytest.mark.timeout(400)]),
        pytest.param("postgresql", 120, marks=[pytest.mark.soak, pytest.mark.timeout(300)]),
    ],
    indirect=["database_url"],
)
def test_nothing_is_lost_and_nothing_counts_twice(
    tmp_path: Path, database_url: str, seconds: float, record_property: Callable[[str, object], None]
) -> None:
    """Killed with SIGKILL again and again, under rotation by renaming, by copying and with gzip: the sums are exact."""
    tally = chaos(tmp_path, database_url, seconds, seed=11)
    record_property("summary", shown(tally))
    assert (tally.lost, tally.doubled, tally.sums_right) == (0, 0, True), shown(tally)
    assert tally.kills
    assert tally.rotations
