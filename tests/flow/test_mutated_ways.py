"""Mutated bodies by the two ways that strangers reach: each has an end, the counts add up, the loop lives."""

from __future__ import annotations

import base64
import http.client
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from cloudheal.app import App
from cloudheal.model.event import Channel
from cloudheal.record.tables import DEAD_LETTER, EVENT
from tests.flow.test_mutated import ENVELOPES, mutated, resident_kilobytes
from tests.flow.watching import QUEUE, settings_of, world_of
from tests.sim.simulator import RunningSimulator

FEW, MANY = 400, 10_000
SECRET = "0123456789abcdef0123456789abcdef"
LISTEN = {
    "port": 0,
    "sources": [{"name": "stranger", "proof": "path", "secret_env": "HOOK_PATH", "per_minute": 60_000}],
}
#: How much more memory a worker may have after all bodies than after the first fifth of them.
GROWTH = 1.3

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")


@pytest.fixture
def begin(simulator: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], App]:
    """Return a worker that listens, and whose queue holds these bodies."""
    for name, value in {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "testid",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret",
        "HOOK_PATH": SECRET,
    }.items():
        monkeypatch.setenv(name, value)

    def start(bodies: list[str]) -> App:
        simulator.control("POST", "reset")
        simulator.world(world_of([{"id": "i-web"}], queues=[{"name": QUEUE, "messages": bodies}]))
        return App(settings_of(simulator, tmp_path, listen=LISTEN))

    return start


def ends(app: App) -> Counter[str]:
    """Count the ends that the worker's own metrics and tables tell."""
    lines = [line for line in app.watch.metrics().splitlines() if line.startswith("cloudheal_events_total{")]
    counted: Counter[str] = Counter()
    for line in lines:
        name, _, number = line.rpartition(" ")
        counted[name.partition('outcome="')[2].partition('"')[0]] += int(float(number))
    with app.database.snapshot() as connection:
        told = sa.select(sa.func.count()).select_from(EVENT).where(EVENT.c.channel != Channel.POLL.value)
        counted["rows"] = connection.scalar(told) or 0
        counted["letters"] = connection.scalar(sa.select(sa.func.sum(DEAD_LETTER.c.copies))) or 0
        counted["unexplained"] = (
            connection.scalar(sa.select(sa.func.count()).select_from(DEAD_LETTER).where(DEAD_LETTER.c.reason == ""))
            or 0
        )
    return counted


def check(counted: Counter[str], bodies: int) -> None:
    """Compare the ends with the number of bodies."""
    assert sum(counted[end] for end in ("done", "ignored", "duplicate", "dead_letter")) == bodies, counted
    assert counted["rows"] == counted["done"] + counted["ignored"], counted
    assert counted["letters"] == counted["dead_letter"] > 0, counted
    assert counted["unexplained"] == 0


def queued(begin: Callable[[list[str]], App], simulator: RunningSimulator, number: int) -> str:
    """Take so many mutated bodies from the queue."""
    chance = Random(number)
    bodies = [base64.b64encode(mutated(chance) or b"-").decode() for _ in range(number)]
    with begin(bodies).running() as app:
        assert app.consume(app.settings.accounts[0], once=True) == number
        counted = ends(app)
        check(counted, number)
        (queue,) = simulator.control("GET", "world")["alibaba"]["queues"]
        assert queue["messages"] == []
    return f"queue: bodies={number} {dict(counted)}"


def pushed(begin: Callable[[list[str]], App], number: int) -> str:
    """Push so many mutated bodies over HTTP; a body that is not taken is refused with a status."""
    chance, statuses, early = Random(number + 1), Counter[int](), 0
    with begin([]).running() as app:
        assert app.listener is not None
        connection = http.client.HTTPConnection("127.0.0.1", app.listener.port, timeout=60)
        for turn in range(number):
            statuses[push(connection, mutated(chance))] += 1
            early = resident_kilobytes() if turn == number // 5 else early
        grown = resident_kilobytes() / early
        assert grown < GROWTH
        assert set(statuses) <= {200, 400, 413, 422}, statuses
        counted = ends(app)
        check(counted, statuses[200])
        assert push(connection, json.dumps(ENVELOPES[0] | {"eventTime": "20260303T110026.922+0800"}).encode()) == 200
        assert ends(app)["rows"] == counted["rows"] + 1
        connection.close()
    return f"pushes: bodies={number} {dict(statuses)} {dict(counted)} memory={grown:.2f}"


def push(connection: http.client.HTTPConnection, body: bytes) -> int:
    """Push one body; returns the status."""
    connection.request("POST", f"/ingest/stranger/{SECRET}", body, {"Content-Type": "application/json"})
    answer: Any = connection.getresponse()
    answer.read()
    return int(answer.status)


def test_mutated_bodies_of_a_queue_each_have_an_end(
    begin: Callable[[list[str]], App], simulator: RunningSimulator
) -> None:
    """Each is an event, a duplicate or a dead letter with a reason, and all of them are deleted."""
    queued(begin, simulator, FEW)


def test_mutated_pushes_each_have_an_end(begin: Callable[[list[str]], App]) -> None:
    """Each is refused or taken, what was taken is an event, a duplicate or a dead letter; the next good one is new."""
    pushed(begin, FEW)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_ten_thousand_of_each(
    begin: Callable[[list[str]], App], simulator: RunningSimulator, record_property: Callable[[str, object], None]
) -> None:
    """The same with ten thousand bodies by each way."""
    record_property("summary", queued(begin, simulator, MANY))
    record_property("summary", pushed(begin, MANY))
