"""System events are joined by their id on both databases, whatever comes first and whoever tells."""

from __future__ import annotations

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from cloudheal.clouds.alibaba.events import event_of
from cloudheal.model.event import Channel, Event
from cloudheal.model.resource import Cloud
from cloudheal.record.database import Database, open_database
from cloudheal.record.lists import Narrow
from cloudheal.record.polls import plan_poll
from cloudheal.record.retention import remove_old_system_events
from cloudheal.record.system_events import (
    known_events,
    note_system_events,
    note_vanished,
    open_elsewhere,
)
from cloudheal.record.system_lists import list_readings, list_system_events
from cloudheal.record.tables import SYSTEM_EVENT

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
ACCOUNT, REGION = "1000000000000001", "cn-hangzhou"
HOUR = timedelta(hours=1)


def told(id_: str, status: str, channel: Channel = Channel.QUEUE, **content: Any) -> Event:
    """Return what a message, or a look, says of an event."""
    body = {
        "product": "ECS",
        "name": f"Instance:SystemMaintenance.Reboot:{status}",
        "resourceId": f"acs:ecs:{REGION}:{ACCOUNT}:instance/i-{id_}",
        "regionId": REGION,
        "userId": ACCOUNT,
        "eventTime": "2026-03-02T03:00:00Z",
        "content": {"eventId": id_, "instanceId": f"i-{id_}", "eventStatus": status, **content},
    }
    return event_of(json.dumps(body), NOW, channel)


def note(database: Database, *events: Event, at: datetime = NOW) -> int:
    """Take events in."""
    with database.transaction() as connection:
        return note_system_events(connection, events, at)


LIFE = [
    told("e-1", "Scheduled", publishTime="2026-03-02T03:00:00Z", notBefore="2026-03-04T03:00:00Z"),
    told("e-1", "Scheduled", Channel.POLL, notBefore="2026-03-04T03:00:00Z", reason="A simulated event."),
    told("e-1", "Executing"),
    told("e-1", "Executed"),
]


@pytest.mark.parametrize("order", range(24))
def test_the_furthest_status_stands_in_whatever_order_they_come(database: Database, order: int) -> None:
    """Every order of messages and looks ends in the same row: all facts of both, and the drill known as one."""
    for event in list(itertools.permutations(LIFE))[order]:
        note(database, event)
    with database.snapshot() as connection:
        (heard,) = known_events(connection, [(Cloud.ALIBABA, ACCOUNT, "e-1")]).values()
        assert list_system_events(connection, Narrow()) == []
    known = heard.event
    assert (known.status, known.type, known.simulated) == ("Executed", "Instance:SystemMaintenance.Reboot", True)
    assert known.not_before == NOW + timedelta(days=2)
    assert known.published == NOW
    assert known.finished == NOW
    assert sorted(heard.channels) == ["poll", "queue"]


def test_a_time_that_was_moved_is_learned_from_a_look(database: Database) -> None:
    """The cloud moves an event without a message: a look tells, and only its row has changed."""
    note(database, told("e-1", "Scheduled", notBefore="2026-03-04T03:00:00Z"), told("e-2", "Scheduled"))
    assert note(database, told("e-1", "Scheduled", Channel.POLL, notBefore="2026-03-05T03:00:00Z"), at=NOW + HOUR) == 1
    note(database, told("e-1", "Scheduled", notBefore="2026-03-04T03:00:00Z"), at=NOW + HOUR)
    with database.snapshot() as connection:
        names = [(Cloud.ALIBABA, ACCOUNT, id_) for id_ in ("e-1", "e-2")]
        found = known_events(connection, names)
        moved, other = (found[one] for one in names)
        assert [one.id for one in list_system_events(connection, Narrow())] == ["e-1", "e-2"]
    assert (moved.changed, other.changed) == (NOW + HOUR, NOW)
    assert moved.event.not_before == NOW + timedelta(days=3)


def test_what_says_nothing_new_changes_nothing(database: Database) -> None:
    """A look at a hundred known events an hour later writes no row."""
    many = [told(f"e-{n}", "Scheduled", Channel.POLL) for n in range(100)]
    assert note(database, *many) == 100
    assert note(database, *many, at=NOW + HOUR) == 0


