"""Events of Tencent Cloud from a topic of CKafka, through a whole worker."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cloudheal.app import App, accounts_of
from cloudheal.clouds.tencent import account, kafka_member
from cloudheal.errors import SettingsError
from cloudheal.model.event import Channel
from cloudheal.record.tables import DEAD_LETTER, EVENT
from cloudheal.settings.schema import Settings
from tests.broker.broker import Broker
from tests.flow.operators import until
from tests.flow.tencent import PING, pushed, settings_of
from tests.flow.watching import Watching, watching
from tests.sim.simulator import RunningSimulator

WEB, PEER = "ins-heal0001", "ins-heal0002"
PASSWORD = "correct-horse-battery"


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A broker that asks for a password, with a topic."""
    running = Broker(login=("ckafka-heal#reader", PASSWORD)).start()
    running.create("events", 3)
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The account's keys and the topic's password."""
    keys = {"TENCENTCLOUD_SECRET_ID": "AKIDtest", "TENCENTCLOUD_SECRET_KEY": "testsecret", "CKAFKA_PASSWORD": PASSWORD}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(kafka_member, "SESSION_SECONDS", 1.0)


def settings(simulator: RunningSimulator, broker: Broker, folder: Path, **more: Any) -> Settings:
    """Return settings of an account whose events are on the topic."""
    kafka = {"servers": [broker.address], "topic": "events", "user": "ckafka-heal#reader", "tls": False}
    document = settings_of(simulator.url, folder, ()).model_dump(mode="json")
    document["accounts"][0] |= {"kafka": {**kafka, "wait_seconds": 1, **more}}
    return Settings.model_validate(document)


@pytest.fixture
def watch(simulator: RunningSimulator, broker: Broker, tmp_path: Path) -> Iterator[Watching]:
    """A worker of such an account."""
    simulator.control("POST", "reset")
    simulator.world({"tencent": {"instances": [{"id": WEB}, {"id": PEER}]}})
    with watching(simulator, settings(simulator, broker, tmp_path)) as running:
        yield running


@contextmanager
def consuming(app: App) -> Iterator[threading.Thread]:
    """Take messages until the block ends."""
    thread = threading.Thread(target=app.consume, args=(app.settings.accounts[0],))
    thread.start()
    try:
        yield thread
    finally:
        app.stopping.set()
        thread.join(timeout=20)
        assert not thread.is_alive()


def test_events_of_a_topic_are_taken_in_like_any_other(watch: Watching, broker: Broker) -> None:
    """One event, a list of two, a repetition, and what is no event: each has its end, and the topic knows them all."""
    now = watch.app.clock.now()
    one, later = pushed(WEB, "1", now, id_="a"), now + timedelta(seconds=5)
    pair = json.dumps({"EventList": [json.loads(pushed(WEB, "0", later)), json.loads(pushed(PEER, "1", later))]})
    broker.put("events", one, pair.encode())
    broker.put("events", one, partition=1)
    broker.put("events", b"garbage", None, partition=2)
    assert watch.drain() == 5
    events = {(row.resource, row.status, row.channel) for row in watch.rows(EVENT, EVENT.c.type == PING)}
    assert events == {(server, status, Channel.QUEUE) for server, status in ((WEB, "1"), (WEB, "0"), (PEER, "1"))}
    letters = watch.rows(DEAD_LETTER)
    assert [letter.origin for letter in letters] == ["queue events"] * 2
    assert [broker.committed("cloudheal", "events", number) for number in range(3)] == [2, 1, 2]
    text = watch.app.watch.metrics()
    assert 'cloudheal_queue_messages_total{outcome="duplicate",queue="events"} 1' in text
    assert 'cloudheal_queue_messages_total{outcome="dead_letter",queue="events"} 2' in text


def test_a_broker_that_is_away_is_ill_health_until_it_is_back(
    watch: Watching, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """The worker goes on, says what is wrong, and takes up what came meanwhile; no password is ever shown."""
    caplog.set_level(logging.INFO)
    broker.stop()
    with consuming(watch.app):
        until(lambda: watch.app.watch.health()["ok"] is False, 20, "ill health")
        (problem,) = [one for one in watch.app.watch.health()["problems"] if "events" in one]  # type: ignore[attr-defined]
        assert problem.startswith("queue.unreachable shop/events")
        broker.start()
        broker.put("events", pushed(WEB, "1", watch.app.clock.now()))
        until(lambda: broker.committed("cloudheal", "events") == 1, 40, "the event taken in")
        assert watch.app.watch.health()["ok"] is True
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert PASSWORD not in caplog.text


def test_a_database_that_takes_nothing_leaves_the_messages_on_the_topic(
    watch: Watching, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law 1: no offset is committed of what is not on disk; it comes again and is taken then."""
    broker.put("events", pushed(WEB, "1", watch.app.clock.now()))
    taking, failed = watch.app.group.take, threading.Event()

    def full(messages: Any) -> Any:
        if not failed.is_set():
            failed.set()
            raise OSError(28, "No space left on device")
        assert broker.committed("cloudheal", "events") == -1
        return taking(messages)

    monkeypatch.setattr(type(watch.app.group), "take", lambda _self, messages: full(messages))
    with consuming(watch.app):
        until(lambda: broker.committed("cloudheal", "events") == 1, 30, "the event taken in")
    assert failed.is_set()
    assert len(watch.rows(EVENT)) == 1


def test_partitions_that_change_hands_lose_nothing(watch: Watching, broker: Broker) -> None:
    """The group shares out anew again and again while events come: every one is taken in once."""
    servers = [f"ins-many{number:04}" for number in range(60)]
    with consuming(watch.app):
        for number, server in enumerate(servers):
            broker.put("events", pushed(server, "1", watch.app.clock.now()), partition=number % 3)
            if number % 20 == 10:
                broker.groups["cloudheal"].rebalance()
        until(lambda: sum(broker.committed("cloudheal", "events", one) for one in range(3)) == 60, 60, "everything")
    assert sorted(row.resource for row in watch.rows(EVENT)) == servers


def test_without_the_extra_the_error_names_it(
    simulator: RunningSimulator, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything starts; an account without a topic needs nothing."""
    monkeypatch.setattr(account, "find_spec", lambda _name: None)
    with pytest.raises(SettingsError, match="aiokafka") as told:
        accounts_of(settings(simulator, broker, tmp_path))
    assert "cloudheal[kafka]" in told.value.what_to_do
    accounts_of(settings_of(simulator.url, tmp_path, ()))


def test_a_missing_password_is_named_by_its_variable_or_file(
    simulator: RunningSimulator, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one in a file is read from there."""
    monkeypatch.delenv("CKAFKA_PASSWORD")
    with pytest.raises(SettingsError, match="CKAFKA_PASSWORD"):
        accounts_of(settings(simulator, broker, tmp_path))
    place = tmp_path / "password"
    with pytest.raises(SettingsError, match="password"):
        accounts_of(settings(simulator, broker, tmp_path, password_file=str(place)))
    place.write_text(f"{PASSWORD}\n", encoding="utf-8")
    accounts_of(settings(simulator, broker, tmp_path, password_file=str(place)))
