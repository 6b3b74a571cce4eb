"""A history goes through one rule book: every event is decided on, and what the record tells of runs is followed.

It is `pipeline.intake` on a virtual clock: the same batch, in the same order, by the same walk; what differs is that
nothing is written or called. Events that were taken in at one instant are one batch, as they were for the worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol, TypeAlias

from cloudheal.act.playbook import Playbook
from cloudheal.decide.rulebook import RuleBook
from cloudheal.decide.walk import verdict
from cloudheal.model.decision import Reason
from cloudheal.model.event import Event, is_test
from cloudheal.model.incident import Trouble
from cloudheal.model.inventory import Known
from cloudheal.pipeline.backtest.following import Following
from cloudheal.pipeline.backtest.machine import Machine
from cloudheal.pipeline.backtest.memory import Memory
from cloudheal.pipeline.backtest.recoveries import Recoveries
from cloudheal.pipeline.backtest.runs import Run, Step
from cloudheal.pipeline.backtest.servers import latest
from cloudheal.pipeline.weighing import FRESH, Fell, Told, backlog, usable, weighed
from cloudheal.record.history import Arrived
from cloudheal.record.ledger import Written
from cloudheal.sense.triggers import of_server, tells_recovery
from cloudheal.settings.rules import Rule

#: How long the clock runs on after the last event, for what waits then.
LONGEST = timedelta(hours=24)


#: The trouble of an event, and the rules that want it.
_Asked: TypeAlias = tuple[Trouble, Sequence[Rule]]
#: An event that was not taken in before, and what is asked of it; None: nothing.
_New: TypeAlias = tuple[Arrived, _Asked | None]
#: An event that a rule wants, and its trouble.
_Wanted: TypeAlias = tuple[Event, Trouble]
_NONE_FELL: Mapping[str, Fell] = {}
_NOTHING_KNOWN: Mapping[str, datetime | None] = {}
_NONE_JOINED: Mapping[str, Run] = {}


class Made(NamedTuple):
    """What one rule made of an event, and until when it holds."""

    rule: str
    reason: Reason
    until: datetime | None = None


class Audience(Protocol):
    """Who is told what a backtest decides."""

    def decided(self, arrived: Arrived, made: Sequence[Made], run: Run | None) -> object:
        """Take what the rules made of an event, in the order of the file, and the run that it opened or joined."""

    def joined(self, arrived: Arrived, made: Made, run: Run) -> object:
        """Take that an event which was told of before belongs to the incident of a run."""

    def stepped(self, step: Step) -> object:
        """Take what a run does later."""


@dataclass(frozen=True, slots=True)
class World:
    """What does not change in a backtest."""

    playbooks: Mapping[str, Playbook]
    trouble_of: Callable[[Event], Trouble | None]
    inventory: Sequence[Known] = ()
    heal_time: timedelta = timedelta(minutes=1)
    as_promoted: bool = False
    """Trust rules at most as far as they had been promoted at the time, not as far as their file asks."""


@dataclass(slots=True)
class Replay:
    """One rule book before one history."""

    rules: RuleBook
    world: World
    audience: Audience
    machine: Machine = field(init=False)
    duplicates: int = 0
    _memory: Memory = field(init=False)
    _following: Following = field(init=False)
    _recoveries: Recoveries = field(init=False)
    _batch: list[Arrived] = field(default_factory=list)
    _begins: bool = True

    def __post_init__(self) -> None:
        """Set everything up as nothing has happened yet."""
        self._memory = Memory(self.world.inventory, self.rules.rules.values())
        if self.world.as_promoted:
            self._memory.trusts_promotions()
        self.machine = Machine(self.rules, self._memory, self.world.heal_time, self.audience.stepped)
        self._following = Following(self._memory, self.machine)
        self._recoveries = Recoveries(self.machine)

    def play(self, history: Iterable[Arrived | Written]) -> None:
        """Take a whole history, and let what waits at its end come to an end."""
        for one in history:
            self.take(one)
        self.finish()

    def take(self, one: Arrived | Written) -> None:
        """Take the next thing that happened."""
        if isinstance(one, Arrived):
            if self._batch and self._batch[0].at != one.at:
                self._decide()
            if not is_test(one.event.data):
                self._batch.append(one)
            return
        if self._batch:
            self._decide()
        self._following.take(one)

    def finish(self) -> None:
        """Decide on what is left, and let the clock run on."""
        if self._batch:
            self._decide()
        self.machine.advance(self.machine.now + LONGEST)

    def _decide(self) -> None:
        batch, self._batch = self._batch, []
        if self._begins:
            self._begins = False
            self._memory.begins(batch[0].at)
        self.machine.advance(max(batch[0].at, self.machine.now))
        news: list[_New] = []
        wanted: list[_Wanted] = []
        for one in batch:
            if self._memory.notes(one.event):
                asked = self._asked(one.event)
                news.append((one, asked))
                if asked is not None:
                    wanted.append((one.event, asked[0]))
        self.duplicates += len(batch) - len(news)
        fell, newest = self._before(wanted) if wanted else (_NONE_FELL, _NOTHING_KNOWN)
        joined = self._joined(news) if self.machine.awaits_news else _NONE_JOINED
        opened: list[tuple[Run, Event]] = []
        for one, asked in news:
            event = one.event
            self.machine.hears(event)
            if asked is None:
                run = joined.get(event.key) if joined else None
                self.audience.decided(one, () if run is None else (Made(run.patient.rule, Reason.JOINED),), run)
                continue
            decided_on = of_server(event)
            known = self._memory.known.get(decided_on.subject)
            told = Told(decided_on, asked[0], known, newest[event.key], fell.get(event.key, FRESH))
            begun = self._ask(one, told, asked[1])
            if begun is not None and self._recoveries.opened(begun, event):
                opened.append((begun, event))
        self._follow_recoveries(news, opened)
        self.machine.changed()

    def _follow_recoveries(self, news: Sequence[_New], opened: Sequence[tuple[Run, Event]]) -> int:
        """Let recoveries join their incidents, those of this batch and those that came before their fault."""
        found: list[tuple[Arrived, Run]] = []
        for one, _ in news:
            joined = self._recoveries.follow(one)
            if joined is not None:
                found.append((one, joined))
        for run, fault in opened:
            found += [(one, run) for one in self._recoveries.overtook(run, fault)]
        for one, run in found:
            self.audience.joined(one, Made(run.patient.rule, Reason.JOINED), run)
        return len(found)

    def _newest(self, event: Event, trouble: Trouble) -> datetime | None:
        """Return until when the trouble of an event is known: see `record.observations.newest_known`."""
        known = self._memory.newest(event, trouble)
        if not tells_recovery(event.type):
            return known
        other = self._recoveries.told_otherwise(event, trouble)
        return latest(known, other)

    def _joined(self, news: Sequence[_New]) -> Mapping[str, Run]:
        return {one.event.key: run for one, _ in news if (run := self.machine.follows(one.event)) is not None}

    def _before(self, wanted: Sequence[_Wanted]) -> tuple[Mapping[str, Fell], Mapping[str, datetime | None]]:
        """Return, by the keys of events, how many fell with each, and until when its trouble was known before."""
        fell = backlog([of_server(event) for event, _ in wanted], self._memory.known, self.machine.now)
        return fell, {event.key: self._newest(event, trouble) for event, trouble in wanted}

    def _asked(self, event: Event) -> _Asked | None:
        """Return the trouble of an event and the rules that want it; None when none does."""
        trouble = self.world.trouble_of(event)
        if trouble is None:
            return None
        rules = usable(self.rules, self.world.playbooks, event, trouble)
        return (trouble, rules) if rules else None

    def _ask(self, arrived: Arrived, told: Told, rules: Sequence[Rule]) -> Run | None:
        made: list[Made] = []
        begun: Run | None = None
        for one in weighed(self._memory, told, rules, self.rules, self.machine.now, through=verdict):
            made.append(Made(one.rule.name, one.walked.reason, one.walked.next_eligible))
            if one.walked.reason is Reason.JOINED and one.facts.past.open:
                self._recoveries.joined(told.event, told.trouble, one.facts.past.open)
            begun = self.machine.open(told, one, arrived.number)
            if begun is not None:
                self._following.may_follow(told.event.key, begun)
                break
        self.audience.decided(arrived, made, begun)
        return begun
