"""What is planned is kept, moved, agreed to, missed and begun as people and clocks say; on both databases."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from cloudheal.act.library import library_of
from cloudheal.act.planned import PlannedParameters
from cloudheal.act.playbook import Case, End, Playbook
from cloudheal.cli.plan import present_slot
from cloudheal.cli.plan_texts import why_row
from cloudheal.clouds.alibaba.events import event_of
from cloudheal.decide.rulebook import rule_book
from cloudheal.extend import Hands, Healed
from cloudheal.model.control import Answer, Hold
from cloudheal.model.deed import CLAIM
from cloudheal.model.event import Channel
from cloudheal.model.incident import RunState, StepKind, Verdict
from cloudheal.model.plan import Choice, Policy, Slot, Why
from cloudheal.model.resource import Cloud, Resource, ResourceId
from cloudheal.pipeline import Intake, Waker
from cloudheal.pipeline.backtest import Terms, World, against_rules
from cloudheal.pipeline.deciding import Decider
from cloudheal.pipeline.explaining import explained
from cloudheal.pipeline.plans import Planner
from cloudheal.plugins import Found
from cloudheal.record.approvals import answer, open_questions
from cloudheal.record.database import Database
from cloudheal.record.history import recorded
from cloudheal.record.holds import EVERYTHING, add_hold
from cloudheal.record.incidents import end_incident
from cloudheal.record.plans import PlanRow, Wish, place, plan_rows, put_back, wish
from cloudheal.record.promotions import promote
from cloudheal.record.steps import Wanted, write_intent
from cloudheal.record.tables import DECISION, INCIDENT, LEDGER, OUTBOX, RUN
from cloudheal.record.waiting import Rest, end_patient, rest
from cloudheal.record.workers import Claim, claim, release
from cloudheal.sense.reading import Message
from cloudheal.sense.triggers import TRIGGERS, trouble_of
from cloudheal.settings.maintenance import MaintenanceSettings
from cloudheal.settings.rules import RuleFile
from cloudheal.testing.clock import VirtualClock
from cloudheal.testing.engine import Engine
from cloudheal.testing.messages import message

#: A Monday noon in Shanghai.
SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON = datetime.fromisoformat("2026-03-02T12:00:00+08:00")
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NIGHT = {"from": "02:00", "lasts": "2h", "timezone": "Asia/Shanghai"}
RULE: dict[str, Any] = {
    "name": "maintain",
    "when": {"type": ["Instance:SystemMaintenance.Reboot"]},
    "resources": {"all": True},
    "playbook": "sit_still",
    "mode": "auto",
    "limits": {"share": 1.0, "cool_down": "1s"},
}


def sit_still(_case: Case, _hands: Hands) -> End:
    """End at once."""
    return End(Healed.HEALED, "done")


PLAYBOOK = Playbook(
    "sit_still", ("maintenance",), PlannedParameters, ("servers", "start"), reversible=True, run=sit_still, planned=True
)
LIBRARY = library_of([Found("sit_still", "the test", PLAYBOOK)], TRIGGERS)


class Plans:
    """One worker's planner and waker, on a clock of its own."""

    def __init__(self, database: Database, rule: Mapping[str, Any], maintenance: Mapping[str, Any]) -> None:
        self.database, self.clock, self.engine = database, VirtualClock(NOON), Engine()
        self._numbers = itertools.count(1)
        rules = RuleFile.model_validate({"rules": [RULE | dict(rule)]}).rules
        settings = MaintenanceSettings.model_validate(maintenance)
        with database.transaction() as connection:
            promote(connection, rules, "test", NOON)
        book = rule_book(rules, planned=LIBRARY.playbooks)
        self.intake = Intake(
            store=database,
            decider=Decider(
                looks=self.engine,
                rules=book,
                playbooks=LIBRARY.playbooks,
                trouble_of=lambda event: trouble_of(event, LIBRARY.triggers),
                clock=self.clock,
                new_id=self._id,
                worker="w",
            ),
            wanted_by=lambda _: (),
            reader=event_of,
            lookup=_known,
        )
        self.windows = [one.window for one in settings.windows]
        self._book, self.settings = book, settings
        self.restarted()

    def restarted(self) -> Plans:
        """Let another process be at work, which knows what the record says."""
        self.waker = Waker(self.database, self.engine, self._book, self.clock, self._id, self.settings)
        self.planner = self.planner_of(Planner)
        return self

    def planner_of(self, kind: type[Planner]) -> Planner:
        """Return the planner of another process."""
        parts = (self.database, "w", self._book, LIBRARY.playbooks, self.settings)
        return kind(*parts, self.clock, self._id)

    def _id(self) -> str:
        return f"{next(self._numbers):06}"

    def told(self, server: str, event: str, not_before: datetime | None, status: str = "Scheduled") -> None:
        """Take in the news of a system event."""
        resource = named(server)
        begins = not_before.astimezone(NOON.tzinfo).strftime("%Y-%m-%dT%H:%M:%S+08:00") if not_before else None
        content = {
            "instanceId": server,
            "eventId": event,
            "eventType": "SystemMaintenance.Reboot",
            "eventStatus": status,
            "publishTime": NOON.isoformat(),
            "notBefore": begins,
        }
        name = f"Instance:SystemMaintenance.Reboot:{status}"
        self.intake.take([Message(message(resource, name, content, self.clock.now()), "test", Channel.QUEUE)])

    def passes(self, time: timedelta, step: timedelta = MINUTE) -> Plans:
        """Let time pass, with the planner and the waker at work."""
        until = self.clock.now() + time
        while self.clock.now() < until:
            self.tick()
            self.clock.advance(min(step, until - self.clock.now()))
        return self.tick()

    def tick(self) -> Plans:
        """Let the planner and the waker look once."""
        self.planner.tick()
        self.waker.tick()
        return self

    def rows(self) -> list[PlanRow]:
        """Return the plan."""
        with self.database.snapshot() as connection:
            return plan_rows(connection)

    @property
    def row(self) -> PlanRow:
        """Return the one row that there is."""
        (one,) = self.rows()
        return one

    def said(self, **what: Any) -> None:
        """Say something about the one row."""
        with self.database.transaction() as connection:
            assert wish(connection, self.row.run, Wish("alice", **what), self.clock.now())

    def answered(self, said: Answer) -> str:
        """Answer the one question, and return it."""
        with self.database.transaction() as connection:
            (one,) = open_questions(connection, self.clock.now())
            assert answer(connection, one.id, said, "alice", self.clock.now())
        return one.question

    def select(self, column: sa.Column[Any]) -> list[Any]:
        """Return a column."""
        with self.database.snapshot() as connection:
            return list(connection.scalars(sa.select(column)))

    def explained(self, language: str = "en") -> list[str]:
        """Explain the first event."""
        with self.database.snapshot() as connection:
            told = explained(connection, self._book.rules.values(), "1", language, SHANGHAI)
        assert told is not None
        return told

    def begun(self) -> list[str]:
        """Return the servers whose looks were queued."""
        with self.database.snapshot() as connection:
            rows = connection.execute(
                sa.select(INCIDENT.c.resource, RUN.c.id).join(RUN, RUN.c.incident == INCIDENT.c.id)
            )
            names = {row.id: row.resource for row in rows}
        return sorted(names[run] for run, _ in self.engine.queued)


