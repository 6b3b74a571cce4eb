"""Wire out: commands, invocations and results of Cloud Assistant. Content and output are Base64 unless asked plain."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs.model.assistant import placeholders
from cloudheal_sim.alibaba.ecs.model.invocation import Invocation, overall, overall_old
from cloudheal_sim.alibaba.ecs.replies.moments import second
from cloudheal_sim.guest.run import OPEN, Run, RunStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cloudheal_sim.alibaba.ecs.model.instance import Instance
    from cloudheal_sim.alibaba.ecs.model.invocation import Command
    from cloudheal_sim.alibaba.ecs.replies.paging import Page
    from cloudheal_sim.alibaba.rpc import Reply

#: A version that knows every built-in parameter.
AGENT_VERSION = "2.2.3.857"


@dataclass(frozen=True, slots=True)
class Form:
    """How to show: encoding, with output or without, and as of when."""

    base64: bool
    output: bool
    as_of: int | None


@dataclass(slots=True)
class Result:
    """One run of one order, with its place in the list."""

    invocation: Invocation
    run: Run
    seq: int = 0

    def record_status(self, as_of: int | None) -> str:
        """Return the run's InvokeRecordStatus."""
        return overall_old([_status(self.run, as_of)])


def commands(page: Page[Command], *, base64: bool) -> Reply:
    """Write one page of commands."""
    return {**page.frame, "Commands": {"Command": [_command(one, base64=base64) for one in page.items]}}


def _command(command: Command, *, base64: bool) -> dict[str, object]:
    return {
        "CommandId": command.id,
        "Name": command.name,
        "Type": command.type,
        "Description": command.description,
        "CommandContent": _encoded(command.content, base64=base64),
        "WorkingDir": command.working_dir,
        "Launcher": command.launcher,
        "Timeout": command.timeout,
        "InvokeTimes": command.invoked,
        "CreationTime": second(command.created),
        "EnableParameter": command.parameters,
        "ParameterNames": {
            "ParameterName": sorted(placeholders(command.content)) if command.parameters else [],
        },
        "ParameterDefinitions": {"ParameterDefinition": []},
        "Provider": "",
        "Category": "",
        "Latest": True,
        "Version": 1,
        "ResourceGroupId": command.resource_group,
        "Tags": _tags(command.tags),
    }


def invocations(page: Page[Invocation], form: Form) -> Reply:
    """Write one page of orders with their runs."""
    return {**page.frame, "Invocations": {"Invocation": [_invocation(one, form) for one in page.items]}}


def both_statuses(invocation: Invocation, as_of: int | None) -> tuple[str, str]:
    """Return an order's InvocationStatus and its old InvokeStatus."""
    statuses = invocation.statuses(as_of)
    return overall(statuses), overall_old(statuses)


def _invocation(invocation: Invocation, form: Form) -> dict[str, object]:
    command = invocation.command
    status, old = both_statuses(invocation, form.as_of)
    return {
        "InvokeId": invocation.id,
        "CreationTime": second(invocation.created),
        "CommandId": command.id,
        "CommandName": command.name,
        "CommandDescription": command.description,
        "CommandType": command.type,
        "CommandContent": _encoded(command.content, base64=form.base64),
        "RepeatMode": invocation.mode.value,
        "Frequency": invocation.frequency,
        "Timed": invocation.timed,
        "Parameters": json.dumps(dict(invocation.parameters), ensure_ascii=False),
        "Timeout": invocation.timeout,
        "Username": invocation.username or "root",
        "WorkingDir": invocation.working_dir,
        "Launcher": command.launcher,
        "TerminationMode": invocation.termination_mode,
        "InvocationStatus": status,
        "InvokeStatus": old,
        "Tags": _tags(invocation.tags),
        "InvokeInstances": {"InvokeInstance": [_run(one, form) for one in invocation.runs.values()]},
    }


