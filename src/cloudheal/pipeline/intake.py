"""The first half: messages are read, decided upon and committed in one transaction; only then acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

import sqlalchemy as sa

from cloudheal.act.playbook import Playbook
from cloudheal.decide.facts import Busy, Facts, Group, Past, Will
from cloudheal.decide.rulebook import RuleBook, bounds_of, off_hours_until, selects
from cloudheal.decide.walk import Walk, walk
from cloudheal.decide.wishes import WishTags, held_by_tag
from cloudheal.model.decision import OUTCOMES, Outcome, Reason
from cloudheal.model.event import Event, Fate
from cloudheal.model.incident import Run, RunState, Trouble, deadline_of
from cloudheal.model.inventory import Description
from cloudheal.model.resource import Resource, ResourceId
from cloudheal.pipeline.lifecycle import record
from cloudheal.pipeline.questions import Asked, question_of
from cloudheal.ports.clock import Clock
from cloudheal.ports.store import Store
from cloudheal.record.approvals import ask
from cloudheal.record.budget import grant, lock_budget
from cloudheal.record.facts import Windows, count
from cloudheal.record.holds import EVERYTHING, holds_on
from cloudheal.record.inbox import DeadLetter, add_dead_letter, add_events
from cloudheal.record.incidents import (
    Decided,
    add_decisions,
    add_run,
    open_incident,
    supersede,
)
from cloudheal.record.inventory import Sizes, describe, fill_in, known, release
from cloudheal.record.listeners import add_tasks
from cloudheal.record.observations import newest_known
from cloudheal.record.promotions import effective_mode
from cloudheal.record.waiting import end_if_recovered, patients_among, wake_early, wake_unlocked
from cloudheal.record.watches import welcome
from cloudheal.record.workers import stranded
from cloudheal.sense.inventory import found_by, gone, sightings
from cloudheal.sense.reading import Canary, Message, Reader, Unreadable, read
from cloudheal.settings.rules import Rule

#: How the run of an incident begins, by the outcome of the decision; no run for the outcomes that are not here.
RUN_STATES = {
    Outcome.ACT: RunState.STARTING,
    Outcome.WAIT: RunState.WAITING,
    Outcome.ASK: RunState.ASKING,
    Outcome.TELL: RunState.ASKING,
}


#: News of an age that only a downtime explains.
BACKLOG_AGE = timedelta(minutes=10)


class Looks(Protocol):
    """What the pipeline asks of the engine."""

    def enqueue(self, connection: sa.Connection, run: str, look: int) -> str:
        """Queue a look in the caller's transaction."""

    @property
    def begins_here(self) -> bool:
        """True when this process runs looks itself."""

    def start_at_once(self, run: str, look: int) -> str:
        """Begin a look without the queue; one that has begun is not begun again."""


#: Finds what is known of resources, reading the cloud for those never seen; before the transaction, by the batch.
Lookup = Callable[[Sequence[ResourceId]], Mapping[ResourceId, Resource]]


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
class _Told:
    """A new event to decide on, with what is known of its resource and until when its trouble was known before."""

    event: Event
    row: int
    trouble: Trouble
    resource: Resource | None
    newest: datetime | None
    fell: int
    """Members of its group that fell with it in an old backlog; 0 for fresh news."""


