"""The hands of a playbook: read and act, each as a checkpointed step, each effect at most once.

To act is two steps. The first commits the intent, on condition that the run is still ours and no guard objects. The
second sends the call. If the process dies between sending and checkpointing, the second step runs again in a process
that did not write the intent: it does not send. What came of the call stands in the journal, or else it waits until
nobody else can be sending and then reads the cloud to settle what happened. The same holds when it dies between the
commit of the intent and its checkpoint: the intent that it left is found, never sent for, and settled. A call whose
answer was lost is settled in the same way. What cannot be settled is `unknown`, and a playbook must not repeat it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from cloudheal.act.outcome import Kind, Outcome
from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.model.deed import CLAIM
from cloudheal.model.incident import StepKind

#: Ids of intents are (run, number).
IntentId = tuple[str, int]
#: Sends one call within so many seconds and returns its outcome's value. Raises Cloud*Error.
Call = Callable[[float], Outcome]
#: Waits so many seconds; leases and intents run on real time, so this is real time too.
Wait = Callable[[float], object]
#: Reads the cloud and says whether a call happened: True, False, or None when it cannot be known.
Settle = Callable[[Mapping[str, Any]], bool | None]


#: Seconds between tries of a read, or of a call that the cloud refused to take for now.
PAUSES = (0.2, 0.4, 0.8, 1.6, 3.2)
#: Above every bound that clouds give for how long a read may lag behind a write.
SETTLE_SECONDS = 30.0


#: Codes of calls that were not taken because of a rate, the cloud's or our own.
_THROTTLED = ("Throttling", "OwnRate")


class Steps(Protocol):
    """What the engine offers: do a thing once, remember its JSON result."""

    def step(self, name: str, do: Callable[[], Any]) -> Any:
        """Do one thing and checkpoint its result; a finished step answers from its checkpoint."""


class Intents(Protocol):
    """The intent journal as `record` keeps it, bound to one claim of one run."""

    def intend(
        self,
        name: str,
        before: Mapping[str, Any],
        kind: StepKind = StepKind.ACT,
        *,
        sole: bool = False,
        most_orders: int | None = None,
    ) -> IntentId | str:
        """Commit an intent, or return the reason code why it may not be; a `sole` one: `shared` if another run's.

        One of which there may be `most_orders` in an hour: `budget.orders` when other runs have made so many.
        """

    def note(self, name: str, facts: Mapping[str, Any]) -> bool:
        """Keep facts in the journal, once in a look; no guard is asked. False when the run is not ours any more."""

    def left_open(self, name: str) -> IntentId | None:
        """Return the intent of that name that an earlier process committed in this look and did not conclude."""

    def remaining_seconds(self, intent: IntentId) -> float:
        """Return what is left of the intent's time to send, by the database's clock; below 0 when it is over."""

    def objection(self) -> str:
        """Ask the guards once more; returns the reason code of the one that objects by now, or an empty one."""

    def conclude(self, intent: IntentId, kind: str, code: str, request_id: str, value: Mapping[str, Any]) -> bool:
        """Commit what came of it."""

    def concluded(self, intent: IntentId) -> Mapping[str, Any] | None:
        """Return the outcome that was committed, as JSON; None when there is none."""


class Hands:
    """Given to a playbook for one look."""

    def __init__(self, steps: Steps, intents: Intents, wait: Wait, settle_seconds: float = SETTLE_SECONDS) -> None:
        """`settle_seconds` after the last possible send a read is believed: above the bound of stale reads."""
        self._steps = steps
        self._intents = intents
        self._wait = wait
        self._settle_seconds = settle_seconds
        #: Intents that this very process committed and has not sent for yet.
        self._fresh: set[IntentId] = set()

    def read(self, name: str, do: Callable[[], Mapping[str, Any]]) -> Outcome:
        """Read something, once; a failure is an outcome."""
        return Outcome.of_json(self._steps.step(name, lambda: self._patiently(do).to_json()))

    def act(self, name: str, before: Mapping[str, Any], call: Call, settle: Settle) -> Outcome:
        """Do one thing to the world at most once. `before` is the image that `settle` compares with."""
        intend = partial(self._intents.intend, name, before)
        return self._act(name, intend, call, lambda intent: self._settled(intent, before, settle))

    def act_repeatable(
        self,
        name: str,
        before: Mapping[str, Any],
        call: Call,
        settle: Settle | None,
        *,
        helps: bool = False,
        most_orders: int | None = None,
    ) -> Outcome:
        """Do one thing that does no harm when done twice: a lost answer is settled at once, by one read.

        Without `settle` the caller is told `answer_lost` and sends again, as for an order whose token makes it the
        same order. What only `helps` (a preparation, a tidying up) is no attempt at healing. What buys something says
        how many orders there may be in an hour, over all runs; beyond that it is refused as `budget.orders`.
        """
        kind = StepKind.HELP if helps else StepKind.ACT
        intend = partial(self._intents.intend, name, before, kind, most_orders=most_orders)
        return self._act(name, intend, call, lambda _: self._answer(before, settle) if settle else _LOST)

    def claim(self, before: Mapping[str, Any]) -> Outcome:
        """Take the resource on, so that no other run does the same work on it until this one has ended.

        Refused as `shared` while another run has it, and by the guards as every intent is.
        """
        intend = partial(self._intents.intend, CLAIM, before, StepKind.HELP, sole=True)
        return self._act(CLAIM, intend, lambda _: Outcome(Kind.OK), lambda _: Outcome(Kind.OK))

    def note(self, name: str, facts: Mapping[str, Any]) -> bool:
        """Keep facts in the journal, for people and for later looks. Nothing is touched, so that no guard is asked."""
        return bool(self._steps.step(f"{name}: kept", lambda: self._intents.note(name, facts)))

    def _act(
        self,
        name: str,
        intend: Callable[[], IntentId | str],
        call: Call,
        settled: Callable[[IntentId], Outcome],
    ) -> Outcome:
        written = self._steps.step(f"{name}: intent", partial(self._intend, name, intend))
        if isinstance(written, str):
            return Outcome(Kind.REFUSED, written)
        intent: IntentId = (written[0], written[1])
        return Outcome.of_json(
            self._steps.step(f"{name}: call", lambda: self._perform(intent, call, settled).to_json())
        )

    def _intend(self, name: str, intend: Callable[[], IntentId | str]) -> list[Any] | str:
        left = self._intents.left_open(name)
        if left is not None:
            return list(left)
        intent = intend()
        if isinstance(intent, str):
            return intent
        self._fresh.add(intent)
        return list(intent)

    def _perform(self, intent: IntentId, call: Call, settled: Callable[[IntentId], Outcome]) -> Outcome:
        outcome = None
        if intent in self._fresh:
            self._fresh.discard(intent)
            outcome = self._send(intent, call)
        elif (known := self._intents.concluded(intent)) is not None:
            return Outcome.of_json(known)
        if outcome is None:
            outcome = settled(intent)
        self._intents.conclude(intent, outcome.kind.value, outcome.code, outcome.request_id, outcome.value)
        return outcome

    def _send(self, intent: IntentId, call: Call) -> Outcome | None:
        """Send the call, again while the cloud throttles it; None when its answer was lost and must be settled.

        Before it is sent again the guards are asked: a pause that came meanwhile is not to be overtaken by old intents.
        """
        refused = Outcome(Kind.TRANSIENT, "too_late_to_send")
        for pause in PAUSES:
            remaining = self._intents.remaining_seconds(intent)
            if remaining <= 0:
                break
            try:
                return call(remaining)
            except CloudPermanentError as problem:
                return Outcome(Kind.PERMANENT, problem.vendor_code, problem.request_id)
            except CloudTransientError as problem:
                throttled = problem.vendor_code.startswith(_THROTTLED)
                if not (problem.refused or throttled):
                    return None
                refused = Outcome(Kind.TRANSIENT, problem.vendor_code, problem.request_id)
            if not throttled:
                break
            self._wait(pause)
            if self._intents.objection():
                break
        return refused

    def _patiently(self, do: Callable[[], Mapping[str, Any]]) -> Outcome:
        """Read, again while the cloud throttles or stumbles; a read may be repeated as often as one likes."""
        outcome = Outcome(Kind.TRANSIENT)
        for pause in PAUSES:
            try:
                return Outcome(Kind.OK, value=do())
            except CloudPermanentError as problem:
                return Outcome(Kind.PERMANENT, problem.vendor_code, problem.request_id)
            except CloudTransientError as problem:
                outcome = Outcome(Kind.TRANSIENT, problem.vendor_code, problem.request_id)
            self._wait(pause)
        return outcome

    def _settled(self, intent: IntentId, before: Mapping[str, Any], settle: Settle) -> Outcome:
        self._wait(max(0.0, self._intents.remaining_seconds(intent)) + self._settle_seconds)
        return self._answer(before, settle)

    def _answer(self, before: Mapping[str, Any], settle: Settle) -> Outcome:
        """Read the cloud to settle a call, again while it throttles or stumbles; what cannot be read is unknown."""
        unknown = Outcome(Kind.UNKNOWN, "unsettled")
        for pause in PAUSES:
            try:
                happened = settle(before)
            except CloudPermanentError as problem:
                return Outcome(Kind.UNKNOWN, problem.vendor_code, problem.request_id)
            except CloudTransientError as problem:
                unknown = Outcome(Kind.UNKNOWN, problem.vendor_code, problem.request_id)
                self._wait(pause)
                continue
            if happened is None:
                return Outcome(Kind.UNKNOWN, "unsettled")
            return Outcome(Kind.OK, "settled") if happened else Outcome(Kind.TRANSIENT, "not_sent")
        return unknown


#: The answer was lost, and whoever called may send again.
_LOST = Outcome(Kind.TRANSIENT, "answer_lost")