def named(server: str) -> ResourceId:
    """Return a server's whole name."""
    return ResourceId(Cloud.ALIBABA, "1000000000000001", "cn-hangzhou", "instance", server)


def _known(subjects: Sequence[ResourceId]) -> Mapping[ResourceId, Resource]:
    return {one: Resource(one, NOON, "Running", one.id.upper(), "z", "web", {}) for one in subjects}


@pytest.fixture
def start(database: Database) -> Callable[..., Plans]:
    """Start with a rule's changes and the maintenance settings."""

    def begin(rule: Mapping[str, Any] | None = None, **maintenance: Any) -> Plans:
        return Plans(database, rule or {}, maintenance)

    return begin


def test_an_event_gets_the_last_window_before_its_deadline_and_begins_there(start: Callable[..., Plans]) -> None:
    """Announced at noon for the day after tomorrow: nothing until the second night, then exactly one look."""
    plans = start(windows=[NIGHT])
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    plans.tick()
    row = plans.row
    assert row.begin == datetime.fromisoformat("2026-03-04T02:00:00+08:00")
    assert (row.name, row.policy, row.why["choice"]) == ("I-1", "handle", "window")
    assert plans.begun() == []
    plans.passes(row.begin - NOON - MINUTE, step=HOUR)
    assert plans.begun() == []
    plans.passes(MINUTE)
    assert plans.begun() == ["i-1"]
    assert plans.row.state is RunState.STARTING


def test_members_of_a_group_are_planned_one_after_another(start: Callable[..., Plans]) -> None:
    """Three servers of one group and one night: three slots that do not overlap, all inside it."""
    plans = start({"with": {"lasts": "30m"}}, windows=[NIGHT])
    for number in range(3):
        plans.told(f"i-{number}", f"e-{number}", NOON + 24 * HOUR)
    plans.tick()
    slots = sorted((one.begin, one.end) for one in plans.rows() if one.begin and one.end)
    assert len(slots) == 3
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(slots))
    assert slots[0][0] >= datetime.fromisoformat("2026-03-03T02:00:00+08:00")
    assert slots[-1][1] <= datetime.fromisoformat("2026-03-03T04:00:00+08:00")


