"""Recoveries in a backtest: a fault and its recovery are one incident, whichever source tells of them, and when.

It answers what `pipeline.recoveries` and `record.recoveries` answer from the tables. Only troubles that a recovery can
belong to are remembered, and of each of them the last few incidents of a resource.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from cloudheal.model.decision import Reason
from cloudheal.model.event import Event
from cloudheal.model.incident import Trouble
from cloudheal.model.resource import ResourceId
from cloudheal.model.trigger import RECOVERED
from cloudheal.pipeline.backtest.machine import Machine
from cloudheal.pipeline.backtest.runs import Run
from cloudheal.record.history import Arrived
from cloudheal.record.recoveries import LATE
from cloudheal.sense.triggers import RECOVERABLE, is_measured, recovery_of, tells_recovery

#: Incidents of one trouble of one resource that are remembered.
MOST_INCIDENTS = 4
#: Recoveries of one resource that wait for a fault which they have overtaken.
MOST_EARLY = 32


@dataclass(slots=True)
class _Told:
    """An incident, and which sources have told of it, with which status."""

    run: Run
    heard: set[tuple[str, str]] = field(default_factory=set)


@dataclass(slots=True)
class Recoveries:
    """What was told of troubles that have recoveries."""

    machine: Machine
    _incidents: dict[tuple[ResourceId, Trouble], deque[_Told]] = field(default_factory=dict)
    _early: dict[tuple[ResourceId, str], deque[Arrived]] = field(default_factory=dict)

    def opened(self, run: Run, event: Event) -> bool:
        """Take in that an event opened an incident; False when no recovery can belong to it."""
        one = run.patient
        if one.trouble.kind not in RECOVERABLE:
            return False
        told = self._incidents.setdefault((one.subject, one.trouble), deque(maxlen=MOST_INCIDENTS))
        told.append(_Told(run, {(event.source, event.status)}))
        return True

    def joined(self, event: Event, trouble: Trouble, incident: str) -> bool:
        """Take in that a fault joined an incident; False when no recovery can belong to it."""
        for told in self._incidents.get((event.subject, trouble), ()):
            if told.run.patient.incident == incident:
                told.heard.add((event.source, event.status))
                return True
        return False

    def told_otherwise(self, fault: Event, trouble: Trouble) -> datetime | None:
        """Return until when a fault is known from another source; None when it tells something new."""
        ended = [
            (told.run.ended, told)
            for told in self._incidents.get((fault.subject, trouble), ())
            if told.run.ended is not None and told.run.ended > fault.time
        ]
        if not ended:
            return None
        at, told = max(ended, key=lambda one: one[0])
        return None if (fault.source, fault.status) in told.heard else at

    def follow(self, arrived: Arrived) -> Run | None:
        """Return the run of the incident that a recovery joins: see `pipeline.recoveries`."""
        event = arrived.event
        trouble = recovery_of(event)
        if trouble is None or event.simulated:
            return None
        told = self._lasting(event, trouble)
        if told is None:
            if tells_recovery(event.type) and event.status == RECOVERED:
                self._early.setdefault((event.subject, event.type), deque(maxlen=MOST_EARLY)).append(arrived)
            return None
        told.heard.add((event.source, event.status))
        run = told.run
        if run.is_patient and run.waits_for != Reason.UNDERWAY and is_measured(event.type):
            self.machine.end(run)
        elif run.ended is None:
            self.machine.wake_early(run)
        return run

    def overtook(self, run: Run, fault: Event) -> Iterator[Arrived]:
        """Yield the recoveries that were told before the fault that opened this run's incident, and belong to it."""
        waiting = self._early.pop((fault.subject, fault.type), ())
        for one in waiting:
            if one.event.time >= fault.time:
                self.joined(one.event, run.patient.trouble, run.patient.incident)
                yield one

    def _lasting(self, event: Event, trouble: Trouble) -> _Told | None:
        """Return the newest incident that was open at a recovery, or had ended not long before."""
        since = event.time - LATE
        lasting = [
            told
            for told in self._incidents.get((event.subject, trouble), ())
            if told.run.patient.occurred <= event.time and (told.run.ended is None or told.run.ended >= since)
        ]
        return max(lasting, key=lambda told: told.run.patient.occurred, default=None)
