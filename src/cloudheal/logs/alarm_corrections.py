"""Closed periods that were corrected: the series concerned are judged again from before the correction, and once.

What was told stays told. A series that stands otherwise now turns, whichever way; one that would have fired in between
and is well again is told as having fired, with its recovery. A period in which it had fired is never news again: its
level is on the trail, and the key of its event is taken. Pure, as `alarm_rounds`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cloudheal.logs.alarm_rounds import Key, Line, Period, Rounded, Turn, fresh, is_counted, turned_to
from cloudheal.logs.alarm_trail import Trail
from cloudheal.logs.alarms import Alarm, Standing, stepped, unheard
from cloudheal.model.alarm import Level


@dataclass(frozen=True, slots=True)
class _Again:
    """A series judged again, period by period: how it stands after each, and which level it was told to have."""

    periods: Sequence[Period]
    begin: Standing
    """Before the first of them."""
    standings: Sequence[Standing]
    told: Sequence[Level]


def since(line: Line | None, changed: int) -> int:
    """Return from where on a series is to be read, to be judged again after a correction at `changed`."""
    return min(line.trail.marks[0].at, changed) if line and line.trail.marks else changed


def corrected(
    alarm: Alarm, lines: Mapping[Key, Line], periods: Sequence[Period], changed: Mapping[Key, int], now: datetime
) -> Rounded:
    """Return what corrections made of an alarm; `changed` says when the first corrected period of a series began."""
    after, turns = dict[Key, Line](), list[Turn]()
    firing = {key for key, one in lines.items() if one.level.is_firing}
    for key, start in sorted(changed.items()):
        if not (alarm.watches(key) and (key in lines or any(key in one.values for one in periods))):
            continue
        line = lines.get(key)
        again = _judged(alarm, key, line, [one for one in periods if one.start >= since(line, start)])
        if again.periods:
            made, found = _line(alarm, key, line, again), list(_news(again))
            for number, before, level in found:
                then = replace(made, standing=_at(again, number, level), period=again.periods[number].start)
                then = replace(then, seen=again.periods[number].seen(key))
                turn = turned_to(alarm, then, before, again.periods[number].end, firing, now)
                lasts = level is made.level and (number, before, level) == found[-1]
                turns.append(replace(turn, corrected=True, lasts=lasts))
                made = replace(made, told=turn.line.told, fired=turn.line.fired, since=turn.line.since)
            after[key] = made
    return Rounded(after, (), tuple(turns))


def _judged(alarm: Alarm, key: Key, line: Line | None, periods: Sequence[Period]) -> _Again:
    """Judge a series again. One that was first seen later was well until then, as far as anybody was told."""
    known = line.trail if line else Trail()
    begins = [one.standing for one in known.marks[:1] if periods and one.at <= periods[0].start]
    begin = now = begins[0] if begins else unheard(alarm)
    standings = []
    for period in periods:
        now = stepped(alarm, now, period.seen(key), in_hours=is_counted(alarm, period))
        standings.append(now)
    told = known.levels[-len(periods) :] if periods else ()
    return _Again(periods, begin, standings, [*[Level.OK] * (len(periods) - len(told)), *told])


def _line(alarm: Alarm, key: Key, line: Line | None, again: _Again) -> Line:
    """Return a series as it stands after it was judged again, without what people know of that."""
    first, last = again.periods[0], again.periods[-1]
    trail, before = Trail(), again.begin
    for period, standing in zip(again.periods, again.standings, strict=True):
        trail = trail.walked(alarm, period.start, before, standing)
        before = standing
    heard = max((one.end for one in again.periods if one.seen(key).value is not None), default=first.start)
    made = line or fresh(key, again.standings[-1], last, in_hours=is_counted(alarm, last))
    return replace(
        made,
        standing=again.standings[-1],
        period=last.start,
        seen=last.seen(key),
        in_hours=is_counted(alarm, last),
        heard=max(heard, line.heard if line else 0),
        trail=trail,
    )


def _at(again: _Again, number: int, level: Level) -> Standing:
    """Return a standing of a level that was reached by a period; of a stretch, its gravest."""
    reached = (one for one in again.standings[number:] if one.level is level)
    return next(reached, again.standings[number])


def _news(again: _Again) -> Iterator[tuple[int, Level, Level]]:
    """Yield what nobody was told: the number of a period, the level before, and the one that it turned to.

    Whoever knows that a series fires now need not be told that it fired before.
    """
    levels = [one.level for one in again.standings]
    settled = max((number + 1 for number, level in enumerate(levels) if level is not levels[-1]), default=0)
    stands, number = again.told[-1], 0
    while number < settled and not again.told[-1].is_firing:
        begin = number
        while number < settled and levels[number].is_firing and not again.told[number].is_firing:
            number += 1
        if number > begin:
            gravest = max(levels[begin:number])
            yield begin, stands, gravest
            stands = gravest
        elif stands.is_firing and not levels[number].is_firing:
            yield number, stands, Level.OK
            stands = Level.OK
        number += number == begin
    if levels[-1] is not stands:
        yield settled, stands, levels[-1]
