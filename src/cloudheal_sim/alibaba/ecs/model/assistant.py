"""Cloud Assistant: delivers commands to guests, runs them on the virtual clock, and notes what came of them.

A command reaches an instance only while its agent answers; what cannot be delivered within a minute is aborted. A
restart of the guest interrupts what was running inside.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydantic import ConfigDict

from cloudheal_sim.alibaba.ecs.model.frequency import next_time
from cloudheal_sim.alibaba.ecs.model.invocation import (
    INTERRUPTED,
    NO_AGENT,
    NONZERO,
    NOT_RUNNING,
    RELEASED,
    TIMED_OUT,
    UNDELIVERED,
    Command,
    Invocation,
    RepeatMode,
    Run,
    RunStatus,
    Trouble,
)
from cloudheal_sim.guest.guests import running_names
from cloudheal_sim.guest.shell import Session, proceed
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND
from cloudheal_sim.kernel.timeline import Timeline
from cloudheal_sim.kernel.world import Part, Seconds

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from cloudheal_sim.alibaba.ecs.model.fleet import Fleet
    from cloudheal_sim.alibaba.ecs.model.instance import Instance
    from cloudheal_sim.guest.guests import Guests
    from cloudheal_sim.kernel.core import Kernel

#: Invocations on record, as documented.
MOST_INVOCATIONS = 10_000
#: Earlier runs of a repeating command on record; by feel.
MOST_PAST = 1000
_KILLED = frozenset({RunStatus.TIMEOUT, RunStatus.TERMINATED})
_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z0-9_:-]{1,64})\s*\}\}")


class AssistantDurations(Part):
    """Seconds that Cloud Assistant takes, by feel except for the documented minute of delivery."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    delivery: Seconds = 0.5
    delivery_limit: Seconds = 60.0
    asking_again: Seconds = 1.0
    """How often an instance whose agent is silent is asked again."""
    command: Seconds = 0.5
    """From the delivery of a command to its first effect."""
    stopping: Seconds = 1.0