def _run(run: Run, form: Form) -> dict[str, object]:
    over = _over(run, form.as_of)
    shown: dict[str, object] = {
        "InstanceId": run.instance,
        "InvocationStatus": _status(run, form.as_of).value,
        "InstanceInvokeStatus": overall_old([_status(run, form.as_of)]),
        "CreationTime": second(run.created),
        "StartTime": second(run.started),
        "FinishTime": second(run.finished) if over else "",
        "StopTime": second(run.stopped),
        "UpdateTime": second(run.status.since),
        "Repeats": run.repeats,
        "Timed": False,
        **_outcome(run, form, over=over),
    }
    if not form.output:
        del shown["Output"], shown["Dropped"]
    return shown


def results(page: Page[Result], form: Form) -> Reply:
    """Write one page of runs; here the paging stands inside."""
    entries = [_result(one.invocation, one.run, form) for one in page.items]
    return {"Invocation": {**page.frame, "InvocationResults": {"InvocationResult": entries}}}


def _result(invocation: Invocation, run: Run, form: Form) -> dict[str, object]:
    over = _over(run, form.as_of)
    return {
        "InvokeId": invocation.id,
        "CommandId": invocation.command.id,
        "InstanceId": run.instance,
        "InvocationStatus": _status(run, form.as_of).value,
        "InvokeRecordStatus": overall_old([_status(run, form.as_of)]),
        "StartTime": second(run.started),
        "FinishedTime": second(run.finished) if over else "",
        "StopTime": second(run.stopped),
        "Repeats": run.repeats,
        "Username": invocation.username or "root",
        "Launcher": invocation.command.launcher,
        "TerminationMode": invocation.termination_mode,
        "Tags": _tags(invocation.tags),
        **_outcome(run, form, over=over),
    }


def _outcome(run: Run, form: Form, *, over: bool) -> dict[str, object]:
    output, dropped = run.output()
    shown: dict[str, object] = {
        "Output": _encoded(output, base64=form.base64),
        "Dropped": dropped,
        "ErrorCode": run.trouble.code if run.trouble and over else "",
        "ErrorInfo": run.trouble.info if run.trouble and over else "",
    }
    if over and run.exit_code is not None:
        shown["ExitCode"] = run.exit_code
    return shown


@dataclass(frozen=True, slots=True)
class Agent:
    """What is known of an instance's agent: its system, whether it answers, its runs, and when it was asked."""

    system: str
    answers: bool
    runs: Sequence[Run]
    asked: int


def agents(page: Page[Instance], agent: Callable[[Instance], Agent]) -> Reply:
    """Write one page of instances with the state of their agents."""
    entries = [_agent(one.id, agent(one)) for one in page.items]
    return {**page.frame, "InstanceCloudAssistantStatusSet": {"InstanceCloudAssistantStatus": entries}}


def _agent(instance_id: str, agent: Agent) -> dict[str, object]:
    return {
        "InstanceId": instance_id,
        "CloudAssistantStatus": "true" if agent.answers else "false",
        "CloudAssistantVersion": AGENT_VERSION if agent.answers else "",
        "LastHeartbeatTime": second(agent.asked) if agent.answers else "",
        "InvocationCount": len(agent.runs),
        "ActiveTaskCount": sum(run.open for run in agent.runs),
        "LastInvokedTime": second(max((run.created for run in agent.runs), default=None)),
        "SupportSessionManager": agent.answers,
        "OSType": agent.system.capitalize(),
    }


def _status(run: Run, as_of: int | None) -> RunStatus:
    return run.status.at(as_of) or run.status.value


def _over(run: Run, as_of: int | None) -> bool:
    return _status(run, as_of) not in OPEN


def _encoded(text: str, *, base64: bool) -> str:
    return b64encode(text.encode()).decode() if base64 else text


def _tags(tags: Mapping[str, str]) -> dict[str, object]:
    return {"Tag": [{"TagKey": key, "TagValue": value} for key, value in tags.items()]}
