"""Listeners of the old style: registered by name, wildcard or question; each has its own outcome, in the database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
import sqlalchemy as sa

from cloudheal.act.listening import Audience, BasicListener, EventDocument, Listeners, audience_of
from cloudheal.clouds.alibaba.classic import classic_document
from cloudheal.clouds.alibaba.events import event_of
from cloudheal.errors import SettingsError
from cloudheal.model.event import Channel, Event
from cloudheal.pipeline.listening import PAUSES, Teller
from cloudheal.plugins import Found
from cloudheal.record.database import Database
from cloudheal.record.inbox import add_events
from cloudheal.record.ledger import Kind
from cloudheal.record.listeners import add_tasks, heard, is_owed, reopen_tasks, take_task
from cloudheal.record.tables import DEAD_LETTER, LEDGER, LISTENER_TASK, OUTBOX
from cloudheal.record.workers import enlist

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
ACCOUNT = "1000000000000001"


@dataclass
class Heedful(BasicListener):
    """Keeps what it hears; raises so many times first."""

    failures: int = 0
    calls: list[str] = field(default_factory=list)

    def process(self, event: EventDocument) -> None:
        """Read the event as the vendor's sample does."""
        content = event["content"]
        self.calls.append(content.get("resourceId") or content.get("instanceId") or "")
        if len(self.calls) <= self.failures:
            raise ValueError(f"not yet, {len(self.calls)}")


@dataclass
class Hand:
    """A clock that the test moves."""

    time: datetime = NOW

    def now(self) -> datetime:
        """Return the present."""
        return self.time


@dataclass
class Hall:
    """A database with one worker that tells an audience."""

    database: Database
    audience: Audience
    clock: Hand = field(default_factory=Hand)

    def arrive(self, *events: Event) -> None:
        """Take events in, with rows for whoever wants them, in one transaction."""
        with self.database.transaction() as connection:
            rows = add_events(connection, events)
            first = {event.key: event for event in events}
            wanted = [
                (row, name, first[key].subject)
                for key, row in rows.items()
                for name in self.audience.wanted_by(first[key])
            ]
            add_tasks(connection, wanted, self.clock.now())

    def tell(self, worker: str = "w") -> int:
        """Make one tick for each listener."""
        return sum(one.tick() for one in self.tellers(worker))

    def tellers(self, worker: str = "w") -> list[Teller]:
        """Return the tellers of a worker."""
        return [
            Teller(self.database, self.audience, name, worker, self.clock, classic_document)
            for name in self.audience.subscriptions
        ]

    def after(self, pause: timedelta) -> int:
        """Move the clock and make one tick."""
        self.clock.time += pause
        return self.tell()

    def rows(self, table: sa.Table) -> list[sa.Row[Any]]:
        """Read a table."""
        with self.database.snapshot() as connection:
            return list(connection.execute(sa.select(table).order_by(table.c.id)).all())


def event(name: str, content: Mapping[str, object], second: int = 0, **more: object) -> Event:
    """Return the event of an envelope as CloudMonitor sends it."""
    instance = content.get("resourceId") or content.get("instanceId")
    envelope = {
        "product": "ECS", "name": name, "regionId": "cn-hangzhou", "userId": ACCOUNT, "content": content,
        "resourceId": f"acs:ecs:cn-hangzhou:{ACCOUNT}:instance/{instance}",
        "eventTime": f"20260302T1100{second:02}.000+0800",
        **more,
    }  # fmt: skip
    return event_of(json.dumps(envelope), NOW, Channel.QUEUE)


def stopped(id_: str = "i-web", second: int = 0) -> Event:
    """Return the event of a stop."""
    return event("Instance:StateChange", {"resourceId": id_, "state": "Stopped"}, second)


def hall(database: Database, registered: Listeners) -> Hall:
    """Return a hall with the listeners of one module."""
    return Hall(database, audience_of([Found("mine", "mine.py", registered)]))


