"""What new events come to, in the transaction that stores them: joined, refused, or an incident with its run.

Most events neither end a wait nor match a rule, or concern a server that no rule selects. What they cost is asked and
written by the batch, never one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import sqlalchemy as sa

from cloudheal.act.playbook import Playbook
from cloudheal.decide.rulebook import RuleBook, selects
from cloudheal.decide.walk import Walk, walk
from cloudheal.model.decision import OUTCOMES, Reason
from cloudheal.model.event import Event, Fate
from cloudheal.model.incident import INTERRUPTION, Run, RunState, Trouble, deadline_of
from cloudheal.model.resource import Resource, ResourceId
from cloudheal.pipeline.questions import Asked, question_of
from cloudheal.pipeline.recoveries import follow_recoveries
from cloudheal.pipeline.system_events import follow
from cloudheal.pipeline.table_counts import TableCounts
from cloudheal.pipeline.weighing import FRESH, RUN_STATES, Fell, Told, backlog, usable, weighed
from cloudheal.ports.clock import Clock
from cloudheal.record.approvals import ask
from cloudheal.record.budget import grant, lock_budget
from cloudheal.record.inbox import events_at
from cloudheal.record.incidents import (
    Cited,
    Decided,
    Opened,
    add_decisions,
    add_run,
    kept_out,
    open_incident,
    supersede,
)
from cloudheal.record.inventory import known
from cloudheal.record.observations import newest_known
from cloudheal.record.plans import add_plan
from cloudheal.record.waiting import end_if_recovered, patients_among, wake_early
from cloudheal.sense.inventory import sightings
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


@dataclass(frozen=True, slots=True)
class Fared:
    """How one message fared, and whether a run began for it."""

    fate: Fate
    began: bool = False


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
class _Batch:
    """What is asked once for a batch of new events, by their keys."""

    joined: Mapping[str, Decided]
    """The decisions of those that join what is open already."""
    troubles: Mapping[str, Trouble]
    rules: Mapping[str, Sequence[Rule]]
    """Of those that a rule may want: which."""
    events: Mapping[str, Event]
    """The same as their servers' events."""
    newest: Mapping[str, datetime]
    fell: Mapping[str, Fell]
    resources: Mapping[ResourceId, Resource]

    def told(self, key: str) -> Told:
        """Return an event that a rule may want, with what is known of it."""
        event = self.events[key]
        known = self.resources.get(event.subject)
        return Told(event, self.troubles[key], known, self.newest.get(key), self.fell.get(key, FRESH))

    def unwanted(self, event: Event) -> Fared:
        """Say how an event fared that no rule wants."""
        key = event.key
        informs = key in self.joined or (key not in self.troubles and any(sightings([event])))
        return Fared(Fate.DONE if informs else Fate.IGNORED)


@dataclass(frozen=True, slots=True)
class Decider:
    """Decides on what is new by the rules as they are."""

    looks: Looks
    rules: RuleBook
    playbooks: Mapping[str, Playbook]
    trouble_of: Callable[[Event], Trouble | None]
    clock: Clock
    new_id: Callable[[], str]
    worker: str

    def decide(
        self,
        connection: sa.Connection,
        new: Sequence[Event],
        rows: Mapping[str, int],
        resources: Mapping[ResourceId, Resource],
        now: datetime,
    ) -> dict[str, Fared]:
        """Decide on new events in their order; returns by key how each fared."""
        batch = self._asked(connection, new, rows, resources, now)
        patients = patients_among(connection, new)
        if batch.rules or patients:
            lock_budget(connection)
        counts = TableCounts(connection)
        counts.expect(event.subject for event in batch.events.values())
        fared: dict[str, Fared] = {}
        refused: list[Decided] = []
        opened: list[Event] = []
        for event in new:
            key = event.key
            if event.subject in patients:
                end_if_recovered(connection, event, now)
                wake_early(connection, event, now)
            if key not in batch.rules:
                refused += [batch.joined[key]] if key in batch.joined else []
                fared[key] = batch.unwanted(event)
                continue
            told = batch.told(key)
            patients.add(told.event.subject)
            decisions, fared[key] = self._decide(connection, told, rows[key], batch.rules[key], now, counts)
            if any(one.incident for one in decisions):
                opened.append(event)
                add_decisions(connection, decisions)
            else:
                refused += decisions
        recovered = follow_recoveries(connection, new, rows, opened, self.rules, now)
        cited = {rows[event.key]: Cited(event.subject.id, event.key) for event in new} if refused else {}
        add_decisions(connection, [*refused, *recovered], cited)
        heard = {one.event for one in recovered}
        return fared | {event.key: Fared(Fate.DONE) for event in new if rows[event.key] in heard}

    def again(self, connection: sa.Connection, subject: ResourceId, incident: str, now: datetime) -> int:
        """Decide anew on what an interruption that came to nothing took the place of; returns how many events.

        Whoever sends a false notice must not keep a server from being healed.
        """
        found = events_at(connection, kept_out(connection, subject, incident))
        mine = {row: event for row, event in found.items() if not _interrupts(self.trouble_of(event))}
        events = list(mine.values())
        resources = known(connection, [of_server(event).subject for event in events])
        rows = {event.key: row for row, event in mine.items()}
        self.decide(connection, events, rows, {name: row.resource for name, row in resources.items()}, now)
        return len(events)

    def _asked(
        self,
        connection: sa.Connection,
        new: Sequence[Event],
        rows: Mapping[str, int],
        resources: Mapping[ResourceId, Resource],
        now: datetime,
    ) -> _Batch:
        joined = follow(connection, new, rows, self.rules, now)
        troubles = {event.key: trouble for event in new if (trouble := self.trouble_of(event))}
        told = [(event, troubles[event.key]) for event in new if event.key in troubles]
        rules = {
            event.key: rules for event, trouble in told if (rules := usable(self.rules, self.playbooks, event, trouble))
        }
        asked = [(event, trouble) for event, trouble in told if event.key in rules]
        newest = newest_known(connection, asked, tells_recovery)
        events = {event.key: of_server(event) for event, _ in asked}
        fell = backlog(list(events.values()), resources, now)
        return _Batch(joined, troubles, rules, events, newest, fell, resources)

    def note_tests(
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
                if state is RunState.STARTING and one.rule.name not in self.rules.looking:
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


def _interrupts(trouble: Trouble | None) -> bool:
    return trouble is not None and trouble.kind == INTERRUPTION


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
