"""Commands from outside and their runs inside servers: records that every cloud keeps alike.

A run's next look is data (`due`), and so is the place in its script; a world that is read and put back goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from cloudheal_sim.guest.shell import Session
    from cloudheal_sim.kernel.timeline import Timeline

#: Bytes of output that are shown; the rest is counted as dropped.
OUTPUT_BYTES = 24 * 1024


class RunStatus(StrEnum):
    """The states of a command on one server."""

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


OPEN = frozenset({RunStatus.PENDING, RunStatus.SCHEDULED, RunStatus.RUNNING, RunStatus.STOPPING})


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a command did not do its work: the service's code and words."""

    code: str
    info: str


@dataclass(frozen=True, slots=True)
class Troubles:
    """In a cloud's words, everything that may keep a command from doing its work."""

    not_running: Trouble
    released: Trouble
    no_agent: Trouble
    undelivered: Trouble
    timed_out: Trouble
    interrupted: Trouble
    nonzero: Trouble


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
    parameters: bool = False
    """True when `{{name}}` in it is replaced."""
    kept: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)
    invoked: int = 0
    seq: int = 0


C = TypeVar("C", bound=Command)


@dataclass(slots=True, eq=False)
class Run:
    """One command on one server, once."""

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
    id: str = ""
    """Its own id, where the cloud gives it one."""

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
class Invocation(Generic[C]):
    """One order to run a command on servers."""

    id: str
    command: C
    created: int
    timeout: int
    runs: dict[str, Run]
    """The latest run on each server."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    username: str = ""
    working_dir: str = ""
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
        return False

    @property
    def kills(self) -> bool:
        """True when the process that a stopped script waits for ends with it."""
        return False

    def statuses(self, instant: int | None) -> list[RunStatus]:
        """Return the runs' statuses as a read answering for `instant` shows them."""
        found = (one.status.at(instant) for one in self.runs.values())
        return [one for one in found if one is not None]
