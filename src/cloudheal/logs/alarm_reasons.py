"""Why a series of an alarm fires or does not, rule by rule, with the numbers: what `explain` puts into words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cloudheal.logs.alarm_rounds import Line
from cloudheal.logs.alarms import Alarm, Rule, change_of, counted, is_bad
from cloudheal.model.alarm import Level, NoData


class Why(StrEnum):
    """Why a level is reached or not; stable, because programs read it."""

    FIRES = "fires"
    RECOVERING = "recovering"
    """It has ceased, and recovery wants more good periods."""
    GRAVER = "graver_level"
    """It is reached as well, and a graver level counts."""
    NOT_ENOUGH = "not_enough_periods"
    OFF_HOURS = "off_hours"
    NO_DATA = "no_data"
    NO_REFERENCE = "no_reference"
    NOT_OVER = "not_over_threshold"


#: What says more goes first.
_ORDER = (
    Why.FIRES,
    Why.RECOVERING,
    Why.GRAVER,
    Why.NOT_ENOUGH,
    Why.OFF_HOURS,
    Why.NO_DATA,
    Why.NO_REFERENCE,
    Why.NOT_OVER,
)


@dataclass(frozen=True, slots=True)
class Reasoned:
    """One rule and why it has fired or not; a level without a rule is that of missing data."""

    level: Level
    why: Why
    rule: Rule | None
    bad: int = 0
    reference: float | None = None
    change: float | None = None


def reasons(alarm: Alarm, line: Line) -> list[Reasoned]:
    """Return why each rule has fired or not, the gravest first; what fires without a rule goes before."""
    found = [_reasoned(alarm, line, rule) for rule in alarm.rules]
    if line.level is Level.NO_DATA:
        return [Reasoned(Level.NO_DATA, Why.FIRES, None), *found]
    if alarm.no_data is NoData.ALARM and line.standing.missing:
        return [Reasoned(Level.NO_DATA, Why.NOT_ENOUGH, None, line.standing.missing), *found]
    return found


def foremost(alarm: Alarm, line: Line) -> Reasoned:
    """Return the reason that says most: of the level that fires, else of the rule that came nearest."""
    found = reasons(alarm, line)
    return min(found, key=lambda one: (_ORDER.index(one.why), -one.level))


def _reasoned(alarm: Alarm, line: Line, rule: Rule) -> Reasoned:
    past = line.standing.history[alarm.rules.index(rule)]
    bad = counted(rule, past)
    reference = line.seen.references.get(rule.than) if rule.than else None
    change = None if line.seen.value is None else change_of(line.seen.value, reference)
    return Reasoned(rule.level, _why(line, rule, bad, change), rule, bad, reference, change)


def _why(line: Line, rule: Rule, bad: int, change: float | None) -> Why:
    if rule.level is line.level:
        return Why.FIRES if bad >= rule.times else Why.RECOVERING
    if bad >= rule.times:
        return Why.GRAVER
    if line.seen.value is None:
        return Why.NO_DATA
    if is_bad(rule, line.seen):
        return Why.NOT_ENOUGH if line.in_hours else Why.OFF_HOURS
    if rule.than is not None and change is None:
        return Why.NO_REFERENCE
    return Why.NOT_ENOUGH if bad and rule.times < rule.of else Why.NOT_OVER
