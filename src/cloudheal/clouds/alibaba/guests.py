"""The systems inside servers: GetInstanceConsoleOutput, and Cloud Assistant (DescribeCloudAssistantStatus, RunCommand).

A command is sent with a client token, so that one whose answer was lost is sent again without running twice. It is
not kept, and is never sent with parameters: what it does stands in its text.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from cloudheal.clouds.alibaba.client import ECS, Client
from cloudheal.ports.cloud import Agent, Command, Made, Result, Shell

#: RAM actions by verb, for the printed least-privilege policy.
PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    "console": ("ecs:GetInstanceConsoleOutput",),
    "agents": ("ecs:DescribeCloudAssistantStatus",),
    "run_command": ("ecs:RunCommand",),
    "command_result": ("ecs:DescribeInvocationResults",),
}
READ_SECONDS = 10.0
#: The API's own limits of a command's time.
SHORTEST, LONGEST = 10, 86_400
#: The API's own limit of servers whose agents are asked for in one call.
MOST_AGENTS = 50
#: Statuses of a run that goes on.
_OPEN = frozenset({"Pending", "Scheduled", "Running", "Stopping"})
_TYPES = {Shell.SH: "RunShellScript", Shell.POWERSHELL: "RunPowerShellScript"}


class AlibabaGuests:
    """The systems inside the servers of one Alibaba Cloud account."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def console(self, region: str, server: str) -> str:
        """Return what the system printed last on its console; empty where nothing is known of it."""
        reply = self._client.call(ECS, "GetInstanceConsoleOutput", region, {"InstanceId": server}, READ_SECONDS)
        return _decoded(str(reply.get("ConsoleOutput") or ""))

    def agents(self, region: str, ids: Sequence[str]) -> Mapping[str, Agent]:
        """Read whether commands can be run, by server; one of whose agent the cloud knows nothing is absent."""
        found: dict[str, Agent] = {}
        for start in range(0, len(ids), MOST_AGENTS):
            part = list(ids[start : start + MOST_AGENTS])
            query = {f"InstanceId.{number}": one for number, one in enumerate(part, 1)}
            query["PageSize"] = str(MOST_AGENTS)
            reply = self._client.call(ECS, "DescribeCloudAssistantStatus", region, query, READ_SECONDS)
            listed = reply.get("InstanceCloudAssistantStatusSet", {}).get("InstanceCloudAssistantStatus", ())
            found.update((str(one["InstanceId"]), _agent(one)) for one in listed)
        return found

    def run_command(self, region: str, server: str, command: Command, token: str, seconds: float) -> Made:
        """Begin to run a command. The same token is the same run, however often it is sent."""
        query = {
            "Type": _TYPES[command.shell],
            "CommandContent": b64encode(command.text.encode()).decode(),
            "ContentEncoding": "Base64",
            "Timeout": str(min(max(command.timeout, SHORTEST), LONGEST)),
            "InstanceId.1": server,
            "ClientToken": token,
            **({"Username": command.user} if command.user else {}),
            **({"WorkingDir": command.directory} if command.directory else {}),
        }
        reply = self._client.call(ECS, "RunCommand", region, query, seconds)
        return Made(str(reply["InvokeId"]), str(reply.get("RequestId", "")))

    def command_result(self, region: str, server: str, run: str) -> Result | None:
        """Return what came of a run so far; None when the cloud does not know it (yet)."""
        query = {"InvokeId": run, "InstanceId": server, "ContentEncoding": "PlainText"}
        reply = self._client.call(ECS, "DescribeInvocationResults", region, query, READ_SECONDS)
        listed = reply.get("Invocation", {}).get("InvocationResults", {}).get("InvocationResult", ())
        return next((_result(one) for one in listed), None)


def _agent(shown: Mapping[str, Any]) -> Agent:
    answers = str(shown.get("CloudAssistantStatus") or "").lower() == "true"
    version, seen = shown.get("CloudAssistantVersion"), shown.get("LastHeartbeatTime")
    return Agent(answers, str(version or ""), str(seen or ""))


def _result(shown: Mapping[str, Any]) -> Result:
    status, code = str(shown.get("InvocationStatus") or ""), shown.get("ExitCode")
    is_over = bool(status) and status not in _OPEN
    return Result(
        status=str(shown.get("ErrorCode") or "") or status,
        is_over=is_over,
        exit_code=int(code) if is_over and isinstance(code, int) else None,
        output=str(shown.get("Output") or ""),
    )


def _decoded(text: str) -> str:
    """Read the Base64 of a console; a reply in any other form is shown as it came."""
    try:
        return b64decode(text, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return text
