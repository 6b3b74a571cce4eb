"""What one rule makes of one event, now: outcomes, and reasons that never change their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class Outcome(StrEnum):
    """What follows from a decision."""

    ACT = "act"
    PLAN = "plan"
    WAIT = "wait"
    ASK = "ask"
    TELL = "tell"
    RECORD = "record"
    CLOSE = "close"


class Reason(StrEnum):
    """Why; stable, because people search for it. `locked` and `budget` carry their kind after the dot."""

    DUPLICATE = "duplicate"
    STALE = "stale"
    NO_RULE = "no_rule"
    NOT_SELECTED = "not_selected"
    JOINED = "joined"
    PAUSED = "paused"
    HELD = "held"
    OFF_HOURS = "off_hours"
    COOLING_DOWN = "cooling_down"
    ATTEMPTS_USED = "attempts_used"
    FLAPPING = "flapping"
    BUDGET_AT_ONCE = "budget.at_once"
    BUDGET_SHARE = "budget.share"
    BUDGET_RATE = "budget.rate"
    BUDGET_RESOURCE = "budget.resource"
    STORM = "storm"
    SHADOW = "shadow"
    ASK = "ask"
    ASK_EXPIRED = "ask_expired"
    PLAN = "plan"
    ACT = "act"
    RECOVERED = "recovered"
    GONE = "gone"
    EXPIRED = "expired"
    UNKNOWN_STATE = "unknown_state"
    LOCKED = "locked"
    INTENDED = "intended"
    UNEXPLAINED = "unexplained"
    SUPERSEDED = "superseded"
    UNDERWAY = "underway"
    DRY_RUN = "dry_run"


#: What each reason leads to (DESIGN section 3); `locked` and `budget.*` wait for their cause to end.
OUTCOMES: Mapping[Reason, Outcome] = {
    **dict.fromkeys((Reason.PAUSED, Reason.HELD, Reason.OFF_HOURS, Reason.COOLING_DOWN, Reason.LOCKED), Outcome.WAIT),
    **dict.fromkeys((Reason.BUDGET_AT_ONCE, Reason.BUDGET_SHARE, Reason.BUDGET_RATE), Outcome.WAIT),
    **dict.fromkeys((Reason.BUDGET_RESOURCE, Reason.UNDERWAY), Outcome.WAIT),
    **dict.fromkeys((Reason.ATTEMPTS_USED, Reason.FLAPPING, Reason.STORM, Reason.ASK_EXPIRED), Outcome.TELL),
    **dict.fromkeys((Reason.UNEXPLAINED, Reason.UNKNOWN_STATE), Outcome.TELL),
    **dict.fromkeys((Reason.RECOVERED, Reason.GONE, Reason.INTENDED, Reason.EXPIRED), Outcome.CLOSE),
    **dict.fromkeys((Reason.DUPLICATE, Reason.STALE, Reason.NO_RULE, Reason.NOT_SELECTED), Outcome.CLOSE),
    **dict.fromkeys((Reason.SUPERSEDED, Reason.JOINED, Reason.DRY_RUN), Outcome.CLOSE),
    Reason.SHADOW: Outcome.RECORD,
    Reason.ASK: Outcome.ASK,
    Reason.PLAN: Outcome.PLAN,
    Reason.ACT: Outcome.ACT,
}


def reason_of(code: str) -> Reason | None:
    """Read a reason back from the code that people see, such as `locked.security`; None when it is no reason."""
    known = {one.value: one for one in Reason}
    return known.get(code) or known.get(code.partition(".")[0])


def coded(reason: Reason, detail: str = "") -> str:
    """Return a reason as people read it: a lock with its kind."""
    return f"{reason}.{detail}" if reason is Reason.LOCKED and detail else str(reason)


class Station(NamedTuple):
    """One question of a walk: whether it refused, with which reason, until when, and the numbers behind it."""

    question: str
    reason: Reason | None
    numbers: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class FailedClause:
    """One field of a rule's pattern that an event does not meet: what stood there, and what would have matched."""

    field: str
    found: str
    wanted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RuleCheck:
    """One rule, as it is now, held against one event; without failures the rule matches."""

    rule: str
    digest: str
    failures: tuple[FailedClause, ...]
