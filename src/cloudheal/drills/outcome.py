"""What came of a drill: each step with its latency, in the order of the scenario, and what was left behind: nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
    warnings: Sequence[str] = ()


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