def looked(plans: Plans, server: str) -> Claim:
    """Let the begun run of a server do something to it; returns the claim of its look."""
    chosen = sa.select(RUN.c.id, RUN.c.look).join(INCIDENT, INCIDENT.c.id == RUN.c.incident)
    with plans.database.transaction() as connection:
        row = connection.execute(chosen.where(INCIDENT.c.resource == server, RUN.c.state == "starting")).one()
        held = claim(connection, row.id, "w", row.look, plans.clock.now())
        assert held is not None
        assert write_intent(connection, held, row.look, Wanted("reboot", {}), at=plans.clock.now()) is not None
    return held


def test_a_member_that_takes_longer_than_planned_keeps_its_place(start: Callable[..., Plans]) -> None:
    """While its run waits for the reboot to show, long after its slot, no other member of its group is begun."""
    plans = start()
    for server in ("i-1", "i-2"):
        plans.told(server, f"e-{server}", NOON + 40 * HOUR)
    first, second = sorted(plans.tick().rows(), key=lambda row: row.begin or NOON)
    assert first.begin is not None
    assert second.begin is not None
    plans.passes(first.begin - plans.clock.now())
    assert plans.begun() == [first.subject.id]
    held = looked(plans, first.subject.id)
    far = plans.clock.now() + 10 * HOUR
    with plans.database.transaction() as connection:
        assert rest(connection, held, Rest(RunState.WAITING, "underway", far), plans.clock.now())
    plans.passes(second.begin - plans.clock.now() + 3 * HOUR, step=5 * MINUTE)
    assert plans.begun() == [first.subject.id]
    with plans.database.transaction() as connection:
        healed = Verdict(first.incident, Healed.HEALED, plans.clock.now(), {})
        assert end_patient(connection, first.run, healed)
    plans.passes(6 * HOUR, step=5 * MINUTE)
    assert plans.begun() == [first.subject.id, second.subject.id]


def done(plans: Plans, server: str) -> None:
    """Let the begun run of a server do its work and end."""
    held = looked(plans, server)
    (row,) = [one for one in plans.rows() if one.run == held.run]
    with plans.database.transaction() as connection:
        assert release(connection, held, RunState.ENDED, plans.clock.now())
        assert end_incident(connection, Verdict(row.incident, Healed.HEALED, plans.clock.now(), {}), row.run)


def test_whoever_was_quick_has_begun_in_its_hour_all_the_same(start: Callable[..., Plans]) -> None:
    """One an hour: it is done in a minute, and what is announced then begins an hour after it, not at once."""
    plans = start(servers_per_hour=1)
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    assert plans.passes(MINUTE).begun() == ["i-1"]
    done(plans, "i-1")
    plans.told("i-2", "e-2", NOON + 40 * HOUR)
    assert plans.tick().row.begin == NOON + HOUR
    assert plans.passes(HOUR, step=5 * MINUTE).begun() == ["i-1", "i-2"]


def test_of_one_server_one_run_is_at_work_at_a_time(start: Callable[..., Plans]) -> None:
    """A run that waits for its deed to show looks again when the other run of its server has ended its look."""
    plans = start(windows=[NIGHT])
    for event in ("e-1", "e-2"):
        plans.told("i-1", event, NOON + 40 * HOUR)
    one, other = plans.tick().rows()
    with plans.database.transaction() as connection:
        soon = {"waits_for": "underway", "next_eligible": 0}
        connection.execute(sa.update(RUN).where(RUN.c.id == one.run).values(state="running"))
        connection.execute(sa.update(RUN).where(RUN.c.id == other.run).values(state="waiting", **soon))
    assert plans.tick().begun() == []
    with plans.database.transaction() as connection:
        connection.execute(sa.update(RUN).where(RUN.c.id == one.run).values(state="waiting", waits_for="held"))
    assert plans.tick().begun() == ["i-1"]


def test_two_events_of_one_server_share_a_slot(start: Callable[..., Plans]) -> None:
    """Both rows have the same begin; the second run waits while the first is at work."""
    plans = start()
    plans.told("i-1", "e-1", NOON + 24 * HOUR)
    plans.told("i-1", "e-2", NOON + 30 * HOUR)
    plans.tick()
    begins = {one.begin for one in plans.rows()}
    assert len(begins) == 1
    plans.passes(5 * MINUTE)
    assert plans.begun() == ["i-1"]
    plans.told("i-2", "e-3", NOON + 30 * HOUR)
    plans.tick()
    assert sorted((one.trouble.id, one.state) for one in plans.rows() if one.subject.id == "i-1") in (
        [("e-1", "planned"), ("e-2", "starting")],
        [("e-1", "starting"), ("e-2", "planned")],
    )
    assert {one.policy for one in plans.rows()} == {"handle"}


@pytest.mark.parametrize(
    ("status", "code"), [("Canceled", "event_canceled"), ("Avoided", "event_avoided"), ("Executed", "event_executed")]
)
def test_an_event_that_is_over_leaves_the_plan(start: Callable[..., Plans], status: str, code: str) -> None:
    """Called off, or done by somebody else, before its slot: nothing is begun."""
    plans = start(windows=[NIGHT])
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    plans.tick().clock.advance(HOUR)
    plans.told("i-1", "e-1", NOON + 40 * HOUR, status)
    assert plans.passes(48 * HOUR, step=HOUR).rows() == []
    assert plans.begun() == []
    (evidence,) = plans.select(INCIDENT.c.evidence)
    assert f'"code": "{code}"' in evidence


