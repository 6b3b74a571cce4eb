"""The step that starts a server which stopped, for playbooks that do so, and the questions before it.

Nothing is started that somebody stopped on purpose, that is locked or held, or of which nobody can say why it stopped.
Those questions are asked of the server as it was just read; a start whose answer was lost is settled by its state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cloudheal.act.hands import Hands
from cloudheal.act.outcome import Kind, Outcome
from cloudheal.act.playbook import Case, End, Refusal
from cloudheal.decide.afresh import MOVING, STOPPED, Sight
from cloudheal.decide.walk import Walk
from cloudheal.model.decision import Reason, reason_of
from cloudheal.model.deed import Deed
from cloudheal.model.evidence import Evidence, Sign, listed
from cloudheal.model.incident import Healed
from cloudheal.playbooks.leaving import SupersededError
from cloudheal.playbooks.sight import server_of
from cloudheal.ports.cloud import Server

#: How often a lock is looked at again. The sweep may see earlier that it is gone.
LOCK_PAUSE = timedelta(minutes=15)
#: Vendor codes that say that trying again now is pointless, and what an operator can do about each.
HOPELESS: Mapping[str, str] = {
    "InsufficientBalance": "top up the account",
    "InstanceExpired": "renew the server",
    "InstanceLockedForSecurity": "ask the vendor's security desk",
    "OperationDenied.NoStock": "choose another zone or type",
    "QuotaExceed.ElasticQuota": "raise the quota",
    "UnsupportedOperation.InstanceStateArrears": "top up the account",
    "UnsupportedOperation.InstanceStateIsolating": "renew the server",
    "UnsupportedOperation.InstanceStateExpired": "renew the server",
    "ResourceInsufficient.CloudDiskUnavailable": "choose another zone or type",
}
#: What came of an accepted start that did not lead to Running, as the journal names it before the start's number.
FELL_BACK = "fell back to Stopped after start "
NOT_TAKEN_UP = "still Stopped after start "
ON_ITS_WAY = "on its way after start "
_ASKED = {
    "attempts": "starts made:",
    "fell_back": "it fell back to Stopped after",
    "not_taken_up": "still Stopped after",
}


@dataclass(slots=True)
class Starts:
    """The starts of a run that were accepted, and which of them did not lead to Running, and how."""

    made: int
    came: dict[str, set[int]] = field(
        default_factory=lambda: {FELL_BACK: set(), NOT_TAKEN_UP: set(), ON_ITS_WAY: set()}
    )

    def remember(self, deeds: Sequence[Deed]) -> None:
        """Note what earlier looks kept of these starts, and not of those before a person approved more."""
        begun = [at for at, one in enumerate(deeds) if one.name.startswith("start ") and one.may_have_happened]
        for deed in deeds[begun[-self.made] :] if len(begun) >= self.made > 0 else ():
            for what, numbers in self.came.items():
                if deed.name.startswith(what):
                    numbers.add(int(deed.name.removeprefix(what)))

    def came_to(self, hands: Hands, state: str, *, moved: bool = False) -> None:
        """Keep what the last start has come to, which is not Running. Raises SupersededError.

        Moved: the server was seen on its way since. Where it still was when a wait was over, that is kept.
        """
        fell = moved or self.was_on_its_way
        stopped = FELL_BACK if fell else NOT_TAKEN_UP
        what = stopped if state == STOPPED else ON_ITS_WAY if state in MOVING else ""
        if not what:
            return
        self.came[what].add(self.made)
        if not hands.note(f"{what}{self.made}", {"start": self.made, "state": state}):
            raise SupersededError

    @property
    def was_on_its_way(self) -> bool:
        """True when a wait was over while the last start was under way, and nothing was kept of it since."""
        return self.made in self.came[ON_ITS_WAY] - self.came[FELL_BACK]

    def question(self, server: str) -> str:
        """Return what a person is asked when no more starts may be made."""
        told = ", ".join(f"{_ASKED[name]} {text}" for name, text in self.told().items())
        return f"Start {server} again? {told}"

    def told(self) -> dict[str, str]:
        """Return how many there were and what came of them, as it is kept with a verdict."""
        numbers = {"fell_back": self.came[FELL_BACK], "not_taken_up": self.came[NOT_TAKEN_UP] - self.came[FELL_BACK]}
        listed_ = {name: ", ".join(map(str, sorted(which))) for name, which in numbers.items() if which}
        return {"attempts": str(self.made), **listed_}


def start(case: Case, hands: Hands, number: int, seen: Mapping[str, Any]) -> Outcome:
    """Start the server, at most once for this number."""

    def call(seconds: float) -> Outcome:
        return Outcome(Kind.OK, request_id=case.compute.start(case.resource.region, case.resource.id, seconds))

    return hands.act(f"start {number}", seen, call, lambda _: _went(case))


def end_of(started: Outcome, step: str) -> End | Refusal | None:
    """Say how a start that was not accepted ends the look; None when it was accepted or may be repeated."""
    match started.kind:
        case Kind.REFUSED:
            reason = reason_of(started.code) or Reason.SUPERSEDED
            return End(Healed.UNKNOWN, started.code) if reason is Reason.SUPERSEDED else Refusal(reason)
        case Kind.PERMANENT:
            advice = {"advice": HOPELESS[started.code]} if started.code in HOPELESS else {}
            return End(Healed.NOT_HEALED, started.code, advice)
        case Kind.UNKNOWN:
            return End(Healed.UNKNOWN, started.code, {"step": step})
    return None


def told_of(case: Case, server: Server) -> dict[str, Any]:
    """Return a server as it was just read, for a checkpoint; of one that stopped with what speaks for which reason."""
    seen = {"state": server.state, "locks": list(server.locks), "started": server.started}
    return {**seen, "evidence": case.intent(server).to_json()} if server.state == STOPPED else seen


def sight_of(case: Case, seen: Outcome) -> Sight:
    """Return what `afresh` asks about, of a server that a step read."""
    evidence, approved = evidence_of(seen), (Sign("approved"),) if case.approved else ()
    return Sight(
        problem="" if seen.ok else seen.code or seen.kind.value,
        state=str(seen.value.get("state", "")),
        locks=tuple(seen.value.get("locks", ())),
        accident=listed((*evidence.accident, *approved)),
        purpose=listed(evidence.purpose),
        held=evidence.held,
    )


def evidence_of(seen: Outcome) -> Evidence:
    """Return what speaks for which reason; nothing for a server that is not stopped."""
    return Evidence.of_json(seen.value["evidence"]) if "evidence" in seen.value else Evidence()


def refused(seen: Outcome, walked: Walk) -> Refusal:
    """Say what a refusal of the walk other than an end means: wait for a lock or a hold, or ask a person."""
    asked = walked.stations
    match walked.reason:
        case Reason.LOCKED as reason:
            return Refusal(reason, seen.value["locks"][0], LOCK_PAUSE, asked)
        case Reason.HELD as reason:
            return Refusal(reason, after=_hold_ends(seen), stations=asked)
        case reason:
            return Refusal(reason, stations=asked, evidence={"seen": asked[-1].numbers, **evidence_of(seen).told()})


def _hold_ends(seen: Outcome) -> timedelta | None:
    """Return how long the hold on the server stands yet; None when it names no end."""
    until = evidence_of(seen).held_until
    return until - datetime.fromisoformat(seen.value["at"]) if until else None


def _went(case: Case) -> bool | None:
    """Settle a start whose answer was lost: a server that is not Stopped any more was started."""
    server = server_of(case)
    return None if server is None else server.state != STOPPED
