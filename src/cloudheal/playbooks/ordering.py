"""How a playbook orders what a token makes the same however often it is sent: a copy, a command.

An order whose answer was lost is sent again with its token, a few times in one look and on in the next ones. What a
guard objects to ends the look. Waits inside a look are short; what takes longer ends it, and the run waits as a row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from cloudheal.act.hands import Hands
from cloudheal.act.outcome import Kind, Outcome
from cloudheal.act.playbook import Case, End, Refusal
from cloudheal.model.decision import Reason, reason_of
from cloudheal.playbooks.leaving import SupersededError
from cloudheal.ports.cloud import Made

#: The longest wait inside a look, and until the next one where something goes on.
PATIENCE, PAUSE = timedelta(minutes=1), timedelta(seconds=30)
#: How often a lost order is sent again in one look.
TRIES = 3


class LookOverError(Exception):
    """The look ends here, with a verdict or without one: something goes on, or a guard objects."""

    def __init__(self, told: End | Refusal) -> None:
        super().__init__(told.code)
        self.told = told


def ordered(
    case: Case,
    hands: Hands,
    name: str,
    before: Mapping[str, Any],
    send: Callable[[float], Made],
    *,
    helps: bool = True,
) -> Outcome:
    """Order something, once for its token; the cloud took it, or refused it for good. Raises LookOverError."""

    def call(seconds: float) -> Outcome:
        made = send(seconds)
        return Outcome(Kind.OK, request_id=made.request_id, value={"id": made.id})

    for attempt in range(1, TRIES + 1):
        sent = hands.act_repeatable(f"{name} {attempt}", before, call, None, helps=helps)
        raise_if_held(sent)
        if sent.kind in {Kind.OK, Kind.PERMANENT}:
            return sent
        hands.read(f"{name} {attempt} wait", partial(paused, case))
    raise LookOverError(Refusal(Reason.UNDERWAY, after=PAUSE))


def token_of(*words: str) -> str:
    """Return a token that is the same for the same words: 60 bytes are the shortest of the vendors' limits."""
    return f"cloudheal-{hashlib.sha256('|'.join(words).encode()).hexdigest()[:40]}"


def held_back(outcome: Outcome) -> Refusal | None:
    """Return what a guard's objection means for the look; None when there was none. Raises SupersededError."""
    if outcome.kind is not Kind.REFUSED or (reason := reason_of(outcome.code)) is None:
        return None
    if reason is Reason.SUPERSEDED:
        raise SupersededError
    return Refusal(reason)


def raise_if_held(outcome: Outcome) -> None:
    """End the look where a guard objects. Raises LookOverError, SupersededError."""
    refusal = held_back(outcome)
    if refusal is not None:
        raise LookOverError(refusal)


def paused(case: Case) -> dict[str, bool]:
    """Wait a moment before something is sent again."""
    return {"over": case.wait(2, lambda: False)}
