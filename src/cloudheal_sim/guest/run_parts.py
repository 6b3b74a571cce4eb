"""Runs of commands between the world document and the objects that keep them, the same for every cloud.

A run in the middle of a script carries its place in it, so that it goes on where it was.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pydantic import AwareDatetime, Field

from cloudheal_sim.guest.run import Run, RunStatus, Trouble
from cloudheal_sim.guest.shell import Session
from cloudheal_sim.kernel.clock import iso_millis, to_millis
from cloudheal_sim.kernel.moments import instant_of, moments, timeline, timeline_document
from cloudheal_sim.kernel.world import Part, WorldError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudheal_sim.guest.run import C, Invocation


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
    holders: list[int] = Field(default_factory=list)


class TroublePart(Part):
    """Why a run did not do its work."""

    code: str
    info: str


class RunPart(Part):
    """A command on one instance, once."""

    id: str = ""
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


class CommandPart(Part):
    """One command; a cloud says what its commands are by default, and what else they have."""

    id: str
    region: str
    type: str
    content: str
    created: AwareDatetime | None = None
    name: str = ""
    description: str = ""
    timeout: int = Field(60, ge=1)
    working_dir: str = ""
    parameters: bool = False
    kept: bool = True
    tags: dict[str, str] = Field(default_factory=dict)
    invoked: int = 0


class InvocationPart(Part):
    """An order to run a command."""

    id: str
    command: str
    created: AwareDatetime
    timeout: int = 60
    runs: tuple[RunPart, ...] = ()
    parameters: dict[str, str] = Field(default_factory=dict)
    username: str = ""
    working_dir: str = ""
    tags: dict[str, str] = Field(default_factory=dict)


def checked(commands: Iterable[CommandPart], orders: Iterable[InvocationPart], cloud: str) -> None:
    """Raise WorldError for an order whose command is not in the document."""
    known = {one.id for one in commands}
    for number, one in enumerate(orders):
        if one.command not in known:
            raise WorldError(f"{cloud}.invocations.{number}.command: no command {one.command!r} in this world")


def command_fields(part: CommandPart, now: int) -> dict[str, Any]:
    """Return what a command is made of; one without a time was made now."""
    return {**part.model_dump(exclude={"created"}), "created": instant_of(part.created, now)}


def order_fields(part: InvocationPart) -> dict[str, Any]:
    """Return what an order is made of, its command aside."""
    given = part.model_dump(exclude={"command", "created", "runs"})
    return {**given, "created": to_millis(part.created), "runs": {one.instance: run_from(one) for one in part.runs}}


def run_from(part: RunPart) -> Run:
    """Build a run from its document."""
    return Run(
        id=part.id,
        instance=part.instance,
        status=timeline(part.status, to_millis(part.since), part.history),
        created=to_millis(part.created),
        script=part.script,
        due=instant_of(part.due, None),
        give_up=instant_of(part.give_up, None),
        started=instant_of(part.started, None),
        finished=instant_of(part.finished, None),
        stopped=instant_of(part.stopped, None),
        booted=instant_of(part.booted, None),
        exit_code=part.exit_code,
        trouble=None if part.trouble is None else Trouble(part.trouble.code, part.trouble.info),
        session=None if part.session is None else Session(**part.session.model_dump()),
        repeats=part.repeats,
    )


def command_document(command: C) -> dict[str, object]:
    """Write a command in full."""
    written = asdict(command)
    del written["seq"]
    return {**written, "created": iso_millis(command.created)}


def invocation_document(invocation: Invocation[C]) -> dict[str, object]:
    """Write an order with its runs."""
    return {
        "id": invocation.id,
        "command": invocation.command.id,
        "created": iso_millis(invocation.created),
        "timeout": invocation.timeout,
        "runs": [run_document(one) for one in invocation.runs.values()],
        "parameters": dict(invocation.parameters),
        "username": invocation.username,
        "working_dir": invocation.working_dir,
        "tags": dict(invocation.tags),
    }


def run_document(run: Run) -> dict[str, object]:
    """Write a run with its place in its script."""
    return {
        "id": run.id,
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
