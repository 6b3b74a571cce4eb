"""Cloud Assistant's share of the world document: commands, invocations, and how long things take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudheal_sim.alibaba.ecs.model.invocation import Command, Invocation, RepeatMode
from cloudheal_sim.guest import run_parts
from cloudheal_sim.guest.dispatch import DispatchDurations
from cloudheal_sim.guest.guests import GuestDurations
from cloudheal_sim.guest.run_parts import RunPart, command_document, invocation_document, run_document, run_from
from cloudheal_sim.kernel.world import Part, parsed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.alibaba.ecs.state import Ecs


class CommandPart(run_parts.CommandPart):
    """One command."""

    region: str = "cn-hangzhou"
    type: str = "RunShellScript"
    launcher: str = ""
    resource_group: str = ""


class InvocationPart(run_parts.InvocationPart):
    """An order to run a command."""

    past: tuple[RunPart, ...] = ()
    mode: RepeatMode = RepeatMode.ONCE
    frequency: str = ""
    termination_mode: str = "Process"
    resource_group: str = ""


class AssistantPart(Part):
    """All keys of this section."""

    commands: tuple[CommandPart, ...] = ()
    invocations: tuple[InvocationPart, ...] = ()
    assistant_durations: DispatchDurations = DispatchDurations()
    guest_durations: GuestDurations = GuestDurations()


class AssistantSection:
    """Cloud Assistant in the world; guests stand with their instances."""

    keys = frozenset(AssistantPart.model_fields)

    def __init__(self, ecs: Ecs) -> None:
        self._ecs = ecs

    def read(self, part: Mapping[str, Any]) -> AssistantPart:
        """Check a share of a document. Raises WorldError."""
        read = parsed(AssistantPart, part, "alibaba")
        run_parts.checked(read.commands, read.invocations, "alibaba")
        return read

    def install(self, parsed: AssistantPart) -> None:
        """Replace commands and invocations by what was read."""
        assistant, guests = self._ecs.assistant, self._ecs.guests
        assistant.clear()
        assistant.durations, guests.durations = parsed.assistant_durations, parsed.guest_durations
        for command in parsed.commands:
            assistant.put(Command(**run_parts.command_fields(command, self._ecs.kernel.clock.now())))
        for invocation in parsed.invocations:
            assistant.put_invocation(_invocation(invocation, assistant.commands[invocation.command]))
        guests.resume()
        assistant.resume()

    def dump(self) -> dict[str, object]:
        """Write every command and invocation in full."""
        assistant = self._ecs.assistant
        return {
            "commands": [command_document(one) for one in assistant.commands.values()],
            "invocations": [_invocation_document(one) for one in assistant.invocations.values()],
            "assistant_durations": assistant.durations.model_dump(),
            "guest_durations": self._ecs.guests.durations.model_dump(),
        }


def _invocation(part: InvocationPart, command: Command) -> Invocation:
    past = [run_from(one) for one in part.past]
    return Invocation(**{**run_parts.order_fields(part), "past": past}, command=command)


def _invocation_document(invocation: Invocation) -> dict[str, object]:
    return {
        **invocation_document(invocation),
        "past": [run_document(one) for one in invocation.past],
        "mode": invocation.mode,
        "frequency": invocation.frequency,
        "termination_mode": invocation.termination_mode,
        "resource_group": invocation.resource_group,
    }
