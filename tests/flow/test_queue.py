"""The queue's receivers: nothing is lost, nothing spoils its neighbours, and what is wrong is named."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cloudheal.app import accounts_of
from cloudheal.app.queue_state import QueueStates
from cloudheal.app.queues import NotCommittedError, Receivers
from cloudheal.clouds.keys import Keys
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.metrics.counters import Counters
from cloudheal.model.event import Channel, Fate
from cloudheal.ports import SystemClock
from cloudheal.record.tables import DEAD_LETTER, EVENT
from cloudheal.settings.accounts import AccountSettings
from cloudheal.settings.schema import Settings
from tests.flow.operators import Operator, until
from tests.flow.test_cli_work import message
from tests.flow.test_restart import QUEUE
from tests.flow.watching import Watching, settings_of, watching, world_of
from tests.sim.simulator import RunningSimulator


@pytest.fixture(autouse=True)
def account_keys(simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys in the environment, and a world with an empty queue of a short visibility time."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    simulator.control("POST", "reset")
    simulator.world(world_of([{"id": "i-bp1web01"}], queues=[{"name": QUEUE, "visibility_timeout": 2}]))


def put(simulator: RunningSimulator, *bodies: str) -> None:
    """Put messages on the queue."""
    for body in bodies:
        simulator.control("POST", "events", {"raw": body, "queue": QUEUE})


def waiting(simulator: RunningSimulator) -> int:
    """Count what is on the queue, in hand or not."""
    (queue,) = simulator.control("GET", "world")["alibaba"]["queues"]
    return len(queue["messages"])


def receivers(
    simulator: RunningSimulator, take: Callable[[Sequence[bytes], str, bool], Sequence[Fate]], **queue: Any
) -> Receivers:
    """Make receivers whose commit the test is."""
    place = {"endpoint": simulator.url, "name": QUEUE, "wait_seconds": 0, "visibility_seconds": 2, **queue}
    account = {"name": "prod", "cloud": "alibaba", "id": "1000000000000001", "regions": ["cn-hangzhou"], "queue": place}
    settings = AccountSettings.model_validate(account)
    connected = accounts_of(Settings(accounts=[settings])).connected
    return Receivers(settings, take, threading.Event(), QueueStates(SystemClock().now), Counters(), connected)


def done(bodies: Sequence[bytes], *_: object) -> Sequence[Fate]:
    """Take whatever comes."""
    return [Fate.DONE] * len(bodies)


@contextmanager
def receiving(some: Receivers) -> Iterator[None]:
    """Have receivers at work until the block ends, and end in order."""
    thread = threading.Thread(target=some.receive, kwargs={"once": False})
    thread.start()
    try:
        yield
    finally:
        some.stopping.set()
        thread.join(timeout=30)
        assert not thread.is_alive()


def test_every_message_has_its_own_end(operator: Operator) -> None:
    """S0.1: three are handled, poison is a dead letter with its reason, the unknown is recorded and ignored."""
    unknown = json.loads(message("i-bp1web02"))
    unknown |= {"name": "Instance:NewInventedThing", "content": {"resourceId": "i-bp1web02", "x": 1}}
    known = [message("i-bp1web01", "Stopped"), message("i-bp1web02", "Starting"), message("i-bp1web02", "Running")]
    for body in [*known, "garbage", json.dumps(unknown)]:
        operator.simulator.control("POST", "events", {"raw": body, "queue": QUEUE})
    finished = operator("run", "--once")
    assert finished.returncode == 0, finished.stderr
    assert "ERROR" not in finished.stderr
    assert finished.stderr.count("outcome=ignored") == 1
    assert finished.stderr.count("outcome=dead_letter") == 1
    assert "taken=5" in finished.stderr
    assert waiting(operator.simulator) == 0
    (letter,) = operator.json("dead-letters", "list")
    assert "not JSON" in letter["reason"]
    decisions = {(event["type"], event["status"]): event["decisions"] for event in operator.json("events")}
    assert decisions["Instance:NewInventedThing", ""] == ["no_rule"]
    assert decisions["Instance:StateChange", "Stopped"] != ["no_rule"]
    assert len(decisions) == 4


def test_an_empty_queue_is_silence(simulator: RunningSimulator, caplog: pytest.LogCaptureFixture) -> None:
    """An empty poll is an answer: nothing is logged, the queue is well."""
    caplog.set_level(logging.DEBUG, logger="cloudheal")
    some = receivers(simulator, done)
    assert some.receive(once=True) == 0
    assert caplog.messages == []
    (state,) = some.states.all()
    assert (state.problem, state.failures) == ("", 0)
    assert state.answered is not None


def test_several_receivers_share_a_queue(simulator: RunningSimulator) -> None:
    """Every message is taken by exactly one of them, whoever it is."""
    taken: list[bytes] = []
    guard = threading.Lock()

    def take(bodies: Sequence[bytes], origin: str, *_: object) -> Sequence[Fate]:
        with guard:
            taken.extend(bodies)
        return done(bodies, origin)

    put(simulator, *(str(number) for number in range(100)))
    assert receivers(simulator, take, receivers=4).receive(once=True) == 100
    assert sorted(taken, key=int) == [str(number).encode() for number in range(100)]
    assert waiting(simulator) == 0


def test_a_backlog_is_taken_by_the_hundred(simulator: RunningSimulator) -> None:
    """While a queue gives all that a call may bring, a receiver takes several calls' messages into one commit."""
    sizes: list[int] = []

    def take(bodies: Sequence[bytes], origin: str, *_: object) -> Sequence[Fate]:
        sizes.append(len(bodies))
        return done(bodies, origin)

    put(simulator, *(str(number) for number in range(150)))
    assert receivers(simulator, take, receivers=1).receive(once=True) == 150
    assert sizes == [128, 22]
    assert waiting(simulator) == 0


