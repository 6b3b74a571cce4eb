"""Agents on two machines count, ship and are killed at random: the centre has every line once."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from cloudheal.logs.declared import definitions_of
from cloudheal.ports import SystemClock
from cloudheal.record.log_series import windows_of
from tests.contract.test_log_pages import LOG, SECRET, Place
from tests.flow.operators import until
from tests.zygote import Forked

pytestmark = pytest.mark.soak
KILLS, LINES = 6, 200


@pytest.fixture
def centre(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A cloudheal that listens."""
    monkeypatch.setenv("SHIP", SECRET)
    place = Place(tmp_path / "centre.db", SystemClock())
    place.listener.start()
    yield place
    place.listener.stop()
    place.database.close()


class Machine:
    """A folder with a log and the two commands of an agent."""

    def __init__(self, folder: Path, name: str, centre: Place) -> None:
        folder.mkdir()
        self.folder, self.log, self.lines = folder, folder / "access.log", 0
        url = f"http://127.0.0.1:{centre.listener.port}"
        shipping = {"name": "up", "to": "cloudheal", "url": url, "source": "agents", "secret_env": "SHIP"}
        document = {
            "logs": [{**LOG, "files": [str(self.log)], "late": "1s"}],
            "outlets": [shipping],
            "follow": {"host": name},
            "database": f"sqlite:///{folder / 'agent.db'}",
        }
        (folder / "cloudheal.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
        self.running = {name: self._start(name) for name in ("follow", "ship")}

    def _start(self, command: str) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-m", "cloudheal", "logs", command]
        return Forked(words, cwd=self.folder, stderr=subprocess.DEVNULL)

    def write(self, count: int) -> int:
        """Append lines of now."""
        now = f"{datetime.now(UTC):%d/%b/%Y:%H:%M:%S +0000}"
        line = f'10.0.0.1 - - [{now}] "GET /a HTTP/1.1" 0.032 129 200 168 "-" "-"\n'
        with self.log.open("a", encoding="utf-8") as file:
            file.write(line * count)
        self.lines += count
        return count

    def kill(self, command: str) -> int:
        """Kill one of them without a word, and start it again."""
        self.running[command].send_signal(signal.SIGKILL)
        self.running[command].wait(timeout=20)
        self.running[command] = self._start(command)
        return self.running[command].pid

    def end(self) -> list[int]:
        """End both in order."""
        for one in self.running.values():
            one.send_signal(signal.SIGTERM)
        return [one.wait(timeout=30) for one in self.running.values()]


@pytest.mark.timeout(400)
def test_every_line_of_every_machine_counts_once(centre: Place, tmp_path: Path) -> None:
    """However often counting and shipping die, the sum over the minutes of the centre is what was written."""
    chance, since = random.Random(7), int(time.time()) - 120
    machines = [Machine(tmp_path / name, name, centre) for name in ("web-1", "web-2")]
    (definition,) = definitions_of(centre.settings)
    between = threading.Event()

    def arrived() -> int:
        with centre.database.snapshot() as connection:
            found = windows_of(connection, definition, definition.metrics[0], since, int(time.time()) + 60, 1)
        return sum(row.count for window in found for row in window.rows)

    try:
        until(lambda: all((one.folder / "agent.db").exists() for one in machines), 60, "agents at work")
        for _ in range(KILLS):
            for one in machines:
                one.write(LINES)
            between.wait(chance.uniform(1, 6))  # not a wait for something: the moment of the kill
            chance.choice(machines).kill(chance.choice(["follow", "ship"]))
        written = sum(one.lines for one in machines)
        until(lambda: arrived() >= written, 240, f"{written} lines at the centre")
        between.wait(10)
        print(f"written={written} arrived={arrived()} kills={KILLS}")
        assert arrived() == written
    finally:
        ended = [one.end() for one in machines]
    assert ended == [[0, 0]] * len(machines)
