"""What came of a drill: each step with its latency, in the order of the scenario, and what was left behind: nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class Result(StrEnum):
    """How a step, or a whole drill, ended."""

    PASS = "pass"  # noqa: S105 - the opposite of fail
    FAIL = "fail"
    SKIPPED = "skipped"
    """It was not come to, or nobody can know it here."""
    DONE = "done"
    """It was caused."""


class Why(StrEnum):
    """Why a step is as it is; what reports say in the operator's language."""

    LATE = "late"
    LATE_ALONE = "late_alone"
    """And nobody was there who could have met it."""
    NEVER = "never"
    NOT_COME_TO = "not_come_to"
    NO_JOURNAL = "no_journal"


@dataclass(frozen=True, slots=True)
class StepResult:
    """One step.

    `latency` is from what was caused last to the fact that met the step, on the operator's clock; for `limit` see the
    scenario. `seen` is what met it, or what there was instead.
    """

    number: int
    title: str
    kind: str
    result: Result
    at: datetime
    latency: timedelta | None = None
    limit: timedelta | None = None
    seen: Sequence[str] = ()
    missing: Sequence[str] = ()
    """The servers for which it was not met."""
    why: str = ""
    """One of the reasons above, or the words of an error."""


@dataclass(frozen=True, slots=True)
class Note:
    """What may make the drill come out otherwise than people expect: a word for it, and its facts."""

    code: str
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a drill is about to touch, as it was told before anything began."""

    account: str
    region: str
    servers: Sequence[str]
    rules: Sequence[str]
    """Who answers: `NAME (playbook, mode)`."""
    real: bool
    calls: int
    scheduled: int
    """Simulated events of the account that wait for their time already."""
    notes: Sequence[Note] = ()


@dataclass(frozen=True, slots=True)
class DrillReport:
    """The whole drill. `problem` says why it broke off, where no step is to blame; `left` what could not be taken back.

    `began` and `ended` are on the operator's clock.
    """

    drill: str
    scenario: str
    description: str
    scope: Scope
    began: datetime
    ended: datetime
    steps: Sequence[StepResult]
    problem: str = ""
    left: Sequence[str] = ()
    cancelled: int = 0

    @property
    def failed(self) -> StepResult | None:
        """The step that failed, if one did."""
        return next((one for one in self.steps if one.result is Result.FAIL), None)

    @property
    def passed(self) -> bool:
        """True when every step came out as it must and nothing was left behind."""
        return self.failed is None and not self.problem and not self.left
