"""One round of alarms: what the periods that have closed since the last one make of every series, and what turned.

Several periods are evaluated in order when nobody looked for a while, so that nothing is skipped; what began and ended
among them is told as such. A series that a metric does not show any more is kept as its policy says, and forgotten in
the end: names in logs come and go. Pure: rows of before and values in, rows of after and turns out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from cloudheal.logs.alarm_telling import Telling, Told, reminded, turned
from cloudheal.logs.alarm_trail import Trail
from cloudheal.logs.alarms import Alarm, Seen, Standing, stepped, unheard
from cloudheal.model.alarm import Level, Than

Key: TypeAlias = tuple[str, ...]
Values: TypeAlias = Mapping[Key, float]

#: A series that is well is forgotten after so long without data, any other one after so long.
FORGOTTEN_WELL, FORGOTTEN = timedelta(days=1), timedelta(days=8)


@dataclass(frozen=True, slots=True)
class Period:
    """One closed period: when it began and ended (epoch seconds), and the watched value of every series in it."""

    start: int
    end: int
    values: Values
    references: Mapping[Than, Values] = field(default_factory=dict)

    def seen(self, key: Key) -> Seen:
        """Return what it showed of a series."""
        return Seen(self.values.get(key), {than: values.get(key) for than, values in self.references.items()})


@dataclass(frozen=True, slots=True)
class Line:
    """One series of one alarm, as it is kept between rounds; times are epoch seconds."""

    key: Key
    standing: Standing
    period: int
    """The beginning of the last period that was evaluated."""
    seen: Seen
    in_hours: bool
    since: int
    """When its level came."""
    heard: int
    """The end of the last period with data, or of the first one that was looked at."""
    fired: int = 0
    """How often it has begun to fire."""
    told: Told = field(default_factory=Told)
    trail: Trail = field(default_factory=Trail)
    """How it came there, so that corrections can be judged."""

    @property
    def level(self) -> Level:
        """How it stands."""
        return self.standing.level


@dataclass(frozen=True, slots=True)
class Turn:
    """A series whose level changed, or that people are to be told of anew."""

    alarm: Alarm
    line: Line
    """As it stood then."""
    before: Level
    end: int
    """The end of the period that turned it."""
    telling: Telling | None
    others: int = 0
    """How many other series of the alarm fire then."""
    lasts: bool = True
    """Nothing later in this round has changed it."""
    corrected: bool = False
    """A period that had been judged was judged again."""

    @property
    def after(self) -> Level:
        """The level that it turned to."""
        return self.line.level


@dataclass(frozen=True, slots=True)
class Rounded:
    """What a round made of one alarm."""

    lines: Mapping[Key, Line]
    gone: tuple[Key, ...]
    turns: tuple[Turn, ...]


def keys_of(alarm: Alarm, lines: Mapping[Key, Line], periods: Sequence[Period]) -> list[Key]:
    """Return the series of an alarm: those that are known, and those that the periods show."""
    only: set[Key] = set() if alarm.by else {()}
    shown = {key for one in periods for key in one.values if key not in lines and alarm.watches(key)}
    return sorted({*only, *lines, *shown})


def one_by_one(
    alarm: Alarm, keys: Sequence[Key], lines: Mapping[Key, Line], periods: Sequence[Period]
) -> list[list[Standing]]:
    """Return the standings of series after each period, in plain Python."""
    now = [lines[key].standing if key in lines else unheard(alarm) for key in keys]
    found = []
    for period in periods:
        in_hours = is_counted(alarm, period)
        now = [stepped(alarm, one, period.seen(key), in_hours=in_hours) for key, one in zip(keys, now, strict=True)]
        found.append(now)
    return found


def is_counted(alarm: Alarm, period: Period) -> bool:
    """Say whether a period began within an alarm's hours."""
    return alarm.is_in_hours(datetime.fromtimestamp(period.start, UTC))


