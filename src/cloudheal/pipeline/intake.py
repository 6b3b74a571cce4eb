"""The first half: messages are read, decided upon and committed in one transaction; only then acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from cloudheal.model.event import Event, Fate
from cloudheal.model.inventory import Description
from cloudheal.model.resource import Resource, ResourceId
from cloudheal.pipeline.courtesy import Courtesy
from cloudheal.pipeline.deciding import Decider, Fared
from cloudheal.pipeline.lifecycle import record
from cloudheal.ports.store import Store
from cloudheal.record.inbox import DeadLetter, add_dead_letter, add_events, unknown_among
from cloudheal.record.inventory import describe, fill_in, known, release
from cloudheal.record.listeners import add_tasks
from cloudheal.record.system_events import note_system_events
from cloudheal.record.waiting import wake_unlocked
from cloudheal.record.watches import welcome
from cloudheal.record.workers import Stranded, stranded, withdraw
from cloudheal.sense.inventory import found_by, gone
from cloudheal.sense.reading import Canary, Message, Reader, Unreadable, read
from cloudheal.sense.triggers import of_server

#: Finds what is known of resources, reading the cloud for those never seen; before the transaction, by the batch.
Lookup = Callable[[Sequence[ResourceId]], Mapping[ResourceId, Resource]]


class _UndoneError(Exception):
    """A transaction did what it was for, and is not committed."""


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
class Intake:
    """The way in: everything that a batch of messages needs to become rows."""

    store: Store
    decider: Decider
    wanted_by: Callable[[Event], Sequence[str]]
    """Names the listeners that are to be told of an event."""
    reader: Reader
    lookup: Lookup
    heard: Callable[[Iterable[ResourceId]], object] = list
    """Is told which resources new events are about, after their commit."""
    courtesy: Courtesy = field(default_factory=Courtesy)
    """What is found by looking gives way to urgent messages, as other messages do."""

    def take(self, messages: Sequence[Message], check: Callable[[], None] = lambda: None) -> Taken:
        """Read, decide and commit a batch. When this returns every message may be acknowledged.

        `check` is asked before every statement; when it raises, nothing is taken in.
        """
        now = self.decider.clock.now()
        found = read(messages, self.reader, now)
        check()
        resources = self.lookup(_subjects(of_server(event) for event in found.events if self.decider.trouble_of(event)))
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
        now = self.decider.clock.now()
        events = read(messages, self.reader, now).events

        def undone(check: Callable[[], None]) -> int:
            with suppress(_UndoneError), self.store.transaction(check) as connection:
                self._commit(connection, events, {}, now)
                raise _UndoneError
            return len(events)

        return self.courtesy.politely(undone)

    def bury(self, message: Message, reason: str) -> int:
        """Keep a message that can be read and cannot be stored; returns the number of its dead letter."""
        letter = DeadLetter(self.decider.clock.now(), message.channel, message.origin, reason, message.body)
        with self.store.transaction() as connection:
            return add_dead_letter(connection, letter)

    def notice(self, described: Sequence[Description], missing: Sequence[ResourceId], at: datetime) -> Taken:
        """Take in what a look at the cloud showed: the inventory, and the events that nobody told us, in one commit.

        `missing` are servers that the cloud did not know at `at`.
        """
        now = self.decider.clock.now()

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
        now = self.decider.clock.now()
        with self.store.snapshot() as connection:
            new = unknown_among(connection, events)
        resources = self.lookup(_subjects(of_server(event) for event in new if self.decider.trouble_of(event)))
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
            left = stranded(connection, self.decider.worker)
        if left and not self.decider.looks.begins_here:
            return self._queue(left)
        for one in left:
            self.decider.looks.start_at_once(one.run, one.look, hurries=one.hurries)
        return len(left)

    def _queue(self, left: Sequence[Stranded]) -> int:
        with self.store.transaction() as connection:
            for one in left:
                if withdraw(connection, one.run, self.decider.worker):
                    self.decider.looks.enqueue(connection, one.run, one.look)
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
        fared = self.decider.decide(connection, list(new.values()), rows, resources, now)
        fared |= self.decider.note_tests(connection, [first[key] for key in rows if key in tests], rows, resources, now)
        for key, row in rows.items():
            if row in heard and fared[key].fate is Fate.IGNORED:
                fared[key] = Fared(Fate.DONE)
        # The first message of a new event is the one that counts; whatever repeats it is a duplicate.
        return Taken(tuple(fared.pop(event.key, Fared(Fate.DUPLICATE)) for event in events))


def _subjects(events: Iterable[Event]) -> list[ResourceId]:
    """Return what events are about, each once, in their order."""
    return list(dict.fromkeys(event.subject for event in events))
