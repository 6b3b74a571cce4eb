"""A topic of CKafka as a queue: read as a member of a group, acknowledged by its offsets, over the real protocol."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudheal.clouds.tencent import kafka_member, sources
from cloudheal.clouds.tencent.in_hand import InHand
from cloudheal.clouds.tencent.sources import KafkaQueue
from cloudheal.errors import CloudPermanentError, CloudTransientError, SettingsError
from cloudheal.ports.queue import QueuedMessage, QueueProblem, StillJoiningError
from cloudheal.settings.kafka import KafkaSettings, Login
from tests.broker.broker import Broker
from tests.flow.operators import until

TOPIC = "events"


@pytest.fixture(autouse=True)
def short_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A member that went without a word is given up after a second."""
    monkeypatch.setattr(kafka_member, "SESSION_SECONDS", 1.0)


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A broker with a topic of two partitions."""
    running = Broker().start()
    running.create(TOPIC, 2)
    yield running
    running.stop()


def queue(broker: Broker, login: Login | None = None, **more: Any) -> KafkaQueue:
    """Connect to the topic."""
    place = {"servers": [broker.address], "topic": TOPIC, "tls": False, "wait_seconds": 1, **more}
    return KafkaQueue(KafkaSettings.model_validate(place), login or Login())


def some(place: KafkaQueue, wanted: int) -> list[QueuedMessage]:
    """Read until so many messages are in hand."""
    found: list[QueuedMessage] = []

    def enough() -> bool:
        try:
            found.extend(place.receive(1, 100))
        except StillJoiningError:
            return False
        return len(found) >= wanted

    until(enough, 20, f"{wanted} messages")
    return found


def problem(place: KafkaQueue, ask: Callable[[], object]) -> QueueProblem:
    """Ask until that fails, which may take several times; returns why."""
    while True:
        try:
            ask()
        except StillJoiningError:
            continue
        except (CloudTransientError, CloudPermanentError) as told:
            return place.problem_of(told) if "wrong" not in str(told) else QueueProblem.FAILED


def test_a_partition_is_committed_when_its_messages_are_acknowledged(broker: Broker) -> None:
    """Every partition is read in its order, and nothing is committed before somebody says that it is done with."""
    broker.put(TOPIC, b"a", b"b", None)
    broker.put(TOPIC, b"c", partition=1)
    with closing(queue(broker)) as place:
        found = some(place, 4)
        assert [one.body for one in found if one.handle.startswith("0/")] == [b"a", b"b", b""]
        assert "OffsetCommit" not in broker.seen
        assert place.acknowledge([one.handle for one in found]) == ()
    assert [broker.committed("cloudheal", TOPIC, number) for number in (0, 1)] == [3, 1]
    assert "LeaveGroup" in broker.seen


def test_what_was_not_acknowledged_comes_again(broker: Broker) -> None:
    """A member that goes without a word leaves everything after the last commit to the next."""
    broker.put(TOPIC, *(b"%d" % number for number in range(5)))
    with closing(queue(broker)) as first:
        found = some(first, 5)
        first.acknowledge([one.handle for one in found[:2]])
        first.acknowledge([found[4].handle])
        assert broker.committed("cloudheal", TOPIC) == 2
    with closing(queue(broker)) as second:
        assert [one.body for one in some(second, 3)] == [b"2", b"3", b"4"]


def test_what_is_given_back_comes_again_at_once(broker: Broker) -> None:
    """After a commit of ours that failed the very same member reads the same messages again."""
    broker.put(TOPIC, b"a", b"b")
    with closing(queue(broker)) as place:
        place.give_back([one.handle for one in some(place, 2)])
        assert [one.body for one in some(place, 2)] == [b"a", b"b"]


def test_a_partition_that_went_to_another_is_not_committed_by_the_one_before(broker: Broker) -> None:
    """Two members share the topic; what the first had in hand of the partition that it lost comes to the second."""
    broker.put(TOPIC, b"a")
    broker.put(TOPIC, b"b", partition=1)
    with closing(queue(broker)) as first, closing(queue(broker)) as second:
        held = some(first, 2)
        got: list[QueuedMessage] = []
        reading = threading.Thread(target=lambda: got.extend(some(second, 1)))
        reading.start()
        reading.join(timeout=20)
        (lost,) = got
        assert lost.handle in {one.handle for one in held}
        assert set(first.acknowledge([one.handle for one in held])) >= {lost.handle}
        assert second.acknowledge([lost.handle]) == ()
        assert broker.committed("cloudheal", TOPIC, int(lost.handle[0])) == 1


def test_a_broker_that_went_away_is_told_and_found_again(broker: Broker) -> None:
    """Away is unreachable, back is as if nothing had been."""
    with closing(queue(broker)) as place:
        broker.put(TOPIC, b"a")
        place.acknowledge([one.handle for one in some(place, 1)])
        broker.stop()
        assert problem(place, lambda: place.receive(0, 10)) is QueueProblem.UNREACHABLE
        broker.start()
        broker.put(TOPIC, b"b")
        assert [one.body for one in some(place, 1)] == [b"b"]


@pytest.mark.parametrize(
    ("change", "login", "wanted"),
    [
        (lambda broker: broker.topics.clear(), Login(), QueueProblem.MISSING),
        (lambda broker: setattr(broker, "login", ("heal", "right")), Login("heal", "wrong"), QueueProblem.REFUSED),
        (lambda broker: broker.stop(), Login(), QueueProblem.UNREACHABLE),
        (lambda broker: setattr(broker, "silent", True), Login(), QueueProblem.UNREACHABLE),
    ],
    ids=["no topic", "wrong password", "nobody there", "no answer"],
)  # fmt: skip
def test_each_reason_has_its_own_name(
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Broker], object],
    login: Login,
    wanted: QueueProblem,
) -> None:
    """Missing, refused and unreachable are mended by different people."""
    monkeypatch.setattr(sources, "CALL_SECONDS", 1.0)
    change(broker)
    with closing(queue(broker, login)) as place:
        for ask in (lambda: place.receive(0, 10), place.oldest):
            assert problem(place, ask) is wanted


def test_a_user_with_the_right_password_is_let_in(broker: Broker) -> None:
    """SASL PLAIN, as the brokers of CKafka ask for it."""
    broker.login = ("ckafka-1#heal", "right-password")
    broker.put(TOPIC, b"a")
    with closing(queue(broker, Login(*broker.login))) as place:
        assert [one.body for one in some(place, 1)] == [b"a"]


def test_a_broker_must_show_a_certificate_that_is_trusted(broker: Broker, tmp_path: Path) -> None:
    """With TLS a certificate of nobody known is refused, and one of kafka.ca_file is not."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *subject]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    broker.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    broker.tls.load_cert_chain(certificate, key)
    broker.put(TOPIC, b"a")
    with closing(queue(broker, tls=True)) as stranger:
        with pytest.raises(CloudPermanentError) as told:
            stranger.receive(0, 10)
        assert stranger.problem_of(told.value) is QueueProblem.REFUSED
    with closing(queue(broker, tls=True, ca_file=str(certificate))) as place:
        assert [one.body for one in some(place, 1)] == [b"a"]
    with pytest.raises(SettingsError, match="ca_file"):
        queue(broker, tls=True, ca_file=str(tmp_path / "none.pem"))