def rounded(
    alarm: Alarm,
    lines: Mapping[Key, Line],
    periods: Sequence[Period],
    standings: Sequence[Sequence[Standing]],
    now: datetime,
) -> Rounded:
    """Return what periods made of an alarm; `standings` stand in the order of `keys_of`, period by period."""
    after, turns = dict(lines), list[Turn]()
    keys = keys_of(alarm, lines, periods)
    firing = {key for key, one in lines.items() if one.level.is_firing}
    for period, row in zip(periods, standings, strict=True):
        in_hours = is_counted(alarm, period)
        for key, standing in zip(keys, row, strict=True):
            line = _next(alarm, key, after.get(key), standing, period, in_hours=in_hours)
            before = after[key].level if key in after else Level.OK
            after[key] = line
            if line.level is not before:
                turns.append(turned_to(alarm, line, before, period.end, firing, now))
                after[key] = turns[-1].line
    if periods:
        turns += _forgotten(alarm, after, periods[-1], firing, now)
    gone = tuple(key for key, one in after.items() if periods and _is_gone(alarm, one, periods[-1]))
    kept = {key: one for key, one in after.items() if key not in gone}
    still = list(_reminded(alarm, kept, periods[-1], firing, now)) if periods else []
    kept.update((one.line.key, one.line) for one in still)
    return Rounded(kept, gone, (*_lasting(turns), *(one for one in still if one.telling)))


def fresh(key: Key, standing: Standing, period: Period, *, in_hours: bool) -> Line:
    """Return a series that a period shows for the first time."""
    return Line(key, standing, period.start, period.seen(key), in_hours, period.end, period.end)


def _next(alarm: Alarm, key: Key, before: Line | None, standing: Standing, period: Period, *, in_hours: bool) -> Line:
    """Return a series after one more period; what its level changed is not known here."""
    if before is None:
        line = fresh(key, standing, period, in_hours=in_hours)
        return replace(line, trail=line.trail.walked(alarm, period.start, unheard(alarm), standing))
    seen = period.seen(key)
    heard = period.end if seen.value is not None else before.heard
    trail = before.trail.walked(alarm, period.start, before.standing, standing)
    return replace(
        before, standing=standing, period=period.start, seen=seen, in_hours=in_hours, heard=heard, trail=trail
    )


def turned_to(alarm: Alarm, line: Line, before: Level, end: int, firing: set[Key], now: datetime) -> Turn:
    """Return the turn of a series to another level, and note whether it fires."""
    (firing.add if line.level.is_firing else firing.discard)(line.key)
    told, telling = turned(line.told, before, line.level, now, alarm.mute)
    fired = line.fired + (line.level.is_firing and not before.is_firing)
    changed = replace(line, since=end, fired=fired, told=told)
    return Turn(alarm, changed, before, end, telling, len(firing - {line.key}))


def _is_gone(alarm: Alarm, line: Line, last: Period) -> bool:
    """Say whether a series is to be forgotten; the only one of a metric never is."""
    silent = timedelta(seconds=last.end - line.heard)
    well = not line.level.is_firing and line.told.at is None
    return bool(alarm.by) and silent >= (FORGOTTEN_WELL if well else FORGOTTEN)


def _forgotten(alarm: Alarm, after: dict[Key, Line], last: Period, firing: set[Key], now: datetime) -> Iterator[Turn]:
    """Let series that fire and are about to be forgotten recover, so that nobody waits for them."""
    for key, line in list(after.items()):
        if line.level.is_firing and _is_gone(alarm, line, last):
            ended = replace(line, standing=unheard(alarm))
            turn = turned_to(alarm, ended, line.level, last.end, firing, now)
            after[key] = turn.line
            yield turn


def _reminded(alarm: Alarm, lines: Mapping[Key, Line], last: Period, firing: set[Key], now: datetime) -> Iterator[Turn]:
    """Yield the series whose mute period is over, with what people are told of them, if anything."""
    for line in lines.values():
        told, telling = reminded(line.told, line.level, now, alarm.mute)
        if told != line.told:
            others = len(firing - {line.key})
            yield Turn(alarm, replace(line, told=told), line.level, last.end, telling, others)


def _lasting(turns: Sequence[Turn]) -> list[Turn]:
    """Return turns with whether anything later has changed the same series."""
    newest = {one.line.key: number for number, one in enumerate(turns)}
    return [replace(one, lasts=newest[one.line.key] == number) for number, one in enumerate(turns)]