def test_two_workers_that_hear_of_one_event_join_it(database: Database, database_url: str) -> None:
    """Each brings other statuses of the same events at the same time; no fact and no status is lost."""
    statuses = ("Scheduled", "Executing", "Executed", "Scheduled")

    def hear(number: int) -> int:
        mine = open_database(database_url)
        try:
            return note(mine, *(told(f"e-{n}", statuses[number], impactLevel=str(number)) for n in range(20)))
        finally:
            mine.close()

    with ThreadPoolExecutor(len(statuses)) as pool:
        list(pool.map(hear, range(len(statuses))))
    with database.snapshot() as connection:
        rows = connection.execute(sa.select(SYSTEM_EVENT.c.status)).scalars().all()
    assert list(rows) == ["Executed"] * 20


def test_what_the_cloud_does_not_show_any_more_is_open_no_longer(database: Database) -> None:
    """Never said to be over, not in the list and not to be found by its id: it stands no longer among the open ones."""
    note(database, told("e-1", "Scheduled"), told("e-2", "Scheduled"))
    names = [(Cloud.ALIBABA, ACCOUNT, "e-1")]
    with database.transaction() as connection:
        assert open_elsewhere(connection, Cloud.ALIBABA, ACCOUNT, REGION, NOW, {"e-2"}) == []
        assert open_elsewhere(connection, Cloud.ALIBABA, ACCOUNT, REGION, NOW + HOUR, {"e-2"}) == ["e-1"]
        assert note_vanished(connection, names, NOW + HOUR) == 1
        assert [one.id for one in list_system_events(connection, Narrow())] == ["e-2"]
    note(database, told("e-1", "Scheduled", Channel.POLL), at=NOW + 2 * HOUR)
    with database.snapshot() as connection:
        assert len(list_system_events(connection, Narrow())) == 2


def test_events_are_listed_as_an_operator_asks(database: Database) -> None:
    """The open ones by when they begin, or all of them; narrowed by resource, type and number."""
    note(
        database,
        told("e-late", "Scheduled", notBefore="2026-03-09T03:00:00Z"),
        told("e-soon", "Scheduled", notBefore="2026-03-04T03:00:00Z"),
        told("e-open", "Inquiring"),
        told("e-over", "Avoided"),
    )
    with database.snapshot() as connection:
        open_ = list_system_events(connection, Narrow())
        assert [row.id for row in open_] == ["e-soon", "e-late", "e-open"]
        assert {row.id for row in list_system_events(connection, Narrow(), over=True)} >= {"e-over", "e-soon"}
        assert [row.id for row in list_system_events(connection, Narrow(resource="i-e-late"))] == ["e-late"]
        assert list_system_events(connection, Narrow(), type_="Failure") == []
        assert len(list_system_events(connection, Narrow(limit=1), type_="Reboot")) == 1
        assert len(list_system_events(connection, Narrow(since=NOW + HOUR), over=True)) == 0


def test_a_reading_that_broke_off_is_never_whole(database: Database) -> None:
    """Read whole, broken off, handed to another worker, never read: only the first one is whole."""
    places = [("alibaba", ACCOUNT, region) for region in ("cn-a", "cn-b", "cn-c", "cn-d")]
    with database.transaction() as connection:
        for region, outcome in (("cn-a", "complete"), ("cn-b", "InternalError"), ("cn-c", "handed over")):
            plan_poll(connection, f"system_events/alibaba/{ACCOUNT}/{region}", NOW + HOUR, NOW, outcome)
        found = {one.region: (one.whole, one.outcome) for one in list_readings(connection, places)}
    broken = (False, "InternalError")
    assert found == {"cn-a": (True, ""), "cn-b": broken, "cn-c": (False, ""), "cn-d": (False, "")}


def test_what_was_over_long_ago_leaves(database: Database) -> None:
    """Open ones stay, however old."""
    note(database, told("e-1", "Scheduled"), told("e-2", "Executed"))
    with database.transaction() as connection:
        assert remove_old_system_events(connection, NOW) == 0
        assert remove_old_system_events(connection, NOW + HOUR) == 1
        assert [one.id for one in list_system_events(connection, Narrow(), over=True)] == ["e-1"]