def test_a_listener_that_raises_is_told_again_alone(database: Database) -> None:
    """S0.3: the first raises twice and is called three times, the second once; the event is closed once for each."""
    first, second = Heedful(failures=2), Heedful()
    registered = Listeners().register(first, name="first").register(second, name="second")
    at = hall(database, registered)
    at.arrive(stopped())
    assert at.tell() == 2
    assert (len(first.calls), len(second.calls)) == (1, 1)
    assert at.tell() == 0
    assert at.after(PAUSES[0]) == 1
    assert at.after(PAUSES[1]) == 1
    assert at.after(timedelta(days=1)) == 0
    assert (first.calls, second.calls) == (["i-web"] * 3, ["i-web"])
    assert [(row.listener, row.outcome, row.attempts, row.problem) for row in at.rows(LISTENER_TASK)] == [
        ("mine.first", "heard", 3, ""),
        ("mine.second", "heard", 1, ""),
    ]
    assert [row.name for row in at.rows(LEDGER) if row.kind == Kind.LISTENER_DONE] == ["mine.second", "mine.first"]


def test_a_listener_that_never_succeeds_leaves_a_dead_letter_and_a_notice(database: Database) -> None:
    """After its last attempt the event waits for a person, who is told; replayed, it is told to that listener alone."""
    broken, sound = Heedful(failures=len(PAUSES) + 1), Heedful()
    at = hall(database, Listeners().register(broken, name="broken").register(sound, name="sound"))
    at.arrive(stopped())
    at.tell()
    for pause in PAUSES:
        at.after(pause)
    assert len(broken.calls) == len(PAUSES) + 1
    (letter,) = at.rows(DEAD_LETTER)
    assert (letter.origin, letter.reason) == ("listener mine.broken", f"ValueError: not yet, {len(PAUSES) + 1}")
    assert [row.topic for row in at.rows(OUTBOX)] == ["listener.failed"]
    with database.snapshot() as connection:
        numbers = {one.listener: (one.done, one.waiting, one.failed) for one in heard(connection)}
        assert not is_owed(connection, ["mine.broken"], NOW + timedelta(days=1))
    assert numbers == {"mine.broken": (0, 0, 1), "mine.sound": (1, 0, 0)}
    with database.transaction() as connection:
        assert reopen_tasks(connection, letter.id, at.clock.now()) == 1
    assert at.tell() == 1
    assert len(sound.calls) == 1
    assert [row.outcome for row in at.rows(LISTENER_TASK)] == ["heard", "heard"]


def test_listeners_are_told_by_name_wildcard_and_question(database: Database) -> None:
    """The sample's default name, its misspelt method, a wildcard with a status, and a question to the document."""
    by_default, maintenance, ours, doubled = Heedful(), Heedful(), Heedful(), Heedful()
    registered = Listeners()
    registered.regist_listener(by_default)
    registered.regist_listener(doubled, "Instance:StateChange").regist_listener(doubled, eventname="Instance:*")
    registered.register(maintenance, "Instance:SystemMaintenance.*:Scheduled")
    registered.register(ours, lambda document: document["content"].get("instanceId") == "i-ours")
    at = hall(database, registered)
    assert list(at.audience.subscriptions) == [f"mine.Heedful{suffix}" for suffix in ("", "-2", "-3", "-4")]
    content = {
        "instanceId": "i-m",
        "eventId": "e-1",
        "eventType": "SystemMaintenance.Reboot",
        "eventStatus": "Scheduled",
    }
    at.arrive(
        stopped(),
        event("Instance:SystemMaintenance.Reboot:Scheduled", content),
        event("Instance:SystemMaintenance.Reboot:Executed", {**content, "eventStatus": "Executed"}),
        event("Instance:PreemptibleInstanceInterruption", {"instanceId": "i-ours", "action": "delete"}),
    )
    at.tell()
    assert by_default.calls == ["i-web"]
    assert doubled.calls == ["i-web", "i-m", "i-m", "i-ours"]
    assert maintenance.calls == ["i-m"]
    assert ours.calls == ["i-ours"]
    outcomes = [row.outcome for row in at.rows(LISTENER_TASK) if row.listener == "mine.Heedful-4"]
    assert outcomes == ["not wanted", "not wanted", "not wanted", "heard"]