@pytest.mark.parametrize("how", ["canceled", "done"])
def test_room_that_somebody_leaves_is_given_to_who_has_none(start: Callable[..., Plans], how: str) -> None:
    """One night and work for all of it: the second of a group has no slot until the event of the first is over."""
    plans = start({"with": {"lasts": "2h"}}, windows=[NIGHT])
    for number in (1, 2):
        plans.told(f"i-{number}", f"e-{number}", NOON + 24 * HOUR)
    plans.passes(2 * MINUTE)
    first, second = sorted(plans.rows(), key=lambda one: one.begin is None)
    assert (first.begin, second.begin, second.binding) == (NOON + 14 * HOUR, None, "group_serial")
    with plans.database.snapshot() as connection:
        (asked,) = open_questions(connection, plans.clock.now())
    if how == "canceled":
        plans.told(first.subject.id, first.trouble.id, NOON + 24 * HOUR, "Canceled")
    else:
        with plans.database.transaction() as connection:
            assert end_patient(connection, first.run, Verdict(first.incident, Healed.NOT_NEEDED, NOON, {}))
    row = plans.passes(2 * MINUTE).row
    assert (row.subject, row.begin, row.binding) == (second.subject, NOON + 14 * HOUR, "")
    with plans.database.snapshot() as connection:
        assert asked.id not in [one.id for one in open_questions(connection, plans.clock.now())]


def test_a_slot_that_was_not_free_is_given_when_it_is(start: Callable[..., Plans]) -> None:
    """A person wants two of a group at the same time: the second has another slot until the first is called off."""
    plans = start(windows=[NIGHT])
    for number in (1, 2):
        plans.told(f"i-{number}", f"e-{number}", NOON + 24 * HOUR)
    wanted = NOON + 15 * HOUR
    with plans.database.transaction() as connection:
        assert all(wish(connection, one.run, Wish("alice", wanted), plans.clock.now()) for one in plans.rows())
    rows = plans.passes(2 * MINUTE).rows()
    (kept,) = [one for one in rows if one.begin == wanted]
    (other,) = [one for one in rows if one.begin != wanted]
    assert other.why["unkept"] == "group_serial"
    plans.told(kept.subject.id, kept.trouble.id, NOON + 24 * HOUR, "Canceled")
    row = plans.passes(2 * MINUTE).row
    assert (row.begin, row.why["choice"], "unkept" in row.why) == (wanted, "pinned", False)


def test_what_is_over_leaves_the_plan_also_when_it_was_taken_on_before(start: Callable[..., Plans]) -> None:
    """It was taken on in its slot and went back into the plan: the end of its event ends it there."""
    plans = start(windows=[NIGHT])
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    plans.said(begin=NOON, anywhere=True)
    assert plans.tick().begun() == ["i-1"]
    with plans.database.transaction() as connection:
        held = claim(connection, plans.row.run, "w", 0, plans.clock.now())
        assert held is not None
        taken = Wanted(CLAIM, {}, StepKind.HELP)
        assert write_intent(connection, held, 0, taken, at=plans.clock.now()) is not None
        assert rest(connection, held, Rest(RunState.WAITING, "locked.security", None), plans.clock.now())
        assert put_back(connection, held.run, plans.clock.now())
    plans.clock.advance(MINUTE)
    assert plans.tick().row.state is RunState.PLANNED
    plans.told("i-1", "e-1", NOON + 40 * HOUR, "Canceled")
    assert plans.tick().rows() == []


def test_an_operators_slot_is_kept(start: Callable[..., Plans]) -> None:
    """Moved to the coming night, then back to the planner's own choice."""
    plans = start(windows=[NIGHT])
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    first = plans.tick().row.begin
    wanted = datetime.fromisoformat("2026-03-03T02:30:00+08:00")
    plans.said(begin=wanted)
    row = plans.tick().row
    assert (row.begin, row.why["choice"], row.said_by) == (wanted, "pinned", "alice")
    plans.said()
    assert plans.tick().row.begin in {first, wanted}
    assert plans.row.why["choice"] == "window"


def test_a_slot_that_cannot_be_kept_is_told_with_what_is_in_the_way(start: Callable[..., Plans]) -> None:
    """Wanted in the afternoon, outside the windows: row and ledger say so until the word is taken back."""
    plans = start(windows=[NIGHT])
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    assert "unkept" not in plans.tick().row.why
    plans.said(begin=NOON + HOUR)
    row = plans.tick().row
    assert (row.begin != NOON + HOUR, row.why["unkept"]) == (True, "no_window")
    told = why_row(row, "en", SHANGHAI)
    assert "; the slot at 03-02 13:00 cannot be kept: it lies outside the windows of the group, or one closes" in told
    assert told.endswith("; said by alice")
    assert why_row(row, "zh", SHANGHAI).endswith("；由 alice 指定")
    assert plans.tick().row == row
    assert '"unkept":"no_window"' in plans.select(LEDGER.c.body)[-1]
    plans.said()
    row = plans.tick().row
    assert ("unkept" in row.why, why_row(row, "en", SHANGHAI)[:13]) == (False, "in the window")
    assert "alice" not in why_row(row, "en", SHANGHAI)


