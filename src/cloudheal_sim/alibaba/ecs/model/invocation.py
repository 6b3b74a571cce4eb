"""Commands of Cloud Assistant and their runs: records, and what the statuses of many runs make together.

A run's next look is data (`due`), and so is the place in its script; a world that is read and put back goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudheal_sim.guest.shell import Session
    from cloudheal_sim.kernel.timeline import Timeline

#: Bytes of output that are shown; the rest is counted as dropped.
OUTPUT_BYTES = 24 * 1024


class RunStatus(StrEnum):
    """The states of a command on one instance."""

    PENDING = "Pending"
    SCHEDULED = "Scheduled"
    RUNNING = "Running"
    SUCCESS = "Success"
    FAILED = "Failed"
    ERROR = "Error"
    TIMEOUT = "Timeout"
    CANCELLED = "Cancelled"
    STOPPING = "Stopping"
    TERMINATED = "Terminated"
    INVALID = "Invalid"
    ABORTED = "Aborted"


class RepeatMode(StrEnum):
    """When and how often a command runs."""

    ONCE = "Once"
    PERIOD = "Period"
    NEXT_REBOOT = "NextRebootOnly"
    EVERY_REBOOT = "EveryReboot"
    DRY_RUN = "DryRun"


OPEN = frozenset({RunStatus.PENDING, RunStatus.SCHEDULED, RunStatus.RUNNING, RunStatus.STOPPING})
_STOPPED = frozenset({RunStatus.CANCELLED, RunStatus.TERMINATED})
_LOST = frozenset({RunStatus.ERROR, RunStatus.TIMEOUT, RunStatus.INVALID, RunStatus.ABORTED})


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a command did not do its work: the service's code and words."""

    code: str
    info: str


NOT_RUNNING = Trouble("InstanceNotRunning", "the instance is not running when create task")
RELEASED = Trouble("InstanceReleased", "the instance has released when create task")
NO_AGENT = Trouble("ClientNotRunning", "the aliyun service is not running on the instance")
UNDELIVERED = Trouble("DeliveryTimeout", "the command delivery has been timeout")
TIMED_OUT = Trouble("ExecutionTimeout", "the command execution has been timeout")
INTERRUPTED = Trouble("ExecutionException", "the command execution got an exception")
NONZERO = Trouble("ExitCodeNonzero", "the command execution exit code is not zero")


@dataclass(slots=True, eq=False)
class Command:
    """One command; instants are epoch milliseconds, the timeout is in seconds."""

    id: str
    region: str
    type: str
    content: str
    created: int
    name: str = ""
    description: str = ""
    timeout: int = 60
    working_dir: str = ""
    launcher: str = ""
    resource_group: str = ""
    parameters: bool = False
    """True when `{{name}}` in it is replaced."""
    kept: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)
    invoked: int = 0
    seq: int = 0


@dataclass(slots=True, eq=False)
class Run:
    """One command on one instance, once."""

    instance: str
    status: Timeline[RunStatus]
    created: int
    script: str
    due: int | None = None
    """When to look next; None while nothing happens by itself."""
    give_up: int | None = None
    """When delivery, or later execution, has taken too long."""
    started: int | None = None
    finished: int | None = None
    stopped: int | None = None
    booted: int | None = None
    """Which boot of the guest it belongs to."""
    exit_code: int | None = None
    trouble: Trouble | None = None
    session: Session | None = None
    repeats: int = 1

    @property
    def open(self) -> bool:
        """True until its status is final."""
        return self.status.value in OPEN

    def output(self) -> tuple[str, int]:
        """Return what it printed, cut to what is shown, and how many bytes were dropped."""
        if self.session is None:
            return "", 0
        printed = self.session.output.encode()
        shown = printed[:OUTPUT_BYTES].decode(errors="ignore")
        return shown, len(printed) - len(shown.encode()) + self.session.dropped

    def trim(self) -> None:
        """Keep of a finished script what is shown, and no more."""
        if self.session is not None:
            self.session.output, self.session.dropped = self.output()
            self.session.variables.clear()


@dataclass(slots=True, eq=False)
class Invocation:
    """One order to run a command on instances."""

    id: str
    command: Command
    created: int
    timeout: int
    runs: dict[str, Run]
    """The latest run on each instance."""
    past: list[Run] = field(default_factory=list)
    """Finished runs of commands that repeat."""
    mode: RepeatMode = RepeatMode.ONCE
    frequency: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    username: str = ""
    working_dir: str = ""
    termination_mode: str = ""
    resource_group: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    seq: int = 0

    @property
    def region(self) -> str:
        """Where it runs."""
        return self.command.region

    @property
    def open(self) -> bool:
        """True until every run is over."""
        return any(run.open for run in self.runs.values())

    @property
    def timed(self) -> bool:
        """True when it runs at other times than now."""
        return self.mode in {RepeatMode.PERIOD, RepeatMode.NEXT_REBOOT, RepeatMode.EVERY_REBOOT}

    def statuses(self, instant: int | None) -> list[RunStatus]:
        """Return the runs' statuses as a read answering for `instant` shows them."""
        found = (one.status.at(instant) for one in self.runs.values())
        return [one for one in found if one is not None]


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