@dataclass(frozen=True, slots=True)
class _Opening:
    """What an incident is opened with."""

    rule: Rule
    event: Event
    trouble: Trouble
    group: str
    walked: Walk


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

    def take(self, messages: Sequence[Message]) -> Taken:
        """Read, decide and commit a batch. When this returns every message may be acknowledged."""
        now = self.clock.now()
        found = read(messages, self.reader, now)
        resources = self.lookup(sorted({event.subject for event in found.events if self.trouble_of(event)}))
        with self.store.transaction() as connection:
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
        with self.store.transaction() as connection:
            found = list(found_by(describe(connection, described), now))
            found += [gone(one, at, now) for one in release(connection, missing, at)]
            wake_unlocked(connection, [one.id for one in described if not one.locks], now)
            rows = known(connection, (event.subject for event in found))
            taken = self._commit(connection, found, {name: row.resource for name, row in rows.items()}, now)
        if taken.acting:
            self.begin_stranded()
        return taken

    def begin_stranded(self) -> int:
        """Begin the runs that hurry, which are not queued: right after their commit, and whenever one was left over."""
        if not self.looks.begins_here:
            return 0
        with self.store.snapshot() as connection:
            left = stranded(connection, self.worker)
        for one in left:
            self.looks.start_at_once(one.run, one.look)
        return len(left)

    def learn(self, described: Sequence[Description]) -> int:
        """Take in who servers are, without what happened to them; returns how many."""
        with self.store.transaction() as connection:
            return fill_in(connection, described)

    def _commit(
        self,
        connection: sa.Connection,
        events: Sequence[Event],
        resources: Mapping[ResourceId, Resource],
        now: datetime,
    ) -> Taken:
        rows = add_events(connection, events)
        first = {event.key: event for event in reversed(events)}
        record(connection, {key: first[key] for key in rows}, rows)
        wanted = [(row, name, first[key].subject) for key, row in rows.items() for name in self.wanted_by(first[key])]
        add_tasks(connection, wanted, now)
        heard = {row for row, _, _ in wanted}
        fared = self._decide_all(connection, [first[key] for key in rows], rows, resources, now)
        for key, row in rows.items():
            if row in heard and fared[key].fate is Fate.IGNORED:
                fared[key] = Fared(Fate.DONE)
        # The first message of a new event is the one that counts; whatever repeats it is a duplicate.
        return Taken(tuple(fared.pop(event.key, Fared(Fate.DUPLICATE)) for event in events))

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
        troubles = {event.key: trouble for event in new if (trouble := self.trouble_of(event))}
        told = [(event, troubles[event.key]) for event in new if event.key in troubles]
        rules = {event.key: rules for event, trouble in told if (rules := self._usable(event, trouble))}
        newest = newest_known(connection, [(event, trouble) for event, trouble in told if event.key in rules])
        patients = patients_among(connection, new)
        if rules or patients:
            lock_budget(connection)
        backlog = _backlog([event for event in new if event.key in rules], resources, now)
        fared: dict[str, Fared] = {}
        refused: list[Decided] = []
        sizes = Sizes(connection)
        for event in new:
            if event.subject in patients:
                end_if_recovered(connection, event, now)
                wake_early(connection, event, now)
            key = event.key
            if key not in rules:
                informs = key not in troubles and any(sightings([event]))
                fared[key] = Fared(Fate.DONE if informs else Fate.IGNORED)
                continue
            patients.add(event.subject)
            known, fell = resources.get(event.subject), backlog.get(key, 0)
            one = _Told(event, rows[key], troubles[key], known, newest.get(key), fell)
            decisions, fared[key] = self._decide(connection, one, rules[key], now, sizes)
            if any(one.incident for one in decisions):
                add_decisions(connection, decisions)
            else:
                refused += decisions
        add_decisions(connection, refused)
        return fared

    def _usable(self, event: Event, trouble: Trouble) -> Sequence[Rule]:
        """Return the rules that match an event and know its trouble, in the order of the file."""
        matching = self.rules.matching(event)
        return [rule for rule in matching if trouble.kind in self.playbooks[rule.playbook].troubles]

    def _decide(
        self, connection: sa.Connection, told: _Told, rules: Sequence[Rule], now: datetime, sizes: Sizes
    ) -> tuple[list[Decided], Fared]:
        """Decide on one new event, up to the first rule that opens an incident."""
        decisions: list[Decided] = []
        for rule in rules:
            facts = _facts(sizes, told, rule, now)
            facts = tag_held(facts, self.rules.wishes_of(told.event.subject), told.resource, now)
            walked = walk(told.event.time, now, facts)
            state = RUN_STATES.get(OUTCOMES[walked.reason])
            opening = _Opening(rule, told.event, told.trouble, facts.group.name, walked)
            incident = self._open(connection, opening, state) if state else ""
            joined = facts.past.open if walked.reason is Reason.JOINED else None
            decisions.append(decided(told.row, rule, walked, incident or joined or "", now))
            if incident:
                if state is RunState.STARTING:
                    sizes.helped(told.event.subject)
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
        owner = self.worker if hurries and self.looks.begins_here else ""
        add_run(connection, new, waits_for="" if starts else walked.reason, at=now, owner=owner)
        if hurries:
            supersede(connection, event.subject, incident, now)
        if starts:
            grant(connection, run, now)
        if starts and not owner:
            self.looks.enqueue(connection, run, 0)
        if state is RunState.ASKING:
            asked = Asked(run, rule.name, rule.playbook, event.subject, opening.trouble, opening.group)
            ask(connection, *question_of(asked, walked.reason, self.new_id(), now))
        return incident


