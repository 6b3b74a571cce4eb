"""Systems inside servers: what they print, agents that come up, and commands that end as they were told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from cloudheal.errors import CloudPermanentError
from cloudheal.model.inventory import RUNNING
from cloudheal.ports.cloud import Agent, Command, Made, Result, Server
from cloudheal.testing.clock import VirtualClock
from cloudheal.testing.faults import Line

#: What a command does inside a server: its exit code and its output.
Inside = Callable[[str, Command], tuple[int, str]]
#: The vendor's word for a command that no agent took.
NO_AGENT = "ClientNotRunning"


class FakeGuests:
    """The systems inside the servers of one region.

    A command takes as long as `lasts`; an agent answers `agent_start` after its server began to run, but for those of
    `offline`, `stale` and `unknown`, of which the cloud knows none. What a command does is `inside`: without it,
    nothing.
    """

    def __init__(
        self,
        clock: VirtualClock,
        line: Line,
        actions: list[str],
        server: Callable[[str], tuple[datetime, Server | None]],
    ) -> None:
        """`server` tells how a server is, and since when."""
        self.lasts = timedelta(seconds=1)
        self.agent_start = timedelta()
        self.offline: set[str] = set()
        self.unknown: set[str] = set()
        #: Agents that do not answer, and that the cloud takes for online by what it heard before.
        self.stale: set[str] = set()
        self.consoles: dict[str, str] = {}
        self.inside: Inside = lambda _server, _command: (0, "")
        #: Every command that was begun, in order.
        self.commands: list[Command] = []
        self._clock = clock
        self._line = line
        self._actions = actions
        self._server = server
        self._runs: dict[str, tuple[datetime, Result]] = {}
        self._tokens: dict[str, tuple[str, Command, str]] = {}
        self._told: list[tuple[int, str]] = []

    def exits_with(self, code: int, output: str = "") -> None:
        """Let the next command end like this, whatever it is; the others end as `inside` says."""
        self._told.append((code, output))

    # --- the port --------------------------------------------------------------------------------

    def console(self, region: str, server: str) -> str:  # noqa: ARG002 - one region
        """Return what the system printed last."""
        return self._line.call("console", lambda: self.consoles.get(server, f"{server} login: "))[0]

    def agents(self, region: str, ids: Sequence[str]) -> Mapping[str, Agent]:  # noqa: ARG002 - one region
        """Read whether commands can be run."""
        return self._line.call("agents", lambda: dict(self._agents(ids)))[0]

    def run_command(self, region: str, server: str, command: Command, token: str, seconds: float) -> Made:  # noqa: ARG002
        """Begin to run a command; the same token is the same run."""
        return Made(*self._line.call("run_command", lambda: self._begun(server, command, token)))

    def command_result(self, region: str, server: str, run: str) -> Result | None:  # noqa: ARG002 - one region
        """Return what came of a run so far."""
        return self._line.call("command_result", lambda: self._result(run))[0]

    def _agents(self, ids: Sequence[str]) -> Iterator[tuple[str, Agent]]:
        for one in ids:
            if self._server(one)[1] is not None and one not in self.unknown:
                answers = self._answers(one)
                yield one, Agent(answers or one in self.stale, "1.0", self._heard(one, answers=answers))

    def _heard(self, id_: str, *, answers: bool) -> str:
        """Return when an agent was heard of last, in the whole seconds that clouds tell."""
        at = self._clock.now() if answers else self._server(id_)[0] - timedelta(minutes=1)
        return at.replace(microsecond=0).isoformat()

    def _answers(self, id_: str) -> bool:
        since, server = self._server(id_)
        runs = server is not None and server.state == RUNNING
        silent = id_ in self.offline | self.unknown | self.stale
        return runs and not silent and self._clock.now() - since >= self.agent_start

    def _begun(self, server: str, command: Command, token: str) -> str:
        if token in self._tokens:
            where, what, run = self._tokens[token]
            if (where, what) != (server, command):
                raise CloudPermanentError("another command had this token", vendor_code="IdempotentParameterMismatch")
            return run
        _, found = self._server(server)
        if found is None:
            raise CloudPermanentError(f"no server {server}", vendor_code="InvalidInstance.NotFound")
        if found.state != RUNNING:
            raise CloudPermanentError(f"{server} is {found.state}", vendor_code="InvalidInstance.NotMatch")
        run = f"t-{len(self._runs) + 1}"
        self._tokens[token] = (server, command, run)
        self._runs[run] = (self._clock.now() + self.lasts, self._done(server, command))
        self._clock.plan(self.lasts, lambda: None)  # so that a scene's clock stops there
        self._actions.append(f"run {command.text} on {server}")
        self.commands.append(command)
        return run

    def _done(self, server: str, command: Command) -> Result:
        if not self._answers(server):
            return Result(NO_AGENT, is_over=True)
        code, output = self._told.pop(0) if self._told else self.inside(server, command)
        return Result("Success" if code == 0 else "Failed", is_over=True, exit_code=code, output=output)

    def _result(self, run: str) -> Result | None:
        until, result = self._runs.get(run, (self._clock.now(), None))
        return result if self._clock.now() >= until else Result("Running", is_over=False)
