"""Start a server again that stopped although it is meant to run (S0.8, S0.9, S0.11, S0.14).

It looks afresh before every start, leaves alone what an operator or the vendor did on purpose, starts at most
`max_attempts` times with a growing pause in between, and believes only a server that it sees Running, and that answers
the probe where the rule asks for one. A server that runs and does not answer is not started again. A start that the
cloud does not take for now is no attempt: it is asked for again every few minutes, and a person is asked after an hour.
A stop that nobody can explain is not undone unless a tag, a schedule or the rule wants it on, or a person approves.
What takes longer than a minute is waited for as a row, not in a thread.
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
from cloudheal.playbooks.starting import Starts, evidence_of
from cloudheal.ports.cloud import Server
from cloudheal.settings.durations import Duration, duration_of

#: Looks in one go, with those whose start was not sent (throttled, or cut off by a crash): they cost no attempt.
MOST_LOOKS = 30
#: For how long after the stop a start that the cloud does not take is asked for again.
PUT_OFF = timedelta(hours=1)
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
    try:
        return _Restart(case, hands).go()
    except SupersededError:
        return End(Healed.UNKNOWN, leaving.SUPERSEDED)


class _Restart:
    """The starting of one server, in one look of its run."""

    def __init__(self, case: Case, hands: Hands) -> None:
        self._case = case
        self._hands = hands
        self._with: RestartParameters = case.parameters
        self._starts = Starts(case.attempts)
        self._refused, self._at = "", case.occurred
        if case.attempts:
            self._starts.remember(journal.own_deeds(case, hands))

    def go(self) -> End | Refusal:
        """Start it as often as may be. Raises SupersededError."""
        for number in range(1, MOST_LOOKS + 1):
            ended = self._once(number)
            if ended is not None:
                return ended
        if self._starts.made >= self._with.max_attempts or self._at - self._case.occurred >= PUT_OFF:
            return self._gave_up()
        return Refusal(Reason.COOLING_DOWN, after=PATIENCE, evidence={**self._starts.told(), "refused": self._refused})

    def _once(self, number: int) -> End | Refusal | None:
        """Look, and start it once if nothing speaks against that; None when it may be looked at again."""
        seen = self._hands.read(f"look {number}", lambda: _seen(self._case))
        walked = afresh(starting.sight_of(self._case, seen))
        if walked.reason is not Reason.ACT:
            return self._left_alone(seen, walked)
        if self._starts.was_on_its_way:
            self._starts.came_to(self._hands, STOPPED)
        if self._starts.made >= self._with.max_attempts:
            return self._gave_up()
        self._keep_evidence()
        started = starting.start(self._case, self._hands, number, seen.value)
        self._refused, self._at = started.code, datetime.fromisoformat(seen.value["at"])
        ended = starting.end_of(started, f"start {number}")
        return ended if ended is not None or not started.ok else self._awaited(number, seen, started)

    def _awaited(self, number: int, seen: Outcome, started: Outcome) -> End | Refusal | None:
        """Wait for what comes of an accepted start."""
        self._starts.made += 1
        after = self._hands.read(f"start {number} seen", lambda: _awaited(self._case))
        if not after.ok:
            return None
        if after.value["state"] == RUNNING:
            told = {"request_id": started.request_id, **evidence_of(seen).told()}
            return self._running(told, datetime.fromisoformat(after.value["at"]))
        self._starts.came_to(self._hands, after.value["state"], moved=after.value["moved"])
        may_again = after.value["state"] == STOPPED and self._starts.made < self._with.max_attempts
        return self._pause(number) if may_again else None

    def _pause(self, number: int) -> Refusal | None:
        """Wait before the next start: a short while here, a longer one as a row."""
        pause = self._with.backoff * 2 ** (self._starts.made - 1)
        if pause > PATIENCE:
            return Refusal(Reason.COOLING_DOWN, after=pause, evidence=self._starts.told())
        self._hands.read(f"pause {number}", partial(_paused, self._case, pause))
        return None

    def _keep_evidence(self) -> None:
        """Keep how everything was before the first start, where the rule says so."""
        wanted = self._with.evidence and not self._starts.made
        if wanted and not evidence.gather(self._case, self._hands):
            raise SupersededError

    def _gave_up(self) -> Refusal:
        """Ask a person, who is told what came of the starts."""
        question = self._starts.question(self._case.resource.id)
        return Refusal(Reason.ATTEMPTS_USED, evidence=self._starts.told(), question=question)

    def _running(self, told: Mapping[str, str], at: datetime, asked: Sequence[Station] = ()) -> End | Refusal:
        """End for a server that runs again since our start, when it answers the probe, where the rule asks for one."""
        told = {**self._starts.told(), **told}
        if self._with.probe is None:
            return End(Healed.HEALED, "running", told, tuple(asked))
        deeds = journal.own_deeds(self._case, self._hands)
        try:
            probed = probing.ask(self._case, self._hands, self._with.probe, deeds, at)
        except SupersededError:
            return End(Healed.UNKNOWN, leaving.SUPERSEDED, told)
        told = {**told, "probe": probed.told}
        if probed.answers:
            return End(Healed.HEALED, "running", told, tuple(asked))
        if not probed.is_over:
            return Refusal(Reason.UNDERWAY, after=PAUSE, evidence={"probe": probed.told})
        return End(Healed.NOT_HEALED, "probe_failed", {**told, "advice": probed.told})

    def _left_alone(self, seen: Outcome, walked: Walk) -> End | Refusal:
        """Say what follows when this server must not be started now."""
        state, asked = str(seen.value.get("state", "")), walked.stations
        match walked.reason:
            case Reason.RECOVERED if self._starts.made:
                return self._running({}, datetime.fromisoformat(seen.value["at"]), asked)
            case Reason.RECOVERED | Reason.GONE | Reason.INTENDED as reason:
                return End(Healed.NOT_NEEDED, reason.value, {"state": state, **evidence_of(seen).told()}, asked)
            case Reason.UNDERWAY if self._is_overdue(seen):
                return End(Healed.NOT_HEALED, "start_timeout", {"state": state, **self._starts.told()}, asked)
            case Reason.UNDERWAY as reason:
                return Refusal(reason, after=PATIENCE, stations=asked)
        return starting.refused(seen, walked)

    def _is_overdue(self, seen: Outcome) -> bool:
        """Say whether the last start has had all the time that it may take; one of this very look has not."""
        last = self._case.last_attempt
        if last is None or self._starts.made > self._case.attempts:
            return False
        return datetime.fromisoformat(seen.value["at"]) - last >= self._with.start_timeout


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


def _awaited(case: Case) -> dict[str, Any]:
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
    return {"state": state, "moved": moved, "at": case.now().isoformat()}


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
