"""The walk of a decision: fixed questions in a fixed order; the first that refuses names the decision.

    new? - selected? - already open? - may we, now? - tried too often? - room? - trusted?

It is a pure function of facts that were counted before; each station that was passed is kept, so that `explain` can
print the whole walk. Who wants only the verdict, over a million events, asks the same questions and has nothing told.
Interruptions have a deadline of minutes: hold, hours, room, storm and ask do not stop
them, because a mass reclaim is when they matter most. A pause, used attempts and shadow do. What only looks
touches nothing: room and storm do not stop it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeAlias

from cloudheal.decide.facts import Facts, Group
from cloudheal.model.decision import Reason, Station
from cloudheal.model.incident import Mode


@dataclass(frozen=True, slots=True)
class Walk:
    """The stations in order; the last one decided."""

    stations: tuple[Station, ...]

    @property
    def reason(self) -> Reason:
        """The reason that names the decision."""
        last = self.stations[-1].reason
        return Reason.ACT if last is None else last

    @property
    def next_eligible(self) -> datetime | None:
        """When the refusal may end by itself; None when something else must happen first."""
        return self.stations[-1].until


class Verdict(NamedTuple):
    """How a walk ends, without its stations."""

    reason: Reason
    next_eligible: datetime | None = None


#: Counts a group, which may cost as much as the group is large: it is asked when a question needs it only.
Count: TypeAlias = Callable[[], Group]


class Asked(NamedTuple):
    """What every question is asked about."""

    event_time: datetime
    now: datetime
    facts: Facts
    group: Group
    bounded: bool
    """The blast radius is a question: not where minutes count, and not where nothing is touched."""


class Question(NamedTuple):
    """One question: when it refuses, the numbers behind its answer, and when a refusal may end by itself."""

    name: str
    refuses: Callable[[Asked], Reason | None]
    numbers: Callable[[Asked], str] = lambda _: ""
    until: Callable[[Facts], datetime | None] = lambda _: None
    counts: bool = False
    """It is about the group."""


def walk(event_time: datetime, now: datetime, facts: Facts, count: Count | None = None) -> Walk:
    """Ask every question in order until one refuses, and keep what each was told."""
    return Walk(tuple(_stations(event_time, now, facts, count)))


def verdict(event_time: datetime, now: datetime, facts: Facts, count: Count | None = None) -> Verdict:
    """Return how the same walk ends."""
    bounded = _is_bounded(facts)
    asked = Asked(event_time, now, facts, facts.group, bounded)
    for _, refuses, _, until, counts in _questions(facts):
        if counts and bounded and count is not None:
            asked, count = Asked(event_time, now, facts, count(), bounded), None
        reason = refuses(asked)
        if reason is not None:
            return Verdict(reason, until(facts))
    return Verdict(_trust(facts))


def _stations(event_time: datetime, now: datetime, facts: Facts, count: Count | None) -> Iterator[Station]:
    bounded = _is_bounded(facts)
    asked = Asked(event_time, now, facts, facts.group, bounded)
    for name, refuses, numbers, until, counts in _questions(facts):
        if counts and bounded and count is not None:
            asked, count = Asked(event_time, now, facts, count(), bounded), None
        reason = refuses(asked)
        yield Station(name, reason, numbers(asked), None if reason is None else until(facts))
        if reason is not None:
            return
    yield Station("trusted", _trust(facts), facts.mode)


def _questions(facts: Facts) -> tuple[Question, ...]:
    return QUESTIONS_BEFORE_PLANS if facts.planned else QUESTIONS


def _stale(asked: Asked) -> Reason | None:
    newest = asked.facts.past.newest
    return Reason.STALE if newest is not None and newest > asked.event_time else None


def _not_selected(asked: Asked) -> Reason | None:
    return None if asked.facts.selected else Reason.NOT_SELECTED


def _joined(asked: Asked) -> Reason | None:
    return Reason.JOINED if asked.facts.past.open else None


def _expired(asked: Asked) -> Reason | None:
    deadline = asked.facts.deadline
    return Reason.EXPIRED if deadline is not None and asked.now >= deadline else None


def _paused(asked: Asked) -> Reason | None:
    return Reason.PAUSED if asked.facts.will.paused_by else None


def _held(asked: Asked) -> Reason | None:
    return Reason.HELD if asked.facts.will.held_by and asked.facts.deadline is None else None


def _off_hours(asked: Asked) -> Reason | None:
    return Reason.OFF_HOURS if asked.facts.will.off_hours_until and asked.facts.deadline is None else None


def _flapping(asked: Asked) -> Reason | None:
    return Reason.FLAPPING if asked.facts.past.heals >= asked.facts.bounds.flaps else None


def _flaps_until(facts: Facts) -> datetime | None:
    return facts.past.oldest_heal + facts.bounds.flap_window if facts.past.oldest_heal else None


def _used(asked: Asked) -> Reason | None:
    return Reason.ATTEMPTS_USED if asked.facts.past.attempts >= asked.facts.bounds.attempts else None


def _used_until(facts: Facts) -> datetime | None:
    return facts.past.oldest_attempt + facts.bounds.within if facts.past.oldest_attempt else None


def _cooling(asked: Asked) -> Reason | None:
    until = _cools_until(asked.facts)
    return Reason.COOLING_DOWN if until is not None and asked.now < until else None


def _cools_until(facts: Facts) -> datetime | None:
    return facts.past.last_attempt + facts.bounds.cool_down if facts.past.last_attempt else None


def _storm(asked: Asked) -> Reason | None:
    if not asked.bounded:
        return None
    group, bounds = asked.group, asked.facts.bounds
    # A group of one or two is not a storm when all of it falls; three that fall together may be.
    many = max(3, math.ceil(group.known * bounds.storm_share)) if group.known else bounds.storm_members
    return Reason.STORM if group.fell_lately >= min(many, bounds.storm_members) else None


def _shared(asked: Asked) -> Reason | None:
    group = asked.group
    crowded = group.under_action >= 1 and group.under_action + group.unhealthy > _allowed(asked)
    return Reason.BUDGET_SHARE if crowded and asked.bounded else None


def _allowed(asked: Asked) -> int:
    """Return how many of a group may be down or under action.

    One is always allowed: what is down already cannot be made worse by starting it. Beyond that the group's whole
    trouble counts, so that a badly hit group is healed one by one. One at a time, too, while its size is not known.
    """
    group = asked.group
    return max(1, math.floor(group.known * asked.facts.bounds.share)) if group.known else 1


def _taken(asked: Asked) -> Reason | None:
    return Reason.BUDGET_RESOURCE if asked.facts.busy.here and asked.bounded else None


def _many_at_once(asked: Asked) -> Reason | None:
    full = asked.facts.busy.at_once >= asked.facts.bounds.at_once
    return Reason.BUDGET_AT_ONCE if full and asked.bounded else None


def _many_this_hour(asked: Asked) -> Reason | None:
    full = asked.facts.busy.per_hour >= asked.facts.bounds.per_hour
    return Reason.BUDGET_RATE if full and asked.bounded else None


def _is_bounded(facts: Facts) -> bool:
    return facts.deadline is None and not facts.only_looks


def _trust(facts: Facts) -> Reason:
    if facts.mode is Mode.SHADOW:
        return Reason.SHADOW
    if facts.mode is Mode.ASK and facts.deadline is None and not facts.planned:
        return Reason.ASK
    return Reason.PLAN if facts.planned else Reason.ACT


_NEW = Question("new", _stale, lambda asked: f"newest observation {asked.facts.past.newest}")
_SELECTED = Question("selected", _not_selected)
_NOT_OPEN = Question("not open", _joined, lambda asked: f"open incident {asked.facts.past.open}")

#: The questions before trust, in the order of DESIGN section 3.
QUESTIONS: tuple[Question, ...] = (
    _NEW,
    _SELECTED,
    _NOT_OPEN,
    Question("in time", _expired, lambda asked: f"deadline {asked.facts.deadline}"),
    Question("not paused", _paused, lambda asked: asked.facts.will.paused_by),
    Question("not held", _held, lambda asked: asked.facts.will.held_by, lambda facts: facts.will.held_until),
    Question(
        "in hours",
        _off_hours,
        lambda asked: f"off until {asked.facts.will.off_hours_until}",
        lambda facts: facts.will.off_hours_until,
    ),
    Question(
        "attempts left",
        _used,
        lambda asked: f"{asked.facts.past.attempts} of {asked.facts.bounds.attempts}",
        _used_until,
    ),
    Question("cooled down", _cooling, lambda asked: f"last attempt {asked.facts.past.last_attempt}", _cools_until),
    Question(
        "not flapping", _flapping, lambda asked: f"{asked.facts.past.heals} of {asked.facts.bounds.flaps}", _flaps_until
    ),
    Question("alone on it", _taken, lambda asked: "1 at work" if asked.facts.busy.here else "free"),
    Question(
        "room at once", _many_at_once, lambda asked: f"{asked.facts.busy.at_once} of {asked.facts.bounds.at_once}"
    ),
    Question(
        "share",
        _shared,
        lambda asked: f"{asked.group.under_action}+{asked.group.unhealthy} of {_allowed(asked)}",
        counts=True,
    ),
    Question(
        "room this hour",
        _many_this_hour,
        lambda asked: f"{asked.facts.busy.per_hour} of {asked.facts.bounds.per_hour}",
    ),
    Question("no storm", _storm, lambda asked: f"{asked.group.fell_lately} of {asked.group.known} fell", counts=True),
)

#: What is asked before something is put into the plan.
QUESTIONS_BEFORE_PLANS: tuple[Question, ...] = (_NEW, _SELECTED, _NOT_OPEN)
