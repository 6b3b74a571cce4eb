"""The walk of a decision: fixed questions in a fixed order; the first that refuses names the decision.

    new? - selected? - already open? - may we, now? - tried too often? - room? - trusted?

It is a pure function of facts that were counted before; each station that was passed is kept, so that `explain` can
print the whole walk. Interruptions have a deadline of minutes: hold, hours, room, storm and ask do not stop
them, because a mass reclaim is when they matter most. A pause, used attempts and shadow do. What only looks
touches nothing: room and storm do not stop it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

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


def walk(event_time: datetime, now: datetime, facts: Facts, count: Callable[[], Group] | None = None) -> Walk:
    """Ask every question in order until one refuses.

    Counting a group may cost as much as the group is large: with `count` it is done when a question needs it only.
    """
    return Walk(tuple(_until_refused(event_time, now, facts, count)))


def _until_refused(
    event_time: datetime, now: datetime, facts: Facts, count: Callable[[], Group] | None
) -> Iterator[Station]:
    for ask in QUESTIONS_BEFORE_PLANS if facts.planned else QUESTIONS:
        if count is not None and ask in (_share, _storm):
            facts, count = replace(facts, group=count()), None
        station = ask(event_time, now, facts)
        yield station
        if station.reason is not None:
            return
    yield _trust(facts)


def _new(event_time: datetime, _now: datetime, facts: Facts) -> Station:
    newest = facts.past.newest
    stale = newest is not None and newest > event_time
    return Station("new", Reason.STALE if stale else None, f"newest observation {newest}")


def _selected(_event_time: datetime, _now: datetime, facts: Facts) -> Station:
    return Station("selected", None if facts.selected else Reason.NOT_SELECTED, "")


def _open(_event_time: datetime, _now: datetime, facts: Facts) -> Station:
    return Station("not open", Reason.JOINED if facts.past.open else None, f"open incident {facts.past.open}")


def _expired(_event_time: datetime, now: datetime, facts: Facts) -> Station:
    over = facts.deadline is not None and now >= facts.deadline
    return Station("in time", Reason.EXPIRED if over else None, f"deadline {facts.deadline}")


def _paused(_event_time: datetime, _now: datetime, facts: Facts) -> Station:
    return Station("not paused", Reason.PAUSED if facts.will.paused_by else None, facts.will.paused_by)


def _held(_event_time: datetime, _now: datetime, facts: Facts) -> Station:
    held = facts.will.held_by and facts.deadline is None
    return Station("not held", Reason.HELD if held else None, facts.will.held_by, facts.will.held_until)


def _hours(_event_time: datetime, _now: datetime, facts: Facts) -> Station:
    off = facts.will.off_hours_until
    return Station("in hours", Reason.OFF_HOURS if off and facts.deadline is None else None, f"off until {off}", off)


def _flapping(_event_time: datetime, _now: datetime, facts: Facts) -> Station:
    past, bounds = facts.past, facts.bounds
    refused = past.heals >= bounds.flaps
    until = past.oldest_heal + bounds.flap_window if refused and past.oldest_heal else None
    return Station("not flapping", Reason.FLAPPING if refused else None, f"{past.heals} of {bounds.flaps}", until)


def _attempts(_event_time: datetime, _now: datetime, facts: Facts) -> Station:
    past, bounds = facts.past, facts.bounds
    used = past.attempts >= bounds.attempts
    until = past.oldest_attempt + bounds.within if used and past.oldest_attempt else None
    numbers = f"{past.attempts} of {bounds.attempts}"
    return Station("attempts left", Reason.ATTEMPTS_USED if used else None, numbers, until)


def _cool(_event_time: datetime, now: datetime, facts: Facts) -> Station:
    last = facts.past.last_attempt
    until = last + facts.bounds.cool_down if last else None
    cooling = until is not None and now < until
    return Station("cooled down", Reason.COOLING_DOWN if cooling else None, f"last attempt {last}", until)


def _storm(_event_time: datetime, _now: datetime, facts: Facts) -> Station:
    group, bounds = facts.group, facts.bounds
    # A group of one or two is not a storm when all of it falls; three that fall together may be.
    many = max(3, math.ceil(group.known * bounds.storm_share)) if group.known else bounds.storm_members
    storm = _is_bounded(facts) and group.fell_lately >= min(many, bounds.storm_members)
    return Station("no storm", Reason.STORM if storm else None, f"{group.fell_lately} of {group.known} fell")


def _share(_event_time: datetime, _now: datetime, facts: Facts) -> Station:
    group = facts.group
    # One is always allowed: what is down already cannot be made worse by starting it. Beyond that the group's whole
    # trouble counts, so that a badly hit group is healed one by one. One at a time, too, while its size is not known.
    allowed = max(1, math.floor(group.known * facts.bounds.share)) if group.known else 1
    full = _is_bounded(facts) and group.under_action >= 1 and group.under_action + group.unhealthy > allowed
    return Station(
        "share", Reason.BUDGET_SHARE if full else None, f"{group.under_action}+{group.unhealthy} of {allowed}"
    )


def _alone(_event_time: datetime, _now: datetime, facts: Facts) -> Station:
    taken = _is_bounded(facts) and facts.busy.here
    return Station("alone on it", Reason.BUDGET_RESOURCE if taken else None, "1 at work" if facts.busy.here else "free")


def _at_once(_event_time: datetime, _now: datetime, facts: Facts) -> Station:
    full = _is_bounded(facts) and facts.busy.at_once >= facts.bounds.at_once
    numbers = f"{facts.busy.at_once} of {facts.bounds.at_once}"
    return Station("room at once", Reason.BUDGET_AT_ONCE if full else None, numbers)


def _rate(_event_time: datetime, _now: datetime, facts: Facts) -> Station:
    full = _is_bounded(facts) and facts.busy.per_hour >= facts.bounds.per_hour
    numbers = f"{facts.busy.per_hour} of {facts.bounds.per_hour}"
    return Station("room this hour", Reason.BUDGET_RATE if full else None, numbers)


def _is_bounded(facts: Facts) -> bool:
    """Say whether the blast radius is a question: not where minutes count, and not where nothing is touched."""
    return facts.deadline is None and not facts.only_looks


def _trust(facts: Facts) -> Station:
    if facts.mode is Mode.SHADOW:
        return Station("trusted", Reason.SHADOW, facts.mode)
    if facts.mode is Mode.ASK and facts.deadline is None and not facts.planned:
        return Station("trusted", Reason.ASK, facts.mode)
    return Station("trusted", Reason.PLAN if facts.planned else Reason.ACT, facts.mode)


#: The questions before trust, in the order of DESIGN section 3.
QUESTIONS: tuple[Callable[[datetime, datetime, Facts], Station], ...] = (
    _new,
    _selected,
    _open,
    _expired,
    _paused,
    _held,
    _hours,
    _attempts,
    _cool,
    _flapping,
    _alone,
    _at_once,
    _share,
    _rate,
    _storm,
)

#: What is asked before something is put into the plan.
QUESTIONS_BEFORE_PLANS: tuple[Callable[[datetime, datetime, Facts], Station], ...] = (_new, _selected, _open)