@pytest.mark.parametrize(
    ("language", "next_", "asked", "unkept"),
    [
        (
            "en",
            "Next: it begins in its slot at 2026-03-04 02:00:00 CST. To change that: cloudheal plan",
            "alice asked for the slot at 2026-03-02 13:00:00 CST.",
            "It was given the slot at 2026-03-04 02:00:00 CST. The slot that was asked for cannot be kept [no_window].",
        ),
        (
            "zh",
            "下一步：在时段 2026-03-04 02:00:00 CST 开始。如需更改，请执行 cloudheal plan。",
            "alice 要求时段 2026-03-02 13:00:00 CST。",
            "已安排时段 2026-03-04 02:00:00 CST。要求的时段无法保留 [no_window]。",
        ),
    ],
)
def test_an_explanation_tells_of_the_slot_in_the_operators_time(
    start: Callable[..., Plans], language: str, next_: str, asked: str, unkept: str
) -> None:
    """What waits for its slot is not being done: when it begins, and what was asked for, are told in their zone."""
    plans = start(windows=[NIGHT])
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    plans.tick().said(begin=NOON + HOUR)
    told = plans.tick().explained(language)
    assert told[-1] == next_
    assert any(line.endswith(asked) for line in told)
    assert any(line.endswith(unkept) for line in told)
    assert not any("+00:00" in line or "+08:00" in line for line in told)


def test_an_explanation_says_why_a_run_is_in_no_slot(start: Callable[..., Plans], database: Database) -> None:
    """Left to the cloud, held back in its slot, asked about before it: each has a sentence of its own."""
    plans = start(windows=[NIGHT])
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    plans.tick().said(leave=True)
    told = plans.tick().explained()
    assert told[-1] == "Next: it has no slot. Why, and what follows: cloudheal plan"
    assert any(line.endswith("alice left it to the cloud.") for line in told)
    assert any(line.endswith("It was left to the cloud, which does it in its own time.") for line in told)
    plans.said()
    row = plans.tick().row
    assert row.begin is not None
    with database.transaction() as connection:
        add_hold(connection, Hold(EVERYTHING, "bob", "release", NOON))
    told = plans.passes(row.begin + MINUTE - NOON, step=HOUR).explained()
    assert told[-1].startswith("Next: its slot has come, and it waits, because everything is paused by a person.")
    assert any(line.endswith("alice let the planner choose again.") for line in told)


def test_an_explanation_says_what_a_slot_is_asked_about(start: Callable[..., Plans]) -> None:
    """Under ask the slot, and how to agree to it, stand in one sentence."""
    plans = start({"mode": "ask"}, windows=[NIGHT])
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    last = plans.tick().explained()[-1]
    assert last.startswith(
        "Next: it begins in its slot at 2026-03-04 02:00:00 CST if a person agrees before: cloudheal"
    )


def test_a_backtest_begins_nothing_that_todays_rule_leaves_to_the_cloud(
    start: Callable[..., Plans], database: Database
) -> None:
    """A run that began in its slot: under rules that leave it no run begins, and two rule files differ in that."""
    plans = start(windows=[NIGHT])
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    plans.passes(39 * HOUR, step=HOUR)
    assert plans.begun() == ["i-1"]
    leaves, acts = (
        rule_book(RuleFile.model_validate({"rules": [RULE | {"with": one}]}).rules, planned=LIBRARY.playbooks)
        for one in ({"leave": True}, {})
    )
    world = World(LIBRARY.playbooks, lambda event: trouble_of(event, LIBRARY.triggers))
    with database.snapshot() as connection:
        found = against_rules(recorded(connection), leaves, acts, world, Terms())
        alike = against_rules(recorded(connection), acts, acts, world, Terms())
    assert [(one.reason, one.would, one.other) for one in found.later] == [("act", 0, 1)]
    assert (found.began, found.differing, found.differs) == (0, 0, True)
    assert (alike.began, alike.differs) == (1, False)


def test_outside_the_windows_only_if_that_is_said(start: Callable[..., Plans]) -> None:
    """A slot at one in the afternoon is broken at first, and kept with `anywhere`."""
    plans = start(windows=[NIGHT])
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    plans.said(begin=NOON + HOUR)
    assert plans.tick().row.begin != NOON + HOUR
    plans.said(begin=NOON + HOUR, anywhere=True)
    assert plans.tick().row.begin == NOON + HOUR
    assert plans.passes(HOUR).begun() == ["i-1"]


