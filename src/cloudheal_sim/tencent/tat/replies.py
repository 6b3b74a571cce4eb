"""Wire out: agents, commands, invocations and tasks. Content and output are Base64; times end in `+00:00`."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING

from cloudheal_sim.guest.run import OPEN
from cloudheal_sim.kernel.clock import to_datetime
from cloudheal_sim.tencent.tat.model import overall, placeholders, task_status

if TYPE_CHECKING:
    from cloudheal_sim.guest.run import Run
    from cloudheal_sim.tencent.cvm.model.instance import Instance
    from cloudheal_sim.tencent.tat.model import Command, Invocation
    from cloudheal_sim.tencent.tat.state import Tat

AGENT_VERSION = "1.1.8"


def moment(instant: int | None) -> str:
    """Write an instant as TAT shows it; empty for one that has not come."""
    return "" if instant is None else to_datetime(instant).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def encoded(text: str) -> str:
    """Write text as Base64."""
    return b64encode(text.encode()).decode()


def agent_row(tat: Tat, instance: Instance) -> dict[str, object]:
    """Show one agent; one that is silent was last heard of when its instance was last well."""
    online, now = tat.agent_online(instance), tat.kernel.clock.now()
    return {
        "InstanceId": instance.id,
        "Version": AGENT_VERSION,
        "LastHeartbeatTime": moment(now if online else instance.status.since),
        "AgentStatus": "Online" if online else "Offline",
        "Environment": "Linux",
        "SupportFeatures": ["SESSION_MANAGER"],
    }


def command_row(command: Command) -> dict[str, object]:
    """Show one command that was kept."""
    return {
        "CommandId": command.id,
        "CommandName": command.name,
        "Description": command.description,
        "FormattedDescription": [],
        "Content": encoded(command.content),
        "CommandType": command.type,
        "WorkingDirectory": command.working_dir,
        "Timeout": command.timeout,
        "CreatedTime": moment(command.created),
        "UpdatedTime": moment(command.created),
        "EnableParameter": command.parameters,
        "DefaultParameters": json.dumps(dict(command.defaults)) if command.parameters else "",
        "DefaultParameterConfs": [
            {"ParameterName": name, "ParameterValue": command.defaults.get(name, ""), "ParameterDescription": ""}
            for name in sorted(placeholders(command.content))
        ]
        if command.parameters
        else [],
        "Scenes": [],
        "CreatedBy": "USER",
        "Tags": [{"Key": key, "Value": value} for key, value in command.tags.items()],
        "Username": command.username,
        "OutputCOSBucketUrl": "",
        "OutputCOSKeyPrefix": "",
    }


def invocation_status(invocation: Invocation, as_of: int | None, now: int) -> str:
    """Return the status of an order as a read answering for `as_of` shows it."""
    return overall(task_status(one, as_of, now) for one in invocation.runs.values())


def invocation_row(invocation: Invocation, as_of: int | None, now: int) -> dict[str, object]:
    """Show one order with the states of its tasks."""
    command, runs = invocation.command, list(invocation.runs.values())
    ended = None if any(_open(one, as_of) for one in runs) else max((one.finished or 0 for one in runs), default=None)
    return {
        "InvocationId": invocation.id,
        "CommandId": command.id,
        "CommandName": command.name,
        "InvocationStatus": invocation_status(invocation, as_of, now),
        "InvocationTaskBasicInfoSet": [
            {"InvocationTaskId": one.id, "TaskStatus": task_status(one, as_of, now), "InstanceId": one.instance}
            for one in runs
        ],
        "Description": command.description,
        "StartTime": moment(invocation.created),
        "EndTime": moment(ended) or None,
        "CreatedTime": moment(invocation.created),
        "UpdatedTime": moment(max((one.status.since for one in runs), default=invocation.created)),
        "Parameters": json.dumps(dict(invocation.parameters)) if invocation.parameters else "",
        "DefaultParameters": json.dumps(dict(command.defaults)),
        "InstanceKind": invocation.kind,
        "Username": invocation.username,
        "InvocationSource": "USER",
        "CommandContent": encoded(command.content),
        "CommandType": command.type,
        "Timeout": invocation.timeout,
        "WorkingDirectory": invocation.working_dir,
        "OutputCOSBucketUrl": "",
        "OutputCOSKeyPrefix": "",
    }


def task_row(invocation: Invocation, task: Run, as_of: int | None, now: int, *, hide: bool) -> dict[str, object]:
    """Show one task with its result, and with its output unless that is hidden."""
    command, over = invocation.command, not _open(task, as_of)
    output, dropped = task.output()
    begun = task.started is not None
    return {
        "InvocationId": invocation.id,
        "InvocationTaskId": task.id,
        "CommandId": command.id,
        "CommandName": command.name,
        "TaskStatus": task_status(task, as_of, now),
        "InstanceId": task.instance,
        "TaskResult": {
            "ExitCode": task.exit_code if over and task.exit_code is not None else -1 if over else 0,
            "Output": "" if hide or not over else encoded(output),
            "Dropped": 0 if hide or not over else dropped,
            "ExecStartTime": moment(task.started),
            "ExecEndTime": moment(task.finished) if over and begun else "",
            "OutputUrl": "",
            "OutputUploadCOSErrorInfo": "",
        },
        "CommandDocument": {
            "Content": encoded(task.script if command.parameters else command.content),
            "CommandType": command.type,
            "Timeout": invocation.timeout,
            "WorkingDirectory": invocation.working_dir,
            "Username": invocation.username,
            "OutputCOSBucketUrl": "",
            "OutputCOSKeyPrefix": "",
        },
        "ErrorInfo": task.trouble.info if over and task.trouble is not None else "",
        "InvocationSource": "USER",
        "StartTime": moment(task.started or task.created),
        "EndTime": moment(task.finished) if over else None,
        "CreatedTime": moment(task.created),
        "UpdatedTime": moment(task.status.since),
    }


def _open(task: Run, as_of: int | None) -> bool:
    return (task.status.at(as_of) or task.status.value) in OPEN
