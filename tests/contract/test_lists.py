"""What an operator lists is what is on record, narrowed as asked, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from cloudheal.model.control import Hold
from cloudheal.model.decision import Reason
from cloudheal.model.event import Channel, Event
from cloudheal.model.incident import Healed, Mode, Run, RunState, Trouble, Verdict
from cloudheal.model.inventory import Description
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.record.database import Database
from cloudheal.record.holds import add_hold, lift_holds
from cloudheal.record.inbox import DeadLetter, add_dead_letter, add_events, mark_replayed
from cloudheal.record.incidents import Decided, add_decision, add_run, end_incident, open_incident
from cloudheal.record.inventory import describe
from cloudheal.record.lists import (
    Narrow,
    dead_letter,
    list_dead_letters,
    list_events,
    list_holds,
    list_incidents,
    list_instances,
    list_runs,
)
from cloudheal.record.waiting import end_unbegun

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
STATES = {"i-a": "Running", "i-b": "Stopped"}


def event(id_: str, at: datetime) -> Event:
    """Return a stop of a server."""
    subject = ResourceId(Cloud.ALIBABA, "1000000000000001", "cn-hangzhou", "instance", id_)
    return Event(
        key=f"stop|{id_}|{at.isoformat()}",
        id="e",
        source="alibaba.ecs",
        type="Instance:StateChange",
        subject=subject,
        time=at,
        received=at,
        status="Stopped",
        data={"state": "Stopped"},
        channel=Channel.QUEUE,
        simulated=False,
        raw=b"{}",
    )


@pytest.fixture
def recorded(database: Database) -> Database:
    """Two stops an hour apart; the older one healed, the newer one decided upon and waiting."""
    old, new = event("i-a", NOW - HOUR), event("i-b", NOW)
    with database.transaction() as connection:
        rows = add_events(connection, [old, new])
        for number, (one, name) in enumerate([(old, "1"), (new, "2")]):
            open_incident(connection, name, one, Trouble("stopped"), "web", one.time)
            state = RunState.WAITING if number else RunState.STARTING
            add_run(connection, Run(f"r{name}", name, "restart", "restart_stopped", "d", Mode.AUTO, state), "paused")
            made = Decided(rows[one.key], "restart", "d", Reason.PAUSED, "", (), one.time, None, name)
            add_decision(connection, made)
        end_incident(connection, Verdict("1", Healed.HEALED, NOW, {"code": "running"}), "r1")
    return database


def test_events_come_newest_first_with_their_decisions(recorded: Database) -> None:
    """The list is narrowed by time, by resource and by number."""
    with recorded.snapshot() as connection:
        rows = list_events(connection, Narrow())
        assert [row.resource for row in rows] == ["i-b", "i-a"]
        assert rows[0].decisions == ("restart: paused",)
        assert rows[0].occurred == NOW
        assert [row.resource for row in list_events(connection, Narrow(since=NOW))] == ["i-b"]
        assert [row.resource for row in list_events(connection, Narrow(resource="i-a"))] == ["i-a"]
        assert len(list_events(connection, Narrow(limit=1))) == 1


def test_incidents_and_runs_may_be_narrowed_to_the_open_ones(recorded: Database) -> None:
    """An ended incident shows verdict and reason; an open run what it waits for."""
    with recorded.snapshot() as connection:
        open_, ended = list_incidents(connection, Narrow())
        assert (ended.verdict, ended.code, ended.ended) == ("healed", "running", NOW)
        assert (open_.verdict, open_.ended) == ("", None)
        assert list_incidents(connection, Narrow(), open_only=True) == [open_]
        assert [run.id for run in list_runs(connection, Narrow())] == ["r2", "r1"]
        (waiting,) = list_runs(connection, Narrow(resource="i-b"), open_only=True)
        assert (waiting.state, waiting.waits_for, waiting.worker) == ("waiting", "paused", "")


def test_a_run_that_has_ended_waits_for_nothing(recorded: Database) -> None:
    """Its incident ended while it waited for its slot; what it waited for then is not what it waits for now."""
    with recorded.transaction() as connection:
        later = NOW + HOUR
        run = Run("r3", "2", "reboots", "reboot_in_window", "d", Mode.AUTO, RunState.PLANNED, next_eligible=later)
        add_run(connection, run, "plan")
        planned = next(one for one in list_runs(connection, Narrow()) if one.id == "r3")
        end_unbegun(connection, "r3", Verdict("2", Healed.NOT_NEEDED, NOW, {"code": "event_canceled"}))
        ended = next(one for one in list_runs(connection, Narrow()) if one.id == "r3")
    assert (planned.state, planned.waits_for, planned.next_eligible) == ("planned", "plan", later)
    assert (ended.state, ended.waits_for, ended.next_eligible) == ("ended", "", None)


def test_dead_letters_are_listed_until_they_are_replayed(database: Database) -> None:
    """The list tells the size and not the bytes, which may hold secrets."""
    letter = DeadLetter(NOW, Channel.FILE, "f", "not JSON", b"\x00secret")
    with database.transaction() as connection:
        number = add_dead_letter(connection, letter)
        (row,) = list_dead_letters(connection, 10)
        assert (row.number, row.bytes, row.copies) == (number, 7, 1)
        assert "secret" not in repr(row)
        assert dead_letter(connection, number) == letter
        mark_replayed(connection, number, NOW)
        assert list_dead_letters(connection, 10) == []
        assert dead_letter(connection, number) is None


def test_holds_are_listed_while_they_are_in_force(database: Database) -> None:
    """Neither a lifted hold nor one that is over shows."""
    with database.transaction() as connection:
        add_hold(connection, Hold("i-a", "ops", "swap", NOW, NOW + HOUR))
        add_hold(connection, Hold("*", "ops", "release", NOW))
        assert [row.scope for row in list_holds(connection, NOW)] == ["i-a", "*"]
        assert [row.scope for row in list_holds(connection, NOW + HOUR)] == ["*"]
        lift_holds(connection, "*", NOW)
        assert list_holds(connection, NOW + HOUR) == []


def test_servers_are_listed_by_state(database: Database) -> None:
    """The inventory is shown as of when it was seen."""
    with database.transaction() as connection:
        seen = [Description(event(name, NOW).subject, NOW, state, name=name) for name, state in STATES.items()]
        describe(connection, seen)
        assert [row.id for row in list_instances(connection, Narrow())] == ["i-a", "i-b"]
        (stopped,) = list_instances(connection, Narrow(), state="Stopped")
        assert (stopped.id, stopped.as_of, stopped.released) == ("i-b", NOW, None)


def test_reading_lists_writes_nothing(recorded: Database) -> None:
    """A list runs on the connection that refuses to write."""
    with recorded.snapshot() as connection, pytest.raises(sa.exc.DBAPIError):
        connection.execute(sa.text("DELETE FROM event"))
