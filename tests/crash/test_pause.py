"""A pause is a person's word: it stops what has begun already, outlives kill -9, and ends only when they say so."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloudheal.record.tables import RUN
from tests.crash.rounds import Round, effects, fresh, keys, known_ids, open_url
from tests.crash.scenarios import RESTART, WEB
from tests.crash.test_two_workers import BEGUN, is_frozen, thaw
from tests.sim.simulator import started
from tests.zygote import run

pytestmark = [
    pytest.mark.timeout(200),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="whether a process is frozen is read from /proc"),
]


@pytest.fixture
def place(database_url: str, tmp_path: Path) -> Iterator[Round]:
    """A stopped server, its event on the queue, and an empty database."""
    keys()
    fresh(database_url)
    simulator = started()
    prepared = Round(simulator, database_url, tmp_path, RESTART)
    prepared.prepare()
    yield prepared
    simulator.stop()


def command(place: Round, *words: str) -> str:
    """Type a command at another terminal."""
    typed = [sys.executable, "-m", "cloudheal", *words, "--config", str(place.folder / "first.yaml")]
    done = run(typed)
    assert done.returncode == 0, done.stderr
    return done.stdout


def waits_for(place: Round) -> list[str]:
    """Return what the runs wait for."""
    with sa.create_engine(open_url(place.url), poolclass=sa.NullPool).connect() as connection:
        return list(connection.scalars(sa.select(RUN.c.waits_for).where(RUN.c.state == "waiting")))


def starts(place: Round) -> int:
    """Count how often the server began to start by a call."""
    return effects(place.simulator, known_ids(RESTART))[f"instance.status {WEB} Stopped > Starting"]


@pytest.mark.parametrize("database_url", ["postgresql", pytest.param("sqlite", marks=pytest.mark.soak)], indirect=True)
def test_a_pause_stops_a_run_in_its_course_outlives_kill_9_and_ends_with_resume(place: Round) -> None:
    """Paused between claim and intent, nothing is called, by this worker or the next one; after resume it is healed."""
    first = place.worker("first", BEGUN, signal.SIGSTOP)
    assert place.until(lambda: is_frozen(first))
    command(place, "pause", "a person looks")
    thaw(first)
    assert place.until(lambda: waits_for(place) == ["paused"])
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    first.join()
    second = place.worker("second")
    assert place.until(lambda: "run.ready" in (place.folder / "output").read_text().partition("run.ready")[2])
    threading.Event().wait(3)  # not a wait for something: the time in which a worker that forgot would act
    assert waits_for(place) == ["paused"]
    assert starts(place) == 0
    command(place, "resume")
    assert place.until(place.over)
    assert place.ended(second) == 0
    assert starts(place) == 1
