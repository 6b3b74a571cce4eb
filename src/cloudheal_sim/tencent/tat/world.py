"""TAT's share of the world document: commands, invocations, roles, and how long things take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from cloudheal_sim.guest import run_parts
from cloudheal_sim.guest.dispatch import DispatchDurations
from cloudheal_sim.guest.guests import GuestDurations
from cloudheal_sim.guest.run_parts import command_document, invocation_document
from cloudheal_sim.kernel.world import Part, parsed
from cloudheal_sim.tencent.places import DEFAULT_REGION
from cloudheal_sim.tencent.tat.model import Command, Invocation
from cloudheal_sim.tencent.tat.state import ROLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.tencent.tat.state import Tat


class CommandPart(run_parts.CommandPart):
    """One command."""

    region: str = DEFAULT_REGION
    type: str = "SHELL"
    working_dir: str = "/root"
    username: str = "root"
    defaults: dict[str, str] = Field(default_factory=dict)


class InvocationPart(run_parts.InvocationPart):
    """An order to run a command."""

    username: str = "root"
    working_dir: str = "/root"
    kind: str = "CVM"


class TatPart(Part):
    """All keys of this section."""

    commands: tuple[CommandPart, ...] = ()
    invocations: tuple[InvocationPart, ...] = ()
    service_roles: tuple[str, ...] = (ROLE,)
    tat_durations: DispatchDurations = DispatchDurations()
    guest_durations: GuestDurations = GuestDurations()


class TatSection:
    """TAT in the world; guests stand with their instances."""

    keys = frozenset(TatPart.model_fields)

    def __init__(self, tat: Tat) -> None:
        self._tat = tat

    def read(self, part: Mapping[str, Any]) -> TatPart:
        """Check a share of a document. Raises WorldError."""
        read = parsed(TatPart, part, "tencent")
        run_parts.checked(read.commands, read.invocations, "tencent")
        return read

    def install(self, parsed: TatPart) -> None:
        """Replace commands and invocations by what was read."""
        automation = self._tat.automation
        automation.clear()
        self._tat.service_roles = parsed.service_roles
        automation.durations, self._tat.cvm.guests.durations = parsed.tat_durations, parsed.guest_durations
        for command in parsed.commands:
            automation.put(Command(**run_parts.command_fields(command, self._tat.kernel.clock.now())))
        for order in parsed.invocations:
            command_of = automation.commands[order.command]
            automation.put_invocation(Invocation(**run_parts.order_fields(order), command=command_of))
        automation.resume()

    def dump(self) -> dict[str, object]:
        """Write every command and invocation in full."""
        automation = self._tat.automation
        return {
            "commands": [command_document(one) for one in automation.commands.values()],
            "invocations": [{**invocation_document(one), "kind": one.kind} for one in automation.invocations.values()],
            "service_roles": list(self._tat.service_roles),
            "tat_durations": automation.durations.model_dump(),
            "guest_durations": self._tat.cvm.guests.durations.model_dump(),
        }
