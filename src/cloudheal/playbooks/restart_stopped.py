"""Start a server again that stopped although it is meant to run (S0.8, S0.9, S0.11, S0.14).

It looks afresh before every start, leaves alone what an operator or the vendor did on purpose, starts at most
`max_attempts` times with a growing pause in between, and believes only a server that it sees Running, and that answers
the probe where the rule asks for one. A server that runs and does not answer is not started again. A stop that nobody
can explain is not undone unless a tag, a schedule or the rule wants it on, or a person approves. What takes longer than
a minute is waited for as a row, not in a thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cloudheal.act.hands import Hands
from cloudheal.act.outcome import Outcome
from cloudheal.act.playbook import Case, End, Playbook, Refusal, Risk
from cloudheal.decide.afresh import MOVING, RUNNING, STOPPED, afresh
from cloudheal.decide.walk import Walk
from cloudheal.model.decision import Reason, Station
from cloudheal.model.incident import Healed
from cloudheal.playbooks import evidence, journal, leaving, ordering, probing, sight, starting
from cloudheal.playbooks.leaving import SupersededError
from cloudheal.playbooks.ordering import PAUSE
from cloudheal.playbooks.probing import ProbeParameters
from cloudheal.playbooks.sight import server_of
from cloudheal.playbooks.starting import evidence_of
from cloudheal.ports.cloud import Server
from cloudheal.settings.durations import Duration, duration_of

#: Looks in one go, with those whose start was not sent (throttled, or cut off by a crash): they cost no attempt.
MOST_LOOKS = 30
#: The longest wait inside a look; what takes longer ends the look and is a row until the next one.
PATIENCE = timedelta(minutes=1)


class RestartParameters(BaseModel):
    """Parameters of the playbook."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start_timeout: Duration = Field(duration_of("5m"), description="How long one start may take.")
    max_attempts: int = Field(3, ge=1, le=10, description="Starts in one incident.")
    backoff: Duration = Field(duration_of("10s"), description="Pause before the second start; it doubles each time.")
    evidence: bool = Field(
        default=False,
        description="Keep how everything was, the end of the console included, before the first start, which "
        "overwrites it.",
    )
    probe: ProbeParameters | None = Field(
        None, description="What the server must answer after its start: `tcp` or `http`; absent: nothing."
    )


def restart_stopped(case: Case, hands: Hands) -> End | Refusal:
    """Heal one stopped server."""
    parameters: RestartParameters = case.parameters
    starts = case.attempts
    for look in range(1, MOST_LOOKS + 1):
        seen = hands.read(f"look {look}", lambda: _seen(case))
        walked = afresh(starting.sight_of(case, seen))
        if walked.reason is not Reason.ACT:
            return _left_alone(case, hands, seen, walked, starts)
        if starts >= parameters.max_attempts:
            break
        if parameters.evidence and not starts and not evidence.gather(case, hands):
            return End(Healed.UNKNOWN, leaving.SUPERSEDED)
        started = starting.start(case, hands, look, seen.value)
        ended = starting.end_of(started, f"start {look}")
        if ended is not None:
            return ended
        if not started.ok:
            continue
        starts += 1
        after = hands.read(f"start {look} seen", lambda: _awaited(case))
        if after.ok and after.value["state"] == RUNNING:
            told = {"attempts": str(starts), "request_id": started.request_id, **evidence_of(seen).told()}
            return _running(case, hands, told, datetime.fromisoformat(after.value["at"]))
        if after.ok and after.value["state"] == STOPPED and starts < parameters.max_attempts:
            pause = parameters.backoff * 2 ** (starts - 1)
            if pause > PATIENCE:
                return Refusal(Reason.COOLING_DOWN, after=pause)
            hands.read(f"pause {look}", partial(_paused, case, pause))
    return Refusal(Reason.ATTEMPTS_USED, evidence={"attempts": str(starts)})