class Assistant:
    """All commands and invocations of one account."""

    def __init__(self, kernel: Kernel, fleet: Fleet, guests: Guests[Instance]) -> None:
        self._kernel = kernel
        self._fleet = fleet
        self._guests = guests
        self._seq = 0
        self.durations = AssistantDurations()
        self.commands: dict[str, Command] = {}
        self.invocations: dict[str, Invocation] = {}
        self._by_instance: dict[str, list[Invocation]] = {}
        guests.booted.append(self.booted)
        guests.gone.append(self.released)

    def add(self, command: Command) -> Command:
        """Take a new command in."""
        self._kernel.journal.change("command", command.id, None, command.name)
        return self.put(command)

    def put(self, command: Command) -> Command:
        """Take a command in as it is: a world is being built."""
        self._seq += 1
        command.seq = self._seq
        self.commands[command.id] = command
        return command

    def put_invocation(self, invocation: Invocation) -> Invocation:
        """Take an invocation in as it is, planning nothing: a world is being built."""
        self._seq += 1
        invocation.seq = self._seq
        self.invocations[invocation.id] = invocation
        for instance_id in invocation.runs:
            self._by_instance.setdefault(instance_id, []).append(invocation)
        return invocation

    def kept(self, region: str) -> list[Command]:
        """Return the retained commands of a region in order of creation."""
        return [one for one in self.commands.values() if one.region == region and one.kept]

    def in_region(self, region: str) -> list[Invocation]:
        """Return the invocations of a region in order of creation."""
        return [one for one in self.invocations.values() if one.region == region]

    def of_instance(self, instance_id: str) -> Collection[Invocation]:
        """Return the invocations that an instance was named in, in order of creation."""
        return self._by_instance.get(instance_id, ())

    def begin(
        self, invocation: Invocation, instances: Sequence[Instance], unreached: Collection[int] = ()
    ) -> Invocation:
        """Begin an invocation on instances; those at the places `unreached` are never reached."""
        self._forget()
        invocation.command.invoked += 1
        for number, instance in enumerate(instances):
            run = self._new_run(invocation, instance)
            if number in unreached:
                self._end(run, RunStatus.ABORTED, UNDELIVERED)
        return self.put_invocation(invocation)

    def _forget(self) -> None:
        """Let go of the oldest invocations that are over, when there are too many."""
        while len(self.invocations) >= MOST_INVOCATIONS:
            oldest = next(iter(self.invocations.values()))
            if oldest.open:
                return
            del self.invocations[oldest.id]
            for instance_id in oldest.runs:
                self._by_instance[instance_id].remove(oldest)
            if not oldest.command.kept:
                self.commands.pop(oldest.command.id, None)

    def _new_run(self, invocation: Invocation, instance: Instance, repeats: int = 1) -> Run:
        now, status = self._kernel.clock.now(), RunStatus.SCHEDULED if invocation.timed else RunStatus.PENDING
        script = _filled(invocation, instance) if invocation.command.parameters else invocation.command.content
        run = Run(instance.id, Timeline(status, now), now, script, repeats=repeats)
        invocation.runs[instance.id] = run
        self._kernel.journal.change("command.status", instance.id, None, status)
        if invocation.mode is RepeatMode.PERIOD:
            run.due = next_time(invocation.frequency, now)
        elif not invocation.timed:
            self._send(run)
        self._plan(invocation, run)
        return run

    def _send(self, run: Run) -> None:
        now = self._kernel.clock.now()
        run.due = now + _millis(self.durations.delivery)
        run.give_up = now + _millis(self.durations.delivery_limit)

    def stop(self, invocation: Invocation, instances: Collection[str]) -> int:
        """Stop the open runs on the instances named, on all when none is; returns how many there were."""
        open_ = [run for id_, run in invocation.runs.items() if run.open and (not instances or id_ in instances)]
        for run in open_:
            run.stopped = self._kernel.clock.now()
            if run.status.value is RunStatus.RUNNING:
                self._enter(run, RunStatus.STOPPING)
                run.due = self._kernel.clock.now() + _millis(self.durations.stopping)
                self._plan(invocation, run)
            elif run.status.value is not RunStatus.STOPPING:
                self._end(run, RunStatus.CANCELLED)
        return len(open_)

    def booted(self, instance: Instance) -> None:
        """A guest has come up: what was running inside is lost, what waited for a restart is sent."""
        for invocation in self.of_instance(instance.id):
            run = invocation.runs[instance.id]
            if run.status.value in {RunStatus.RUNNING, RunStatus.STOPPING}:
                self._over(invocation, run, RunStatus.ERROR, INTERRUPTED)
                run = invocation.runs[instance.id]
            if run.status.value is RunStatus.SCHEDULED and invocation.mode is not RepeatMode.PERIOD:
                self._enter(run, RunStatus.PENDING)
                self._send(run)
                self._plan(invocation, run)

    def released(self, instance_id: str) -> None:
        """An instance is gone: its open runs have nowhere to go on."""
        for invocation in self.of_instance(instance_id):
            run = invocation.runs[instance_id]
            if run.open:
                begun = run.status.value in {RunStatus.RUNNING, RunStatus.STOPPING}
                self._end(run, RunStatus.ERROR if begun else RunStatus.ABORTED, RELEASED)

    def resume(self) -> int:
        """Plan the timers of every open run anew; return how many there are."""
        waiting = [(of, run) for of in self.invocations.values() for run in of.runs.values() if run.due is not None]
        for invocation, run in waiting:
            self._plan(invocation, run)
        return len(waiting)

    def clear(self) -> None:
        """Forget everything: a new world begins."""
        self.commands.clear()
        self.invocations.clear()
        self._by_instance.clear()
        self._seq = 0

    def _plan(self, invocation: Invocation, run: Run) -> None:
        due = run.due
        if due is not None:
            self._kernel.clock.call_at(due, lambda: self._look(invocation, run) if run.due == due else None)

    def _look(self, invocation: Invocation, run: Run) -> None:
        """See how a run does; its time has come."""
        run.due = None
        match run.status.value:
            case RunStatus.SCHEDULED:
                self._enter(run, RunStatus.PENDING)
                self._send(run)
            case RunStatus.PENDING:
                self._deliver(invocation, run)
            case RunStatus.RUNNING:
                self._continue(invocation, run)
            case RunStatus.STOPPING:
                self._over(invocation, run, RunStatus.TERMINATED)
        self._plan(invocation, run)

    def _deliver(self, invocation: Invocation, run: Run) -> None:
        instance, now = self._fleet.find(run.instance), self._kernel.clock.now()
        if instance is None or not instance.running:
            self._over(invocation, run, RunStatus.ABORTED, RELEASED if instance is None else NOT_RUNNING)
            return
        ready = self._guests.agent_ready(instance)
        if ready is not None and ready <= now:
            self._enter(run, RunStatus.RUNNING)
            run.started, run.booted = now, self._guests.of(instance).booted
            run.session = Session(run.script)
            run.due, run.give_up = now + _millis(self.durations.command), now + invocation.timeout * MILLIS_PER_SECOND
        elif run.give_up is not None and now >= run.give_up:
            self._over(invocation, run, RunStatus.ABORTED, NO_AGENT)
        else:
            again = now + _millis(self.durations.asking_again) if ready is None else ready
            run.due = again if run.give_up is None else min(again, run.give_up)

    def _continue(self, invocation: Invocation, run: Run) -> None:
        instance, now = self._fleet.find(run.instance), self._kernel.clock.now()
        limit = now if run.give_up is None else run.give_up
        if instance is None or run.session is None:
            self._over(invocation, run, RunStatus.ERROR, INTERRUPTED)
        elif now >= limit:
            self._over(invocation, run, RunStatus.TIMEOUT, TIMED_OUT)
        elif self._stands_still(instance, run):
            run.due = limit
        else:
            wait = self._work(invocation, instance, run.session)
            if run.session.over:
                self._done(invocation, run, run.session.status)
            else:
                run.due = min(now + max(1, _millis(min(wait, 1e6))), limit)

    def _stands_still(self, instance: Instance, run: Run) -> bool:
        guest = self._guests.of(instance)
        return instance.hung or not instance.running or guest.down or guest.booted != run.booted

    def _work(self, invocation: Invocation, instance: Instance, session: Session) -> float:
        before = running_names(self._guests.of(instance))
        environment = {"USER": invocation.username or "root", "PWD": invocation.working_dir or "/root"}
        wait = proceed(session, self._guests.inside(instance, environment))
        self._guests.note(instance, before)
        return wait

    def _done(self, invocation: Invocation, run: Run, status: int) -> None:
        run.exit_code = status
        failed = RunStatus.FAILED, NONZERO
        self._over(invocation, run, *((RunStatus.SUCCESS, None) if status == 0 else failed))

    def _over(self, invocation: Invocation, run: Run, status: RunStatus, trouble: Trouble | None = None) -> None:
        """End a run; a command that repeats waits for its next time."""
        self._end(run, status, trouble)
        instance = self._fleet.find(run.instance)
        if instance is not None and invocation.termination_mode == "ProcessTree" and status in _KILLED:
            self._kill(instance, run)
        repeats = invocation.mode in {RepeatMode.PERIOD, RepeatMode.EVERY_REBOOT} and run.stopped is None
        again = next_time(invocation.frequency, self._kernel.clock.now()) if invocation.frequency else None
        if repeats and instance is not None and (again is not None or invocation.mode is RepeatMode.EVERY_REBOOT):
            invocation.past = [*invocation.past[1 - MOST_PAST :], run]
            self._new_run(invocation, instance, run.repeats + 1)

    def _kill(self, instance: Instance, run: Run) -> None:
        """End the process that the script was waiting for, with the script."""
        guest = self._guests.of(instance)
        before, name = running_names(guest), "" if run.session is None else run.session.foreground
        process = guest.find(name)
        if process is not None and process.running:
            guest.end(process)
            self._guests.note(instance, before)

    def _end(self, run: Run, status: RunStatus, trouble: Trouble | None = None) -> None:
        run.due, run.give_up, run.trouble = None, None, trouble
        run.finished = self._kernel.clock.now()
        run.trim()
        self._enter(run, status)

    def _enter(self, run: Run, status: RunStatus) -> None:
        before = run.status.value
        run.status.set(status, self._kernel.clock.now())
        self._kernel.journal.change("command.status", run.instance, before, status)


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


def _millis(seconds: float) -> int:
    return round(seconds * MILLIS_PER_SECOND)