def test_what_was_taken_is_committed_when_the_next_call_fails(simulator: RunningSimulator) -> None:
    """A queue that stops answering in the middle of a backlog keeps nobody from what is in hand; the rest comes."""
    sizes: list[int] = []

    def take(bodies: Sequence[bytes], origin: str, *_: object) -> Sequence[Fate]:
        sizes.append(len(bodies))
        return done(bodies, origin)

    put(simulator, *(str(number) for number in range(40)))
    rule = {"service": "mns", "action": "BatchReceiveMessage", "when": {"every": 2, "times": 1}, "fault": "5xx"}
    simulator.control("PUT", "faults", [rule])
    assert receivers(simulator, take, receivers=1).receive(once=True) == 40
    assert sizes == [16, 24]
    assert waiting(simulator) == 0


def test_what_takes_long_to_commit_stays_in_hand(simulator: RunningSimulator) -> None:
    """Nobody else gets a message while its commit goes on, however short the queue's patience; then it is deleted."""
    release, calls = threading.Event(), [0]

    def slow(bodies: Sequence[bytes], origin: str, *_: object) -> Sequence[Fate]:
        calls[0] += 1
        assert release.wait(30)
        return done(bodies, origin)

    put(simulator, "one")
    some = receivers(simulator, slow)
    with receiving(some):
        until(lambda: extended(simulator) >= 3, what="three extensions")
        assert calls == [1]
        release.set()
        until(lambda: waiting(simulator) == 0, what="an empty queue")
    assert calls == [1]
    text = some.counters.exposition()
    assert f'cloudheal_queue_messages_total{{outcome="done",queue="{QUEUE}"}} 1' in text
    assert "redelivered_total{" not in text


def extended(simulator: RunningSimulator) -> int:
    """Count how often a message in hand was kept from others for longer."""
    return len(simulator.journal(action="ChangeMessageVisibility"))


def test_a_handle_that_expired_is_a_duplicate_later(simulator: RunningSimulator, tmp_path: Path) -> None:
    """Extending fails, the message comes again, is recognised, and is deleted; nothing is an error."""
    simulator.control("PUT", "faults", [{"service": "mns", "action": "ChangeMessageVisibility", "fault": "throttle"}])
    with watched(simulator, tmp_path) as one:
        fates: list[Fate] = []

        def slow(bodies: Sequence[bytes], origin: str, *_: object) -> Sequence[Fate]:
            found = [fared.fate for fared in one.app.take(bodies, origin, Channel.QUEUE).fared]
            if not fates:
                until(lambda: is_visible(simulator), what="an expired handle")
            fates.extend(found)
            return found

        put(simulator, message("i-bp1web01"))
        some = receivers(simulator, slow, receivers=1)
        with receiving(some):
            until(lambda: waiting(simulator) == 0, what="an empty queue")
    assert fates[:2] == [Fate.IGNORED, Fate.DUPLICATE]
    assert f'cloudheal_queue_redelivered_total{{queue="{QUEUE}"}} 1' in some.counters.exposition()