def test_what_is_wanted_now_begins_now(start: Callable[..., Plans]) -> None:
    """In the step of five minutes that has begun already, whatever the windows say."""
    plans = start(windows=[NIGHT])
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    plans.tick().clock.advance(4 * MINUTE)
    plans.said(begin=NOON, anywhere=True)
    assert plans.tick().begun() == ["i-1"]


@pytest.mark.parametrize(("catch_up", "waits"), [("15m", 0), ("5m", 1), ("2m", 1), ("1m", 1)])
def test_what_is_wanted_now_begins_also_where_slots_may_not_be_taken_up_late(
    start: Callable[..., Plans], catch_up: str, waits: int
) -> None:
    """Four and a half minutes into a step: the present slot where that may still be taken up, else the next one."""
    plans = start(windows=[NIGHT], catch_up=catch_up)
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    plans.tick().clock.advance(4.5 * MINUTE)
    slot = present_slot(plans.clock.now(), plans.settings.catch_up)
    assert slot == NOON + waits * 5 * MINUTE
    plans.said(begin=slot, anywhere=True)
    assert plans.passes(MINUTE).begun() == ["i-1"]


@pytest.mark.parametrize("word", [{"leave": True}, {"begin": NOON + 15 * HOUR}], ids=["cancel", "move"])
def test_a_word_that_comes_as_the_slot_does_is_heeded(start: Callable[..., Plans], word: dict[str, Any]) -> None:
    """The planner has not looked at it yet when the slot has come: nothing is begun in the slot of before."""
    plans = start(windows=[NIGHT], prefer="first")
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    begin = plans.tick().row.begin
    assert begin == NOON + 14 * HOUR
    plans.clock.advance(begin - NOON)
    plans.said(**word)
    plans.waker.tick()
    assert plans.begun() == []
    assert plans.passes(2 * HOUR).begun() == (["i-1"] if "begin" in word else [])


@pytest.mark.parametrize("how", ["rule", "operator"])
def test_what_is_left_to_the_cloud_is_watched_and_never_begun(start: Callable[..., Plans], how: str) -> None:
    """By the rule or by a person: no look, and the incident ends when the cloud is done."""
    plans = start({"with": {"leave": True}} if how == "rule" else {})
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    if how == "operator":
        plans.said(leave=True)
    assert plans.passes(41 * HOUR, step=HOUR).row.policy == "leave"
    assert plans.begun() == []
    plans.told("i-1", "e-1", NOON + 40 * HOUR, "Executed")
    assert plans.rows() == []


def test_a_slot_that_needs_a_yes_begins_with_it_and_not_before(start: Callable[..., Plans]) -> None:
    """The question names the slot and is over when that begins; approved at noon, begun at night."""
    plans = start({"mode": "ask"}, windows=[NIGHT])
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    begin = plans.tick().row.begin
    assert begin is not None
    assert begin.isoformat(timespec="minutes") in plans.answered(Answer.APPROVED)
    plans.passes(begin - NOON - MINUTE, step=HOUR)
    assert (plans.begun(), plans.row.policy) == ([], "handle")
    assert plans.passes(MINUTE).begun() == ["i-1"]


@pytest.mark.parametrize("how", ["moved", "canceled", "left", "too late"])
def test_a_question_that_nobody_waits_for_any_more_is_open_no_more(start: Callable[..., Plans], how: str) -> None:
    """Its slot is another one by now, or there is none, or nothing is to be done: only what counts can be answered."""
    plans = start({"mode": "ask", "with": {"too_late": "platform"}}, windows=[NIGHT])
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    plans.tick()
    with plans.database.snapshot() as connection:
        (before,) = open_questions(connection, plans.clock.now())
    plans.clock.advance(MINUTE)
    match how:
        case "moved":
            moved(plans, "i-1", "e-1", NOON + 20 * HOUR)
        case "canceled":
            plans.told("i-1", "e-1", NOON + 40 * HOUR, "Canceled")
        case "left":
            plans.said(leave=True)
        case "too late":
            moved(plans, "i-1", "e-1", NOON + 20 * MINUTE)
    plans.passes(MINUTE)
    with plans.database.transaction() as connection:
        left = open_questions(connection, plans.clock.now())
        assert not answer(connection, before.id, Answer.APPROVED, "alice", plans.clock.now())
    assert [one.question.split(" at ")[1][:16] for one in left] == (["2026-03-02T18:00"] if how == "moved" else [])


@pytest.mark.parametrize("said", [Answer.APPROVED, None])
def test_what_is_wanted_now_can_be_agreed_to(start: Callable[..., Plans], said: Answer | None) -> None:
    """Under `ask` the question about the present slot is open while that may be taken up, and nothing begins before."""
    plans = start({"mode": "ask"}, windows=[NIGHT])
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    plans.tick().clock.advance(4 * MINUTE)
    plans.said(begin=NOON, anywhere=True)
    assert plans.passes(5 * MINUTE).begun() == []
    if said is not None:
        plans.answered(said)
    assert plans.passes(10 * MINUTE).begun() == (["i-1"] if said else [])
    assert plans.select(OUTBOX.c.topic).count("plan.missed") == (0 if said else 1)


