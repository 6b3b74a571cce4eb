"""The first half: messages are read, decided upon and committed in one transaction; only then acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import sqlalchemy as sa

from cloudheal.act.playbook import Playbook
from cloudheal.decide.rulebook import RuleBook, selects
from cloudheal.decide.walk import Walk, walk
from cloudheal.model.decision import OUTCOMES, Reason
from cloudheal.model.event import Event, Fate
from cloudheal.model.incident import Run, RunState, Trouble, deadline_of
from cloudheal.model.inventory import Description
from cloudheal.model.resource import Resource, ResourceId
from cloudheal.pipeline.courtesy import Courtesy
from cloudheal.pipeline.lifecycle import record
from cloudheal.pipeline.questions import Asked, question_of
from cloudheal.pipeline.recoveries import follow_recoveries
from cloudheal.pipeline.system_events import follow
from cloudheal.pipeline.table_counts import TableCounts
from cloudheal.pipeline.weighing import FRESH, RUN_STATES, Told, backlog, usable, weighed
from cloudheal.ports.clock import Clock
from cloudheal.ports.store import Store
from cloudheal.record.approvals import ask
from cloudheal.record.budget import grant, lock_budget
from cloudheal.record.inbox import DeadLetter, add_dead_letter, add_events, unknown_among
from cloudheal.record.incidents import (
    Cited,
    Decided,
    Opened,
    add_decisions,
    add_run,
    open_incident,
    supersede,
)
from cloudheal.record.inventory import describe, fill_in, known, release
from cloudheal.record.listeners import add_tasks
from cloudheal.record.observations import newest_known
from cloudheal.record.plans import add_plan
from cloudheal.record.system_events import note_system_events
from cloudheal.record.waiting import end_if_recovered, patients_among, wake_early, wake_unlocked
from cloudheal.record.watches import welcome
from cloudheal.record.workers import Stranded, stranded, withdraw
from cloudheal.sense.inventory import found_by, gone, sightings
from cloudheal.sense.reading import Canary, Message, Reader, Unreadable, read
from cloudheal.sense.triggers import of_server, tells_recovery
from cloudheal.settings.rules import Rule


class Looks(Protocol):
    """What the pipeline asks of the engine."""

    def enqueue(self, connection: sa.Connection, run: str, look: int) -> str:
        """Queue a look in the caller's transaction."""

    @property
    def begins_here(self) -> bool:
        """True when this process runs looks itself."""

    def has_place(self) -> bool:
        """Promise a place here to one look, at once; False when it is to be queued."""

    def start_at_once(self, run: str, look: int, *, hurries: bool) -> str:
        """Begin a look without the queue; one that has begun is not begun again."""


#: Finds what is known of resources, reading the cloud for those never seen; before the transaction, by the batch.
Lookup = Callable[[Sequence[ResourceId]], Mapping[ResourceId, Resource]]


class _UndoneError(Exception):
    """A transaction did what it was for, and is not committed."""


