"""An agent is killed between the commit of what it shipped and its answer: every line counts once."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from cloudheal.ports import SystemClock
from tests.contract.test_log_pages import LOG, SECRET, Place, minute
from tests.contract.test_log_pages import agent as beginning
from tests.zygote import Forked


@pytest.fixture
def centre(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A cloudheal that listens."""
    monkeypatch.setenv("SHIP", SECRET)
    place = Place(tmp_path / "centre.db", SystemClock())
    place.listener.start()
    yield place
    place.listener.stop()
    place.database.close()


def agent(folder: Path, centre: Place) -> subprocess.Popen[bytes]:
    """Start the command that ships, in a folder with its settings."""
    url = f"http://127.0.0.1:{centre.listener.port}"
    shipping = {"name": "up", "to": "cloudheal", "url": url, "source": "agents", "secret_env": "SHIP"}
    document = {"logs": [LOG], "outlets": [shipping], "database": f"sqlite:///{folder / 'agent.db'}"}
    (folder / "cloudheal.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    command = [sys.executable, "-m", "cloudheal", "logs", "ship", "--once"]
    with (folder / "said").open("wb") as said:
        return Forked(command, cwd=folder, stderr=subprocess.DEVNULL, stdout=said)


def a_lease_passes(web: Place) -> int:
    """Let half a minute pass, as far as whoever served the outlet is concerned."""
    with web.database.transaction() as connection:
        return connection.exec_driver_sql("DELETE FROM lease").rowcount


def test_an_agent_killed_before_it_was_answered_ships_nothing_twice(centre: Place, tmp_path: Path) -> None:
    """It dies when the centre has its shipment; the next one sends it again and the rest, and the sum is right."""
    web = Place(tmp_path / "agent.db", SystemClock())
    beginning(web, f"http://127.0.0.1:{centre.listener.port}").serve()
    a_lease_passes(web)
    for count in (3, 5):
        web.count(minute("requests", ((), count, 1)), "web-1")
    running = agent(tmp_path, centre)

    def killed(body: bytes, may: Callable[[str], bool]) -> str:
        said = centre.pages.ship(body, may)
        running.send_signal(signal.SIGKILL)
        running.wait(timeout=20)
        return said

    centre.ship = killed
    assert running.wait(timeout=60) == -signal.SIGKILL
    assert [row.count for row in centre.rows(0)] == [8]
    a_lease_passes(web)
    web.count(minute("requests", ((), 7, 1)), "web-1")
    centre.ship = centre.pages.ship
    assert agent(tmp_path, centre).wait(timeout=60) == 0
    assert "Minutes and samples sent: 3." in (tmp_path / "said").read_text(encoding="utf-8")
    assert [row.count for row in centre.rows(0)] == [15]
    assert 'cloudheal_shipped_minutes_total{log="shop",outcome="known"} 2' in centre.counters.exposition()
    web.database.close()