@pytest.mark.parametrize("compression", [1, 2, 3, 4], ids=["gzip", "snappy", "lz4", "zstd"])
def test_batches_may_be_packed(broker: Broker, compression: int) -> None:
    """Whatever the producer packed them with."""
    broker.compression = compression
    broker.put(TOPIC, b"a" * 100, b"b" * 100)
    with closing(queue(broker)) as place:
        assert [one.body for one in some(place, 2)] == [b"a" * 100, b"b" * 100]


def test_the_oldest_message_is_the_first_that_nobody_committed(broker: Broker) -> None:
    """Its age is what the watch over queues goes by; looking does not join the group."""
    hour, day = datetime(2026, 3, 2, 3, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
    with closing(queue(broker)) as place:
        assert place.oldest() is None
        broker.put(TOPIC, b"a", at=day.timestamp())
        broker.put(TOPIC, b"b", partition=1, at=hour.timestamp())
        assert place.oldest() == day
        broker.groups["cloudheal"].committed[TOPIC, 0] = 1
        assert place.oldest() == hour
        assert "JoinGroup" not in broker.seen


def test_what_is_sent_arrives(broker: Broker) -> None:
    """Canaries go the way of every message."""
    with closing(queue(broker)) as place:
        place.send('{"canary": 1}')
        assert [one.body for one in some(place, 1)] == [b'{"canary": 1}']


def test_a_new_group_may_begin_with_what_comes(broker: Broker) -> None:
    """`begin: latest` leaves what was there before."""
    broker.put(TOPIC, b"before")
    with closing(queue(broker, begin="latest")) as place:
        assert place.oldest() is None
        reading = threading.Thread(target=lambda: found.extend(some(place, 1)))
        found: list[QueuedMessage] = []
        reading.start()
        until(lambda: "Fetch" in broker.seen, 10, "a place to begin at")
        broker.put(TOPIC, b"after")
        reading.join(timeout=20)
        assert [one.body for one in found] == [b"after"]


@given(st.lists(st.tuples(st.sampled_from("gat"), st.integers(0, 2), st.integers(0, 30)), max_size=60))
def test_no_commit_ever_passes_a_message_that_is_in_hand(steps: list[tuple[str, int, int]]) -> None:
    """Given out, acknowledged in any order, taken away: what may be committed is always below what is open."""
    hand, open_, next_ = InHand(), set[tuple[int, int]](), {0: 0, 1: 0, 2: 0}
    for what, partition, number in steps:
        if what == "g":
            hand.give(partition, next_[partition])
            open_.add((partition, next_[partition]))
            next_[partition] += 1
        elif what == "a":
            refused = hand.acknowledge([f"{partition}/{number}"])
            assert (refused == ()) == ((partition, number) in open_)
            open_.discard((partition, number))
        else:
            hand.forget([partition])
            open_ = {one for one in open_ if one[0] != partition}
        for place, offset in hand.ready().items():
            assert not any(one == place and held < offset for one, held in open_)
