"""Commands and invocations of TAT: what this cloud adds to the delivery of commands, and what its statuses are called.

The shared dispatch knows fewer states than TAT has names; which name a run has follows from its state and its times.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cloudheal_sim.guest import run
from cloudheal_sim.guest.dispatch import Dispatch
from cloudheal_sim.guest.run import Run, RunStatus, Trouble, Troubles
from cloudheal_sim.tencent.cvm.model.instance import Instance

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloudheal_sim.guest.guests import Guests

#: `{{key}}` and `{{tat-hidden:key}}`; the value of a hidden one is not shown.
PLACEHOLDER = re.compile(r"\{\{\s*(?:tat-hidden:)?([A-Za-z0-9_-]{1,64})\s*\}\}")
#: Texts of ErrorInfo are this simulator's own: nobody published them.
TROUBLES = Troubles(
    not_running=Trouble("DELIVER_FAILED", "instance is not running"),
    released=Trouble("DELIVER_FAILED", "instance is released"),
    no_agent=Trouble("DELIVER_FAILED", "agent is offline"),
    undelivered=Trouble("DELIVER_FAILED", "command could not be delivered"),
    timed_out=Trouble("TIMEOUT", ""),
    interrupted=Trouble("TASK_TIMEOUT", "client has not responded"),
    nonzero=Trouble("FAILED", ""),
)
_ENDED = {
    RunStatus.RUNNING: "RUNNING",
    RunStatus.STOPPING: "CANCELLING",
    RunStatus.SUCCESS: "SUCCESS",
    RunStatus.FAILED: "FAILED",
    RunStatus.ERROR: "TASK_TIMEOUT",
    RunStatus.TIMEOUT: "TIMEOUT",
    RunStatus.CANCELLED: "CANCELLED",
    RunStatus.TERMINATED: "TERMINATED",
    RunStatus.INVALID: "START_FAILED",
    RunStatus.ABORTED: "DELIVER_FAILED",
}
#: A task whose agent has been silent for so long, in milliseconds, is called delayed.
_DELAYED = 5000
_OPEN = ("RUNNING", "CANCELLING", "PENDING", "DELIVERING", "DELIVER_DELAYED")
_CANCELLED = frozenset({"CANCELLED", "TERMINATED"})
_TIMEOUTS = frozenset({"TIMEOUT", "TASK_TIMEOUT"})


@dataclass(slots=True, eq=False)
class Command(run.Command):
    """One command."""

    username: str = "root"
    defaults: Mapping[str, str] = field(default_factory=dict)
    """Values of parameters that an invocation does not give."""


@dataclass(slots=True, eq=False)
class Invocation(run.Invocation[Command]):
    """One order to run a command on instances."""

    kind: str = "CVM"


class Automation(Dispatch[Instance, Command, Invocation]):
    """All commands and invocations of one account."""

    waits_for_output = True

    def __init__(self, guests: Guests[Instance]) -> None:
        super().__init__(guests, TROUBLES)

    def new_id(self, kind: str) -> str:
        """Draw an id such as `inv-4b0d2e8f`."""
        while True:
            id_ = f"{kind}-{self._kernel.chance.token(8, 'tat')}"
            if id_ not in self.commands and id_ not in self.invocations:
                return id_

    def _script(self, invocation: Invocation, machine: Instance) -> str:  # noqa: ARG002 - the same everywhere
        command = invocation.command
        if not command.parameters:
            return command.content
        values = {**command.defaults, **invocation.parameters}
        return PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), command.content)

    def _new_run(self, invocation: Invocation, machine: Instance, repeats: int = 1) -> Run:
        made = super()._new_run(invocation, machine, repeats)
        made.id = self.new_id("invt")
        return made


def task_status(task: Run, as_of: int | None, now: int) -> str:
    """Return the TaskStatus of a run as a read answering for `as_of` shows it."""
    status = task.status.at(as_of) or RunStatus.PENDING
    if status in _ENDED:
        return _ENDED[status]
    waited = (now if as_of is None else as_of) - task.created
    return "DELIVER_DELAYED" if waited > _DELAYED else "PENDING"


def overall(statuses: Iterable[str]) -> str:
    """Return the InvocationStatus that the tasks make together."""
    found = set(statuses)
    for status in _OPEN:
        if status in found:
            return "PENDING" if status.startswith("DELIVER") else status
    if found <= {"SUCCESS"}:
        return "SUCCESS"
    if found <= _CANCELLED:
        return "CANCELLED"
    if found <= _TIMEOUTS:
        return "TIMEOUT"
    if found <= _CANCELLED | {"SUCCESS"}:
        return "PARTIAL_CANCELLED"
    return "PARTIAL_FAILED" if "SUCCESS" in found else "FAILED"


def placeholders(content: str) -> Collection[str]:
    """Return the names of the parameters that a command uses."""
    return set(PLACEHOLDER.findall(content))
