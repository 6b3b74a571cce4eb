"""Cloud Assistant: what it adds to the delivery of commands: schedules, and commands that wait for a restart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.ecs.model.frequency import next_time
from cloudheal_sim.alibaba.ecs.model.instance import Instance
from cloudheal_sim.alibaba.ecs.model.invocation import TROUBLES, Command, Invocation, RepeatMode
from cloudheal_sim.guest.dispatch import Dispatch
from cloudheal_sim.guest.run import Run, RunStatus, Trouble

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.guest.guests import Guests

#: Earlier runs of a repeating command on record; by feel.
MOST_PAST = 1000
_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z0-9_:-]{1,64})\s*\}\}")


class Assistant(Dispatch[Instance, Command, Invocation]):
    """All commands and invocations of one account."""

    def __init__(self, guests: Guests[Instance]) -> None:
        super().__init__(guests, TROUBLES)

    def booted(self, machine: Instance) -> None:
        """A guest has come up: what was running inside is lost, what waited for a restart is sent."""
        super().booted(machine)
        for invocation in self.of_instance(machine.id):
            run = invocation.runs[machine.id]
            if run.status.value is RunStatus.SCHEDULED and invocation.mode is not RepeatMode.PERIOD:
                self._enter(run, RunStatus.PENDING)
                self._send(run)
                self._plan(invocation, run)

    def _script(self, invocation: Invocation, machine: Instance) -> str:
        return _filled(invocation, machine) if invocation.command.parameters else invocation.command.content

    def _new_run(self, invocation: Invocation, machine: Instance, repeats: int = 1) -> Run:
        run = super()._new_run(invocation, machine, repeats)
        if invocation.mode is RepeatMode.PERIOD:
            run.due = next_time(invocation.frequency, self._kernel.clock.now())
            self._plan(invocation, run)
        return run

    def _over(self, invocation: Invocation, run: Run, status: RunStatus, trouble: Trouble | None = None) -> None:
        """End a run; a command that repeats waits for its next time."""
        super()._over(invocation, run, status, trouble)
        machine = self._guests.machines.find(run.instance)
        repeats = invocation.mode in {RepeatMode.PERIOD, RepeatMode.EVERY_REBOOT} and run.stopped is None
        again = next_time(invocation.frequency, self._kernel.clock.now()) if invocation.frequency else None
        if repeats and machine is not None and (again is not None or invocation.mode is RepeatMode.EVERY_REBOOT):
            invocation.past = [*invocation.past[1 - MOST_PAST :], run]
            self._new_run(invocation, machine, run.repeats + 1)


def placeholders(content: str) -> set[str]:
    """Return the names of the parameters that a command uses, without the built-in ones, in lower case."""
    names = {name.lower() for name in _PLACEHOLDER.findall(content)}
    return {name for name in names if not name.startswith("acs::")}


def _filled(invocation: Invocation, instance: Instance) -> str:
    given = {name.lower(): value for name, value in invocation.parameters.items()}
    values: Mapping[str, str] = {
        **given,
        "acs::regionid": instance.region,
        "acs::instanceid": instance.id,
        "acs::instancename": instance.name,
        "acs::invokeid": invocation.id,
        "acs::commandid": invocation.command.id,
    }
    return _PLACEHOLDER.sub(lambda found: values.get(found[1].lower(), ""), invocation.command.content)
