"""Bring a process back inside a server that runs, by its cloud's agent: Cloud Assistant or TAT (S3.5, S3.7).

It is the last part of `restore_after_ping_loss` alone, for whatever tells that a process is gone: an alarm, a failure
of the guest, a lost heartbeat. It waits until a command can be run, and neither starts nor reboots the server: that is
other playbooks' work. The restore command is sent once in a run; what proves it is its exit code and what the rule asks
for besides: another command, a probe, or that the alarm on a log which told of the trouble recovers.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from cloudheal.act.hands import Hands
from cloudheal.act.playbook import Case, End, Playbook, Refusal, Risk
from cloudheal.model.decision import Reason
from cloudheal.model.incident import ALARM, FAILURE, UNREACHABLE, Healed
from cloudheal.playbooks import restoring
from cloudheal.playbooks.journal import own_deeds
from cloudheal.playbooks.ordering import PAUSE
from cloudheal.playbooks.restoring import RestoreParameters
from cloudheal.settings.durations import Duration


class RerunParameters(RestoreParameters):
    """Parameters of the playbook."""

    recovers: Duration | None = Field(
        None,
        description="For so long the alarm on a log that told of the trouble may still fire afterwards; absent: it is "
        "not waited for.",
    )


def rerun_process(case: Case, hands: Hands) -> End | Refusal:
    """Bring one process back."""
    said = restoring.restore(case, hands)
    wanted: RerunParameters = case.parameters
    if wanted.recovers is None or not isinstance(said, End) or said.healed is not Healed.HEALED:
        return said
    seen = hands.read("alarm", lambda: _alarm(case)).value
    told = {**said.evidence, "alarm": str(case.trouble.id)}
    if not seen["fires"]:
        return said if seen["fires"] is None else End(Healed.HEALED, Reason.RECOVERED.value, told)
    at = datetime.fromisoformat(seen["at"])
    sent = [one.at for one in own_deeds(case, hands) if one.name.startswith("command ")]
    if at - max(sent, default=at) < wanted.recovers:
        return Refusal(Reason.UNDERWAY, after=PAUSE, evidence=told)
    return End(Healed.NOT_HEALED, "not_recovered", {**told, "advice": f"alarm {case.trouble.id} still fires"})


def _alarm(case: Case) -> dict[str, Any]:
    return {"at": case.now().isoformat(), "fires": case.fires()}


RERUN_PROCESS = Playbook(
    name="rerun_process",
    troubles=(ALARM, FAILURE, UNREACHABLE),
    parameters=RerunParameters,
    verbs=("servers", "agents", "run_command", "command_result", "system_events"),
    reversible=False,
    run=rerun_process,
    summary="Brings a process back inside a server that runs: checks first, starts only what is absent, and proves it.",
    risk=Risk.MEDIUM,
    promises=(
        "The restore command was run once and ended with exit code 0.",
        "The second command and the probe went well, and the alarm on a log recovered, where the rule asks for them.",
    ),
    steps=(
        restoring.READY,
        *restoring.STEPS,
        "It waits until the alarm that told of the trouble has recovered, where `recovers` says so.",
    ),
    parts=restoring.PARTS,
)
