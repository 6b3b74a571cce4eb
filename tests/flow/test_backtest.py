"""Histories that the pipeline recorded, before the same rules: a backtest decides what was decided."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from cloudheal import playbooks as built_in
from cloudheal.act.library import Library, library_of
from cloudheal.act.playbook import End, Playbook
from cloudheal.clouds.alibaba.events import event_of
from cloudheal.decide.rulebook import RuleBook, rule_book
from cloudheal.model.control import Hold
from cloudheal.model.incident import Healed
from cloudheal.model.inventory import Description, Known
from cloudheal.pipeline.backtest import Lines, Report, Terms, World, Would, against_record, against_rules
from cloudheal.plugins import Found, in_package, of_kind
from cloudheal.record.database import Database
from cloudheal.record.history import exported, recorded
from cloudheal.record.holds import EVERYTHING, add_hold, lift_holds
from cloudheal.record.inventory import describe, everything
from cloudheal.record.tables import METADATA
from cloudheal.sense.triggers import TRIGGERS, trouble_of
from cloudheal.settings.rules import RuleFile
from cloudheal.testing import FakeCloud, Scene, message
from cloudheal.testing.stage import stage

PROD = {"env": "prod"}
RESTART: dict[str, Any] = {
    "name": "restart",
    "when": {"type": ["Instance:StateChange"], "data": {"state": ["Stopped"]}},
    "resources": {"tags": {"env": ["prod"]}},
    "desired": "on",
    "playbook": "restart_stopped",
    "mode": "auto",
}
LEAVE: dict[str, Any] = {
    "name": "leave",
    "when": {"type": ["Instance:PreemptibleInstanceInterruption"]},
    "resources": {"all": True},
    "playbook": "spot_evacuate",
    "with": {"replace": False},
    "mode": "auto",
}
CHECK: dict[str, Any] = {
    "name": "check",
    "when": {"type": [{"prefix": "Instance:SystemFailure."}]},
    "resources": {"all": True},
    "playbook": "check_after_failure",
    "mode": "auto",
}
ANSWER: dict[str, Any] = {
    "name": "answer",
    "when": {"type": ["Instance:SystemMaintenance.Reboot"]},
    "resources": {"all": True},
    "playbook": "answered",
    "mode": "ask",
}
SERVERS = 6
PLANNED = ("Scheduled", "Executing", "Avoided", "Canceled")
#: One thing that happens: what, to which server, in which minute.
Deed = tuple[str, int, int]


class Nothing(BaseModel):
    """No parameters."""


ANSWERED = Playbook(
    "answered", ("maintenance",), Nothing, (), reversible=True, run=lambda _case, _hands: End(Healed.HEALED, "answered")
)


def library() -> Library:
    """Return the built-in playbooks, and one for what a cloud has planned."""
    ours = of_kind(in_package(built_in), Playbook)
    return library_of([*ours, Found("answered", "the test", ANSWERED)], TRIGGERS)


def book(*rules: dict[str, Any]) -> RuleBook:
    """Compile rules."""
    looking = [name for name, one in library().playbooks.items() if one.only_looks]
    planned = [name for name, one in library().playbooks.items() if one.planned]
    return rule_book(RuleFile.model_validate({"rules": rules}).rules, looking=looking, planned=planned)


def world(database: Database, **changes: Any) -> World:
    """Return what a backtest is told of this database."""
    with database.snapshot() as connection:
        known = tuple(everything(connection))
    return World(library().playbooks, trouble_of, known, **changes)


def backtested(database: Database, rules: RuleBook, **changes: Any) -> Report:
    """Hold rules against what is recorded."""
    with database.snapshot() as connection:
        return against_record(recorded(connection), rules, world(database, **changes), Terms())


class Night:
    """A fleet whose servers fall, are held and reclaimed at given minutes; it is played by the real pipeline."""

    def __init__(self, rules: Sequence[dict[str, Any]], deeds: Sequence[Deed], *, boot: int = 5) -> None:
        self.cloud = FakeCloud(boot=timedelta(seconds=boot))
        self.servers = [self.cloud.server(f"i-{number}", tags=PROD) for number in range(SERVERS)]
        self.cloud.group("lb-1", "rsp-1")
        self.rules = list(rules)
        self._deeds = deeds

    def play(self, database: Database) -> None:
        """Record it on a database whose inventory has been swept."""
        scene = Scene(self.cloud, rules=self.rules, playbooks=[ANSWERED])
        now = self.cloud.clock.now()
        with database.transaction() as connection:
            describe(connection, [Description(one, now, "Running", tags=PROD) for one in self.servers])
        for what, number, minute in self._deeds:
            scene.later(timedelta(minutes=minute, seconds=15), partial(self._do, database, what, number))
        if any("per_hour" in one.get("limits", {}) for one in self.rules):
            for minute in range(125):  # a worker looks every second at what waits for the hour to pass
                self.cloud.clock.plan(timedelta(minutes=minute, seconds=45), lambda: None)
        scene.play_on(database)

    def _do(self, database: Database, what: str, number: int) -> bytes | None:
        server, now = self.servers[number], self.cloud.clock.now()
        with database.transaction() as connection:
            match what:
                case "hold":
                    add_hold(connection, Hold(server.id, "ops", "looking", now, now + timedelta(minutes=20)))
                case "pause":
                    add_hold(connection, Hold(EVERYTHING, "ops", "release", now))
                case "resume":
                    lift_holds(connection, EVERYTHING, now)
        if self.cloud.now(server.id) is None:
            return None
        if what in PLANNED:
            content = {"eventId": f"e-{number}", "instanceId": server.id, "eventStatus": what}
            return message(server, f"Instance:SystemMaintenance.Reboot:{what}", content, now, what)
        if what == "news":
            known = self.cloud.maintenance.announced(server)
            return self.cloud.maintenance.bulletin(known[-1]) if known else None
        deed = {"fall": self.cloud.power_off, "reclaim": self.cloud.reclaim, "fails": self.cloud.maintenance.fails}.get(
            what
        )
        return None if deed is None else deed(server)


deeds = st.lists(
    st.tuples(
        st.sampled_from(["fall"] * 12 + ["hold", "pause", "resume", "reclaim", "fails", "news", *PLANNED]),
        st.integers(0, SERVERS - 1),
        st.one_of(st.integers(0, 5), st.integers(0, 120)),
    ),
    min_size=1,
    max_size=14,
)
limits = st.fixed_dictionaries(
    {},
    optional={
        "at_once": st.integers(1, 3),
        "share": st.sampled_from([0.2, 0.5, 1.0]),
        "per_hour": st.integers(1, 5),
        "storm_members": st.integers(2, 5),
        "attempts": st.integers(1, 3),
        "flaps": st.integers(1, 3),
        "cool_down": st.sampled_from(["1s", "1m", "10m"]),
    },
)


#: A night takes a second, so that a failing one is told as it is.
PLAYED = settings(
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)


@given(deeds=deeds, limits=limits, desired=st.sampled_from(["on", None]), boot=st.sampled_from([5, 90]))
@settings(max_examples=12, derandomize=True, parent=PLAYED)
def test_what_was_decided_is_what_a_backtest_decides(
    deeds: list[Deed], limits: dict[str, Any], desired: str | None, boot: int
) -> None:
    """Whatever happens when, under whatever limits: every decision on an event is the recorded one."""
    agrees(deeds, limits, desired, boot)


@pytest.mark.soak
@given(deeds=deeds, limits=limits, desired=st.sampled_from(["on", None]), boot=st.sampled_from([5, 90]))
@settings(max_examples=300, parent=PLAYED)
def test_what_was_decided_is_what_a_backtest_decides_hundreds_of_times(
    deeds: list[Deed], limits: dict[str, Any], desired: str | None, boot: int
) -> None:
    """The same with fresh chance."""
    agrees(deeds, limits, desired, boot)


def agrees(deeds: list[Deed], limits: dict[str, Any], desired: str | None, boot: int) -> None:
    """Play a night and hold the same rules against its record."""
    night = Night(
        [RESTART | {"limits": limits, "desired": desired}, LEAVE], sorted(deeds, key=lambda one: one[2]), boot=boot
    )
    with stage() as database:
        night.play(database)
        report = backtested(database, book(*night.rules), as_promoted=True)
    assert report.differences == ()
    assert (report.held_against, report.differing) == ("record", 0)


FALLS: list[Deed] = [("fall", 0, 0), ("fall", 1, 1), ("fall", 2, 1), ("fall", 0, 30), ("fall", 3, 40)]
TIGHT = RESTART | {"limits": {"at_once": 1, "share": 1.0, "storm_share": 1.0}}


@pytest.fixture
def recorded_night() -> Iterator[Database]:
    """A database in which a night was recorded under a rule that allows one server at a time."""
    with stage() as database:
        Night([TIGHT], FALLS, boot=90).play(database)
        yield database


def test_an_export_is_as_good_as_the_record(recorded_night: Database) -> None:
    """What `audit export` wrote, read back from lines, gives the same report as the tables."""
    with recorded_night.snapshot() as connection:
        lines = [line.encode() for line in exported(connection)]
    reading = Lines(event_of)
    there = against_record(reading.read(lines), book(TIGHT), world(recorded_night), Terms())
    assert reading.unreadable == 0
    assert there == backtested(recorded_night, book(TIGHT))
    assert (there.held_against, there.differing) == ("record", 0)


def test_a_wider_limit_shows_what_would_have_been_done_at_once(recorded_night: Database) -> None:
    """With room for three nothing waits: the report says which events differ, how, and how many at once."""
    report = backtested(recorded_night, book(RESTART | {"limits": {"at_once": 3, "share": 1.0, "storm_share": 1.0}}))
    assert [(one.other, one.would) for one in report.changes] == [("restart: budget.at_once", "restart: act")]
    assert {one.other for one in report.differences} == {("restart: budget.at_once",)}
    assert report.most_at_once > 1
    assert report.began == len(FALLS)


def test_what_waits_is_told_with_the_time_at_which_it_would_begin(recorded_night: Database) -> None:
    """Decisions and, of what had waited, the later beginning; each with its time and incident."""
    told: list[Would] = []
    with recorded_night.snapshot() as connection:
        against_record(recorded(connection), book(TIGHT), world(recorded_night), Terms(listener=told.append))
    about = [(one.reason, one.again) for one in told if one.resource == "i-1"]
    assert about == [("budget.at_once", False), ("act", True)]
    held, begun = (one for one in told if one.resource == "i-1")
    assert (held.incident, held.event) == (begun.incident, begun.event)
    assert begun.at > held.at


def test_without_a_record_runs_take_as_long_as_they_are_said_to() -> None:
    """Messages from a file: one server at a time, so that the second begins when the first is said to be healed."""
    cloud = FakeCloud()
    first, second = (cloud.server(f"i-{number}") for number in range(2))
    lines = [cloud.power_off(first), cloud.power_off(second)]
    rule = TIGHT | {"resources": {"all": True}}
    told: list[Would] = []
    place = World(library().playbooks, trouble_of, heal_time=timedelta(minutes=7))
    report = against_record(Lines(event_of).read(lines), book(rule), place, Terms(listener=told.append))
    begun = [one for one in told if one.reason == "act"]
    assert [one.resource for one in begun] == ["i-0", "i-1"]
    assert begun[1].at - begun[0].at == timedelta(minutes=7)
    assert (report.held_against, report.differing, report.most_at_once) == ("", 0, 1)


def changed(cloud: FakeCloud, server: str, state: str, second: int) -> bytes:
    """Return the message that a server took a state, so many seconds from now."""
    content = {"resourceId": server, "resourceType": "ALIYUN::ECS::Instance", "state": state}
    at = cloud.clock.now() + timedelta(seconds=second)
    return message(cloud.id_of(server), "Instance:StateChange", content, at)


def of_lines(lines: Sequence[bytes], now: datetime) -> list[tuple[str, str]]:
    """Return what a rule for all servers makes of messages in a file, as (server, reason)."""
    told: list[Would] = []
    place, rules = World(library().playbooks, trouble_of), book(RESTART | {"resources": {"all": True}})
    against_record(Lines(event_of, now).read(lines), rules, place, Terms(listener=told.append))
    return [(one.resource, one.reason) for one in told]


def test_a_stop_that_a_later_start_has_overtaken_is_old_in_a_file_too() -> None:
    """What is known is as new as the messages say, whichever came before them: nobody starts a server that runs."""
    cloud = FakeCloud()
    lines = [
        changed(cloud, "i-0", "Stopped", 0),
        changed(cloud, "i-1", "Running", 600),
        changed(cloud, "i-1", "Stopped", 300),
    ]
    assert of_lines(lines, cloud.clock.now() + timedelta(hours=1)) == [("i-0", "act"), ("i-1", "stale")]


def test_a_message_of_a_file_that_is_dated_in_the_future_moves_no_clock() -> None:
    """What follows it came when it says, and is neither one batch nor an old backlog."""
    cloud = FakeCloud()
    fleet = [changed(cloud, f"i-{number}", "Stopped", 1200 * number) for number in range(1, 9)]
    lines = [changed(cloud, "i-0", "Stopped", 0), changed(cloud, "i-9", "Running", 10**9), *fleet]
    told = of_lines(lines, cloud.clock.now() + timedelta(days=1))
    assert told == [(f"i-{number}", "act") for number in range(9)]


def test_two_rule_files_are_told_apart_on_one_history(recorded_night: Database) -> None:
    """The same history, once: files that are alike do not differ, and one in shadow differs where it matters."""
    with recorded_night.snapshot() as connection:
        same = against_rules(recorded(connection), book(TIGHT), book(TIGHT), world(recorded_night), Terms())
        shadow = TIGHT | {"mode": "shadow"}
        other = against_rules(recorded(connection), book(shadow), book(TIGHT), world(recorded_night), Terms(most=1))
    assert (same.held_against, same.differing, same.compared) == ("rules", 0, same.events)
    assert {one.would for one in other.changes} == {"restart: shadow"}
    assert (len(other.differences), other.differing) == (1, len(FALLS))


def test_what_comes_twice_or_cannot_be_read_is_counted_and_changes_nothing() -> None:
    """A file as a queue left it: a duplicate is none the wiser, a broken line is no event."""
    cloud = FakeCloud()
    message = cloud.power_off(cloud.server("i-0"))
    reading = Lines(event_of)
    place = World({}, lambda _: None)
    report = against_record(reading.read([message, b"no message", b"", message]), book(), place, Terms())
    assert (report.events, report.duplicates, reading.unreadable) == (1, 1, 1)


def said(**words: Any) -> bytes:
    """Return a line as an export has it, changed by somebody."""
    event = {
        "id": 1,
        "at": "2026-03-02T03:00:00.000Z",
        "kind": "event",
        "event": 1,
        "resource": "i-0",
        "type": "Instance:StateChange",
        "result": "Stopped",
        "body": {"key": "k", "occurred": 1772420400000, "channel": "queue", "simulated": False},
        "contents": {"id": "m", "source": "acs.ecs", "subject": ["alibaba", "1", "r", "instance", "i-0"], "data": {}},
    }
    return json.dumps({**event, **words}).encode()


@pytest.mark.parametrize(
    "words",
    [
        {"kind": ["event"]},
        {"at": "2026-03-02T03:00:00"},
        {"at": "9999-12-31T23:59:59Z"},
        {"result": ["Stopped"]},
        {"body": {"key": "k", "occurred": 1e40, "channel": "queue", "simulated": False}},
        {"contents": {"id": "m", "source": "s", "subject": ["alibaba", "1", "r", "instance", "i-0"], "data": []}},
        {"contents": {"id": "m", "source": "s", "subject": ["alibaba", "1", "r", "instance", ["i-0"]], "data": {}}},
        {"kind": "hold.added", "body": []},
        {"kind": "hold.added", "body": {"until": "soon"}},
        {"kind": "hold.lifted", "resource": {}},
        {"kind": "rule.promoted", "result": "always"},
        {"kind": "incident.ended", "result": "cured"},
        {"kind": "step.intended", "body": {"kind": "dance"}},
        {"kind": "run.waits", "body": {"next_eligible": 1e40}},
    ],
)
def test_a_line_that_no_export_holds_is_counted_and_ends_nothing(words: dict[str, Any]) -> None:
    """Somebody changed a file, or a later version wrote it: what follows is read."""
    reading = Lines(event_of)
    report = against_record(
        reading.read([said(**words), said(id=2, event=2)]), book(RESTART), World({}, trouble_of), Terms()
    )
    assert (reading.unreadable, report.events) == (1, 1)


def test_an_export_that_another_program_has_written_anew_is_read(recorded_night: Database) -> None:
    """Filters such as jq leave the spaces out, or order the fields by name."""
    with recorded_night.snapshot() as connection:
        rows = [json.loads(line) for line in exported(connection)]
    lines = [json.dumps(row, separators=(",", ":"), sort_keys=True).encode() for row in rows]
    reading = Lines(event_of)
    found = against_record(reading.read(lines), book(TIGHT), world(recorded_night), Terms())
    assert reading.unreadable == 0
    assert found == backtested(recorded_night, book(TIGHT))


def test_an_event_without_contents_is_counted_and_not_guessed_at(recorded_night: Database) -> None:
    """An export of a time whose messages the inbox has let go: the report says how many it could not replay."""
    with recorded_night.snapshot() as connection:
        rows = [json.loads(line) for line in exported(connection)]
    bare = [json.dumps({name: one for name, one in row.items() if name != "contents"}).encode() for row in rows]
    report = against_record(Lines(event_of).read(bare), book(TIGHT), world(recorded_night), Terms())
    assert (report.events, report.without_contents) == (0, sum(row["kind"] == "event" for row in rows))


def test_what_leads_up_to_the_beginning_is_known_and_not_counted(recorded_night: Database) -> None:
    """From half past on: the first fall is history, and still the attempt that the second one cools down from."""
    rules = book(RESTART | {"limits": {"cool_down": "1h", "attempts": 9}})
    with recorded_night.snapshot() as connection:
        whole = against_record(recorded(connection), rules, world(recorded_night), Terms())
        assert whole.first is not None
        since = whole.first + timedelta(minutes=20)
        part = against_record(recorded(connection), rules, world(recorded_night), Terms(since=since))
    assert 0 < part.events < whole.events
    assert "cooling_down" in {one.reason for one in part.counts}
    assert part.first is not None
    assert part.first >= since


def test_no_row_is_written_by_a_backtest(recorded_night: Database) -> None:
    """The whole database is the same before and after, row by row."""
    before = contents_of(recorded_night)
    backtested(recorded_night, book(TIGHT))
    assert contents_of(recorded_night) == before


def contents_of(database: Database) -> dict[str, list[Any]]:
    """Return every row of every table."""
    with database.snapshot() as connection:
        return {one.name: [tuple(row) for row in connection.execute(sa.select(one))] for one in METADATA.sorted_tables}


def test_a_server_that_was_released_before_the_history_makes_no_group_larger() -> None:
    """Two of four had gone: the group has two members, and a share that four would have left room in is used up."""
    cloud = FakeCloud()
    servers = [cloud.server(f"i-{number}", tags=PROD) for number in range(4)]
    now = cloud.clock.now()
    resources = [replace(one, group="web") for one in cloud.described(servers).values()]
    gone = {one: now - timedelta(days=1) for one in servers[2:]}
    known = [Known(one, now, now, described=now, released=gone.get(one.id)) for one in resources]
    lines = [cloud.power_off(servers[0]), cloud.power_off(servers[1])]
    rule = RESTART | {"limits": {"share": 0.5, "at_once": 9, "storm_share": 1.0}}
    place = World(library().playbooks, trouble_of, known)
    report = against_record(Lines(event_of).read(lines), book(rule), place, Terms())
    assert {one.reason: one.would for one in report.counts} == {"act": 1, "budget.share": 1}
    everyone = World(library().playbooks, trouble_of, [replace(one, released=None) for one in known])
    report = against_record(Lines(event_of).read(lines), book(rule), everyone, Terms())
    assert {one.reason: one.would for one in report.counts} == {"act": 2}


def test_old_news_that_a_server_ran_ends_nothing_in_a_backtest_either() -> None:
    """It has stopped again by then: what is told of it later joins the incident that is open still."""
    cloud, late = FakeCloud(), list[bytes]()
    web = cloud.server("i-web", tags=PROD)
    rule = RESTART | {"mode": "ask"}
    scene = Scene(cloud, rules=[rule], events=[cloud.power_off(web)])
    scene.later(timedelta(minutes=1), lambda: late.append(cloud.changes(web, "Running")))
    scene.later(timedelta(minutes=2), lambda: cloud.power_off(web))
    scene.later(timedelta(minutes=3), late.pop)
    scene.later(timedelta(minutes=4), lambda: cloud.power_off(web))
    with stage() as database:
        with database.transaction() as connection:
            describe(connection, [Description(web, cloud.clock.now() - timedelta(minutes=1), "Running", tags=PROD)])
        assert scene.play_on(database).reasons == ("ask", "joined", "joined")
        report = backtested(database, book(rule), as_promoted=True)
    assert ({one.reason: one.would for one in report.counts}, report.differing) == ({"ask": 1, "joined": 2}, 0)
