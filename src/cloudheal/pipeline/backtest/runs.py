"""A run of a backtest, as its row would say, and what it would do next.

Nothing here decides: `machine` changes what stands beside the beginning of a run, and whoever listens reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cloudheal.model.decision import Reason
from cloudheal.model.event import Event
from cloudheal.model.incident import INTERRUPTION, RunState
from cloudheal.record.waiting import Patient

_PATIENT = frozenset({RunState.WAITING, RunState.ASKING, RunState.PLANNED})


class Course(StrEnum):
    """Where the course of a run at work comes from."""

    ASSUMED = "assumed"
    RECORDED = "recorded"


@dataclass(slots=True, eq=False)
class Run:
    """A run as its row would say, and the event that it is about."""

    patient: Patient
    """As it began; what changes stands beside it."""
    event: Event
    number: int
    """The number of the event."""
    state: RunState
    waits_for: str
    attempts: int = 0
    course: Course = Course.ASSUMED
    until: datetime | None = None
    rests: bool = False
    """It waits because a recorded look said so; only the record knows when that ends."""
    version: int = 0
    """Raised at every change; a timer of an older one is void."""
    began: bool = False
    ended: datetime | None = None

    @property
    def is_followed(self) -> bool:
        """True while its course comes from the record."""
        return self.course is Course.RECORDED

    @property
    def is_patient(self) -> bool:
        """True while it waits, asks or is planned."""
        return self.state in _PATIENT

    def now(self) -> Patient:
        """Return what a new walk needs."""
        return self.patient._replace(state=self.state, waits_for=self.waits_for, attempts=self.attempts)

    @property
    def order(self) -> tuple[bool, datetime, str]:
        """Those that hurry first, then the oldest trouble first."""
        return (self.patient.trouble.kind != INTERRUPTION, self.patient.occurred, self.patient.run)


@dataclass(frozen=True, slots=True)
class Step:
    """Something that a run would do: begin, or wait for another reason than before."""

    at: datetime
    run: Run
    reason: Reason
    until: datetime | None = None
