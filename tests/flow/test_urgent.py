"""What cannot wait has a queue of its own: it is read before all else, and is one event however often it comes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cloudheal.clouds.alibaba.events import INTERRUPTION
from cloudheal.record.promotions import promote
from cloudheal.record.tables import EVENT, INCIDENT
from cloudheal.settings.accounts import AccountSettings
from cloudheal.settings.schema import Settings
from tests.flow.operators import until
from tests.flow.test_cli_work import message
from tests.flow.watching import QUEUE, Watching, settings_of, watching, world_of
from tests.sim.simulator import RunningSimulator

URGENT, SPOT = "ecs-urgent", "i-bp1spot1"
WAITING = 2000
RULE = {
    "name": "leave-before-release",
    "when": {"type": [INTERRUPTION]},
    "resources": {"all": True},
    "playbook": "spot_evacuate",
    "mode": "auto",
}


@pytest.fixture(autouse=True)
def account_keys(simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys in the environment, and a spot server whose interruption is told in both queues."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    simulator.control("POST", "reset")
    simulator.world(world([{"name": QUEUE}, {"name": URGENT}]))


def world(queues: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a world with a spot server, some queues, and the two rules."""
    to = {name: [{"mns": {"queue": name}}] for name in (QUEUE, URGENT)}
    rules = [
        {"name": "all", "pattern": {"product": "ECS", "names": ["*"]}, "targets": to[QUEUE]},
        {"name": "urgent", "pattern": {"product": "ECS", "names": [INTERRUPTION]}, "targets": to[URGENT]},
    ]
    return world_of([{"id": SPOT, "spot": True}], queues=queues, event_rules=rules)


def left(simulator: RunningSimulator) -> dict[str, int]:
    """Count what is on each queue."""
    queues = simulator.control("GET", "world")["alibaba"]["queues"]
    return {one["name"]: len(one["messages"]) for one in queues}


def settings(simulator: RunningSimulator, folder: Path) -> Settings:
    """Return settings with both queues."""
    found = settings_of(simulator, folder, rules=[RULE], watch={"canary": {}})
    account = found.accounts[0]
    assert account.queue is not None
    queue = account.queue.model_copy(update={"urgent": URGENT})
    return found.model_copy(update={"accounts": [account.model_copy(update={"queue": queue})]})


@contextmanager
def trusted(simulator: RunningSimulator, folder: Path) -> Iterator[Watching]:
    """Have a worker whose rule may act."""
    with watching(simulator, settings(simulator, folder)) as one:
        with one.app.database.transaction() as connection:
            promote(connection, one.app.settings.rules, "test", one.app.clock.now())
        yield one


@contextmanager
def consuming(one: Watching) -> Iterator[None]:
    """Have the worker take messages until the block ends."""
    thread = threading.Thread(target=one.app.consume, args=one.app.settings.accounts)
    thread.start()
    try:
        yield
    finally:
        one.app.stopping.set()
        thread.join(timeout=60)
        assert not thread.is_alive()


def test_an_interruption_overtakes_thousands_that_wait(simulator: RunningSimulator, tmp_path: Path) -> None:
    """Its run has begun while nearly everything that was there before it is still on the queue."""
    before = [{"body": message(f"i-bp1web{number}", "Starting")} for number in range(WAITING)]
    simulator.world(world([{"name": QUEUE, "messages": before}, {"name": URGENT}]))
    simulator.control("POST", "chaos", {"do": "reclaim", "instances": [SPOT]})
    until(lambda: left(simulator) == {QUEUE: WAITING + 1, URGENT: 1}, what="an interruption on both queues")
    with trusted(simulator, tmp_path) as one, consuming(one):
        until(lambda: bool(one.rows(INCIDENT)), what="an incident of the interruption")
        assert left(simulator)[QUEUE] > WAITING / 2
    (incident,) = one.rows(INCIDENT)
    assert (incident.resource, incident.trouble) == (SPOT, "interruption")


def test_a_message_in_both_queues_is_one_event_and_heals_once(simulator: RunningSimulator, tmp_path: Path) -> None:
    """Whichever comes first counts, the other is a duplicate; both are acknowledged."""
    simulator.control("POST", "chaos", {"do": "reclaim", "instances": [SPOT]})
    until(lambda: left(simulator) == {QUEUE: 1, URGENT: 1}, what="an interruption on both queues")
    with trusted(simulator, tmp_path) as one:
        assert one.drain() == 2
        assert left(simulator) == {QUEUE: 0, URGENT: 0}
        assert [row.type for row in one.rows(EVENT)] == [INTERRUPTION]
        one.until_ended(1)
        assert len(one.rows(INCIDENT)) == 1
        counted = one.app.counters.exposition()
    outcomes = [line for line in counted.splitlines() if line.startswith("cloudheal_queue_messages_total{")]
    assert sorted(line.partition("outcome=")[2].split('"')[1] for line in outcomes) == ["done", "duplicate"]


def test_a_missing_urgent_queue_is_shown_while_the_other_one_works(simulator: RunningSimulator, tmp_path: Path) -> None:
    """It is waited for with pauses and is an illness; its interruption comes by the other queue meanwhile."""
    simulator.world(world([{"name": QUEUE}]))
    simulator.control("POST", "chaos", {"do": "reclaim", "instances": [SPOT]})
    with trusted(simulator, tmp_path) as one, consuming(one):
        until(lambda: left(simulator) == {QUEUE: 0}, what="everything taken from the ordinary queue")
        until(lambda: len(one.app.queues.all()) == 2, what="news of both queues")
        health = one.app.watch.health()
        problem = f"queue.missing prod/{URGENT} code=QueueNotExist"
        assert problem in health["problems"]  # type: ignore[operator]  # a list, in a document
        assert {state.queue: state.problem for state in one.app.queues.all()} == {QUEUE: "", URGENT: "queue.missing"}
        until(lambda: [row.resource for row in one.rows(INCIDENT)] == [SPOT], what="an incident of the interruption")
        simulator.world(world([{"name": QUEUE}, {"name": URGENT}]))
        until(lambda: all(not state.problem for state in one.app.queues.all()), what="both queues well")


def test_both_queues_are_watched(simulator: RunningSimulator, tmp_path: Path) -> None:
    """The age of what waits and the canaries are those of each queue, in health and metrics."""
    with watching(simulator, settings(simulator, tmp_path)) as one:
        one.app.lookout.tick()
        health, metrics = one.app.watch.health(), one.app.watch.metrics()
    for name in (QUEUE, URGENT):
        assert f"queue.late prod/{name}" in health["watches"]  # type: ignore[operator]  # a document
        assert health["canaries"][f"prod/{name}"]["sent"]  # type: ignore[index]  # a document
        assert f'cloudheal_queue_age_seconds{{queue="prod/{name}"}}' in metrics
    assert left(simulator) == {QUEUE: 1, URGENT: 1}


@pytest.mark.parametrize(
    ("urgent", "problem"), [(QUEUE, "another queue"), ("-", "match pattern")], ids=["the same", "no name"]
)
def test_the_urgent_queue_is_another_one(urgent: str, problem: str) -> None:
    """One name for both would be one queue with two readers, of which one never waits."""
    queue = {"endpoint": "http://127.0.0.1:9", "name": QUEUE, "urgent": urgent}
    account = {"name": "a", "cloud": "alibaba", "id": "1000000000000001", "regions": ["cn-hangzhou"], "queue": queue}
    with pytest.raises(ValueError, match=problem):
        AccountSettings.model_validate(account)
