"""What the automation costs: looks, calls and time of each playbook, held against what the cloud was really asked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from cloudheal.ports.spending import call_sent, counting
from cloudheal.record.promotions import promote
from cloudheal.record.review import review
from tests.flow.watching import Watching, settings_of, watching, world_of
from tests.sim.simulator import RunningSimulator, started

SERVERS = ("i-bp1web01", "i-bp1web02")
RULE = {
    "name": "restart",
    "when": {"type": ["Instance:StateChange"], "data": {"state": ["Stopped"]}},
    "resources": {"all": True},
    "desired": "on",
    "playbook": "restart_stopped",
    "with": {"start_timeout": "20s", "backoff": "1s"},
    "mode": "auto",
}
#: Each fourth call is turned away, and counts like every other.
THROTTLED = {"name": "throttled", "service": "ecs", "every": 4, "fault": "throttle"}


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watching]:
    """A worker that has looked once and knows its two servers."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    simulator: RunningSimulator = started()
    simulator.control("PUT", "clock", {"mode": "stepped", "skew_check": "off"})
    simulator.world(world_of([{"id": one} for one in SERVERS]))
    with watching(simulator, settings_of(simulator, tmp_path, rules=[RULE])) as watched:
        with watched.app.database.transaction() as connection:
            promote(connection, watched.app.settings.rules, "test", watched.app.clock.now())
        watched.tick()
        yield watched
    simulator.stop()


def test_a_review_says_what_a_playbook_cost_and_the_cloud_says_the_same(watched: Watching) -> None:
    """Two servers are healed under throttling: the calls of the review are those in the cloud's journal."""
    before = len(watched.simulator.journal(service="ecs"))
    watched.simulator.control("PUT", "faults", [THROTTLED])
    watched.chaos("power_off", *SERVERS)
    began = watched.app.clock.now()
    watched.advance(2)
    watched.drain()
    watched.until_ended(2)
    with watched.app.database.snapshot() as connection:
        (spent,) = review(connection, began - timedelta(days=1), watched.app.clock.now(), UTC).remedies
    assert (spent.playbook, spent.healed) == ("restart_stopped", 2)
    assert spent.calls == len(watched.simulator.journal(service="ecs")) - before
    assert spent.calls >= 4
    assert spent.looks >= 2
    assert timedelta(0) < spent.worked <= (watched.app.clock.now() - began) * 2


def test_calls_are_counted_for_the_look_that_sends_them_and_for_no_other() -> None:
    """Inside, beside and after each other: every call belongs to the innermost count, or to nobody."""
    assert call_sent() is False
    with counting() as outer:
        call_sent()
        with counting() as inner:
            call_sent()
            call_sent()
        call_sent()
    assert (outer.calls, inner.calls) == (2, 2)
    assert call_sent() is False
