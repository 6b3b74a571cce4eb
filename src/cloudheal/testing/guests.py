"""Systems inside servers: what they print, and commands that end as they were told to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from cloudheal.errors import CloudPermanentError
from cloudheal.model.inventory import RUNNING
from cloudheal.ports.cloud import Command, Made, Result, Server
from cloudheal.testing.clock import VirtualClock
from cloudheal.testing.faults import Line


class FakeGuests:
    """The systems inside the servers of one region; `lasts` is how long a command takes."""

    def __init__(
        self, clock: VirtualClock, line: Line, actions: list[str], server: Callable[[str], Server | None]
    ) -> None:
        self.lasts = timedelta(seconds=1)
        self.consoles: dict[str, str] = {}
        self._clock = clock
        self._line = line
        self._actions = actions
        self._server = server
        self._runs: dict[str, tuple[datetime, int]] = {}
        self._tokens: dict[str, tuple[str, Command, str]] = {}
        self._codes: list[int] = []

    def exits_with(self, code: int) -> None:
        """Let the next command end with this exit code; without being told they end with 0."""
        self._codes.append(code)

    # --- the port --------------------------------------------------------------------------------

    def console(self, region: str, server: str) -> str:  # noqa: ARG002 - one region
        """Return what the system printed last."""
        return self._line.call("console", lambda: self.consoles.get(server, f"{server} login: "))[0]

    def run_command(self, region: str, server: str, command: Command, token: str, seconds: float) -> Made:  # noqa: ARG002
        """Begin to run a command; the same token is the same run."""
        return Made(*self._line.call("run_command", lambda: self._begun(server, command, token)))

    def command_result(self, region: str, server: str, run: str) -> Result | None:  # noqa: ARG002 - one region
        """Return what came of a run so far."""
        return self._line.call("command_result", lambda: self._result(run))[0]

    def _begun(self, server: str, command: Command, token: str) -> str:
        if token in self._tokens:
            where, what, run = self._tokens[token]
            if (where, what) != (server, command):
                raise CloudPermanentError("another command had this token", vendor_code="IdempotentParameterMismatch")
            return run
        found = self._server(server)
        if found is None:
            raise CloudPermanentError(f"no server {server}", vendor_code="InvalidInstance.NotFound")
        if found.state != RUNNING:
            raise CloudPermanentError(f"{server} is {found.state}", vendor_code="InvalidInstance.NotMatch")
        run = f"t-{len(self._runs) + 1}"
        self._tokens[token] = (server, command, run)
        self._runs[run] = (self._clock.now() + self.lasts, self._codes.pop(0) if self._codes else 0)
        self._clock.plan(self.lasts, lambda: None)  # so that a scene's clock stops there
        self._actions.append(f"run {command.text} on {server}")
        return run

    def _result(self, run: str) -> Result | None:
        if run not in self._runs:
            return None
        until, code = self._runs[run]
        if self._clock.now() < until:
            return Result("Running", is_over=False)
        return Result("Success" if code == 0 else "Failed", is_over=True, exit_code=code, output="")
