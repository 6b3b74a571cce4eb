"""Cloud Assistant's share of the world document: commands, invocations, and how long things take.

A run in the middle of a script carries its place in it, so that it goes on where it was.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pydantic import AwareDatetime, Field

from cloudheal_sim.alibaba.ecs.model.assistant import AssistantDurations
from cloudheal_sim.alibaba.ecs.model.invocation import Command, Invocation, RepeatMode, Run, RunStatus, Trouble
from cloudheal_sim.alibaba.ecs.world_instances import moments, timeline, timeline_document
from cloudheal_sim.guest.guests import GuestDurations
from cloudheal_sim.guest.shell import Session
from cloudheal_sim.kernel.clock import iso_millis, to_millis
from cloudheal_sim.kernel.world import Part, WorldError, parsed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from cloudheal_sim.alibaba.ecs.state import Ecs


class CommandPart(Part):
    """One command."""

    id: str
    region: str = "cn-hangzhou"
    type: str = "RunShellScript"
    content: str
    created: AwareDatetime | None = None
    name: str = ""
    description: str = ""
    timeout: int = Field(60, ge=1)
    working_dir: str = ""
    launcher: str = ""
    resource_group: str = ""
    parameters: bool = False
    kept: bool = True
    tags: dict[str, str] = Field(default_factory=dict)
    invoked: int = 0


class SessionPart(Part):
    """A script that runs or has run."""

    script: str
    place: int = 0
    status: int = 0
    output: str = ""
    dropped: int = 0
    variables: dict[str, str] = Field(default_factory=dict)
    strict: bool = False
    over: bool = False
    bursts: int = 0
    foreground: str = ""
    depth: int = 0


class TroublePart(Part):
    """Why a run did not do its work."""

    code: str
    info: str


class RunPart(Part):
    """A command on one instance, once."""

    instance: str
    status: RunStatus
    since: AwareDatetime
    history: tuple[tuple[AwareDatetime, RunStatus], ...] = ()
    created: AwareDatetime
    script: str
    due: AwareDatetime | None = None
    give_up: AwareDatetime | None = None
    started: AwareDatetime | None = None
    finished: AwareDatetime | None = None
    stopped: AwareDatetime | None = None
    booted: AwareDatetime | None = None
    exit_code: int | None = None
    trouble: TroublePart | None = None
    session: SessionPart | None = None
    repeats: int = 1


class InvocationPart(Part):
    """An order to run a command."""

    id: str
    command: str
    created: AwareDatetime
    timeout: int = 60
    runs: tuple[RunPart, ...] = ()
    past: tuple[RunPart, ...] = ()
    mode: RepeatMode = RepeatMode.ONCE
    frequency: str = ""
    parameters: dict[str, str] = Field(default_factory=dict)
    username: str = ""
    working_dir: str = ""
    termination_mode: str = "Process"
    resource_group: str = ""
    tags: dict[str, str] = Field(default_factory=dict)


class AssistantPart(Part):
    """All keys of this section."""

    commands: tuple[CommandPart, ...] = ()
    invocations: tuple[InvocationPart, ...] = ()
    assistant_durations: AssistantDurations = AssistantDurations()
    guest_durations: GuestDurations = GuestDurations()


class AssistantSection:
    """Cloud Assistant in the world; guests stand with their instances."""

    keys = frozenset(AssistantPart.model_fields)

    def __init__(self, ecs: Ecs) -> None:
        self._ecs = ecs

    def read(self, part: Mapping[str, Any]) -> AssistantPart:
        """Check a share of a document. Raises WorldError."""
        read = parsed(AssistantPart, part, "alibaba")
        known = {one.id for one in read.commands}
        for number, one in enumerate(read.invocations):
            if one.command not in known:
                raise WorldError(f"alibaba.invocations.{number}.command: no command {one.command!r} in this world")
        return read

    def install(self, parsed: AssistantPart) -> None:
        """Replace commands and invocations by what was read."""
        assistant, guests = self._ecs.assistant, self._ecs.guests
        assistant.clear()
        assistant.durations, guests.durations = parsed.assistant_durations, parsed.guest_durations
        for command in parsed.commands:
            assistant.put(self._command(command))
        for invocation in parsed.invocations:
            assistant.put_invocation(_invocation(invocation, assistant.commands[invocation.command]))
        guests.resume()
        assistant.resume()

    def dump(self) -> dict[str, object]:
        """Write every command and invocation in full."""
        assistant = self._ecs.assistant
        return {
            "commands": [_command_document(one) for one in assistant.commands.values()],
            "invocations": [_invocation_document(one) for one in assistant.invocations.values()],
            "assistant_durations": assistant.durations.model_dump(),
            "guest_durations": self._ecs.guests.durations.model_dump(),
        }

    def _command(self, part: CommandPart) -> Command:
        created = self._ecs.kernel.clock.now() if part.created is None else to_millis(part.created)
        return Command(**part.model_dump(exclude={"created"}), created=created)


def _invocation(part: InvocationPart, command: Command) -> Invocation:
    return Invocation(
        **part.model_dump(exclude={"command", "created", "runs", "past"}),
        command=command,
        created=to_millis(part.created),
        runs={one.instance: _run(one) for one in part.runs},
        past=[_run(one) for one in part.past],
    )


def _run(part: RunPart) -> Run:
    return Run(
        instance=part.instance,
        status=timeline(part.status, to_millis(part.since), part.history),
        created=to_millis(part.created),
        script=part.script,
        due=_at(part.due),
        give_up=_at(part.give_up),
        started=_at(part.started),
        finished=_at(part.finished),
        stopped=_at(part.stopped),
        booted=_at(part.booted),
        exit_code=part.exit_code,
        trouble=None if part.trouble is None else Trouble(part.trouble.code, part.trouble.info),
        session=None if part.session is None else Session(**part.session.model_dump()),
        repeats=part.repeats,
    )


def _command_document(command: Command) -> dict[str, object]:
    written = asdict(command)
    del written["seq"]
    return {**written, "created": iso_millis(command.created)}


def _invocation_document(invocation: Invocation) -> dict[str, object]:
    return {
        "id": invocation.id,
        "command": invocation.command.id,
        "created": iso_millis(invocation.created),
        "timeout": invocation.timeout,
        "runs": [_run_document(one) for one in invocation.runs.values()],
        "past": [_run_document(one) for one in invocation.past],
        "mode": invocation.mode,
        "frequency": invocation.frequency,
        "parameters": dict(invocation.parameters),
        "username": invocation.username,
        "working_dir": invocation.working_dir,
        "termination_mode": invocation.termination_mode,
        "resource_group": invocation.resource_group,
        "tags": dict(invocation.tags),
    }


def _run_document(run: Run) -> dict[str, object]:
    return {
        "instance": run.instance,
        **timeline_document(run.status),
        "created": iso_millis(run.created),
        "script": run.script,
        **moments(
            due=run.due,
            give_up=run.give_up,
            started=run.started,
            finished=run.finished,
            stopped=run.stopped,
            booted=run.booted,
        ),
        "exit_code": run.exit_code,
        "trouble": run.trouble and asdict(run.trouble),
        "session": run.session and asdict(run.session),
        "repeats": run.repeats,
    }


def _at(moment: datetime | None) -> int | None:
    return None if moment is None else to_millis(moment)
