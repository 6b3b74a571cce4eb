"""Bring a server's process back after the server could not be reached (S3.2, S3.4, S3.5, S3.7).

The loss and the end of it are two events of one incident: the first one opens it, the second one only wakes its waiting
run. It waits until the server runs, its agent answers and, where asked, the server is reached, re-reading everything
each time. A server that stopped is started when nothing says that somebody wanted that; one that runs and does not
answer is rebooted only when the rule says so, once. Then the restore command is sent, once in a run, and its result and
what the rule asks for besides prove that the process is there. A server that is not ready in time gets no command.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import Field

from cloudheal.act.hands import Hands
from cloudheal.act.outcome import Kind, Outcome
from cloudheal.act.playbook import Case, End, Playbook, Refusal, Risk
from cloudheal.decide.afresh import MOVING, STOPPED, afresh
from cloudheal.model.decision import Reason
from cloudheal.model.deed import Deed
from cloudheal.model.incident import UNREACHABLE, Healed
from cloudheal.model.inventory import RUNNING
from cloudheal.playbooks import restoring, starting
from cloudheal.playbooks.journal import REBOOT
from cloudheal.playbooks.ordering import PATIENCE, PAUSE, LookOverError, raise_if_held
from cloudheal.playbooks.readiness import Ready
from cloudheal.playbooks.restoring import RestoreParameters
from cloudheal.playbooks.sight import ServerSeen, server_json, server_of
from cloudheal.settings.durations import Duration, duration_of

#: Until the next look after something was done about the power.
SOON = timedelta(seconds=1)


class Reboot(StrEnum):
    """What follows when a server that runs goes on not answering."""

    NEVER = "never"
    SOFT = "soft"
    FORCE = "force"


class PingLossParameters(RestoreParameters):
    """Parameters of the playbook."""

    power_on: bool = Field(
        default=True, description="Start the server when it is stopped and nothing says that somebody wanted that."
    )
    max_starts: int = Field(2, ge=1, le=10, description="Starts in one incident.")
    reboot: Reboot = Field(
        Reboot.NEVER,
        description="What follows when it runs and does not answer: `never` (wait on), `soft`, or `force`, which may "
        "lose data.",
    )
    reboot_after: Duration = Field(duration_of("5m"), description="So long it may run without answering before that.")


def restore_after_ping_loss(case: Case, hands: Hands) -> End | Refusal:
    """Heal one server that could not be reached."""
    return restoring.restore(case, hands, _Power(case, hands))


class _Power:
    """The power switch of a server that is not ready."""

    def __init__(self, case: Case, hands: Hands) -> None:
        self._case = case
        self._hands = hands
        self._with: PingLossParameters = case.parameters

    def help(self, seen: Ready, waits_since: datetime, past: Sequence[Deed]) -> End | Refusal | None:
        """Start what stopped, reboot what does not answer, as far as the rule says so."""
        if seen.state == STOPPED and self._with.power_on:
            return self._start(seen, past)
        is_late = seen.at - waits_since >= self._with.reboot_after
        may_reboot = self._with.reboot is not Reboot.NEVER and not self._tried(past, REBOOT)
        if seen.state == RUNNING and may_reboot and is_late:
            return self._reboot()
        return None

    def _start(self, seen: Ready, past: Sequence[Deed]) -> End | Refusal | None:
        """Start it, unless something speaks against that."""
        walked = afresh(starting.sight_of(self._case, seen.read))
        if walked.reason is Reason.INTENDED:
            told = {**seen.told(), **starting.evidence_of(seen.read).told()}
            return End(Healed.NOT_NEEDED, walked.reason.value, told, walked.stations)
        if walked.reason is not Reason.ACT:
            return starting.refused(seen.read, walked)
        starts = len(self._tried(past, "start "))
        if starts >= self._with.max_starts:
            return None
        started = starting.start(self._case, self._hands, starts + 1, seen.read.value)
        ended = starting.end_of(started, f"start {starts + 1}")
        return ended or self._go_on(started, STOPPED)

    def _reboot(self) -> End | Refusal | None:
        """Reboot it, once in a run; where nobody can know whether it was, a person is asked."""
        before = ServerSeen.of(
            self._hands.read("before reboot", lambda: server_json(self._case)), otherwise=self._case.occurred
        )
        if before.problem or before.state != RUNNING:
            return Refusal(Reason.UNDERWAY, after=PAUSE)
        if before.locks or before.held:
            reason = Reason.LOCKED if before.locks else Reason.HELD
            return Refusal(reason, next(iter(before.locks), ""), starting.LOCK_PAUSE)
        asked = self._hands.act(f"{REBOOT} 1", _image(before), self._call, lambda _: self._went(before))
        if asked.kind is Kind.PERMANENT:
            return End(Healed.NOT_HEALED, asked.code, {"request_id": asked.request_id, "step": REBOOT})
        raise_if_held(asked)
        if asked.kind is Kind.UNKNOWN:
            question = (
                f"Was {self._case.resource.id} rebooted? The answer to the call was lost and nothing shows it. Approve "
                "to have it rebooted if it still does not answer."
            )
            return Refusal(Reason.UNKNOWN_STATE, question=question)
        return self._go_on(asked, RUNNING)

    def _tried(self, past: Sequence[Deed], prefix: str) -> list[Deed]:
        """Return what was done, or may have been; what was tried before a person approved is settled by that."""
        counts = self._case.attempts or not self._case.approved
        return [one for one in past if counts and one.name.startswith(prefix) and one.may_have_happened]

    def _call(self, seconds: float) -> Outcome:
        place, force = self._case.resource, self._with.reboot is Reboot.FORCE
        return Outcome(Kind.OK, request_id=self._case.compute.reboot(place.region, place.id, seconds, force=force))

    def _went(self, before: ServerSeen) -> bool | None:
        """Settle a reboot whose answer was lost: only what shows that it took place settles it."""
        server = server_of(self._case)
        went = server is not None and (server.state in MOVING or server.started not in {"", before.started})
        return True if went else None

    def _go_on(self, asked: Outcome, before: str) -> Refusal:
        """Wait a moment until the cloud shows another state than before: a read may lag. Then look afresh."""
        if not asked.ok:
            raise LookOverError(Refusal(Reason.UNDERWAY, after=PAUSE))

        def moves() -> bool:
            server = server_of(self._case)
            return server is None or server.state != before

        self._hands.read("it moves", lambda: {"moves": self._case.wait(PATIENCE.total_seconds(), moves)})
        return Refusal(Reason.UNDERWAY, after=SOON)


def _image(before: ServerSeen) -> dict[str, Any]:
    return {"started": before.started, "state": before.state, "at": before.at.isoformat()}


RESTORE_AFTER_PING_LOSS = Playbook(
    name="restore_after_ping_loss",
    troubles=(UNREACHABLE,),
    parameters=PingLossParameters,
    verbs=("servers", "agents", "start", "reboot", "run_command", "command_result"),
    reversible=False,
    run=restore_after_ping_loss,
    summary="Brings a server's process back after the server could not be reached: waits until a command can be run, "
    "starts or reboots the server where the rule says so, and restores the process once.",
    risk=Risk.MEDIUM,
    promises=(
        "The server was read back as Running, and its agent was heard of after the trouble began.",
        "The restore command was run once and ended with exit code 0.",
        "The second command and the probe went well, where the rule asks for them.",
    ),
    steps=(
        restoring.READY,
        "It starts a server that stopped, where nothing says that somebody wanted that, and asks where nobody can say.",
        "It reboots a server that runs and does not answer, once, where `reboot` says so.",
        *restoring.STEPS,
    ),
    parts=restoring.PARTS,
)