@dataclass(frozen=True, slots=True)
class Fared:
    """How one message fared, and whether a run began for it."""

    fate: Fate
    began: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch, message by message in their order, with the numbers that people ask for."""

    fared: tuple[Fared, ...]

    @property
    def new(self) -> int:
        """Events that were not known."""
        return sum(one.fate in {Fate.DONE, Fate.IGNORED} for one in self.fared)

    @property
    def duplicates(self) -> int:
        """Messages whose event was known."""
        return sum(one.fate is Fate.DUPLICATE for one in self.fared)

    @property
    def dead(self) -> int:
        """Messages that became dead letters."""
        return sum(one.fate is Fate.DEAD_LETTER for one in self.fared)

    @property
    def acting(self) -> int:
        """Runs that began."""
        return sum(one.began for one in self.fared)


@dataclass(frozen=True, slots=True)
class _Opening:
    """What an incident is opened with."""

    rule: Rule
    event: Event
    trouble: Trouble
    group: str
    walked: Walk
    name: str
    """What people call the resource."""


@dataclass(frozen=True, slots=True)
class Intake:
    """The way in: everything that a batch of messages needs to become rows."""

    store: Store
    looks: Looks
    rules: RuleBook
    playbooks: Mapping[str, Playbook]
    trouble_of: Callable[[Event], Trouble | None]
    wanted_by: Callable[[Event], Sequence[str]]
    """Names the listeners that are to be told of an event."""
    reader: Reader
    lookup: Lookup
    clock: Clock
    new_id: Callable[[], str]
    worker: str
    heard: Callable[[Iterable[ResourceId]], object] = list
    """Is told which resources new events are about, after their commit."""
    courtesy: Courtesy = field(default_factory=Courtesy)
    """What is found by looking gives way to urgent messages, as other messages do."""

    def take(self, messages: Sequence[Message], check: Callable[[], None] = lambda: None) -> Taken:
        """Read, decide and commit a batch. When this returns every message may be acknowledged.

        `check` is asked before every statement; when it raises, nothing is taken in.
        """
        now = self.clock.now()
        found = read(messages, self.reader, now)
        check()
        resources = self.lookup(_subjects(of_server(event) for event in found.events if self.trouble_of(event)))
        with self.store.transaction(check) as connection:
            for bad in found.unreadable:
                origin = bad.message
                letter = DeadLetter(now, origin.channel, origin.origin, bad.reason, origin.body)
                add_dead_letter(connection, letter)
            for canary in found.canaries:
                welcome(connection, canary.id, now)
            taken = self._commit(connection, found.events, resources, now)
        self.heard({event.subject for event in found.events})
        if taken.acting:
            self.begin_stranded()
        fared = iter(taken.fared)
        others = {Unreadable: Fared(Fate.DEAD_LETTER), Canary: Fared(Fate.CANARY)}
        return Taken(tuple(next(fared) if isinstance(one, Event) else others[type(one)] for one in found.items))

    def rehearse(self, messages: Sequence[Message]) -> int:
        """Take messages in and undo it, so that the next ones find everything ready; returns how many were read."""
        now = self.clock.now()
        events = read(messages, self.reader, now).events

        def undone(check: Callable[[], None]) -> int:
            with suppress(_UndoneError), self.store.transaction(check) as connection:
                self._commit(connection, events, {}, now)
                raise _UndoneError
            return len(events)

        return self.courtesy.politely(undone)

    def bury(self, message: Message, reason: str) -> int:
        """Keep a message that can be read and cannot be stored; returns the number of its dead letter."""
        letter = DeadLetter(self.clock.now(), message.channel, message.origin, reason, message.body)
        with self.store.transaction() as connection:
            return add_dead_letter(connection, letter)

    def notice(self, described: Sequence[Description], missing: Sequence[ResourceId], at: datetime) -> Taken:
        """Take in what a look at the cloud showed: the inventory, and the events that nobody told us, in one commit.

        `missing` are servers that the cloud did not know at `at`.
        """
        now = self.clock.now()

        def noticed(check: Callable[[], object]) -> Taken:
            with self.store.transaction(check) as connection:
                found = list(found_by(describe(connection, described), now))
                found += [gone(one, at, now) for one in release(connection, missing, at)]
                rows = known(connection, (event.subject for event in found))
                taken = self._commit(connection, found, {name: row.resource for name, row in rows.items()}, now)
                # Runs are changed behind the budget's lock, or without it, and never before it.
                wake_unlocked(connection, [one.id for one in described if not one.locks], now)
                return taken

        taken = self.courtesy.politely(noticed)
        if taken.acting:
            self.begin_stranded()
        return taken

    def hear(self, events: Sequence[Event], also: Callable[[sa.Connection], object] = lambda _: None) -> Taken:
        """Take in events that were found by looking: system events, most of which are known, or alarms of our own.

        Known ones are joined by their id; what a look knows better than the messages did (that it is a drill, a time
        that was moved) is kept of them too. `also` is done in the same commit; when it raises, nothing is taken in.
        """
        now = self.clock.now()
        with self.store.snapshot() as connection:
            new = unknown_among(connection, events)
        resources = self.lookup(_subjects(of_server(event) for event in new if self.trouble_of(event)))
        with self.store.transaction() as connection:
            also(connection)
            taken = self._commit(connection, events, resources, now)
        self.heard({event.subject for event in new})
        if taken.acting:
            self.begin_stranded()
        return taken

    def begin_stranded(self) -> int:
        """Begin what is not queued, those that hurry first: after their commit, and when one is left over.

        Where nothing begins here any more, because an operator drains the workers, it is queued for whoever comes.
        """
        with self.store.snapshot() as connection:
            left = stranded(connection, self.worker)
        if left and not self.looks.begins_here:
            return self._queue(left)
        for one in left:
            self.looks.start_at_once(one.run, one.look, hurries=one.hurries)
        return len(left)

    def _queue(self, left: Sequence[Stranded]) -> int:
        with self.store.transaction() as connection:
            for one in left:
                if withdraw(connection, one.run, self.worker):
                    self.looks.enqueue(connection, one.run, one.look)
        return 0

    def learn(self, described: Sequence[Description]) -> int:
        """Take in who servers are, without what happened to them; returns how many."""

        def learned(check: Callable[[], object]) -> int:
            with self.store.transaction(check) as connection:
                return fill_in(connection, described)

        return self.courtesy.politely(learned)

    def _commit(
        self,
        connection: sa.Connection,
        events: Sequence[Event],
        resources: Mapping[ResourceId, Resource],
        now: datetime,
    ) -> Taken:
        rows = add_events(connection, events)
        first = {event.key: event for event in reversed(events)}
        tests = {key for key, event in first.items() if event.is_dry_run}
        new = {key: first[key] for key in rows if key not in tests}
        record(connection, new, rows)
        note_system_events(connection, [one for one in events if one.key not in tests] if tests else events, now)
        wanted = [(rows[key], name, one.subject) for key, one in new.items() for name in self.wanted_by(one)]
        add_tasks(connection, wanted, now)
        heard = {row for row, _, _ in wanted}
        fared = self._decide_all(connection, list(new.values()), rows, resources, now)
        fared |= self._note_tests(connection, [first[key] for key in rows if key in tests], rows, resources, now)
        for key, row in rows.items():
            if row in heard and fared[key].fate is Fate.IGNORED:
                fared[key] = Fared(Fate.DONE)
        # The first message of a new event is the one that counts; whatever repeats it is a duplicate.
        return Taken(tuple(fared.pop(event.key, Fared(Fate.DUPLICATE)) for event in events))

    def _note_tests(
        self,
        connection: sa.Connection,
        tests: Sequence[Event],
        rows: Mapping[str, int],
        resources: Mapping[ResourceId, Resource],
        now: datetime,
    ) -> dict[str, Fared]:
        """Record which rules test messages are for, and nothing else; returns by key how each fared."""
        fared: dict[str, Fared] = {}
        for event in tests:
            trouble = self.trouble_of(event)
            rules = usable(self.rules, self.playbooks, event, trouble) if trouble else ()
            row, subject = rows[event.key], of_server(event).subject
            resource = resources.get(subject)
            add_decisions(connection, [tested(row, rule, subject, resource, now) for rule in rules])
            fared[event.key] = Fared(Fate.DONE if rules else Fate.IGNORED)
        return fared

    def _decide_all(
        self,
        connection: sa.Connection,
        new: Sequence[Event],
        rows: Mapping[str, int],
        resources: Mapping[ResourceId, Resource],
        now: datetime,
    ) -> dict[str, Fared]:
        """Decide on new events in their order; returns by key how each fared.

        Most events neither end a wait nor match a rule, or concern a server that no rule selects. What they cost is
        asked and written by the batch, never one by one.
        """
        joined = follow(connection, new, rows, self.rules, now)
        troubles = {event.key: trouble for event in new if (trouble := self.trouble_of(event))}
        told = [(event, troubles[event.key]) for event in new if event.key in troubles]
        rules = {
            event.key: rules for event, trouble in told if (rules := usable(self.rules, self.playbooks, event, trouble))
        }
        asked = [(event, trouble) for event, trouble in told if event.key in rules]
        newest = newest_known(connection, asked, tells_recovery)
        patients = patients_among(connection, new)
        if rules or patients:
            lock_budget(connection)
        deciding = {event.key: of_server(event) for event in new if event.key in rules}
        old = backlog(list(deciding.values()), resources, now)
        fared: dict[str, Fared] = {}
        refused: list[Decided] = []
        opened: list[Event] = []
        counts = TableCounts(connection)
        counts.expect(event.subject for event in deciding.values())
        for event in new:
            if event.subject in patients:
                end_if_recovered(connection, event, now)
                wake_early(connection, event, now)
            key = event.key
            if key not in rules:
                refused += [joined[key]] if key in joined else []
                informs = key in joined or (key not in troubles and any(sightings([event])))
                fared[key] = Fared(Fate.DONE if informs else Fate.IGNORED)
                continue
            subject = deciding[key].subject
            patients.add(subject)
            one = Told(deciding[key], troubles[key], resources.get(subject), newest.get(key), old.get(key, FRESH))
            decisions, fared[key] = self._decide(connection, one, rows[key], rules[key], now, counts)
            if any(one.incident for one in decisions):
                opened.append(event)
                add_decisions(connection, decisions)
            else:
                refused += decisions
        recovered = follow_recoveries(connection, new, rows, opened, self.rules, now)
        cited = {rows[event.key]: Cited(event.subject.id, event.key) for event in new} if refused else {}
        add_decisions(connection, [*refused, *recovered], cited)
        heard = {one.event for one in recovered}
        fared |= {event.key: Fared(Fate.DONE) for event in new if rows[event.key] in heard}
        return fared

    def _decide(
        self,
        connection: sa.Connection,
        told: Told,
        row: int,
        rules: Sequence[Rule],
        now: datetime,
        counts: TableCounts,
    ) -> tuple[list[Decided], Fared]:
        """Decide on one new event, up to the first rule that opens an incident."""
        decisions: list[Decided] = []
        subject = told.event.subject
        for one in weighed(counts, told, rules, self.rules, now, through=walk):
            walked = one.walked
            state = RUN_STATES.get(OUTCOMES[walked.reason])
            name = told.resource.name if told.resource else ""
            opening = _Opening(one.rule, told.event, told.trouble, one.group, walked, name)
            incident = self._open(connection, opening, state) if state else ""
            joined = one.facts.past.open if walked.reason is Reason.JOINED else None
            decisions.append(decided(row, one.rule, walked, incident or joined or "", now))
            if incident:
                counts.opened(subject, told.trouble, one.group)
                if state is RunState.STARTING:
                    counts.granted(subject)
                return decisions, Fared(Fate.DONE, began=state is RunState.STARTING)
        return decisions, Fared(Fate.DONE)

    def _open(self, connection: sa.Connection, opening: _Opening, state: RunState) -> str:
        """Open an incident with its run: to be started now, to wait for its cause to end, or to ask a person."""
        incident, run, now = self.new_id(), self.new_id(), self.clock.now()
        rule, event, walked = opening.rule, opening.event, opening.walked
        if not open_incident(connection, incident, event, opening.trouble, opening.group, now):
            return ""
        digest = self.playbooks[rule.playbook].digest
        until = walked.next_eligible
        new = Run(run, incident, rule.name, rule.playbook, digest, rule.mode, state, next_eligible=until)
        starts = state is RunState.STARTING
        hurries = starts and deadline_of(event.subject, opening.trouble, event.time) is not None
        is_ours = starts and (self.looks.begins_here if hurries else self.looks.has_place())
        owner = self.worker if is_ours else ""
        waits_for = "" if starts else walked.reason
        opened = Opened(event.subject.id, opening.group, event.time)
        add_run(connection, new, waits_for, now, owner, opened=opened)
        if state is RunState.PLANNED:
            add_plan(connection, run, opening.name)
        if hurries:
            supersede(connection, event.subject, incident, now)
        if starts and rule.name not in self.rules.looking:
            grant(connection, run, now)
        if starts and not owner:
            self.looks.enqueue(connection, run, 0)
        if state is RunState.ASKING:
            who = self.rules.approvers
            asked = Asked(run, rule.name, rule.playbook, event.subject, opening.trouble, opening.group, who)
            ask(connection, *question_of(asked, walked.reason, self.new_id(), now))
        return incident


def _subjects(events: Iterable[Event]) -> list[ResourceId]:
    """Return what events are about, each once, in their order."""
    return list(dict.fromkeys(event.subject for event in events))


def tested(row: int, rule: Rule, subject: ResourceId, resource: Resource | None, now: datetime) -> Decided:
    """Return what a rule makes of a test message: whether it would look further, and that it does not."""
    reason = Reason.DRY_RUN if selects(rule.resources, subject, resource) else Reason.NOT_SELECTED
    station = {"question": "selected", "reason": "" if reason is Reason.DRY_RUN else reason.value, "numbers": ""}
    return Decided(row, rule.name, rule.digest, reason, "", (station,), now, None, "")


def decided(row: int, rule: Rule, walked: Walk, incident: str, now: datetime) -> Decided:
    """Return a decision as it is stored, with the whole walk."""
    stations = tuple(
        {"question": one.question, "reason": one.reason or "", "numbers": one.numbers} for one in walked.stations
    )
    return Decided(row, rule.name, rule.digest, walked.reason, "", stations, now, walked.next_eligible, incident)
