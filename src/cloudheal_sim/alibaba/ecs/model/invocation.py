"""Commands of Cloud Assistant and their orders: what this cloud adds to them, and what many runs make together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from cloudheal_sim.guest import run
from cloudheal_sim.guest.run import OPEN, Run, RunStatus, Trouble, Troubles


class RepeatMode(StrEnum):
    """When and how often a command runs."""

    ONCE = "Once"
    PERIOD = "Period"
    NEXT_REBOOT = "NextRebootOnly"
    EVERY_REBOOT = "EveryReboot"
    DRY_RUN = "DryRun"


_STOPPED = frozenset({RunStatus.CANCELLED, RunStatus.TERMINATED})
_LOST = frozenset({RunStatus.ERROR, RunStatus.TIMEOUT, RunStatus.INVALID, RunStatus.ABORTED})

TROUBLES = Troubles(
    not_running=Trouble("InstanceNotRunning", "the instance is not running when create task"),
    released=Trouble("InstanceReleased", "the instance has released when create task"),
    no_agent=Trouble("ClientNotRunning", "the aliyun service is not running on the instance"),
    undelivered=Trouble("DeliveryTimeout", "the command delivery has been timeout"),
    timed_out=Trouble("ExecutionTimeout", "the command execution has been timeout"),
    interrupted=Trouble("ExecutionException", "the command execution got an exception"),
    nonzero=Trouble("ExitCodeNonzero", "the command execution exit code is not zero"),
)


@dataclass(slots=True, eq=False)
class Command(run.Command):
    """One command."""

    launcher: str = ""
    resource_group: str = ""


@dataclass(slots=True, eq=False)
class Invocation(run.Invocation[Command]):
    """One order to run a command on instances."""

    past: list[Run] = field(default_factory=list)
    """Finished runs of commands that repeat."""
    mode: RepeatMode = RepeatMode.ONCE
    frequency: str = ""
    termination_mode: str = ""
    resource_group: str = ""

    @property
    def timed(self) -> bool:
        """True when it runs at other times than now."""
        return self.mode in {RepeatMode.PERIOD, RepeatMode.NEXT_REBOOT, RepeatMode.EVERY_REBOOT}

    @property
    def kills(self) -> bool:
        """True when the process that a stopped script waits for ends with it."""
        return self.termination_mode == "ProcessTree"


def overall(statuses: Iterable[RunStatus]) -> str:
    """Return the InvocationStatus that many runs make together."""
    found = set(statuses)
    for status in (RunStatus.PENDING, RunStatus.SCHEDULED, RunStatus.RUNNING, RunStatus.STOPPING):
        if status in found:
            return status.value
    if found <= _STOPPED:
        return "Stopped"
    if found <= _STOPPED | {RunStatus.SUCCESS}:
        return RunStatus.SUCCESS.value
    return RunStatus.FAILED.value if not found & {RunStatus.SUCCESS} else "PartialFailed"


def overall_old(statuses: Iterable[RunStatus]) -> str:
    """Return the InvokeStatus of many runs: whether they are through, whatever their exit codes."""
    found = set(statuses)
    if found & OPEN:
        return "Stopping" if RunStatus.STOPPING in found else "Running"
    if found <= _STOPPED:
        return "Stopped"
    if found <= _LOST:
        return "Failed"
    return "PartialFailed" if found & _LOST else "Finished"
