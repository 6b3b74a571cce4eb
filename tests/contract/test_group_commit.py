"""One message that cannot be taken in spoils nothing for the others; on both databases."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from datetime import datetime
from random import Random

import pytest
import sqlalchemy as sa

from cloudheal.app import App
from cloudheal.model.event import Channel, Event, Fate
from cloudheal.model.incident import Trouble
from cloudheal.pipeline.courtesy import GIVES_WAY, Courtesy, OvertakenError
from cloudheal.pipeline.group_commit import TRIES, GroupCommit
from cloudheal.record.blame import blame
from cloudheal.record.tables import DEAD_LETTER, EVENT, NONCE
from cloudheal.sense.reading import Message
from cloudheal.settings import Settings

ACCOUNT = "1000000000000001"


@pytest.fixture
def app(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """An entrance whose cloud is never asked."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    account = {"name": "a", "cloud": "alibaba", "id": ACCOUNT, "regions": ["cn-hangzhou"]}
    account["endpoint"] = "http://127.0.0.1:9"
    with App(Settings.model_validate({"accounts": [account], "database": database_url})).entering() as entrance:
        yield entrance


def body(number: int, name: str = "Instance:StateChange") -> bytes:
    """Return a message about a server of its own."""
    document = {
        "product": "ECS",
        "name": name,
        "resourceId": f"acs:ecs:cn-hangzhou:{ACCOUNT}:instance/i-{number}",
        "eventTime": "20260302T110026.922+0800",
        "content": {"resourceId": f"i-{number}", "state": "Starting"},
    }
    return json.dumps(document).encode()


def test_what_cannot_be_stored_does_not_take_its_neighbours_with_it(app: App) -> None:
    """A name too long for PostgreSQL's index is a dead letter there; everything around it is taken."""
    too_long = "Instance:" + Random(1).randbytes(6000).hex()
    bodies = [body(n) for n in range(5)] + [body(5, too_long)] + [body(n) for n in range(6, 11)]
    fates = [one.fate for one in app.take(bodies, "queue q", Channel.QUEUE).fared]
    postgres = not app.database.is_sqlite
    assert fates == [Fate.DONE] * 5 + [Fate.DEAD_LETTER if postgres else Fate.IGNORED] + [Fate.DONE] * 5
    with app.database.snapshot() as connection:
        reasons = list(connection.scalars(sa.select(DEAD_LETTER.c.reason)))
        assert connection.scalar(sa.select(sa.func.count()).select_from(EVENT)) == 11 - len(reasons)
    assert reasons == (["cannot be stored: OperationalError 54000"] if postgres else [])


def test_a_mistake_of_ours_costs_one_message(app: App) -> None:
    """A reader that breaks on one body ends neither the loop nor the batch; the reason says what broke."""
    tries: list[bytes] = []

    def reader(raw: bytes, received: datetime, channel: Channel) -> Event:
        if raw == b"odd":
            tries.append(raw)
            raise KeyError("secret-of-the-message")
        return app.intake.reader(raw, received, channel)

    group = GroupCommit(replace(app.intake, reader=reader), app.counters)
    taken = group.take([Message(one, "queue q", Channel.QUEUE) for one in (body(1), b"odd", body(2))])
    assert [one.fate for one in taken.fared] == [Fate.DONE, Fate.DEAD_LETTER, Fate.DONE]
    assert tries.count(b"odd") == 1 + 1 + TRIES  # all together, its half, and alone
    with app.database.snapshot() as connection:
        assert list(connection.scalars(sa.select(DEAD_LETTER.c.reason))) == ["cannot be taken in: KeyError"]


@pytest.mark.parametrize(("times", "overtaken"), [(1, 1), (1000, GIVES_WAY)], ids=["once", "again and again"])
def test_a_commit_is_undone_for_an_urgent_one_and_done_again(app: App, times: int, overtaken: int) -> None:
    """In the middle of it nothing of it stays; afterwards all of it is taken once, however many urgent ones come."""
    begun, came = ExitStack(), [0]

    class Patient(Courtesy):
        """Whoever gives way does so until the urgent message is taken."""

        def give_way(self) -> bool:
            begun.close()
            return super().give_way()

    undone: list[None] = []
    courtesy = Patient(longest=0, beginning=0, overtaken=lambda: undone.append(None))

    def interrupted(event: Event) -> Trouble | None:
        """Have an urgent message come while the others are decided upon."""
        if event.subject.id == "i-3" and came[0] < times:
            came[0] += 1
            begun.enter_context(courtesy.urgent())
        return app.intake.decider.trouble_of(event)

    def check() -> list[str]:
        with app.database.snapshot() as connection:
            return sorted(connection.scalars(sa.select(EVENT.c.resource)))

    intake = replace(app.intake, decider=replace(app.intake.decider, trouble_of=interrupted))
    ordinary = GroupCommit(intake, app.counters, courtesy=courtesy)
    urgent = GroupCommit(app.intake, app.counters, courtesy=courtesy, is_urgent=True)
    with begun:
        taken = ordinary.take([Message(body(n), "queue q", Channel.QUEUE) for n in range(6)])
    assert [one.fate for one in taken.fared] == [Fate.DONE] * 6
    assert check() == [f"i-{n}" for n in range(6)]
    assert len(undone) == overtaken
    assert urgent.take([Message(body(9), "queue u", Channel.QUEUE)]).fared[0].fate is Fate.DONE
    assert ordinary.take([Message(body(9), "queue q", Channel.QUEUE)]).fared[0].fate is Fate.DUPLICATE


