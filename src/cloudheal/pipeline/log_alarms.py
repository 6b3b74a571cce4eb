"""Alarms on log metrics: closed periods in, events and notices out, one commit for everything that follows.

A period is evaluated once, when nothing more of it is awaited. What the evaluation made (how every series stands, the
events, what people are told) is committed together with the mark that says up to where it was evaluated: a worker that
is killed in between evaluates the same periods again and has told nobody, and one that had committed is not repeated.
One worker at a time does this, by lease; the mark keeps a second one from writing what the first has written.

Minutes that are stored for periods that were evaluated already, within the last hour, are corrections: the series that
they concern are judged again (`logs.alarm_corrections`). By the numbers of minutes it is known which those are.

An alarm that the settings do not name any more, or not so, recovers if it fires, and begins anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Protocol, TypeAlias
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from cloudheal.logs.alarm_corrections import corrected, since
from cloudheal.logs.alarm_events import alarm_event, ended_event
from cloudheal.logs.alarm_rounds import Key, Line, Period, Rounded, Values, keys_of, one_by_one, rounded
from cloudheal.logs.alarm_trail import corrected_periods
from cloudheal.logs.alarms import Alarm, Standing, start_of
from cloudheal.model.alarm import Than
from cloudheal.model.event import Event
from cloudheal.model.resource import ResourceId
from cloudheal.pipeline.intake import Intake
from cloudheal.pipeline.log_escalation import ended_escalation, escalate, escalations
from cloudheal.pipeline.log_notices import ended_notice, notice_of
from cloudheal.ports.clock import Clock
from cloudheal.ports.store import Store
from cloudheal.record.leases import take_lease
from cloudheal.record.log_alarms import Mark, Name, forget_alarm, keep_lines, lines_of, marks, move_mark
from cloudheal.record.outbox import Notice, tell

log = logging.getLogger("cloudheal.log_alarms")

#: Renewed at every round; a worker that died is followed within this.
LEASE, LEASE_MILLIS = "log_alarms", 30_000
#: Periods in one round, and the longest time that is made up for after an outage: older periods are left out.
MOST_PERIODS, MOST_SECONDS = 60, 86_400


#: Values from which on it is worth loading what evaluates them all at once.
MANY = 2_000
Board: TypeAlias = Callable[
    [Sequence[Alarm], Sequence[Mapping[Key, Line]], Sequence[Period]], Sequence[Sequence[Sequence[Standing]]]
]


class Readings(Protocol):
    """The series of logs, as alarms read them; times are epoch seconds."""

    def closed(self, connection: sa.Connection, definition: str, now: datetime) -> int:
        """Return up to which instant nothing more is awaited of a log."""

    def values(self, connection: sa.Connection, alarm: Alarm, start: int, end: int) -> Mapping[int, Values]:
        """Return the value that an alarm watches, by the beginning of each period and by series.

        Periods without data need not be there.
        """

    def numbers(self, connection: sa.Connection) -> Mapping[str, Mapping[str, int]]:
        """Return by log and host the number of the last minute that is stored."""

    def corrections(
        self, connection: sa.Connection, alarm: Alarm, after: Mapping[str, int], start: int, end: int
    ) -> Mapping[Key, int]:
        """Return the series of which minutes between two instants were stored under later numbers, with the earliest.

        A series that a window leaves out is told by what is left over.
        """


@dataclass(frozen=True, slots=True)
class Guarded:
    """One alarm and the resource that it is about."""

    alarm: Alarm
    subject: ResourceId

    @property
    def name(self) -> Name:
        """What it is called."""
        return Name(self.alarm.definition, self.alarm.name)


class OvertakenError(Exception):
    """Another worker has evaluated the same periods meanwhile."""


@dataclass(frozen=True, slots=True)
class _Job:
    """Alarms that watch one value and were evaluated up to the same instant."""

    guarded: tuple[Guarded, ...]
    befores: tuple[Mark | None, ...]
    upto: int
    """From where on periods are evaluated."""
    end: int


@dataclass(frozen=True, slots=True)
class LogAlarms:
    """Evaluates the alarms of one installation; every worker has one, the lease lets one of them work."""

    store: Store
    intake: Intake
    worker: str
    guarded: Sequence[Guarded]
    readings: Readings
    zone: ZoneInfo
    """Whose yesterday it is."""
    clock: Clock
    _looked: dict[Name, Mapping[str, int]] = field(default_factory=dict)
    """Up to which numbers there was nothing to correct."""

    def tick(self) -> int:
        """Evaluate every period that has closed; returns how many, over all alarms."""
        now = self.clock.now()
        done = self._evaluate(now)
        self._escalate(now)
        return done

    def _evaluate(self, now: datetime) -> int:
        with self.store.snapshot() as connection:
            known = marks(connection)
        wanted = {one.name: one for one in self.guarded}
        retired = [name for name, mark in known.items() if name not in wanted or _is_other(wanted[name], mark)]
        left = {name: mark for name, mark in known.items() if name not in retired}
        jobs, late = self._jobs(left, now), self._to_correct(left)
        if not (jobs or retired or late) or not self._is_mine():
            return 0
        for name in retired:
            self._retire(name, known[name], now)
        for one in late:
            left[one.name] = self._correct(one, left[one.name])
        return sum(self._round(job) for job in (self._jobs(left, now) if late else jobs))

    def _is_mine(self) -> bool:
        with self.store.transaction() as connection:
            return take_lease(connection, LEASE, self.worker, LEASE_MILLIS)

    def _jobs(self, known: Mapping[Name, Mark], now: datetime) -> list[_Job]:
        """Return what is due: alarms that can be evaluated together, with the periods that have closed."""
        with self.store.snapshot() as connection:
            closed = {
                one: self.readings.closed(connection, one, now)
                for one in {one.alarm.definition for one in self.guarded}
            }

        def place(one: Guarded) -> tuple[str, str, str, int, int, int]:
            alarm, step = one.alarm, one.alarm.minutes * 60
            last = closed[alarm.definition] // step * step
            mark = known.get(one.name)
            upto = max(mark.upto, last - MOST_SECONDS) if mark else last - step
            return alarm.definition, alarm.metric, alarm.alias, alarm.minutes, upto, last

        together = groupby(sorted(self.guarded, key=place), place)
        found = ((many, upto, last) for (_, _, _, _, upto, last), many in together if upto < last)
        return [
            _Job(these, tuple(known.get(one.name) for one in these), upto, last)
            for these, upto, last in ((tuple(many), upto, last) for many, upto, last in found)
        ]

    def _round(self, job: _Job) -> int:
        """Evaluate the periods of a job, some at a time; returns how many alarms times periods."""
        step = job.guarded[0].alarm.minutes * 60
        done, upto, befores = 0, job.upto, job.befores
        while upto < job.end and self._is_mine():
            end = min(job.end, upto + MOST_PERIODS * step)
            part = replace(job, befores=befores, upto=upto, end=end)
            try:
                befores = self._evaluated(part)
            except OvertakenError:
                log.info("log_alarms.overtaken definition=%s", job.guarded[0].alarm.definition)
                break
            done += (end - upto) // step * len(job.guarded)
            upto = end
        return done

    def _evaluated(self, job: _Job) -> tuple[Mark, ...]:
        """Evaluate and commit; returns the marks as they are now. Raises OvertakenError."""
        now = self.clock.now()
        alarms = [one.alarm for one in job.guarded]
        with self.store.snapshot() as connection:
            lines = [lines_of(connection, one.name) for one in job.guarded]
            periods = self._periods(connection, alarms, job.upto, job.end)
            newest = self.readings.numbers(connection).get(alarms[0].definition, {})
            judged = [
                before.judged if before and self._corrections(connection, one.alarm, before) else newest
                for one, before in zip(job.guarded, job.befores, strict=True)
            ]
        standings = all_standings(alarms, lines, periods)
        made = [
            rounded(alarm, known, periods, found, now)
            for alarm, known, found in zip(alarms, lines, standings, strict=True)
        ]
        afters = tuple(
            Mark(one.alarm.digest, one.subject, job.end, numbers)
            for one, numbers in zip(job.guarded, judged, strict=True)
        )
        events = list(_events(job.guarded, made, now))
        self._commit(events, partial(_write, job, made, afters, now))
        return afters

    def _periods(self, connection: sa.Connection, alarms: Sequence[Alarm], begin: int, end: int) -> list[Period]:
        """Read the periods from `begin` to `end`, with those that they are compared with."""
        alarm, step = alarms[0], alarms[0].minutes * 60
        starts = range(begin, end, step)
        values = self.readings.values(connection, alarm, begin, end)
        others: dict[Than, Mapping[int, Values]] = {}
        for than in sorted({than for one in alarms for than in one.compared}):
            places = {start: start_of(start, than, alarm.minutes, self.zone) for start in starts}
            read = self.readings.values(connection, alarm, min(places.values()), max(places.values()) + step)
            others[than] = {start: read.get(place, {}) for start, place in places.items()}
        return [
            Period(start, start + step, values.get(start, {}), {than: many[start] for than, many in others.items()})
            for start in starts
        ]

    def _to_correct(self, known: Mapping[Name, Mark]) -> list[Guarded]:
        """Return the alarms of which periods were corrected that had been evaluated."""
        found = []
        with self.store.snapshot() as connection:
            numbers = self.readings.numbers(connection)
            for one in self.guarded:
                mark, newest = known.get(one.name), numbers.get(one.alarm.definition, {})
                if mark is None or newest == self._looked.get(one.name, mark.judged):
                    continue
                if self._corrections(connection, one.alarm, mark):
                    found.append(one)
                else:
                    self._looked[one.name] = newest
        return found

    def _corrections(self, connection: sa.Connection, alarm: Alarm, mark: Mark) -> dict[Key, int]:
        """Return the series that were corrected in periods that are judged anew, with the earliest of these."""
        step = alarm.minutes * 60
        begin = mark.upto - corrected_periods(alarm) * step
        found = self.readings.corrections(connection, alarm, mark.judged, begin, mark.upto)
        return {key: start // step * step for key, start in found.items()}

    def _correct(self, guarded: Guarded, mark: Mark) -> Mark:
        """Judge again what was corrected, and commit; returns the mark as it is now."""
        alarm, now = guarded.alarm, self.clock.now()
        with self.store.snapshot() as connection:
            changed = self._corrections(connection, alarm, mark)
            lines = lines_of(connection, guarded.name)
            begin = min((since(lines.get(key), start) for key, start in changed.items()), default=mark.upto)
            periods = self._periods(connection, [alarm], begin, mark.upto) if begin < mark.upto else []
            after = replace(mark, judged=self.readings.numbers(connection).get(alarm.definition, {}))
        made = corrected(alarm, lines, periods, changed, now)
        job = _Job((guarded,), (mark,), mark.upto, mark.upto)
        try:
            self._commit(list(_events(job.guarded, [made], now)), partial(_write, job, [made], (after,), now))
        except OvertakenError:
            return mark
        log.info("log_alarms.corrected alarm=%s series=%d turns=%d", alarm.name, len(made.lines), len(made.turns))
        return after

    def _escalate(self, now: datetime) -> int:
        """Tell a second group of alarms that nobody has acknowledged; returns how many notices that makes."""
        limits = {one.name: one.alarm for one in self.guarded}
        with self.store.snapshot() as connection:
            due = escalations(connection, limits, now)
        if not due or not self._is_mine():
            return 0
        with self.store.transaction() as connection:
            return escalate(connection, escalations(connection, limits, now), now)

    def _commit(self, events: Sequence[Event], also: Callable[[sa.Connection], None]) -> None:
        if events:
            taken = self.intake.hear(events, also)
            log.info("log_alarms.raised events=%d acting=%d", taken.new, taken.acting)
            return
        with self.store.transaction() as connection:
            also(connection)

    def _retire(self, name: Name, mark: Mark, now: datetime) -> None:
        """Let an alarm that is not defined any more, or not so, recover, and forget it."""
        with self.store.snapshot() as connection:
            lines = lines_of(connection, name)
        firing = [one for one in lines.values() if one.level.is_firing]
        named = (name.definition, name.alarm)
        events = [
            ended_event(named, one.key, one.level, mark.subject, now, others=len(firing) - number)
            for number, one in enumerate(firing, 1)
        ]

        def write(connection: sa.Connection) -> None:
            if not move_mark(connection, name, mark, mark):
                raise OvertakenError
            for notice in ended_escalation(connection, name, now):
                tell(connection, notice)
            forget_alarm(connection, name)
            for one in firing:
                if one.told.owed:
                    tell(connection, ended_notice(name, one, now))

        try:
            self._commit(events, write)
        except OvertakenError:
            return
        log.info("log_alarms.retired definition=%s alarm=%s firing=%d", *named, len(firing))


def all_standings(
    alarms: Sequence[Alarm], lines: Sequence[Mapping[Key, Line]], periods: Sequence[Period]
) -> Sequence[Sequence[Sequence[Standing]]]:
    """Evaluate alarms that watch the same value: all at once where numpy is installed and they are many."""
    board = _board() if len(periods) * sum(len(one.values) for one in periods) * len(alarms) >= MANY else None
    if board is not None:
        return board(alarms, lines, periods)
    return [
        one_by_one(alarm, keys_of(alarm, known, periods), known, periods)
        for alarm, known in zip(alarms, lines, strict=True)
    ]


def _board() -> Board | None:
    try:
        from cloudheal.logs.alarm_board import all_at_once  # noqa: PLC0415 - an optional part, and slow to load
    except ImportError:
        return None
    return all_at_once


def _is_other(guarded: Guarded, mark: Mark) -> bool:
    return guarded.alarm.digest != mark.digest or guarded.subject != mark.subject


def _events(guarded: Sequence[Guarded], made: Sequence[Rounded], now: datetime) -> Iterator[Event]:
    """Yield the events of a round, in the order of time."""
    turns = [(turn, one.subject) for one, rounded_ in zip(guarded, made, strict=True) for turn in rounded_.turns]
    for turn, subject in sorted(turns, key=lambda one: one[0].end):
        if turn.after is not turn.before or turn.after.is_firing:
            yield alarm_event(turn, subject, now)


def _write(
    job: _Job, made: Sequence[Rounded], afters: Sequence[Mark], now: datetime, connection: sa.Connection
) -> None:
    """Write what a round made. Raises OvertakenError when another worker has done so."""
    for guarded, before, after, one in zip(job.guarded, job.befores, afters, made, strict=True):
        if not move_mark(connection, guarded.name, before, after):
            raise OvertakenError
        keep_lines(connection, guarded.name, one.lines.values(), one.gone)
        for notice in _notices(one, now):
            tell(connection, notice)


def _notices(made: Rounded, now: datetime) -> Iterator[Notice]:
    for turn in made.turns:
        notice = notice_of(turn, now)
        if notice is not None:
            yield notice
