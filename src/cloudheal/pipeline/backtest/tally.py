"""What one rule book would do with a history: counted, and told one by one to whoever wants the list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from cloudheal.pipeline.backtest.replay import Made
from cloudheal.pipeline.backtest.runs import Run, Step
from cloudheal.record.history import Arrived

#: What was made of an event, in the order of the rules: (rule, reason). A rule that does not match makes nothing of it.
Reasons: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Would:
    """One thing that would be done, held back or refused."""

    at: datetime
    event: int
    type: str
    status: str
    resource: str
    rule: str
    reason: str
    until: datetime | None
    incident: str
    """The number of the incident within the backtest that is opened or joined; empty when there is none."""
    again: bool
    """True when it is about a run that had waited."""


@dataclass(slots=True)
class Tally:
    """Is told by one replay."""

    made_of: Callable[[Arrived, Reasons], object]
    """Is told what was made of every event."""
    made_too: Callable[[Arrived, Reasons], object]
    """Is told what is made of it, too, as turns out later."""
    listener: Callable[[Would], object] | None = None
    since: datetime | None = None
    """What was before only leads up to it, and is not counted."""
    events: int = 0
    first: datetime | None = None
    last: datetime | None = None
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Decisions on events, by rule and reason."""
    later: Counter[tuple[str, str]] = field(default_factory=Counter)
    """What became of runs that had waited, by rule and reason."""

    def decided(self, arrived: Arrived, made: Sequence[Made], run: Run | None) -> None:
        """Take what the rules made of an event."""
        if self.since is not None and arrived.at < self.since:
            return
        self.events += 1
        self.first = self.first or arrived.at
        self.last = arrived.at
        if not made:
            self.made_of(arrived, ())
            return
        told = tuple((one.rule, one.reason.value) for one in made)
        for one_told in told:
            self.counts[one_told] += 1
        self.made_of(arrived, told)
        if self.listener is not None:
            for one in made:
                incident = run.patient.incident if run is not None and one is made[-1] else ""
                self.listener(_would(arrived, one, incident))

    def joined(self, arrived: Arrived, made: Made, run: Run) -> None:
        """Take that an event which was told of before belongs to the incident of a run."""
        if self.since is not None and arrived.at < self.since:
            return
        self.counts[made.rule, made.reason.value] += 1
        self.made_too(arrived, ((made.rule, made.reason.value),))
        if self.listener is not None:
            self.listener(_would(arrived, made, run.patient.incident))

    def stepped(self, step: Step) -> None:
        """Take what becomes of a run that had waited."""
        if self.since is not None and step.at < self.since:
            return
        one, event = step.run.patient, step.run.event
        self.later[one.rule, step.reason.value] += 1
        if self.listener is not None:
            about = (step.run.number, event.type, event.status, event.subject.id)
            self.listener(Would(step.at, *about, one.rule, step.reason.value, step.until, one.incident, again=True))


def _would(arrived: Arrived, one: Made, incident: str) -> Would:
    event = arrived.event
    about = (arrived.number, event.type, event.status, event.subject.id)
    return Would(arrived.at, *about, one.rule, one.reason.value, one.until, incident, again=False)