def _backlog(new: Sequence[Event], resources: Mapping[ResourceId, Resource], now: datetime) -> Mapping[str, int]:
    """Count by the keys of old events how many of their group fell with them: a backlog meets the storm guard whole."""
    groups: dict[tuple[str, str], set[ResourceId]] = {}
    old = {event.key: event.subject for event in new if now - event.time > BACKLOG_AGE}
    for subject in old.values():
        known = resources.get(subject)
        groups.setdefault((subject.account, known.group if known else ""), set()).add(subject)
    sizes = {one: len(group) for group in groups.values() for one in group}
    return {key: sizes[subject] for key, subject in old.items()}


def _facts(sizes: Sizes, told: _Told, rule: Rule, now: datetime) -> Facts:
    """Count the facts of a walk; of a stale event or a server that is not selected nothing more is asked."""
    event = told.event
    stale = told.newest is not None and told.newest > event.time
    if stale or not selects(rule.resources, event.subject, told.resource):
        past, nothing = Past(newest=told.newest), Group("", 0, 0, 0, 0)
        return Facts(False, None, past, Will(), Busy(0, 0), nothing, bounds_of(rule.limits), rule.mode)
    facts = gathered(sizes, rule, event.subject, told.trouble, told.resource, now)
    deadline = deadline_of(event.subject, told.trouble, event.time)
    group = replace(facts.group, fell_lately=max(facts.group.fell_lately, told.fell))
    return replace(facts, past=replace(facts.past, newest=told.newest), deadline=deadline, group=group)


def gathered(
    sizes: Sizes,
    rule: Rule,
    subject: ResourceId,
    trouble: Trouble,
    resource: Resource | None,
    now: datetime,
    *,
    group: str = "",
) -> Facts:
    """Count the facts that one rule's walk looks at, in the transaction of `sizes`.

    `group` is the resource's where that was found out before.
    """
    connection = sizes.connection
    limits = rule.limits
    own = f"rule:{rule.name}"
    group = group or (resource.group if resource else "") or own
    members, unhealthy = sizes.of(subject, group, rule.resources if group == own else None)
    windows = Windows(limits.within, limits.flap_window, limits.storm_window)
    counted = count(connection, subject, trouble, group, now, windows)
    holds = holds_on(connection, [EVERYTHING, subject.id, group], now)
    pause = next((one for one in holds if one.scope == EVERYTHING), None)
    hold = next((one for one in holds if one.scope != EVERYTHING), None)
    return Facts(
        selected=selects(rule.resources, subject, resource),
        deadline=None,
        past=Past(
            open=counted.open_incident,
            attempts=counted.attempts,
            oldest_attempt=counted.oldest_attempt,
            last_attempt=counted.last_attempt,
            heals=counted.heals,
            oldest_heal=counted.oldest_heal,
        ),
        will=Will(
            paused_by=f"{pause.who}: {pause.why}" if pause else "",
            held_by=f"{hold.who}: {hold.why}" if hold else "",
            held_until=hold.until if hold else None,
            off_hours_until=off_hours_until(rule, now),
        ),
        busy=Busy(counted.at_once, counted.in_last_hour),
        group=Group(
            group, members, unhealthy if members else counted.group_fell, counted.group_under_action, counted.group_fell
        ),
        bounds=bounds_of(limits),
        mode=effective_mode(connection, rule),
    )


def tag_held(facts: Facts, wishes: WishTags, resource: Resource | None, now: datetime) -> Facts:
    """Return the facts with the hold that the resource's own tags put on it, where no other one stands."""
    hold = held_by_tag(wishes, resource.tags, now) if resource and not facts.will.held_by else None
    if hold is None:
        return facts
    return replace(facts, will=replace(facts.will, held_by=f"tag {hold.tag}", held_until=hold.until))


def decided(row: int, rule: Rule, walked: Walk, incident: str, now: datetime) -> Decided:
    """Return a decision as it is stored, with the whole walk."""
    stations = tuple(
        {"question": one.question, "reason": one.reason or "", "numbers": one.numbers} for one in walked.stations
    )
    return Decided(row, rule.name, rule.digest, walked.reason, "", stations, now, walked.next_eligible, incident)
