"""One scene: events happen to a fake cloud, and the real pipeline makes of them what it would make of them at night.

Time passes only where something waits, and jumps over what is idle. A scene is played once.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from cloudheal import playbooks as built_in
from cloudheal.act.library import Library, library_of
from cloudheal.act.playbook import Playbook
from cloudheal.clouds.reading import event_of
from cloudheal.decide.rulebook import rule_book
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.model.control import Answer
from cloudheal.model.drill import Allowance
from cloudheal.model.event import Channel, Event
from cloudheal.model.incident import RunState, Trouble
from cloudheal.model.resource import Resource, ResourceId
from cloudheal.pipeline import Healer, Intake, Waker
from cloudheal.pipeline.deciding import Decider
from cloudheal.pipeline.intentions import Intentions
from cloudheal.pipeline.plans import Planner
from cloudheal.plugins import Found, in_package, of_kind
from cloudheal.record.approvals import answer
from cloudheal.record.database import Database
from cloudheal.record.moments import moment_of
from cloudheal.record.promotions import promote
from cloudheal.record.tables import APPROVAL, DECISION, EVENT, INCIDENT, OUTBOX, RUN
from cloudheal.record.workers import enlist, inherit, leave, settle
from cloudheal.sense.reading import Message
from cloudheal.sense.triggers import TRIGGERS, trouble_of
from cloudheal.settings.maintenance import MaintenanceSettings
from cloudheal.settings.rules import RuleFile
from cloudheal.testing.clock import VirtualClock
from cloudheal.testing.cloud import FakeCloud
from cloudheal.testing.engine import Death, Died, Engine
from cloudheal.testing.stage import stage

#: How often a waiting playbook looks again, as in a worker.
LOOK = timedelta(seconds=1)
#: How long a scene goes on after its last event, at most.
LONGEST = timedelta(hours=6)
#: What no playbook asks for: drills are an operator's.
UNASKED = frozenset({"create_drills", "cancel_drills", "simulated", "fire"})


@dataclass(frozen=True, slots=True)
class Decided:
    """What one rule made of one event."""

    type: str
    status: str
    resource: str
    rule: str
    reason: str


class UndeclaredVerbError(AssertionError):
    """A playbook asked the cloud for something that it does not declare, which a cloud refuses at night."""


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a scene."""

    decisions: tuple[Decided, ...]
    actions: tuple[str, ...]
    """Calls that changed something in the cloud, in order, as `verb target`."""
    verdicts: Mapping[str, str]
    """The verdict of the newest incident by resource id; empty while it is open."""
    evidence: Mapping[str, Mapping[str, str]]
    waits: Mapping[str, str]
    """What the open incidents wait for at the end, by resource id: a reason code, such as `locked.security`."""
    notices: tuple[str, ...]
    """Topics of what people were told."""
    steps: tuple[str, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reason codes of all decisions, in order."""
        return tuple(one.reason for one in self.decisions)


class Scene:
    """Events, rules and playbooks before a fake cloud."""

    def __init__(
        self,
        cloud: FakeCloud,
        *,
        rules: Sequence[Mapping[str, Any]],
        events: Sequence[bytes] = (),
        playbooks: Sequence[Playbook] = (),
        trusted: bool = True,
    ) -> None:
        """`rules` are as in a settings file, `events` messages as a queue holds them. Not trusted: rules in shadow."""
        self.cloud = cloud
        self.engine = Engine()
        self.answer: Answer | None = None
        self.allowance = Allowance.NONE
        self._events = list(events)
        self._rules = RuleFile.model_validate({"rules": rules}).rules
        self._trusted = trusted
        self._library = _library(playbooks)
        self._numbers = itertools.count(1)
        self._lives = itertools.count(1)
        for rule in self._rules:
            self._library.playbooks[rule.playbook].parameters.model_validate(rule.parameters)

    def later(self, after: timedelta, happens: Callable[[], bytes | None]) -> Scene:
        """Let something happen when so much time has passed; the message that it returns is taken in."""
        self.cloud.clock.plan(after, lambda: self._events.extend(one for one in (happens(),) if one is not None))
        return self

    def dying(self, death: Death) -> Scene:
        """Let the process die once, at a step; another one takes over."""
        self.engine.death = death
        return self

    def answering(self, said: Answer) -> Scene:
        """Let somebody answer every question with this as soon as it is asked."""
        self.answer = said
        return self

    def drilled(self, allowance: Allowance) -> Scene:
        """Let the drills on record say this of every event."""
        self.allowance = allowance
        return self

    def play(self) -> Told:
        """Play the scene to its end."""
        with stage() as database:
            return self.play_on(database)

    def play_on(self, database: Database) -> Told:
        """Play the scene to its end on a database of the caller's, in which its record stays."""
        if self._trusted:
            with database.transaction() as connection:
                promote(connection, self._rules, "scene", self.cloud.clock.now())
        self.cloud.line.asked.clear()
        self._live(database)
        self._check_verbs()
        return _told(database, self)

    def _check_verbs(self) -> frozenset[str]:
        """Return what the playbooks asked the cloud for. Raises UndeclaredVerbError for what they do not declare."""
        books = [(self._library.playbooks[rule.playbook], rule.parameters) for rule in self._rules]
        declared = {verb for book, parameters in books for verb in book.needs(parameters)}
        asked = frozenset(self.cloud.line.asked) - UNASKED
        if asked - declared:
            names = ", ".join(dict.fromkeys(book.name for book, _ in books))
            raise UndeclaredVerbError(
                f"{names} asked the cloud for {', '.join(sorted(asked - declared))} and declares only "
                f"{', '.join(sorted(declared))}: add it to verbs, or the policy that is printed for it lacks the right"
            )
        return asked

    def _live(self, database: Database) -> None:
        """Be one process after the other, until one lives to the end."""
        end = self.cloud.clock.now() + LONGEST
        while True:
            life = _Life(self, database, f"scene-{next(self._lives)}")
            try:
                life.to_the_end(end)
            except Died:
                with database.transaction() as connection:
                    leave(connection, life.worker)
            else:
                return

    def parts(self, database: Database, life: _Life) -> tuple[Intake, Healer, Waker, Planner]:
        """Join the stages as a worker does, on this scene's clock and cloud."""
        clock, library = self.cloud.clock, self._library
        looking = [name for name, one in library.playbooks.items() if one.only_looks]
        later = [name for name, one in library.playbooks.items() if one.planned]
        rules = rule_book(self._rules, looking=looking, planned=later)
        waker = Waker(database, self.engine, rules, clock, self._id)
        decider = Decider(
            looks=self.engine,
            rules=rules,
            playbooks=library.playbooks,
            trouble_of=lambda event: _trouble(event, library),
            clock=clock,
            new_id=self._id,
            worker=life.worker,
        )
        intake = Intake(
            store=database,
            decider=decider,
            wanted_by=lambda _: (),
            reader=event_of,
            lookup=self._lookup,
        )
        healer = Healer(
            store=database,
            steps=self.engine,
            worker=life.worker,
            rules=rules,
            playbooks=library.playbooks,
            verbs=lambda _resource, _hurried: self.cloud.verbs,
            probes=self.cloud.services.probes,
            clock=clock,
            wait=lambda _, seconds, condition: life.wait(seconds, condition),
            pause=lambda seconds: life.passes(timedelta(seconds=seconds)),
            freed=waker.fill,
            again=decider.again,
            new_id=self._id,
            intent=Intentions(database, rules, lambda _: None, clock).of,
            allowance=lambda _resource, _event: self.allowance,
        )
        planner = Planner(
            store=database,
            worker=life.worker,
            rules=rules,
            playbooks=library.playbooks,
            settings=MaintenanceSettings(),
            clock=clock,
            new_id=self._id,
        )
        return intake, healer, waker, planner

    def _id(self) -> str:
        return f"{next(self._numbers):04}"

    def taken(self) -> list[bytes]:
        """Return the messages that arrived, and forget them."""
        arrived, self._events = self._events, []
        return arrived

    def _lookup(self, subjects: Sequence[ResourceId]) -> Mapping[ResourceId, Resource]:
        return self.cloud.described(subjects)


class _Life:
    """One process, from its start to its end."""

    def __init__(self, scene: Scene, database: Database, worker: str) -> None:
        self.worker = worker
        self._scene = scene
        self._database = database
        self._intake, self._healer, self._waker, self._planner = scene.parts(database, self)

    def to_the_end(self, end: datetime) -> int:
        """Take over, then take events in and heal, until nothing is left to do; returns how many looks were made."""
        self._take_over()
        looks = self._work()
        while self._clock.now() < end:
            moment = self._next_moment()
            if moment is None:
                break
            self.passes(max(min(moment, end) - self._clock.now(), timedelta()))
            looks += self._work()
        return looks

    def wait(self, seconds: float, condition: Callable[[], bool]) -> bool:
        """Wait on the scene's clock; a condition that cannot be read counts as not yet."""
        until = self._clock.now() + timedelta(seconds=seconds)
        while not _holds(condition):
            left = until - self._clock.now()
            if left <= timedelta():
                return False
            self.passes(min(LOOK, left))
        return True

    def passes(self, time: timedelta) -> datetime:
        """Let time pass; what arrives meanwhile is taken in and healed."""
        until = self._clock.now() + time
        while True:
            moment = self._clock.next
            self._clock.advance((until if moment is None else min(moment, until)) - self._clock.now())
            self._take_in()
            if self._clock.now() >= until:
                return until

    @property
    def _clock(self) -> VirtualClock:
        return self._scene.cloud.clock

    def _work(self) -> int:
        self._take_in()
        self._planner.tick()
        self._waker.tick()
        looks = self._look()
        return looks + self._work() if self._answered() else looks

    def _answered(self) -> int:
        """Answer what is asked, where somebody does; returns how many questions."""
        said, now = self._scene.answer, self._clock.now()
        if said is None:
            return 0
        with self._database.transaction() as connection:
            asked = connection.scalars(sa.select(APPROVAL.c.id).where(APPROVAL.c.answer == "")).all()
            return sum(answer(connection, one, said, "somebody", now) for one in asked)

    def _take_in(self) -> int:
        bodies = self._scene.taken()
        if not bodies:
            return 0
        self._intake.take([Message(one, "scene", Channel.QUEUE) for one in bodies])
        return self._look()

    def _look(self) -> int:
        engine, looks = self._scene.engine, 0
        while (look := engine.next_look()) is not None:
            with engine.looking(look):
                self._healer.look(*look)
            looks += 1
        return looks

    def _take_over(self) -> None:
        engine = self._scene.engine
        with self._database.transaction() as connection:
            enlist(connection, self.worker, "scene")
            estates = inherit(connection, self.worker, at=self._clock.now())
        for estate in estates:
            engine.resume([(one.run, one.look) for one in estate.runs])
            with self._database.transaction() as connection:
                settle(connection, self.worker, estate)

    def _next_moment(self) -> datetime | None:
        """Return when something happens next: in the cloud, or to a run that waits for its time."""
        later = RUN.c.next_eligible.is_not(None) & (RUN.c.state != RunState.ENDED.value)
        with self._database.snapshot() as connection:
            due = connection.scalar(sa.select(sa.func.min(RUN.c.next_eligible)).where(later))
        now = self._clock.now()
        moments = [one for one in (self._clock.next, moment_of(due) if due else None) if one is not None and one > now]
        return min(moments, default=None)


def _library(playbooks: Sequence[Playbook]) -> Library:
    ours = of_kind(in_package(built_in), Playbook)
    return library_of([*ours, *(Found(one.name, "the scene", one) for one in playbooks)], TRIGGERS)


def _trouble(event: Event, library: Library) -> Trouble | None:
    return trouble_of(event, library.triggers)


def _holds(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except (CloudTransientError, CloudPermanentError):
        return False


def _told(database: Database, scene: Scene) -> Told:
    with database.snapshot() as connection:
        waiting = sa.select(INCIDENT.c.resource, RUN.c.waits_for).join(RUN, RUN.c.incident == INCIDENT.c.id)
        rows = connection.execute(waiting.where(INCIDENT.c.ended.is_(None), RUN.c.waits_for != ""))
        incidents = connection.execute(sa.select(INCIDENT).order_by(INCIDENT.c.occurred, INCIDENT.c.id)).all()
        return Told(
            decisions=tuple(_decisions(connection)),
            actions=tuple(scene.cloud.actions),
            verdicts={row.resource: row.verdict for row in incidents},
            evidence={row.resource: json.loads(row.evidence) for row in incidents},
            waits={row.resource: row.waits_for for row in rows},
            notices=tuple(connection.scalars(sa.select(OUTBOX.c.topic).order_by(OUTBOX.c.id))),
            steps=tuple(scene.engine.steps),
        )


def _decisions(connection: sa.Connection) -> Iterator[Decided]:
    joined = sa.select(DECISION, EVENT.c.type, EVENT.c.status, EVENT.c.resource).join(EVENT)
    for row in connection.execute(joined.order_by(DECISION.c.id)):
        yield Decided(row.type, row.status, row.resource, row.rule, row.reason)
