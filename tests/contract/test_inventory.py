"""The inventory keeps the newest of what is known, in whatever order it arrives, and forgets nothing released."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from cloudheal.model.inventory import Description, Sighting
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.record.database import Database
from cloudheal.record.inventory import are_news, describe, known, not_described, release, retag, sight
from cloudheal.record.sizes import Sizes
from cloudheal.settings.rules import Selector

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def named(id_: str) -> ResourceId:
    """Return the name of a server of the one account."""
    return ResourceId(Cloud.ALIBABA, "1000000000000001", "cn-hangzhou", "instance", id_)


def at(seconds: float) -> datetime:
    """Return a moment after noon."""
    return NOON + timedelta(seconds=seconds)


WEB = named("i-web")


def state_of(database: Database, subject: ResourceId = WEB) -> str:
    """Return what the inventory believes."""
    with database.snapshot() as connection:
        return known(connection, [subject])[subject].resource.state


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_order_of_arrival_does_not_matter(database: Database, order: tuple[int, ...]) -> None:
    """Running before Starting, a description in between or late: the newest observation stands."""
    told = [Sighting(WEB, at(1), "Stopped"), Sighting(WEB, at(2), "Starting"), Sighting(WEB, at(3), "Running")]
    for number in order:
        with database.transaction() as connection:
            if number < 3:
                sight(connection, [told[number]])
            else:
                describe(connection, [Description(WEB, at(2.5), "Starting", name="web")])
    assert state_of(database) == "Running"


@pytest.mark.parametrize("order", list(permutations(("Starting", "Running"))))
def test_two_events_of_one_instant_have_one_result(database: Database, order: tuple[str, ...]) -> None:
    """The end of a movement wins over the movement, whichever came first."""
    for state in order:
        with database.transaction() as connection:
            sight(connection, [Sighting(WEB, at(1), state)])
    assert state_of(database) == "Running"


@pytest.mark.parametrize("told_first", [True, False])
def test_an_event_stands_over_a_look_of_the_same_instant(database: Database, *, told_first: bool) -> None:
    """A look that began when the server stopped may still have seen it running."""
    with database.transaction() as connection:
        if told_first:
            sight(connection, [Sighting(WEB, at(1), "Stopped")])
        describe(connection, [Description(WEB, at(1), "Running")])
        if not told_first:
            sight(connection, [Sighting(WEB, at(1), "Stopped")])
    assert state_of(database) == "Stopped"


def test_a_description_says_what_it_changed(database: Database) -> None:
    """The first look is a change from nothing, the next one from the state before, an older one none."""
    with database.transaction() as connection:
        (first,) = describe(connection, [Description(WEB, at(1), "Running", tags={"env": "prod"})])
        (second,) = describe(connection, [Description(WEB, at(5), "Stopped", tags={"env": "prod"})])
        assert describe(connection, [Description(WEB, at(3), "Running")]) == []
    assert first.before is None
    assert second.before is not None
    assert (second.before.resource.state, second.now.state) == ("Running", "Stopped")
    with database.snapshot() as connection:
        row = known(connection, [WEB])[WEB]
    assert (row.since, row.resource.tags) == (at(5), {"env": "prod"})


def test_released_servers_stay_with_everything(database: Database) -> None:
    """A stale answer does not bring one back; its attributes are there; a real return is believed."""
    attributes = {"VpcAttributes": {"PrivateIpAddress": {"IpAddress": ["10.0.0.7"]}}, "备注": "数据库"}
    with database.transaction() as connection:
        describe(connection, [Description(WEB, at(1), "Running", name="web", attributes=attributes)])
        sight(connection, [Sighting(WEB, at(10), "Deleted")])
        assert describe(connection, [Description(WEB, at(20), "Running", name="web")]) == []
        sight(connection, [Sighting(WEB, at(21), "Stopped")])
    with database.snapshot() as connection:
        gone = known(connection, [WEB])[WEB]
    assert (gone.resource.name, gone.resource.state, gone.released) == ("web", "Deleted", at(10))
    assert dict(gone.attributes) == attributes
    with database.transaction() as connection:
        assert len(describe(connection, [Description(WEB, at(200), "Running")])) == 1
    assert state_of(database) == "Running"


def test_a_release_that_nobody_told_is_older_than_what_is_known_since(database: Database) -> None:
    """Absence at a time says nothing about a server that was seen after it."""
    with database.transaction() as connection:
        describe(connection, [Description(WEB, at(1), "Running"), Description(named("i-b"), at(1), "Running")])
        sight(connection, [Sighting(WEB, at(9), "Stopping")])
        assert release(connection, [WEB, named("i-b")], at(5)) == [named("i-b")]


def test_new_and_restarted_servers_wait_for_a_description(database: Database) -> None:
    """An id known from an event only, and one that was started since it was described."""
    with database.transaction() as connection:
        sight(connection, [Sighting(named("i-new"), at(2), "Pending")])
        describe(connection, [Description(WEB, at(1), "Running"), Description(named("i-up"), at(1), "Stopped")])
        sight(connection, [Sighting(named("i-up"), at(3), "Running")])
        waiting = not_described(connection, Cloud.ALIBABA, WEB.account, 100)
        assert [one.resource.id.id for one in waiting] == ["i-up", "i-new"]
        assert not_described(connection, Cloud.ALIBABA, "2000000000000002", 100) == []


def test_the_size_of_a_group_counts_members_and_those_down(database: Database) -> None:
    """By group, by tag with odd names, by name pattern; never what only an event spoke of."""
    tags = {'env"x': "生产", "app.kubernetes.io/name": "web"}
    with database.transaction() as connection:
        describe(connection, [
            Description(named(f"i-{n}"), at(1), "Stopped" if n < 2 else "Running", f"web-{n}", group="g", tags=tags)
            for n in range(10)
        ])  # fmt: skip
        sight(connection, [Sighting(named("i-phantom"), at(2), "Stopped")])
        assert Sizes(connection).of(WEB, "g", None) == (10, 2)
        for selector, expected in [
            (Selector(all=True), (10, 2)),
            (Selector(), (0, 0)),
            (Selector(tags={'env"x': ["生产"], "app.kubernetes.io/name": ["web", "api"]}), (10, 2)),
            (Selector(tags={"env": ["生产"]}), (0, 0)),
            (Selector(names=["web-[0-4]"]), (5, 2)),
            (Selector(ids=["i-1", "i-2"], regions=["cn-hangzhou"]), (2, 1)),
            (Selector(groups=["other"]), (0, 0)),
        ]:
            assert Sizes(connection).of(WEB, "rule:r", selector) == expected, selector


def test_within_a_transaction_a_member_that_is_helped_is_not_counted_as_waiting_any_more(database: Database) -> None:
    """A group is counted once for a batch, and stays true as runs are granted for its members."""
    with database.transaction() as connection:
        described = [Description(named(f"i-{number}"), at(1), "Stopped", group="g") for number in range(3)]
        describe(connection, described)
        sizes = Sizes(connection)
        assert sizes.of(WEB, "g", None) == (3, 3)
        assert sizes.helped(named("i-1")) == 1
        assert sizes.helped(named("i-1")) == 0
        assert sizes.of(WEB, "g", None) == (3, 2)


def test_tags_that_a_fresh_look_showed_are_taken_in(database: Database) -> None:
    """Unless they were known, or a later description stands; state and name are left as they are."""
    with database.transaction() as connection:
        describe(connection, [Description(WEB, at(5), "Running", name="web", tags={"env": "prod"})])
        old = [(WEB, {"env": "prod"}, at(6)), (WEB, {"env": "old"}, at(4)), (named("i-unknown"), {"env": "x"}, at(6))]
        for ask in (are_news, retag):
            assert [ask(connection, *one) for one in old] == [False] * 3
            assert ask(connection, WEB, {"env": "prod", "cloudheal:hold": "爱丽丝"}, at(6))
        (now,) = known(connection, [WEB]).values()
    assert (now.resource.state, now.resource.tags) == ("Running", {"env": "prod", "cloudheal:hold": "爱丽丝"})
