"""What came in is stored once, whole, and survives whatever interrupts the writer; on both databases."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from cloudheal.errors import SettingsError
from cloudheal.model.event import Channel, Event
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.record.database import Database, open_database
from cloudheal.record.inbox import (
    DeadLetter,
    add_dead_letter,
    add_events,
    event_by_key,
    mark_replayed,
)
from cloudheal.record.lists import dead_letter, list_dead_letters
from cloudheal.record.tables import EVENT

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def an_event(key: str = "k", data: Mapping[str, Any] | None = None) -> Event:
    """Build an event; only its key matters to most tests."""
    subject = ResourceId(Cloud.ALIBABA, "1000000000000001", "cn-hangzhou", "instance", "i-1")
    return Event(
        key=key,
        id="id",
        source="alibaba.ecs",
        type="Instance:StateChange",
        subject=subject,
        time=NOON,
        received=NOON,
        status="Stopped",
        data=data or {"state": "Stopped"},
        channel=Channel.QUEUE,
        simulated=False,
        raw=b"{}",
    )


def test_an_event_comes_back_as_it_went_in(database: Database) -> None:
    """Every field survives, Chinese text and quotes included."""
    event = an_event(data={"name": "数据库'; DROP TABLE event; --", "nested": {"a": [1, None, True]}})
    with database.transaction() as connection:
        add_events(connection, [event])
    with database.snapshot() as connection:
        assert event_by_key(connection, "k") == event
        assert event_by_key(connection, "other") is None


def test_a_duplicate_is_stored_once_within_and_across_batches(database: Database) -> None:
    """The first arrival gets the row; copies in the same or a later batch get none."""
    with database.transaction() as connection:
        assert list(add_events(connection, [an_event("a"), an_event("b"), an_event("a")])) == ["a", "b"]
    with database.transaction() as connection:
        assert list(add_events(connection, [an_event("b"), an_event("c")])) == ["c"]


def test_a_large_batch_is_stored_whole(database: Database) -> None:
    """More rows than one statement can hold are still one transaction."""
    with database.transaction() as connection:
        assert len(add_events(connection, [an_event(str(n)) for n in range(2500)])) == 2500


def test_an_interrupted_transaction_leaves_nothing(database: Database) -> None:
    """What was not committed was not stored, and the same events are new again."""

    def cut_short() -> None:
        with database.transaction() as connection:
            add_events(connection, [an_event()])
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power"):
        cut_short()
    with database.transaction() as connection:
        assert list(add_events(connection, [an_event()])) == ["k"]


def test_two_writers_store_each_event_once(database: Database) -> None:
    """Concurrent batches of the same events: every event has exactly one owner, and nobody fails."""
    owned: list[str] = []

    def write() -> None:
        for start in range(0, 300, 20):
            with database.transaction() as connection:
                owned.extend(add_events(connection, [an_event(str(n)) for n in range(start, start + 20)]))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(owned) == sorted(str(n) for n in range(300))


def test_a_reader_does_not_wait_for_a_writer_and_cannot_write(database: Database) -> None:
    """While a transaction is open a reader sees the state before it; writing through it is refused."""
    with database.transaction() as connection:
        add_events(connection, [an_event()])
        with database.snapshot() as reader:
            assert reader.scalar(sa.select(sa.func.count()).select_from(EVENT)) == 0
    with database.snapshot() as reader, pytest.raises(sa.exc.DBAPIError):
        reader.execute(sa.delete(EVENT))


def test_dead_letters_keep_bytes_and_reason_and_count_copies(database: Database) -> None:
    """The same garbage again counts up; once replayed it no longer waits, and comes back if it fails again."""
    letter = DeadLetter(NOON, Channel.QUEUE, "queue ecs-cms-event", "the body is not JSON", b"\x00\xffgarbage")
    with database.transaction() as connection:
        number = add_dead_letter(connection, letter)
        assert add_dead_letter(connection, letter) == number
    with database.transaction() as connection:
        (row,) = list_dead_letters(connection, 100)
        assert (row.number, row.copies, row.reason) == (number, 2, letter.reason)
        assert dead_letter(connection, number) == letter
        assert mark_replayed(connection, number, NOON + timedelta(hours=1))
        assert not mark_replayed(connection, number, NOON)
        assert not list_dead_letters(connection, 100)
        assert dead_letter(connection, number) is None
        add_dead_letter(connection, letter)
        assert len(list_dead_letters(connection, 100)) == 1


WRITER = """
import sys
from tests.contract.test_inbox import an_event
from cloudheal.record.database import open_database
from cloudheal.record.inbox import add_events
database = open_database(sys.argv[1])
for number in range(100000):
    with database.transaction() as connection:
        add_events(connection, [an_event(f"{number}-{part}") for part in range(7)])
    print(number, flush=True)
"""


def test_what_was_committed_survives_kill_9(database: Database, database_url: str) -> None:
    """After SIGKILL every batch that was reported is there, and no batch is there in part."""
    command = [sys.executable, "-c", WRITER, database_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        reported = 0
        while reported < 25:
            reported = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
    with database.snapshot() as connection:
        stored = connection.scalar(sa.select(sa.func.count()).select_from(EVENT))
    assert stored is not None
    assert stored % 7 == 0
    assert stored >= 7 * (reported + 1)


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://u:geheim@h/db", "oracle://x"])
def test_an_unsupported_database_is_refused_without_its_password(url: str) -> None:
    """The error says what was expected and never repeats a secret."""
    with pytest.raises(SettingsError, match="expected sqlite:///") as refused:
        open_database(url)
    assert "geheim" not in str(refused.value)