def _running(
    case: Case, hands: Hands, told: Mapping[str, str], at: datetime, asked: Sequence[Station] = ()
) -> End | Refusal:
    """End for a server that runs again since our start, when it answers the probe, where the rule asks for one."""
    probe: ProbeParameters | None = case.parameters.probe
    if probe is None:
        return End(Healed.HEALED, "running", told, tuple(asked))
    try:
        probed = probing.ask(case, hands, probe, journal.own_deeds(case, hands), at)
    except SupersededError:
        return End(Healed.UNKNOWN, leaving.SUPERSEDED, told)
    told = {**told, "probe": probed.told}
    if probed.answers:
        return End(Healed.HEALED, "running", told, tuple(asked))
    if not probed.is_over:
        return Refusal(Reason.UNDERWAY, after=PAUSE, evidence={"probe": probed.told})
    return End(Healed.NOT_HEALED, "probe_failed", {**told, "advice": probed.told})


def _left_alone(case: Case, hands: Hands, seen: Outcome, walked: Walk, starts: int) -> End | Refusal:
    """Say what follows when this server must not be started now."""
    state, asked = str(seen.value.get("state", "")), walked.stations
    match walked.reason:
        case Reason.RECOVERED if starts:
            return _running(case, hands, {"attempts": str(starts)}, datetime.fromisoformat(seen.value["at"]), asked)
        case Reason.RECOVERED | Reason.GONE | Reason.INTENDED as reason:
            return End(Healed.NOT_NEEDED, reason.value, {"state": state, **evidence_of(seen).told()}, asked)
        case Reason.UNDERWAY if _overdue(case, seen):
            return End(Healed.NOT_HEALED, "start_timeout", {"state": state, "attempts": str(starts)}, asked)
        case Reason.UNDERWAY as reason:
            return Refusal(reason, after=PATIENCE, stations=asked)
    return starting.refused(seen, walked)


def _seen(case: Case) -> dict[str, Any]:
    """Look at the server, as soon as it stands still; what a wait saw last is as fresh as a look can be."""
    looks: list[Server | None] = []

    def still() -> bool:
        looks.append(server_of(case))
        return looks[-1] is None or looks[-1].state not in MOVING

    case.wait(_patience(case).total_seconds(), still)
    server = looks[-1] if looks else server_of(case)
    now = case.now().isoformat()
    return {"at": now, **starting.told_of(case, server)} if server else {"at": now}


def _overdue(case: Case, seen: Outcome) -> bool:
    """Say whether the last start of an earlier look has had all the time that it may take."""
    at = datetime.fromisoformat(seen.value["at"])
    limit: timedelta = case.parameters.start_timeout
    return at - (case.last_attempt or case.occurred) >= limit and case.last_attempt is not None


def _awaited(case: Case) -> dict[str, str]:
    """Wait until the server runs, or has fallen back to Stopped after it was on its way.

    A read that still says Stopped before anything moved may be stale and ends nothing.
    """
    moved, state = False, ""

    def over() -> bool:
        nonlocal moved, state
        server = server_of(case)
        state = server.state if server else "gone"
        moved = moved or state != STOPPED
        return state in {RUNNING, "gone"} or (moved and state == STOPPED)

    case.wait(_patience(case).total_seconds(), over)
    return {"state": state, "at": case.now().isoformat()}


def _patience(case: Case) -> timedelta:
    limit: timedelta = case.parameters.start_timeout
    return min(limit, PATIENCE)


def _paused(case: Case, pause: timedelta) -> dict[str, bool]:
    return {"over": case.wait(pause.total_seconds(), lambda: False)}


RESTART_STOPPED = Playbook(
    name="restart_stopped",
    troubles=("stopped",),
    parameters=RestartParameters,
    verbs=("servers", "start"),
    reversible=True,
    run=restart_stopped,
    summary="Starts a server again that stopped although it is meant to run.",
    risk=Risk.LOW,
    promises=(
        "The server was read back as Running.",
        "The server answered the probe, where the rule asks for one.",
    ),
    options={"evidence": ("console", "health")},
    parts=(evidence, journal, leaving, ordering, probing, sight, starting),
)
