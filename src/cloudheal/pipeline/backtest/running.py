"""One backtest from beginning to end: a history goes once through one rule book, or through two side by side."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cloudheal.decide.rulebook import RuleBook
from cloudheal.model.decision import OUTCOMES, Outcome, reason_of
from cloudheal.pipeline.backtest.comparing import AgainstRecord, AgainstRules, Difference, Differences
from cloudheal.pipeline.backtest.replay import Replay, World
from cloudheal.pipeline.backtest.tally import Tally, Would
from cloudheal.record.facts import HOUR
from cloudheal.record.history import Arrived
from cloudheal.record.ledger import Kind, Written

#: Objects between two looks for garbage; the usual number is made by a dozen events.
SELDOM = 100_000
RECORD, RULES = "record", "rules"
#: Kinds of change that are told; there are about as many as there are pairs of reasons.
MOST_CHANGES = 100


@dataclass(frozen=True, slots=True)
class Count:
    """How often a rule would decide so, and how often it did, or the other rules would."""

    rule: str
    reason: str
    outcome: Outcome | None
    would: int
    other: int | None
    """None when there is nothing to hold it against."""


@dataclass(frozen=True, slots=True)
class Change:
    """What became of events of which both sides make different things, and how often."""

    count: int
    other: str
    would: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a backtest found."""

    events: int
    duplicates: int
    without_contents: int
    first: datetime | None
    last: datetime | None
    began: int
    """Runs that would have begun."""
    most_at_once: int
    """The most of them at one time."""
    held_against: str
    """`record`, `rules`, or nothing: messages from a file say nothing of what was done."""
    compared: int
    differing: int
    counts: tuple[Count, ...]
    later: tuple[Count, ...]
    """What becomes of runs that had waited."""
    differences: tuple[Difference, ...]
    changes: tuple[Change, ...]
    """The most frequent first."""

    @property
    def differs(self) -> bool:
        """True when something differs: in what is decided on an event, or in what becomes of runs that had waited."""
        return self.differing > 0 or any(one.other not in {None, one.would} for one in self.later)


@dataclass(frozen=True, slots=True)
class Terms:
    """How a backtest is made."""

    since: datetime | None = None
    """What was before only leads up to it, and is not counted."""
    most: int = 50
    """So many differences are kept."""
    listener: Callable[[Would], object] | None = None


def lead_of(*books: RuleBook) -> timedelta:
    """Return how long before its beginning a backtest must read on, to know what the guards of these rules count."""
    limits = [one.limits for book in books for one in book.rules.values()]
    windows = [one for limit in limits for one in (limit.within, limit.flap_window, limit.storm_window)]
    return max((HOUR, *windows)) * 2


def against_record(history: Iterable[Arrived | Written], rules: RuleBook, world: World, terms: Terms) -> Report:
    """Hold rules against what was recorded."""
    record = AgainstRecord(Differences(terms.most))
    side = _Side(rules, world, Tally(record.would, record.would_too, terms.listener, terms.since))
    with _seldom_collected():
        for one in history:
            side.take(one)
            if isinstance(one, Written):
                record.recorded(one)
        side.replay.finish()
    record.finish()
    differences = record.differences
    return _report(side, differences, RECORD if differences.compared else "", record.was)


def against_rules(
    history: Iterable[Arrived | Written], rules: RuleBook, other: RuleBook, world: World, terms: Terms
) -> Report:
    """Hold rules against other rules before the same history."""
    pairs = AgainstRules(Differences(terms.most))
    ours = _Side(rules, world, Tally(pairs.would, pairs.would_too, terms.listener, terms.since))
    theirs = _Side(other, world, Tally(pairs.other, pairs.other_too, None, terms.since))
    with _seldom_collected():
        for one in history:
            ours.take(one)
            theirs.take(one)
        ours.replay.finish()
        theirs.replay.finish()
    pairs.finish()
    report = _report(ours, pairs.differences, RULES, theirs.tally.counts)
    return replace(report, later=tuple(_counts(ours.tally.later, theirs.tally.later)))


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Look for garbage in circles seldom: a replay makes none, and each look goes over all that is known of a fleet."""
    before = gc.get_threshold()
    gc.set_threshold(SELDOM, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@dataclass(slots=True)
class _Side:
    """One rule book before the history."""

    rules: RuleBook
    world: World
    tally: Tally
    without_contents: int = 0
    replay: Replay = field(init=False)

    def __post_init__(self) -> None:
        """Begin."""
        self.replay = Replay(self.rules, self.world, self.tally)

    def take(self, one: Arrived | Written) -> None:
        """Take the next thing that happened."""
        if isinstance(one, Written) and one.kind == Kind.EVENT:
            self.without_contents += 1
        else:
            self.replay.take(one)


def _report(side: _Side, differences: Differences, held_against: str, other: Counter[tuple[str, str]]) -> Report:
    tally, machine = side.tally, side.replay.machine
    return Report(
        events=tally.events,
        duplicates=side.replay.duplicates,
        without_contents=side.without_contents,
        first=tally.first,
        last=tally.last,
        began=machine.began,
        most_at_once=machine.most_at_once,
        held_against=held_against,
        compared=differences.compared,
        differing=differences.differing,
        counts=tuple(_counts(tally.counts, other if held_against else None)),
        later=tuple(_counts(tally.later, None)),
        differences=tuple(differences.kept),
        changes=tuple(Change(often, *change) for change, often in differences.changes.most_common(MOST_CHANGES)),
    )


def _counts(would: Counter[tuple[str, str]], other: Counter[tuple[str, str]] | None) -> Sequence[Count]:
    names = sorted({*would, *(other or ())})
    return [
        Count(rule, reason, _outcome(reason), would[rule, reason], None if other is None else other[rule, reason])
        for rule, reason in names
    ]


def _outcome(code: str) -> Outcome | None:
    """Return what a reason leads to; None of one that this version does not know."""
    reason = reason_of(code)
    return None if reason is None else OUTCOMES[reason]
