"""Incidents and runs of a backtest: opened, held back, woken and ended on the virtual clock; nothing is called.

What a run does to the world cannot be replayed. Where the record has the same run (of the same event, by the same rule
and for the same reason) its course is taken from the record: its acts, its rests and its end at their times. Every
other run is assumed: it acts when it begins, takes as long as the caller says, and heals, unless events tell earlier
that its server is well or gone. Every walk is that of `weighing`; here is only what a worker's rows would remember.
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count, islice

from cloudheal.decide.rulebook import RuleBook
from cloudheal.decide.walk import Verdict, verdict
from cloudheal.model.decision import OUTCOMES, Outcome, Reason, reason_of
from cloudheal.model.event import Event
from cloudheal.model.incident import (
    INTERRUPTION,
    OF_EVENTS,
    OVER_WITH_EVENT,
    Healed,
    RunState,
    StepKind,
    deadline_of,
)
from cloudheal.model.inventory import DELETED, RUNNING
from cloudheal.model.resource import ResourceId
from cloudheal.model.system_event import ENDINGS
from cloudheal.pipeline.backtest.memory import Freed, Memory
from cloudheal.pipeline.backtest.runs import Course, Run, Step
from cloudheal.pipeline.weighing import OF_GROUP, RUN_STATES, SHARED, Told, Weighed, weighed_again
from cloudheal.record.facts import HOUR
from cloudheal.record.system_events import Name, name_of
from cloudheal.record.waiting import RECOVERIES, SAME, Patient

#: How often a worker looks whether what waits for room may begin.
TICK = timedelta(seconds=1)
#: Before everything.
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_HELD = frozenset({Reason.PAUSED.value, Reason.HELD.value})
_BUDGETS = (Reason.BUDGET_AT_ONCE, Reason.BUDGET_SHARE, Reason.BUDGET_RATE, Reason.BUDGET_RESOURCE)


@dataclass(slots=True)
class Machine:
    """The runs of one rule book on one clock."""

    rules: RuleBook
    memory: Memory
    heal_time: timedelta
    tell: Callable[[Step], object]
    """Is told what runs do after their decision."""
    now: datetime = NEVER
    began: int = 0
    most_at_once: int = 0
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _runs: dict[str, Run] = field(default_factory=dict)
    _about: dict[ResourceId, dict[str, Run]] = field(default_factory=dict)
    _waiting: dict[tuple[str, str, str], list[tuple[tuple[bool, datetime, str], str]]] = field(default_factory=dict)
    _timers: list[tuple[datetime, int, str, int]] = field(default_factory=list)
    _tick: datetime | None = None
    _fresh: list[Run] = field(default_factory=list)
    _was_lifted: bool = False
    _by_event: dict[Name, Run] = field(default_factory=dict)
    """Runs about system events, by the event."""

    # The clock.

    def advance(self, to: datetime) -> None:
        """Let time pass, and everything happen that is due meanwhile."""
        if to > self.now and (self._fresh or self._was_lifted):
            self._catch_up()
        while (due := self._next()) is not None and due <= to:
            self.now = max(due, self.now)
            self._catch_up()
            if self._timers and self._timers[0][0] <= due:
                _, _, name, version = heapq.heappop(self._timers)
                run = self._runs.get(name)
                if run is not None and run.version == version:
                    self._due(run)
            else:
                self._tick = None
                self.fill()
        self.now = to

    def _next(self) -> datetime | None:
        if not self._timers:
            return self._tick
        first = self._timers[0][0]
        return first if self._tick is None or first <= self._tick else self._tick

    def _catch_up(self) -> None:
        """Do what a worker does a moment after a commit: begun runs act, and what a hold kept back is walked again.

        A run whose course the record turned out to know acts when the record says so.
        """
        fresh, self._fresh = self._fresh, []
        for run in fresh:
            looks = run.patient.rule in self.rules.looking
            if run.course is Course.ASSUMED and run.state is RunState.STARTING and not looks:
                self.acts(run, run.patient.run)
        if self._was_lifted:
            self._was_lifted = False
            self._wake(self._behind(lambda key: key[1] in _HELD))

    def _due(self, run: Run) -> None:
        if run.is_patient:
            self._wake([run])
        else:
            self.memory.is_now(run.patient.subject, RUNNING, self.now)
            self.end(run, Healed.HEALED)

    # What decisions open.

    def open(self, told: Told, weighed: Weighed[Verdict], number: int) -> Run | None:
        """Open an incident with its run, where the decision asks for one."""
        state = RUN_STATES.get(OUTCOMES[weighed.walked.reason])
        if state is None:
            return None
        event, name, reason = told.event, f"{next(self._numbers):08}", weighed.walked.reason
        waits = "" if state is RunState.STARTING else reason.value
        rule, subject, trouble, group = weighed.rule, event.subject, told.trouble, weighed.group
        about = (subject, trouble, group, event.time)
        patient = Patient(name, name, state, 0, rule.name, rule.playbook, waits, 0, *about)
        run = self._runs[name] = Run(patient, event, number, state, waits)
        self._about.setdefault(subject, {})[name] = run
        if trouble.kind in OF_EVENTS:
            self._by_event[_event_of(run)] = run
        self.memory.opened(name, subject, trouble, group, self.now)
        if state is RunState.STARTING:
            self._start(run)
        else:
            self._rest(run, state, reason.value, weighed.walked.next_eligible)
        return run

    # What events tell of runs.

    def hears(self, event: Event) -> None:
        """End what an event shows to be over: see `record.waiting.end_if_recovered`."""
        trouble = RECOVERIES.get(event.status)
        about = None if trouble is None and event.status != DELETED else self._about.get(event.subject)
        if not about or (trouble and self.memory.knows_later(event)):
            return
        for run in list(about.values()):
            kind = run.patient.trouble.kind
            over = kind == trouble if trouble else kind != INTERRUPTION
            if not over or run.patient.occurred > event.time or run.waits_for == Reason.UNDERWAY:
                continue
            if run.is_patient:
                self.end(run)
            elif run.course is Course.ASSUMED:
                self.end(run, Healed.HEALED if trouble else Healed.NOT_NEEDED)

    @property
    def awaits_news(self) -> bool:
        """True while there are runs about system events."""
        return bool(self._by_event)

    def follows(self, event: Event) -> Run | None:
        """Return the run about the system event of which this is a further status: see `pipeline.system_events`.

        The end of the event ends what has begun nothing.
        """
        name = name_of(event)
        run = None if name is None else self._by_event.get(name)
        ending = ENDINGS.get(event.status)
        if run is None or ending is None or run.patient.trouble.kind not in OVER_WITH_EVENT:
            return run
        if run.attempts and run.state is RunState.ASKING:
            self._rest(run, RunState.WAITING, Reason.UNDERWAY, None, rests=True)
        elif run.is_patient and run.waits_for != Reason.UNDERWAY and not run.attempts:
            self.end(run, ending[0])
        return run

    def wake_early(self, run: Run) -> bool:
        """Let a run that waits for its time look now: see `record.system_events.wake`. False when only the record may.

        A worker takes it up with its next look.
        """
        waits = run.state is RunState.WAITING and not run.rests and run.until is not None and run.until > self.now
        if waits:
            run.until = self.now
            self._set_timer(run, self.now + TICK)
        return waits

    # What the record tells of runs.

    def woken(self, run: Run, *, approved: bool) -> bool:
        """Follow the record: the run began then. False when today's rules hold it back."""
        if run.is_patient:
            self._walk(run, approved=approved)
        if run.is_patient:
            return False
        self.follow(run)
        return True

    def follow(self, run: Run) -> None:
        """Take the course of a run at work from the record from now on."""
        if run.course is Course.ASSUMED:
            run.course = Course.RECORDED
            run.version += 1
            self.memory.not_taken(run.patient.subject, run.patient.run)

    def acts(self, run: Run, attempt: object, kind: StepKind = StepKind.ACT) -> None:
        """Take in that a run touches its resource; only an `act` is an attempt, and what was seen is nothing."""
        if kind is StepKind.ACT:
            run.attempts += 1
            self.memory.attempted(run.patient.subject, run.patient.trouble, self.now, attempt)
        if kind is not StepKind.READ:
            self.memory.acted(run.patient.incident, self.now)

    def rested(self, run: Run, code: str, until: datetime | None) -> None:
        """Follow the record: a look ended without a verdict."""
        reason = reason_of(code)
        states = {Outcome.WAIT: RunState.WAITING, Outcome.PLAN: RunState.PLANNED}
        state = states.get(OUTCOMES[reason], RunState.ASKING) if reason else RunState.ASKING
        self._rest(run, state, code, until, rests=True)
        if code != Reason.UNDERWAY:
            self._give_back(run)

    def end(self, run: Run, healed: Healed = Healed.NOT_NEEDED) -> None:
        """End a run with its incident."""
        self._leave(run)
        run.version += 1
        del self._runs[run.patient.run]
        about = self._about[run.patient.subject]
        del about[run.patient.run]
        if not about:
            del self._about[run.patient.subject]
        if run.patient.trouble.kind in OF_EVENTS:
            self._by_event.pop(_event_of(run), None)
        run.state, run.ended = RunState.ENDED, self.now
        self._puts_down(run)
        self.memory.ended(run.patient.subject, run.patient.trouble, self.now, healed)
        self._give_back(run)

    # Waiting and waking: see `pipeline.waking`.

    def lifted(self) -> None:
        """Take in that a pause or a hold has ended."""
        self._was_lifted = True

    def fill(self, *waits: str) -> None:
        """Give room that has become free to those that wait for it, for these reasons or for any."""
        if not self._waiting:
            return
        wanted = waits or _BUDGETS
        if any(key[1] in wanted for key in self._waiting):
            self._wake(self._behind(lambda key: key[1] in wanted))
            self._look_again()

    def changed(self) -> None:
        """Take in that servers may be well again: those that wait for the share of their group may have room."""
        if self._waiting and any(key[1] == Reason.BUDGET_SHARE for key in self._waiting):
            self._look_at(self.now + TICK)

    def _look_again(self) -> None:
        """Look again when the oldest act leaves the hour that the rate counts."""
        rated = any(key[1] == Reason.BUDGET_RATE for key in self._waiting)
        oldest = self.memory.oldest_act(self.now - HOUR) if rated else None
        if oldest is not None:
            self._look_at(oldest + HOUR + TICK)

    def _look_at(self, moment: datetime) -> None:
        self._tick = moment if self._tick is None else min(self._tick, moment)

    def _behind(self, chosen: Callable[[tuple[str, str, str]], bool]) -> list[Run]:
        """Return the first of everything that waits for the same, in the order of a worker."""
        first = [islice(queue, SAME) for key, queue in self._waiting.items() if chosen(key)]
        return [self._runs[name] for _, name in heapq.merge(*first)]

    def _wake(self, runs: list[Run]) -> None:
        full = set[tuple[str, str, str]]()
        for run in runs:
            one = run.patient
            mine = {(one.rule, run.waits_for, ""), (one.rule, run.waits_for, one.place)}
            if not run.is_patient or not mine.isdisjoint(full):
                continue
            refused = self._walk(run, approved=False)
            if refused in SHARED:
                full.add((one.rule, refused.value, one.place if refused in OF_GROUP else ""))

    def _walk(self, run: Run, *, approved: bool) -> Reason:
        if run.rests and run.waits_for == Reason.UNDERWAY:
            self._begin(run)
            return Reason.ACT
        subject = run.patient.subject
        resource = self.memory.known.get(subject)
        again = weighed_again(
            self.memory, run.now(), self.rules, resource, self.now, approved=approved, through=verdict
        ).walked
        outcome = OUTCOMES[again.reason]
        if outcome is Outcome.ACT:
            self._begin(run)
        elif outcome in {Outcome.CLOSE, Outcome.RECORD}:
            self.tell(Step(self.now, run, again.reason))
            self.end(run, Healed.NOT_HEALED if again.reason is Reason.EXPIRED else Healed.NOT_NEEDED)
        elif again.reason != run.waits_for:
            planned = run.state is RunState.PLANNED  # only the record knows its next slot
            state = run.state if planned else RUN_STATES[outcome]
            self._rest(run, state, again.reason.value, again.next_eligible, rests=planned)
            self.tell(Step(self.now, run, again.reason, again.next_eligible))
        elif run.until != again.next_eligible:
            self._rest(run, run.state, again.reason.value, again.next_eligible)
        return again.reason

    def _begin(self, run: Run) -> None:
        self._leave(run)
        run.state, run.waits_for = RunState.STARTING, ""
        self.tell(Step(self.now, run, Reason.ACT))
        self._start(run)

    def _start(self, run: Run) -> None:
        """Begin a run: it has its grant, and acts at once as far as nobody knows better."""
        one = run.patient
        if deadline_of(one.subject, one.trouble, one.occurred) is not None:
            for other in [each for each in self._about[one.subject].values() if each is not run]:
                self.end(other)
        run.course, run.rests = Course.ASSUMED, False
        if one.rule not in self.rules.looking:
            self.memory.granted(one.incident, one.subject, one.group)
            self.memory.works(one.incident, one.subject)
        self.began += not run.began
        run.began = True
        self.most_at_once = max(self.most_at_once, self.memory.at_once)
        self._fresh.append(run)
        self._set_timer(run, self.now + self.heal_time)

    def _rest(self, run: Run, state: RunState, code: str, until: datetime | None, *, rests: bool = False) -> None:
        self._leave(run)
        self._puts_down(run)
        run.state, run.waits_for, run.until, run.rests = state, code, until, rests
        run.version += 1
        if state is RunState.WAITING and not rests:
            insort(self._waiting.setdefault(self._place(run), []), (run.order, run.patient.run))
            if until is not None:
                self._set_timer(run, max(until, self.now + TICK))
            elif code == Reason.BUDGET_RATE:
                self._look_again()

    def _puts_down(self, run: Run) -> None:
        """Let go of the resource; those that wait for it are looked at with the next tick."""
        rests = self.memory.rests(run.patient.incident, run.patient.subject)
        if rests and any(key[1] == Reason.BUDGET_RESOURCE for key in self._waiting):
            self._look_at(self.now + TICK)

    def _leave(self, run: Run) -> None:
        if run.state is not RunState.WAITING:
            return
        queue = self._waiting.get(self._place(run))
        if queue is not None and (run.order, run.patient.run) in queue:
            queue.remove((run.order, run.patient.run))
            if not queue:
                del self._waiting[self._place(run)]

    def _place(self, run: Run) -> tuple[str, str, str]:
        return run.patient.rule, run.waits_for, run.patient.place

    def _give_back(self, run: Run) -> None:
        match self.memory.given_back(run.patient.incident):
            case Freed.RATE:
                self.fill()
            case Freed.ROOM:
                self.fill(Reason.BUDGET_AT_ONCE, Reason.BUDGET_SHARE)

    def _set_timer(self, run: Run, at: datetime) -> None:
        run.version += 1
        heapq.heappush(self._timers, (at, run.version, run.patient.run, run.version))


def _event_of(run: Run) -> Name:
    subject = run.patient.subject
    return subject.cloud, subject.account, run.patient.trouble.id
