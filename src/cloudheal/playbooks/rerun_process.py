"""Bring a process back inside a server that runs, by its cloud's agent: Cloud Assistant or TAT (S3.5, S3.7).

It is the last part of `restore_after_ping_loss` alone, for whatever tells that a process is gone: an alarm, a failure
of the guest, a lost heartbeat. It waits until a command can be run, and neither starts nor reboots the server: that is
other playbooks' work. The restore command is sent once in a run; what proves it is its exit code and what the rule asks
for besides.
"""

from __future__ import annotations

from cloudheal.act.hands import Hands
from cloudheal.act.playbook import Case, End, Playbook, Refusal, Risk
from cloudheal.model.incident import ALARM, FAILURE, UNREACHABLE
from cloudheal.playbooks import restoring
from cloudheal.playbooks.restoring import RestoreParameters


class RerunParameters(RestoreParameters):
    """Parameters of the playbook."""


def rerun_process(case: Case, hands: Hands) -> End | Refusal:
    """Bring one process back."""
    return restoring.restore(case, hands)


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
        "The second command and the probe went well, where the rule asks for them.",
    ),
    steps=(
        restoring.READY,
        *restoring.STEPS,
    ),
    parts=restoring.PARTS,
)