def is_visible(simulator: RunningSimulator) -> bool:
    """Say whether somebody could take the message that was put."""
    (queue,) = simulator.control("GET", "world")["alibaba"]["queues"]
    now = simulator.control("GET", "clock")["now"]
    return all(one["due"] is None or one["due"] <= now for one in queue["messages"])


@contextmanager
def watched(simulator: RunningSimulator, folder: Path) -> Iterator[Watching]:
    """Have a worker without rules."""
    with watching(simulator, settings_of(simulator, folder)) as one:
        yield one


def test_a_database_in_trouble_blames_no_message(simulator: RunningSimulator, tmp_path: Path) -> None:
    """What was received is given back and comes again; when the database is well it is taken, and nothing is dead."""
    put(simulator, message("i-bp1web01"), "garbage")
    with watched(simulator, tmp_path) as one:
        with one.app.database.transaction() as connection:
            connection.exec_driver_sql("ALTER TABLE event RENAME TO event_away")
        with pytest.raises(NotCommittedError, match="OperationalError"):
            one.drain()
        assert waiting(simulator) == 2
        assert one.rows(DEAD_LETTER) == []
        (state,) = one.app.queues.all()
        assert state.problem == "queue.not_committed"
        with one.app.database.transaction() as connection:
            connection.exec_driver_sql("ALTER TABLE event_away RENAME TO event")
        until(lambda: one.drain() > 0 or waiting(simulator) == 0, what="the message again")
        until(lambda: one.drain() == 0 and waiting(simulator) == 0, what="an empty queue")
        assert [row.resource for row in one.rows(EVENT)] == ["i-bp1web01"]
        assert len(one.rows(DEAD_LETTER)) == 1
        assert one.app.queues.all()[0].problem == ""


@pytest.mark.parametrize(
    ("change", "problem"),
    [({"name": "none"}, "queue.missing"), ({"endpoint": "http://127.0.0.1:9"}, "queue.unreachable")],
    ids=["missing", "unreachable"],
)
def test_what_keeps_a_queue_from_answering_is_named(
    simulator: RunningSimulator, caplog: pytest.LogCaptureFixture, change: dict[str, Any], problem: str
) -> None:
    """A missing queue and a broken network differ in log, state and metric; with --once the caller is told."""
    some = receivers(simulator, done, receivers=1, **change)
    with pytest.raises((CloudPermanentError, CloudTransientError)):
        some.receive(once=True)
    (state,) = some.states.all()
    assert (state.problem, state.failures) == (problem, 1)
    assert caplog.messages[0].startswith(f"{problem} queue=")
    assert caplog.messages[0].endswith("failures=1 again_in=1s")
    assert f'problem="{problem}"' in some.counters.exposition()


@pytest.mark.parametrize(("fault", "problem"), [("throttle", "queue.throttled"), ("5xx", "queue.failed")])
def test_a_throttled_queue_and_a_broken_one_are_told_apart(
    simulator: RunningSimulator, fault: str, problem: str
) -> None:
    """The first is asked too often, the second is ill; both are asked again later (B0-4)."""
    simulator.control("PUT", "faults", [{"service": "mns", "action": "BatchReceiveMessage", "fault": fault}])
    some = receivers(simulator, done, receivers=1)
    with pytest.raises((CloudPermanentError, CloudTransientError)):
        some.receive(once=True)
    assert some.states.all()[0].problem == problem