def test_a_no_ends_it(start: Callable[..., Plans]) -> None:
    """Denied: the incident ends at once, and nothing is begun."""
    plans = start({"mode": "ask"}, windows=[NIGHT])
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    plans.tick().answered(Answer.DENIED)
    assert plans.passes(MINUTE).rows() == []
    assert plans.begun() == []


def test_without_an_answer_the_next_slot_is_asked_for_and_at_last_a_person_decides(start: Callable[..., Plans]) -> None:
    """Nobody says yes for the first night: the second one is asked about, then whether to do it at once."""
    plans = start({"mode": "ask"}, windows=[NIGHT], prefer="first")
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    first = plans.tick().row.begin
    assert first is not None
    plans.passes(first - NOON + 2 * MINUTE, step=HOUR)
    second = plans.row.begin
    assert second is not None
    assert second >= first + HOUR
    plans.passes(NOON + 39.5 * HOUR - plans.clock.now(), step=15 * MINUTE)
    assert (plans.row.begin, plans.row.binding) == (None, "too_late")
    assert plans.begun() == []
    assert "at once" in plans.answered(Answer.APPROVED)
    assert plans.passes(MINUTE).begun() == ["i-1"]
    assert {"plan.missed", "plan.no_slot"} <= set(plans.select(OUTBOX.c.topic))


@pytest.mark.parametrize(("then", "begun"), [("act_now", ["i-1"]), ("ask", []), ("platform", [])])
def test_too_late_is_a_policy(start: Callable[..., Plans], then: str, begun: list[str]) -> None:
    """Twenty minutes before the cloud begins: at once, or a person is asked, or the cloud does it."""
    plans = start({"with": {"too_late": then}})
    plans.told("i-1", "e-1", NOON + 20 * MINUTE)
    assert plans.passes(MINUTE).begun() == begun
    with plans.database.snapshot() as connection:
        assert len(open_questions(connection, plans.clock.now())) == (then == "ask")


def told_of(server: str, event: str, not_before: datetime, at: datetime) -> bytes:
    """Return a message about a reboot that is planned for a time."""
    content = {
        "instanceId": server,
        "eventId": event,
        "eventType": "SystemMaintenance.Reboot",
        "eventStatus": "Scheduled",
        "notBefore": not_before.astimezone(SHANGHAI).strftime("%Y-%m-%dT%H:%M:%S+08:00"),
    }
    return message(named(server), "Instance:SystemMaintenance.Reboot:Scheduled", content, at)


def moved(plans: Plans, server: str, event: str, to: datetime) -> None:
    """Let a look at the cloud find that an event was given another time."""
    now = plans.clock.now()
    plans.intake.hear([event_of(told_of(server, event, to, now), now, Channel.POLL)._replace(channel=Channel.POLL)])


@pytest.mark.parametrize(("then", "questions"), [("platform", 0), ("ask", 1)])
def test_a_yes_to_a_slot_is_none_to_doing_it_at_once(start: Callable[..., Plans], then: str, questions: int) -> None:
    """Agreed for a night; then the cloud leaves twenty minutes: its time is left to it, or it is asked anew."""
    plans = start({"mode": "ask", "with": {"too_late": then}}, windows=[NIGHT])
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    plans.tick().answered(Answer.APPROVED)
    plans.passes(HOUR, step=10 * MINUTE)
    moved(plans, "i-1", "e-1", plans.clock.now() + 20 * MINUTE)
    row = plans.passes(10 * MINUTE).row
    assert (row.begin, row.binding, row.then, plans.begun()) == (None, "too_late", then, [])
    with plans.database.snapshot() as connection:
        assert len(open_questions(connection, plans.clock.now())) == questions


def test_what_a_person_must_agree_to_is_asked_about_once_when_it_is_too_late(start: Callable[..., Plans]) -> None:
    """At once, says the rule, and `ask`: one question until the cloud begins, and begun with its answer."""
    plans = start({"mode": "ask", "with": {"too_late": "act_now"}})
    plans.told("i-1", "e-1", NOON + 20 * MINUTE)
    assert plans.passes(10 * MINUTE).begun() == []
    assert plans.select(OUTBOX.c.topic) == ["plan.no_slot", "approval.asked"]
    assert "at once" in plans.answered(Answer.APPROVED)
    assert plans.passes(MINUTE).begun() == ["i-1"]