def test_a_question_that_fails_counts_as_an_attempt(database: Database) -> None:
    """A predicate that raises loses no event: it is asked again."""
    heedful, answers = Heedful(), [KeyError("no"), True]

    def wants(_: EventDocument) -> bool:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return bool(answer)

    at = hall(database, Listeners().register(heedful, wants))
    at.arrive(stopped())
    at.tell()
    at.after(PAUSES[0])
    assert heedful.calls == ["i-web"]


def test_one_resource_is_told_in_the_order_of_arrival(database: Database) -> None:
    """While an event of a server is retried, the next one of that server waits; other servers do not."""
    first = Heedful(failures=1)
    at = hall(database, Listeners().register(first))
    at.arrive(stopped("i-a"), stopped("i-a", 1), stopped("i-b"))
    at.tell()
    assert first.calls == ["i-a", "i-b"]
    at.after(PAUSES[0])
    assert first.calls == ["i-a", "i-b", "i-a", "i-a"]


def test_what_a_dead_worker_had_taken_is_told_again(database: Database) -> None:
    """A row is held by a worker on the list; when that worker is gone, another tells the listener at once."""
    heedful = Heedful()
    at = hall(database, Listeners().register(heedful))
    at.arrive(stopped())
    with database.transaction() as connection:
        enlist(connection, "held", "host")
        assert take_task(connection, "held", "mine.Heedful", NOW) is not None
    assert at.tell("other") == 0
    with database.transaction() as connection:
        connection.execute(sa.text("DELETE FROM worker"))
    assert at.tell("other") == 1
    assert heedful.calls == ["i-web"]


def test_an_exit_in_a_listener_ends_nothing(database: Database) -> None:
    """A script that calls sys.exit is a listener that failed, not the end of the worker."""

    class Leaves(BasicListener):
        def process(self, event: EventDocument) -> None:
            raise SystemExit(event.record.subject.id)

    at = hall(database, Listeners().register(Leaves()))
    at.arrive(stopped())
    assert at.tell() == 1
    assert [row.problem for row in at.rows(LISTENER_TASK)] == ["SystemExit: i-web"]


def test_an_event_of_any_channel_reads_like_the_vendors_message() -> None:
    """What came as an EventBridge event has the names that the sample's code reads; a message stays as it was."""
    cloud_event = {
        "specversion": "1.0", "id": "e1", "source": "acs.ecs",
        "type": "ecs:Instance:SystemMaintenance.Reboot:Scheduled",
        "subject": f"acs:ecs:cn-hangzhou:{ACCOUNT}:instance/i-web", "time": "2026-03-02T03:00:27Z",
        "aliyunregionid": "cn-hangzhou", "aliyunaccountid": ACCOUNT,
        "data": {"instanceId": "i-web", "eventStatus": "Scheduled", "eventId": "e-1"},
    }  # fmt: skip
    told = classic_document(event_of(json.dumps(cloud_event), NOW, Channel.WEBHOOK))
    assert told["name"] == "Instance:SystemMaintenance.Reboot:Scheduled"
    assert (told["product"], told["regionId"], told["userId"]) == ("ECS", "cn-hangzhou", ACCOUNT)
    assert told["resourceId"] == f"acs:ecs:cn-hangzhou:{ACCOUNT}:instance/i-web"
    assert told["content"]["instanceId"] == "i-web"
    assert told["eventTime"] == "20260302T110027.000+0800"
    assert classic_document(stopped())["content"] == {"resourceId": "i-web", "state": "Stopped"}
    assert (
        event_of(json.dumps(told), NOW, Channel.QUEUE).key == event_of(json.dumps(cloud_event), NOW, Channel.QUEUE).key
    )


@pytest.mark.parametrize(
    ("registered", "said"),
    [
        (Listeners().register(cast("BasicListener", Heedful)), "Register an instance"),
        (Listeners().register(Heedful(), name="a").register(Heedful(), name="a"), "two listeners are named a"),
    ],
    ids=["class", "name"],
)
def test_what_cannot_be_a_listener_is_refused_at_the_start(registered: Listeners, said: str) -> None:
    """A class in place of an instance, and a name for two, are told before anything runs."""
    with pytest.raises(SettingsError, match=said):
        audience_of([Found("mine", "mine.py", registered)])
