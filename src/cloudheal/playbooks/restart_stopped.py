"""Start a server again that stopped although it is meant to run (S0.8, S0.9, S0.11, S0.14).

It looks afresh before every start, refuses what an operator or the vendor did on purpose, starts at most
`max_attempts` times, and believes only a server that it sees Running. A stop that nobody can explain is not undone
unless the rule says `desired: on`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cloudheal.act.hands import Hands
from cloudheal.act.outcome import Kind, Outcome
from cloudheal.act.playbook import Case, End, Playbook, Risk
from cloudheal.model.incident import Healed
from cloudheal.ports.cloud import Server
from cloudheal.settings.durations import Duration, duration_of

RUNNING, STOPPED, STARTING = "Running", "Stopped", "Starting"
#: Looks in one incident, with those whose start was not sent (throttled, or cut off by a crash): they cost no attempt.
MOST_LOOKS = 30
#: Vendor codes that say that trying again now is pointless, and what an operator can do about each.
HOPELESS: Mapping[str, str] = {
    "InsufficientBalance": "top up the account",
    "InstanceExpired": "renew the server",
    "InstanceLockedForSecurity": "ask the vendor's security desk",
    "OperationDenied.NoStock": "choose another zone or type",
    "QuotaExceed.ElasticQuota": "raise the quota",
}


class RestartParameters(BaseModel):
    """Parameters of the playbook."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start_timeout: Duration = Field(duration_of("5m"), description="How long one start may take.")
    max_attempts: int = Field(3, ge=1, le=10, description="Starts in one incident.")


def restart_stopped(case: Case, hands: Hands) -> End:
    """Heal one stopped server."""
    parameters: RestartParameters = case.parameters
    starts = look = 0
    while starts < parameters.max_attempts and look < MOST_LOOKS:
        look += 1
        seen = hands.read(f"look {look}", lambda: _seen(case))
        refused = _refusal(case, seen, starts)
        if refused is not None:
            return refused
        started = hands.act(f"start {look}", seen.value, lambda seconds: _start(case, seconds), lambda _: _went(case))
        ended = _end_of(started, look)
        if ended is not None:
            return ended
        if not started.ok:
            continue
        starts += 1
        watch = _Watch(case)
        case.wait(parameters.start_timeout.total_seconds(), watch.over)
        if watch.state == RUNNING:
            return End(Healed.HEALED, "running", {"attempts": str(starts), "request_id": started.request_id})
    return End(Healed.NOT_HEALED, "attempts_used", {"attempts": str(starts)})


def _end_of(started: Outcome, look: int) -> End | None:
    """Say how a start that was not accepted ends the incident; None when it was accepted or may be repeated."""
    match started.kind:
        case Kind.REFUSED:
            return End(Healed.UNKNOWN, started.code)
        case Kind.PERMANENT:
            return End(Healed.NOT_HEALED, started.code, _advice(started.code))
        case Kind.UNKNOWN:
            return End(Healed.UNKNOWN, started.code, {"step": f"start {look}"})
    return None


def _refusal(case: Case, seen: Outcome, starts: int) -> End | None:
    """Say why this server must not be started now; None when it may be."""
    if not seen.ok:
        return End(Healed.UNKNOWN, "unknown_state", {"code": seen.code})
    state, locks = seen.value.get("state"), seen.value.get("locks", ())
    if state in {RUNNING, STARTING}:
        return End(Healed.HEALED if starts else Healed.NOT_NEEDED, "recovered", {"state": state})
    if locks:
        return End(Healed.NOT_NEEDED, f"locked.{locks[0]}")
    if state == STOPPED:
        advice = {"advice": "declare desired: on, or start it by hand"}
        return None if case.desired_on else End(Healed.NOT_NEEDED, "unexplained", advice)
    return End(Healed.UNKNOWN, "unknown_state", {"state": state}) if state else End(Healed.NOT_NEEDED, "gone")


def _seen(case: Case) -> dict[str, Any]:
    server = _server(case)
    return {} if server is None else {"state": server.state, "locks": list(server.locks), "started": server.started}


def _server(case: Case) -> Server | None:
    return case.compute.servers(case.resource.region, [case.resource.id]).get(case.resource.id)


def _start(case: Case, seconds: float) -> Outcome:
    return Outcome(Kind.OK, request_id=case.compute.start(case.resource.region, case.resource.id, seconds))


def _went(case: Case) -> bool | None:
    """Settle a start whose answer was lost: a server that is not Stopped any more was started."""
    server = _server(case)
    return None if server is None else server.state != STOPPED


class _Watch:
    """Watches one start: it is over when the server runs, or has fallen back to Stopped after it was on its way."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._moved = False
        self.state = ""

    def over(self) -> bool:
        """Look once. A read that still says Stopped before anything moved may be stale and ends nothing."""
        server = _server(self._case)
        self.state = server.state if server else "gone"
        self._moved = self._moved or self.state != STOPPED
        return self.state in {RUNNING, "gone"} or (self._moved and self.state == STOPPED)


def _advice(code: str) -> dict[str, str]:
    return {"advice": HOPELESS[code]} if code in HOPELESS else {}


RESTART_STOPPED = Playbook(
    name="restart_stopped",
    troubles=("stopped",),
    parameters=RestartParameters,
    verbs=("servers", "start"),
    reversible=True,
    run=restart_stopped,
    summary="Starts a server again that stopped although it is meant to run.",
    risk=Risk.LOW,
    promises=("The server was read back as Running.",),
)