def test_the_long_poll_and_the_batch_of_the_settings_are_what_is_asked_for(simulator: RunningSimulator) -> None:
    """As many messages in one call as the file says, waited for as long as it says."""
    put(simulator, "one")
    receivers(simulator, done, receivers=1, wait_seconds=3, batch=7).receive(once=True)
    asked = [one["parameters"] for one in simulator.journal(action="BatchReceiveMessage")]
    assert {(one["numofmessages"], one["waitseconds"]) for one in asked} == {("7", "3")}


def test_pauses_grow_from_a_second_to_a_minute_and_no_further(
    simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue that is missing for a day costs a call a minute."""
    simulator.world(world_of([], queues=[]))
    some = receivers(simulator, done, receivers=1)
    pauses: list[float] = []

    def waited(seconds: float) -> bool:
        pauses.append(seconds)
        if len(pauses) == 9:
            some.stopping.set()
        return True

    monkeypatch.setattr(some.stopping, "wait", waited)
    some.receive(once=False)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_refused_key_is_named(simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not taken for an empty queue, nor for a broken network (B0-4)."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "wrong")
    some = receivers(simulator, done, receivers=1)
    with pytest.raises(CloudPermanentError):
        some.receive(once=True)
    assert some.states.all()[0].problem == "queue.refused"


def test_a_missing_queue_is_waited_for_with_growing_pauses(
    simulator: RunningSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    """No hot loop (B0-5): the pauses double; when the queue is there its messages are taken."""
    simulator.world(world_of([], queues=[]))
    some = receivers(simulator, done, receivers=1)
    with receiving(some):
        until(lambda: len(caplog.messages) >= 2, what="two failures")
        assert [text.rpartition("=")[2] for text in caplog.messages[:2]] == ["1s", "2s"]
        simulator.world(world_of([], queues=[{"name": QUEUE}]))
        put(simulator, "one")
        until(lambda: waiting(simulator) == 0, what="the message taken")
    (state,) = some.states.all()
    assert (state.problem, state.failures, state.failing_since) == ("", 0, None)


def test_an_endpoint_that_hangs_is_given_up(simulator: RunningSimulator) -> None:
    """Every connection has a time limit beyond its long poll, https included."""
    from cloudheal.clouds.alibaba.sources import MnsQueue  # noqa: PLC0415 - the vendor's client is what is looked at

    for endpoint in (simulator.url, "https://1000000000000001.mns.cn-hangzhou.aliyuncs.com"):
        queue = MnsQueue(endpoint, Keys("testid", "testsecret"), QUEUE)
        connection = queue._client.http.conn  # noqa: SLF001 - nothing else shows it
        assert connection.timeout == 40


def test_a_worker_told_to_stop_finishes_what_is_in_hand(simulator: RunningSimulator) -> None:
    """Stopping waits for the commit and deletes; nothing is left in hand (B0-22)."""
    entered, release = threading.Event(), threading.Event()

    def slow(bodies: Sequence[bytes], origin: str, *_: object) -> Sequence[Fate]:
        entered.set()
        assert release.wait(30)
        return done(bodies, origin)

    put(simulator, "one")
    some = receivers(simulator, slow)
    thread = threading.Thread(target=some.receive, kwargs={"once": False})
    thread.start()
    assert entered.wait(30)
    some.stopping.set()
    release.set()
    thread.join(timeout=30)
    assert not thread.is_alive()
    assert waiting(simulator) == 0


def test_waiting_batches_are_one_commit(simulator: RunningSimulator, tmp_path: Path) -> None:
    """Whoever comes while another commits is committed with everyone else who came."""
    with watched(simulator, tmp_path) as one:
        group, sizes = one.app.group, []
        threads = [
            threading.Thread(
                target=lambda n=n: sizes.append(len(one.app.take([str(n).encode()], "o", Channel.FILE).fared))
            )
            for n in range(20)
        ]
        with group._turn:  # noqa: SLF001 - stands for a commit that goes on
            for thread in threads:
                thread.start()
            until(lambda: len(group._waiting) == 20, what="twenty that wait")  # noqa: SLF001
        for thread in threads:
            thread.join(timeout=30)
        assert sizes == [1] * 20
        assert len(one.rows(DEAD_LETTER)) == 20
        text = one.app.counters.exposition()
        assert "cloudheal_commit_messages_count 1" in text
        assert "cloudheal_commit_messages_sum 20" in text