@pytest.mark.parametrize("busy", [False, True], ids=["alone", "while something urgent goes on and on"])
def test_beside_urgent_messages_few_are_committed_together(app: App, busy: bool) -> None:  # noqa: FBT001 - a case
    """Each part has a turn of its own; it gives way so many times, and then is taken all the same."""
    undone: list[None] = []
    courtesy = Courtesy(longest=0, beginning=0, overtaken=lambda: undone.append(None))
    group = GroupCommit(app.intake, app.counters, courtesy=courtesy, most=2)
    with courtesy.urgent() if busy else nullcontext():
        taken = group.take([Message(body(n), "queue q", Channel.QUEUE) for n in range(5)])
    assert [one.fate for one in taken.fared] == [Fate.DONE] * 5
    assert len(undone) == (3 * GIVES_WAY if busy else 0)
    assert "cloudheal_commit_messages_count 3" in app.counters.exposition()


def test_what_was_undone_left_nothing(app: App) -> None:
    """Whoever is asked before a statement and objects has the whole transaction undone; the connection is as new."""
    asked: list[None] = []

    def check() -> None:
        asked.append(None)
        if len(asked) == 3:
            raise OvertakenError

    def write() -> None:
        with app.database.transaction(check) as connection:
            for number in range(5):
                connection.execute(sa.insert(NONCE).values(source="s", until=0, nonce=str(number)))

    with pytest.raises(OvertakenError):
        write()
    with app.database.transaction() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(NONCE)) == 0
    assert len(asked) == 3


def test_a_long_statement_is_undone_in_the_middle(app: App) -> None:
    """SQLite asks within it, so that nobody waits for a count of thousands; PostgreSQL before the next one."""
    asked: list[None] = []

    def check() -> None:
        asked.append(None)
        if len(asked) == 2:
            raise OvertakenError

    def count() -> None:
        numbers = (
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 20000) SELECT count(*) FROM n"
        )
        with app.database.transaction(check) as connection:
            assert connection.exec_driver_sql(numbers).scalar() == 20_000
            assert not app.database.is_sqlite
            connection.exec_driver_sql(numbers)

    with pytest.raises(OvertakenError):
        count()
    with app.database.transaction() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(NONCE)) == 0


def test_a_missing_table_is_nobodys_fault(app: App) -> None:
    """The caller hears what the database said, nothing is dead, and later everything is taken."""
    with app.database.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE event RENAME TO event_away")
    with pytest.raises(sa.exc.DBAPIError):
        app.take([body(1), b"garbage"], "queue q", Channel.QUEUE)
    with app.database.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE event_away RENAME TO event")
    assert fates_of(app, [body(1), b"garbage"]) == [Fate.DONE, Fate.DEAD_LETTER]


def fates_of(app: App, bodies: Sequence[bytes]) -> list[Fate]:
    """Take messages and return their fates."""
    return [one.fate for one in app.take(bodies, "queue q", Channel.QUEUE).fared]


def test_duplicates_in_one_batch_are_told_apart(app: App) -> None:
    """The first message of an event is done, its copies are duplicates, in the order of the batch."""
    assert fates_of(app, [body(1), body(1), b"x", body(2)]) == [
        Fate.DONE, Fate.DUPLICATE, Fate.DEAD_LETTER, Fate.DONE,
    ]  # fmt: skip
    assert fates_of(app, [body(2)]) == [Fate.DUPLICATE]


def test_a_full_disk_and_a_lost_connection_blame_nothing() -> None:
    """Only what the database says of a value blames the value."""

    class DiskFull(Exception):
        sqlite_errorname = "SQLITE_FULL"

    class Broken(Exception):
        sqlstate = "23505"

    full = sa.exc.OperationalError("INSERT", {}, DiskFull())
    lost = sa.exc.OperationalError("INSERT", {}, Exception(), connection_invalidated=True)
    assert (blame(full), blame(lost), blame(sa.exc.TimeoutError()), blame(OSError())) == ("", "", "", "")
    assert blame(sa.exc.IntegrityError("INSERT", {"secret": 1}, Broken())) == "cannot be stored: IntegrityError 23505"