def test_while_everything_is_paused_a_slot_passes_and_another_is_found(start: Callable[..., Plans]) -> None:
    """A pause over the first night: nothing is begun, people are told, the second night is planned."""
    plans = start(windows=[NIGHT], prefer="first")
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    first = plans.tick().row.begin
    assert first is not None
    with plans.database.transaction() as connection:
        add_hold(connection, Hold(EVERYTHING, "alice", "freeze", NOON, first + 3 * HOUR))
    plans.passes(first - NOON + 2 * HOUR, step=10 * MINUTE)
    assert plans.begun() == []
    assert "paused" in plans.select(DECISION.c.reason)
    row = plans.row
    assert row.begin is not None
    assert row.begin >= first + 24 * HOUR
    assert plans.passes(row.begin - plans.clock.now(), step=10 * MINUTE).begun() == ["i-1"]


@pytest.mark.parametrize(("late", "begun"), [(10 * MINUTE, ["i-1"]), (40 * MINUTE, [])])
def test_a_slot_that_a_dead_worker_missed_is_taken_up_only_a_little_later(
    start: Callable[..., Plans], late: timedelta, begun: list[str]
) -> None:
    """Nobody was there: up to a quarter of an hour later it is begun, else people are told and another one is found."""
    plans = start(windows=[NIGHT], prefer="first")
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    first = plans.tick().row.begin
    assert first is not None
    plans.clock.advance(first - NOON + late)
    plans.restarted().waker.tick()
    assert plans.begun() == begun
    assert plans.select(OUTBOX.c.topic).count("plan.missed") == (0 if begun else 1)
    if not begun:
        row = plans.tick().row
        assert row.begin is not None
        assert row.begin > first


def test_a_slot_moves_with_the_clouds_own_time(start: Callable[..., Plans]) -> None:
    """The cloud brings its time forward: the slot that was good is too late, and an earlier one is given."""
    plans = start(windows=[NIGHT])
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    first = plans.tick().row.begin
    assert first is not None
    plans.clock.advance(MINUTE)
    moved(plans, "i-1", "e-1", datetime.fromisoformat("2026-03-03T06:00:00+08:00"))
    row = plans.tick().row
    assert row.begin == datetime.fromisoformat("2026-03-03T02:00:00+08:00")
    assert row.begin < first


def test_an_event_that_is_moved_while_the_planner_looks_is_planned_anew(start: Callable[..., Plans]) -> None:
    """Its news are committed after the plan was made, and were read before: the slot moves all the same."""
    plans = start(windows=[NIGHT])
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    plans.tick().clock.advance(MINUTE)
    whole = plans.intake

    def meanwhile(subjects: Sequence[ResourceId]) -> Mapping[ResourceId, Resource]:
        plans.clock.advance(MINUTE)
        whole.take([Message(told_of("i-2", "e-2", NOON + 40 * HOUR, plans.clock.now()), "test", Channel.QUEUE)])
        plans.clock.advance(MINUTE)
        plans.planner.tick()
        return _known(subjects)

    plans.intake = replace(whole, lookup=meanwhile)
    moved(plans, "i-1", "e-1", NOON + 20 * HOUR)
    plans.tick()
    (row,) = [one for one in plans.rows() if one.subject.id == "i-1"]
    assert (row.begin, row.not_before) == (datetime.fromisoformat("2026-03-03T02:00:00+08:00"), NOON + 20 * HOUR)


def test_an_event_without_a_time_waits_for_one(start: Callable[..., Plans]) -> None:
    """The cloud asks first, or its message leaves the time out: nothing is planned until it is known."""
    plans = start(windows=[NIGHT])
    plans.told("i-1", "e-1", None, "Inquiring")
    row = plans.passes(2 * HOUR, step=HOUR).row
    assert (row.begin, row.binding, row.policy, row.stale) == (None, "", "", False)
    assert plans.select(OUTBOX.c.topic) == []
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    assert plans.tick().row.begin is not None


def test_a_word_that_comes_while_a_plan_is_computed_is_not_overwritten(start: Callable[..., Plans]) -> None:
    """A plan computed from an older row is not written over it; the next tick plans with what was said."""
    plans = start()
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    before = plans.row
    plans.said(leave=True)
    slot = Slot(
        before.subject, "", "web", ("e-1",), NOON, NOON + HOUR, NOON + HOUR, Policy.HANDLE, Why(Choice.EARLIEST)
    )
    with plans.database.transaction() as connection:
        assert not place(connection, before, slot, {}, NOON)
    assert plans.tick().row.policy == "leave"


def test_what_was_planned_stands_in_the_ledger(start: Callable[..., Plans]) -> None:
    """Each slot, each word and each miss is a row of the run's story."""
    plans = start(windows=[NIGHT])
    plans.told("i-1", "e-1", NOON + 40 * HOUR)
    plans.tick().said(leave=True)
    plans.tick()
    with plans.database.snapshot() as connection:
        chosen = sa.select(LEDGER.c.result, LEDGER.c.name).where(LEDGER.c.kind == "run.planned").order_by(LEDGER.c.id)
        told = [tuple(row) for row in connection.execute(chosen)]
    assert told == [("2026-03-03T18:00+00:00", ""), ("asked for leave", "alice"), ("left to the platform", "")]
