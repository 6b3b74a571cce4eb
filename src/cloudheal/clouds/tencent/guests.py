"""The systems inside servers: agents and commands of TencentCloud Automation Tools (TAT).

The service knows no client token. A command's name carries ours, and before anything is sent the server's commands are
searched for that name, so that one whose answer was lost does not run twice. A command is never kept and never sent
with parameters: what it does stands in its text, byte for byte.
"""

from __future__ import annotations

import binascii
import hashlib
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from cloudheal.clouds.tencent.client import TAT, Client
from cloudheal.errors import CloudPermanentError
from cloudheal.ports.account import not_offered
from cloudheal.ports.cloud import Agent, Command, Made, Result, Shell

#: CAM actions by verb, for the printed least-privilege policy.
PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    "agents": ("tat:DescribeAutomationAgentStatus",),
    "run_command": ("tat:RunCommand", "tat:DescribeInvocationTasks"),
    "command_result": ("tat:DescribeInvocationTasks",),
}
READ_SECONDS = 10.0
#: The API's own limits: a command's time, servers and rows in a call.
SHORTEST, LONGEST, PAGE = 1, 86_400, 100
#: How many of a server's commands are searched for one of ours; they are listed newest first (UNVERIFIED).
MOST_SEARCHED = 5 * PAGE
#: Statuses of a run that goes on.
_OPEN = frozenset({"PENDING", "DELIVERING", "DELIVER_DELAYED", "RUNNING", "CANCELLING"})
#: Statuses of which the exit code is the command's own.
_ENDED = frozenset({"SUCCESS", "FAILED"})
_TYPES = {Shell.SH: "SHELL", Shell.POWERSHELL: "POWERSHELL"}
_UNKNOWN = ("InvalidParameterValue.InvalidInvocationId", "ResourceNotFound.InvocationNotFound")


class TencentGuests:
    """The systems inside the servers of one Tencent Cloud account."""

    def __init__(self, client: Client, elapsed: Callable[[], float] = time.monotonic) -> None:
        """`elapsed` is a clock of real seconds, which only ever goes on."""
        self._client = client
        self._elapsed = elapsed

    def console(self, region: str, server: str) -> str:
        """Refuse: the cloud shows no text of a console."""
        raise not_offered(f"text of a console (asked for {server} in {region})", "Tencent Cloud")

    def agents(self, region: str, ids: Sequence[str]) -> Mapping[str, Agent]:
        """Read whether commands can be run, by server; one of whose agent the cloud knows nothing is absent."""
        found: dict[str, Agent] = {}
        for start in range(0, len(ids), PAGE):
            asked = {"InstanceIds": list(ids[start : start + PAGE]), "Limit": PAGE}
            reply = self._client.call(TAT, "DescribeAutomationAgentStatus", region, asked, READ_SECONDS)
            found.update((str(one["InstanceId"]), _agent(one)) for one in reply.get("AutomationAgentSet") or ())
        return found

    def run_command(self, region: str, server: str, command: Command, token: str, seconds: float) -> Made:
        """Begin to run a command. The same token is the same run, however often it is sent."""
        began, content = self._elapsed(), b64encode(command.text.encode()).decode()
        name = _name(token)
        asked = {
            "Content": content,
            "InstanceIds": [server],
            "CommandName": name,
            "CommandType": _TYPES[command.shell],
            "Timeout": min(max(command.timeout, SHORTEST), LONGEST),
            **({"Username": command.user} if command.user else {}),
            **({"WorkingDirectory": command.directory} if command.directory else {}),
        }
        known = self._known(region, server, name, seconds / 2)
        if known is not None:
            _check_same(known.get("CommandDocument") or {}, asked, server)
            return Made(str(known["InvocationId"]), "")
        left = seconds - (self._elapsed() - began)
        reply = self._client.call(TAT, "RunCommand", region, asked, left)
        return Made(str(reply["InvocationId"]), str(reply["RequestId"]))

    def command_result(self, region: str, server: str, run: str) -> Result | None:
        """Return what came of a run so far; None when the cloud does not know it (yet)."""
        asked = {**_filters({"invocation-id": run, "instance-id": server}), "HideOutput": False}
        try:
            reply = self._client.call(TAT, "DescribeInvocationTasks", region, asked, READ_SECONDS)
        except CloudPermanentError as problem:
            if problem.vendor_code.startswith(_UNKNOWN):
                return None
            raise
        return next((_result(one) for one in reply.get("InvocationTaskSet") or ()), None)

    def _known(self, region: str, server: str, name: str, seconds: float) -> Mapping[str, Any] | None:
        """Find a command that was sent before."""
        give_up = self._elapsed() + seconds
        return next((one for one in self._tasks(region, server, give_up) if one.get("CommandName") == name), None)

    def _tasks(self, region: str, server: str, give_up: float) -> Iterator[Mapping[str, Any]]:
        seen = 0
        while seen < MOST_SEARCHED:
            asked = {**_filters({"instance-id": server}), "HideOutput": True, "Offset": seen, "Limit": PAGE}
            left = max(give_up - self._elapsed(), 0.1)
            reply = self._client.call(TAT, "DescribeInvocationTasks", region, asked, left)
            page = reply.get("InvocationTaskSet") or ()
            yield from page
            seen += len(page)
            if not page or seen >= int(reply.get("TotalCount") or 0):
                return


def _name(token: str) -> str:
    """Return the name of a command: the API takes 60 bytes, of letters, digits and a few marks."""
    return f"cloudheal-{hashlib.sha256(token.encode()).hexdigest()[:40]}"


def _check_same(document: Mapping[str, Any], asked: Mapping[str, Any], server: str) -> None:
    """Refuse a token that another command bears. Raises CloudPermanentError."""
    names = ("Content", "Username", "WorkingDirectory")
    if any(document.get(name) and name in asked and document[name] != asked[name] for name in names):
        message = f"another command was sent to {server} under this token"
        raise CloudPermanentError(message, vendor_code="IdempotentParameterMismatch")


def _filters(values: Mapping[str, str]) -> dict[str, Any]:
    return {"Filters": [{"Name": name, "Values": [value]} for name, value in values.items()]}


def _agent(shown: Mapping[str, Any]) -> Agent:
    online = shown.get("AgentStatus") == "Online"
    return Agent(online, str(shown.get("Version") or ""), str(shown.get("LastHeartbeatTime") or ""))


def _result(shown: Mapping[str, Any]) -> Result:
    status, told = str(shown.get("TaskStatus") or ""), shown.get("TaskResult") or {}
    code = told.get("ExitCode")
    return Result(
        status=status,
        is_over=bool(status) and status not in _OPEN,
        exit_code=int(code) if status in _ENDED and isinstance(code, int) else None,
        output=_decoded(str(told.get("Output") or "")) or str(shown.get("ErrorInfo") or ""),
    )


def _decoded(text: str) -> str:
    """Read the Base64 of what a command printed, of which the service keeps 24 kB."""
    try:
        return b64decode(text, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return text
