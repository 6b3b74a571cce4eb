"""What an alarm on a log metric is, and what one more period makes of one of its series: the rule in plain Python.

A period is good, bad or without data. Bad ones are remembered as bits, the newest last; a level is reached when so many
of the last bits are set. Outside the alarm's hours bad periods are not counted and good ones are, so that nothing can
begin to fire there and what fires can recover. The gravest level that is reached is the standing; a lesser one takes
its place after as many periods as recovery wants.

This is the definition that the vectorised evaluation (`alarm_board`) is held to, and what is used where numpy is not
installed. It reads nothing and knows no clock.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from cloudheal.logs.names import OTHER
from cloudheal.model.alarm import Level, NoData, Than
from cloudheal.model.window import Window, is_in_any
from cloudheal.settings.alarms import AlarmSettings, LevelSettings

#: How far back each comparison lies, in days; None: one period.
_DAYS: Mapping[Than, int] = {Than.YESTERDAY: 1, Than.LAST_WEEK: 7}
#: Where counters of periods stop: above every number that a rule may name.
MOST_COUNTED = 255


@dataclass(frozen=True, slots=True)
class Rule:
    """One level: the values that are bad, the changes that are bad, and how many periods it takes.

    Bounds belong to what is bad. `low` and `high` bound the value; `least` and `most` bound its change in percent of
    what `than` names, where that is not None.
    """

    level: Level
    low: float
    high: float
    than: Than | None
    least: float
    most: float
    times: int
    of: int
    text: str
    text_zh: str = ""
    """The same in Chinese."""

    @property
    def mask(self) -> int:
        """The bits of the periods that count."""
        return (1 << self.of) - 1


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm, ready to be evaluated; rules stand from the gravest to the least."""

    definition: str
    name: str
    metric: str
    alias: str
    by: tuple[str, ...]
    minutes: int
    rules: tuple[Rule, ...]
    series: Mapping[str, tuple[str, ...]]
    hours: tuple[Window, ...]
    mute: timedelta
    no_data: NoData
    no_data_times: int
    recovers_after: int
    text: str
    digest: str
    """What makes two versions of it different: all that its standings were made with."""
    escalate_after: timedelta | None = None
    """How long it may fire without anybody's acknowledging it before a second group is told."""

    def watches(self, key: Sequence[str]) -> bool:
        """Say whether a series is one of the alarm's; what was left over is no series, unless it is named."""
        named = dict(zip(self.by, key, strict=False))
        if OTHER in named.values() and not any(OTHER in many for many in self.series.values()):
            return False
        return all(any(fnmatchcase(named.get(field, ""), one) for one in many) for field, many in self.series.items())

    def is_in_hours(self, moment: datetime) -> bool:
        """Say whether bad periods count at an instant."""
        return not self.hours or is_in_any(self.hours, moment)

    @property
    def compared(self) -> frozenset[Than]:
        """What its rules compare with."""
        return frozenset(one.than for one in self.rules if one.than)


@dataclass(frozen=True, slots=True)
class Standing:
    """How one series of an alarm stands after a period.

    `history` holds the bad periods of each rule as bits, the newest in the lowest; `quiet` counts the periods in a row
    that wanted a lesser level, `missing` those without data.
    """

    level: Level
    history: tuple[int, ...]
    quiet: int = 0
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """What a period showed of a series: its value, and what it is compared with; None where there is no data."""

    value: float | None
    references: Mapping[Than, float | None]


def alarm_of(settings: AlarmSettings, definition: str, by: Sequence[str], minutes: int) -> Alarm:
    """Make an alarm of its settings and of the metric that it watches."""
    rules = tuple(_rule(level, one) for level, one in settings.levels.named.items())
    said = settings.model_dump_json(exclude={"text", "mute", "escalate_after", "minutes"})
    version = f"{said}|{minutes}|{'|'.join(by)}"
    return Alarm(
        definition=definition,
        name=settings.name,
        metric=settings.metric,
        alias=settings.value,
        by=tuple(by),
        minutes=minutes,
        rules=rules,
        series={field: tuple(many) for field, many in settings.series.items()},
        hours=tuple(one.window for one in settings.hours),
        mute=settings.mute,
        no_data=settings.no_data,
        no_data_times=settings.no_data_times,
        recovers_after=settings.recovers_after,
        text=settings.text,
        digest=hashlib.sha256(version.encode()).hexdigest()[:16],
        escalate_after=settings.escalate_after,
    )


