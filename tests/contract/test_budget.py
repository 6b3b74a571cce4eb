"""Limits hold at every moment, also when several workers decide at the same one; on both databases."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from cloudheal import playbooks as built_in
from cloudheal.act.library import library_of
from cloudheal.act.planned import PlannedParameters
from cloudheal.act.playbook import Case, End, Playbook
from cloudheal.clouds.alibaba.events import event_of
from cloudheal.decide.rulebook import rule_book
from cloudheal.extend import Hands, Healed
from cloudheal.model.control import Hold
from cloudheal.model.event import Channel
from cloudheal.model.incident import RunState
from cloudheal.model.inventory import Description
from cloudheal.model.resource import Cloud, Resource, ResourceId
from cloudheal.pipeline import Intake, Waker
from cloudheal.pipeline.deciding import Decider
from cloudheal.plugins import Found, in_package, of_kind
from cloudheal.record.budget import give_back
from cloudheal.record.database import Database, open_database
from cloudheal.record.holds import add_hold, lift_holds
from cloudheal.record.inventory import describe
from cloudheal.record.promotions import promote
from cloudheal.record.tables import GRANT, INCIDENT, RUN
from cloudheal.record.waiting import SAME, Rest, due, rest
from cloudheal.record.workers import claim
from cloudheal.sense.reading import Message
from cloudheal.sense.triggers import TRIGGERS, trouble_of
from cloudheal.settings.rules import RuleFile
from cloudheal.testing.clock import VirtualClock
from cloudheal.testing.engine import Engine
from cloudheal.testing.messages import message

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
SERVERS = 24
LIBRARY = library_of(of_kind(in_package(built_in), Playbook), TRIGGERS)
IDS = itertools.count(1)


def rules_with(**limits: object) -> RuleFile:
    """Return one trusted rule for everything, with room for all but what the test narrows."""
    wide = {"share": 1.0, "storm_share": 1.0, "storm_members": 1000, "at_once": 1000, "per_hour": 1000}
    rule = {
        "name": "restart",
        "when": {"type": ["Instance:StateChange"]},
        "resources": {"all": True},
        "desired": "on",
        "playbook": "restart_stopped",
        "mode": "auto",
        "limits": {**wide, **limits},
    }
    return RuleFile.model_validate({"rules": [rule]})


def known(subjects: Sequence[ResourceId]) -> Mapping[ResourceId, Resource]:
    """Each server is the only one of its group."""
    return {one: Resource(one, NOON, "Stopped", one.id, "z", f"group-{one.id}", {}) for one in subjects}


def worker(database: Database, rules: RuleFile, name: str) -> Intake:
    """Return the way in of one worker, which queues looks that nobody makes."""
    return Intake(
        store=database,
        decider=Decider(
            looks=Engine(),
            rules=rule_book(rules.rules),
            playbooks=LIBRARY.playbooks,
            trouble_of=lambda event: trouble_of(event, LIBRARY.triggers),
            clock=VirtualClock(NOON),
            new_id=lambda: f"{next(IDS):06}",
            worker=name,
        ),
        wanted_by=lambda _: (),
        reader=event_of,
        lookup=known,
    )


def stopped(number: int) -> Message:
    """Return the news that a server stopped."""
    server = ResourceId(Cloud.ALIBABA, "1000000000000001", "cn-hangzhou", "instance", f"i-{number}")
    content = {"resourceId": server.id, "state": "Stopped"}
    at = NOON - timedelta(seconds=number)
    return Message(message(server, "Instance:StateChange", content, at), "test", Channel.QUEUE)


@pytest.fixture
def two(database: Database, database_url: str) -> Iterator[tuple[Database, Database]]:
    """The database as two workers have it open."""
    other = open_database(database_url)
    yield database, other
    other.close()


def granted(database: Database) -> int:
    """Count the grants."""
    with database.snapshot() as connection:
        return len(connection.execute(sa.select(GRANT)).all())


def waiting_for(database: Database) -> list[str]:
    """Return what the runs wait for."""
    with database.snapshot() as connection:
        return [row.waits_for for row in connection.execute(sa.select(RUN)) if row.waits_for]


@pytest.mark.parametrize(("limits", "reason"), [({"at_once": 5}, "budget.at_once"), ({"per_hour": 5}, "budget.rate")])
def test_two_workers_that_decide_at_the_same_moment_stay_within_the_limit(
    two: tuple[Database, Database], limits: Mapping[str, object], reason: str
) -> None:
    """Twenty-four servers stop, eight threads of two workers decide at once: exactly five may act, the rest waits."""
    rules = rules_with(**limits)
    with two[0].transaction() as connection:
        promote(connection, rules.rules, "test", NOON)
    ways, together = [worker(one, rules, f"w{n}") for n, one in enumerate(two)], threading.Barrier(8)

    def decide(thread: int) -> None:
        for number in range(thread, SERVERS, 8):
            together.wait()
            ways[thread % 2].take([stopped(number)])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(decide, range(8)))
    assert granted(two[0]) == 5
    assert waiting_for(two[0]) == [reason] * (SERVERS - 5)


def test_a_freed_grant_wakes_exactly_one(two: tuple[Database, Database]) -> None:
    """Whoever frees room fills it in the same transaction, oldest trouble first; two tickers beside it add none."""
    rules = rules_with(at_once=5)
    with two[0].transaction() as connection:
        promote(connection, rules.rules, "test", NOON)
    worker(two[0], rules, "w").take([stopped(number) for number in range(SERVERS)])
    wakers = [Waker(one, Engine(), rule_book(rules.rules), VirtualClock(NOON), lambda: f"{next(IDS)}") for one in two]
    with two[0].transaction() as connection:
        run = connection.scalars(sa.select(GRANT.c.run)).first()
        assert run is not None
        connection.execute(sa.update(RUN).where(RUN.c.id == run).values(state="ended"))
        give_back(connection, run)
        assert wakers[0].fill(connection, "", NOON) == 1
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda one: one.tick(), wakers)) == [0, 0]
    assert granted(two[0]) == 5


def of_two_groups(subjects: Sequence[ResourceId]) -> Mapping[ResourceId, Resource]:
    """Every second server is of one group, the others of another; nobody knows how large they are."""
    return {
        one: Resource(one, NOON, "Stopped", one.id, "z", "odd" if int(one.id[2:]) % 2 else "even", {})
        for one in subjects
    }


def test_a_place_that_a_group_gives_back_goes_to_the_next_of_the_group(database: Database) -> None:
    """One of each group is helped at a time; when it is done the oldest of its own group is next, and of no other."""
    rules = rules_with()
    with database.transaction() as connection:
        promote(connection, rules.rules, "test", NOON)
    replace(worker(database, rules, "w"), lookup=of_two_groups).take([stopped(number) for number in range(6)])
    waker = Waker(database, Engine(), rule_book(rules.rules), VirtualClock(NOON), lambda: f"{next(IDS)}")
    starting = (
        sa.select(INCIDENT.c.resource).join(RUN, RUN.c.incident == INCIDENT.c.id).where(RUN.c.state == "starting")
    )
    with database.transaction() as connection:
        assert set(connection.scalars(starting)) == {"i-0", "i-1"}
        done = sa.select(RUN.c.id).join(INCIDENT, RUN.c.incident == INCIDENT.c.id).where(INCIDENT.c.resource == "i-0")
        run = connection.scalars(done).one()
        connection.execute(sa.update(RUN).where(RUN.c.id == run).values(state="ended"))
        give_back(connection, run)
        assert waker.fill(connection, "odd", NOON) == 0
        assert waker.fill(connection, "even", NOON) == 1
        assert waker.fill(connection, "even", NOON) == 0
        assert set(connection.scalars(starting)) == {"i-1", "i-4"}


@pytest.mark.parametrize("end", [None, NOON + timedelta(hours=2)], ids=["without an end", "before its end"])
def test_a_hold_that_is_lifted_wakes_its_own_server_while_others_are_held(
    database: Database, end: datetime | None
) -> None:
    """Two servers are held one by one; when one hold is lifted its server is helped, and the other one waits."""
    rules = rules_with()
    with database.transaction() as connection:
        promote(connection, rules.rules, "test", NOON)
        for held in ("i-0", "i-1"):
            add_hold(connection, Hold(held, "alice", "upgrade", NOON, end))
    worker(database, rules, "w").take([stopped(0), stopped(1)])
    waker = Waker(database, Engine(), rule_book(rules.rules), VirtualClock(NOON), lambda: f"{next(IDS)}")
    assert waker.tick() == 0
    with database.transaction() as connection:
        assert lift_holds(connection, "i-0", NOON) == 1
    assert waker.tick() == 1
    assert waiting_for(database) == ["held"]


def test_a_hold_on_a_group_keeps_its_servers_and_no_others(database: Database) -> None:
    """What is held by its group waits until the hold ends; a server of another group is helped at once."""
    rules = rules_with()
    with database.transaction() as connection:
        promote(connection, rules.rules, "test", NOON)
        add_hold(connection, Hold("even", "alice", "upgrade", NOON, NOON + timedelta(hours=2)))
    replace(worker(database, rules, "w"), lookup=of_two_groups).take([stopped(0), stopped(1)])
    assert (waiting_for(database), granted(database)) == (["held"], 1)
    waker = Waker(database, Engine(), rule_book(rules.rules), VirtualClock(NOON), lambda: f"{next(IDS)}")
    assert waker.tick() == 0
    with database.transaction() as connection:
        assert lift_holds(connection, "even", NOON) == 1
    assert waker.tick() == 1
    assert waiting_for(database) == []


def sit_still(_case: Case, _hands: Hands) -> End:
    """End at once."""
    return End(Healed.HEALED, "done")


#: Another trouble of the same server, for a playbook that may change it.
TENDING = Playbook("tend", ("maintenance",), PlannedParameters, ("servers", "reboot"), reversible=True, run=sit_still)


def announced(number: int) -> Message:
    """Return the news that a server is to be restarted."""
    server = ResourceId(Cloud.ALIBABA, "1000000000000001", "cn-hangzhou", "instance", f"i-{number}")
    content = {
        "instanceId": server.id,
        "eventId": f"e-{number}",
        "eventType": "SystemMaintenance.Reboot",
        "eventStatus": "Scheduled",
    }
    name = "Instance:SystemMaintenance.Reboot:Scheduled"
    return Message(message(server, name, content, NOON), "test", Channel.QUEUE)


@pytest.mark.parametrize("first", ["stopped", "announced"])
def test_two_troubles_of_a_server_are_not_worked_on_at_once(database: Database, first: str) -> None:
    """Law 4 across troubles: the second waits, says for what, and begins when the first has put the server down.

    That the first has still to see its deed take effect is not in the way: the group has lost no further server.
    """
    tends = {"name": "tend", "when": {"type": ["Instance:SystemMaintenance.Reboot"]}, "resources": {"all": True}}
    rules = rules_with(cool_down="1s").rules
    rules += RuleFile.model_validate({"rules": [tends | {"playbook": "tend", "mode": "auto"}]}).rules
    library = library_of([*of_kind(in_package(built_in), Playbook), Found("tend", "the test", TENDING)], TRIGGERS)
    with database.transaction() as connection:
        promote(connection, rules, "test", NOON)
    book, news = rule_book(rules), {"stopped": stopped(0), "announced": announced(0)}
    usual = worker(database, rules_with(), "w")
    way = replace(usual, decider=replace(usual.decider, rules=book, playbooks=library.playbooks))
    way.take([news.pop(first), *news.values(), stopped(1)])
    assert waiting_for(database) == ["budget.resource"]
    waker = Waker(database, Engine(), book, VirtualClock(NOON), lambda: f"{next(IDS)}")
    assert waker.tick() == 0
    with database.transaction() as connection:
        same = sa.select(RUN.c.id).join(INCIDENT, RUN.c.incident == INCIDENT.c.id).where(INCIDENT.c.resource == "i-0")
        run = connection.scalars(same.where(RUN.c.state == "starting")).one()
        held = claim(connection, run, "w", 0, NOON)
        assert held is not None
        assert rest(connection, held, Rest(RunState.WAITING, "underway", NOON + timedelta(minutes=1)), NOON)
    assert waker.tick() == 1
    assert waiting_for(database) == ["underway"]
    assert granted(database) == 3


def tagged(subjects: Sequence[ResourceId]) -> Mapping[ResourceId, Resource]:
    """Each server is of one group, and held by its tag."""
    return {one: Resource(one, NOON, "Stopped", one.id, "z", "all", {"cloudheal:hold": ""}) for one in subjects}


def test_whose_tag_is_gone_is_helped_however_many_are_held_before_it(database: Database) -> None:
    """Of hundreds that are held by tags, more than a tick looks at, the newest loses its tag: it is begun."""
    rules = rules_with()
    with database.transaction() as connection:
        promote(connection, rules.rules, "test", NOON)
    many = range(SAME + 50)
    replace(worker(database, rules, "w"), lookup=tagged).take([stopped(number) for number in many])
    assert waiting_for(database) == ["held"] * len(many)
    with database.transaction() as connection:
        described = [Description(one, NOON, "Stopped", tags=known.tags) for one, known in tagged(servers(many)).items()]
        describe(connection, [replace(described[0], tags={}), *described[1:]])
    clock = VirtualClock(NOON)
    waker = Waker(database, Engine(), rule_book(rules.rules), clock, lambda: f"{next(IDS)}")
    begun = 0
    for _ in range(30):
        clock.advance(timedelta(seconds=1))
        begun += waker.tick()
    assert (begun, len(waiting_for(database))) == (1, len(many) - 1)


def servers(numbers: Sequence[int]) -> list[ResourceId]:
    """Return the servers of these numbers."""
    return [ResourceId(Cloud.ALIBABA, "1000000000000001", "cn-hangzhou", "instance", f"i-{n}") for n in numbers]


def test_a_long_line_leaves_others_their_turn(database: Database) -> None:
    """One group has more that wait than are looked at in one go; the only one of another group is among them."""
    rules = rules_with()
    with database.transaction() as connection:
        promote(connection, rules.rules, "test", NOON)
        add_hold(connection, Hold("even", "alice", "upgrade", NOON, NOON + timedelta(hours=1)))
        add_hold(connection, Hold("odd", "alice", "upgrade", NOON, NOON + timedelta(hours=1)))
    way = replace(worker(database, rules, "w"), lookup=of_two_groups)
    way.take([stopped(1), *(stopped(number) for number in range(2, 20, 2))])
    with database.snapshot() as connection:
        first = due(connection, NOON + timedelta(hours=2), limit=4)
    assert "i-1" in [one.subject.id for one in first]
    assert len(first) == 4