def unheard(alarm: Alarm) -> Standing:
    """Return the standing of a series of which nothing was seen yet."""
    return Standing(Level.OK, (0,) * len(alarm.rules))


def change_of(value: float, reference: float | None) -> float | None:
    """Return a change in percent; None where there is nothing to compare with."""
    return None if reference is None or reference == 0 else 100 * (value - reference) / abs(reference)


def is_bad(rule: Rule, seen: Seen) -> bool:
    """Say whether what was seen is bad by one rule; what cannot be compared is not."""
    if seen.value is None or not rule.low <= seen.value <= rule.high:
        return False
    if rule.than is None:
        return True
    change = change_of(seen.value, seen.references.get(rule.than))
    return change is not None and rule.least <= change <= rule.most


def stepped(alarm: Alarm, before: Standing, seen: Seen, *, in_hours: bool) -> Standing:
    """Return how a series stands after one more period."""
    missing = 0 if seen.value is not None else min(before.missing + in_hours, MOST_COUNTED)
    unknown = alarm.no_data is NoData.ALARM and missing >= alarm.no_data_times
    observed = seen.value is not None or alarm.no_data is NoData.OK or unknown
    if not observed:
        return Standing(before.level, before.history, before.quiet, missing)
    if unknown:
        history = (0,) * len(alarm.rules)
    else:
        bits = zip(alarm.rules, before.history, strict=True)
        history = tuple(_pushed(rule, past, bad=is_bad(rule, seen), in_hours=in_hours) for rule, past in bits)
    wanted = Level.NO_DATA if unknown else reached(alarm, history)
    level, quiet = _settled(alarm, before, wanted)
    return Standing(level, history, quiet, missing)


def reached(alarm: Alarm, history: Sequence[int]) -> Level:
    """Return the gravest level whose bad periods suffice."""
    found = (rule.level for rule, past in zip(alarm.rules, history, strict=True) if counted(rule, past) >= rule.times)
    return max(found, default=Level.OK)


def counted(rule: Rule, past: int) -> int:
    """Return how many of the periods that count were bad."""
    return (past & rule.mask).bit_count()


def start_of(start: int, than: Than, minutes: int, zone: ZoneInfo) -> int:
    """Return the beginning of the period that one is compared with, both in epoch seconds.

    Yesterday and last week are the same time on the clock on the wall; where that clock was put forward over it, the
    period lies as much later.
    """
    days = _DAYS.get(than)
    if days is None:
        return start - minutes * 60
    here = datetime.fromtimestamp(start, zone)
    then = datetime.combine(here.date() - timedelta(days=days), here.time(), zone).replace(fold=here.fold)
    return int(then.astimezone(UTC).timestamp()) // (minutes * 60) * (minutes * 60)


def _pushed(rule: Rule, past: int, *, bad: bool, in_hours: bool) -> int:
    """Return the bits with one more period; a bad one out of hours is not counted."""
    return past if bad and not in_hours else (past << 1 | bad) & rule.mask


def _settled(alarm: Alarm, before: Standing, wanted: Level) -> tuple[Level, int]:
    """Return the level that follows, and the periods in a row that have wanted a lesser one."""
    known_bad = before.level is Level.NO_DATA and wanted is not Level.OK
    if wanted >= before.level or known_bad:
        return wanted, 0
    quiet = before.quiet + 1
    return (wanted, 0) if quiet >= alarm.recovers_after else (before.level, quiet)


def _rule(level: Level, settings: LevelSettings) -> Rule:
    lows = (settings.at_least, _above(settings.over))
    highs = (settings.at_most, _below(settings.under))
    return Rule(
        level=level,
        low=max((one for one in lows if one is not None), default=-math.inf),
        high=min((one for one in highs if one is not None), default=math.inf),
        than=settings.than,
        least=-math.inf if settings.up is None else settings.up,
        most=math.inf if settings.down is None else -settings.down,
        times=settings.times,
        of=settings.periods,
        text=settings.text,
        text_zh=settings.text_zh,
    )


def _above(value: float | None) -> float | None:
    """Return the least number above a value, so that every bound belongs to what it bounds."""
    return None if value is None else math.nextafter(value, math.inf)


def _below(value: float | None) -> float | None:
    return None if value is None else math.nextafter(value, -math.inf)
