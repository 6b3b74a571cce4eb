"""Delivers commands to guests, runs them on the virtual clock, and notes what came of them, whichever cloud sends them.

A command reaches a server only while its agent answers; what cannot be delivered within a minute is aborted. A restart
of the guest interrupts what was running inside. What a cloud adds (schedules, words, ids) stands in its own class.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import ConfigDict

from cloudheal_sim.guest.machine import M
from cloudheal_sim.guest.run import C, Invocation, Run, RunStatus, Trouble, Troubles
from cloudheal_sim.guest.shell import Session, proceed
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND
from cloudheal_sim.kernel.timeline import Timeline
from cloudheal_sim.kernel.world import Part, Seconds

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from cloudheal_sim.guest.guests import Guests

#: Invocations on record, as documented.
MOST_INVOCATIONS = 10_000
_KILLED = frozenset({RunStatus.TIMEOUT, RunStatus.TERMINATED})
_BEGUN = frozenset({RunStatus.RUNNING, RunStatus.STOPPING})

O = TypeVar("O", bound=Invocation[Any])  # noqa: E741 - an order


class DispatchDurations(Part):
    """Seconds that the way of a command takes, by feel except for the documented minute of delivery."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    delivery: Seconds = 0.5
    delivery_limit: Seconds = 60.0
    asking_again: Seconds = 1.0
    """How often an instance whose agent is silent is asked again."""
    command: Seconds = 0.5
    """From the delivery of a command to its first effect."""
    stopping: Seconds = 1.0


class Dispatch(ABC, Generic[M, C, O]):
    """All commands and invocations of one account."""

    #: True when a command is not over while something that it started in the background still holds its output.
    waits_for_output = False

    def __init__(self, guests: Guests[M], troubles: Troubles) -> None:
        self._kernel = guests.kernel
        self._guests = guests
        self._troubles = troubles
        self._seq = 0
        self.durations = DispatchDurations()
        self.commands: dict[str, C] = {}
        self.invocations: dict[str, O] = {}
        self._by_machine: dict[str, list[O]] = {}
        guests.booted.append(self.booted)
        guests.gone.append(self.released)

    def add(self, command: C) -> C:
        """Take a new command in."""
        self._kernel.journal.change("command", command.id, None, command.name)
        return self.put(command)

    def put(self, command: C) -> C:
        """Take a command in as it is: a world is being built."""
        self._seq += 1
        command.seq = self._seq
        self.commands[command.id] = command
        return command

    def put_invocation(self, invocation: O) -> O:
        """Take an invocation in as it is, planning nothing: a world is being built."""
        self._seq += 1
        invocation.seq = self._seq
        self.invocations[invocation.id] = invocation
        for machine_id in invocation.runs:
            self._by_machine.setdefault(machine_id, []).append(invocation)
        return invocation

    def kept(self, region: str) -> list[C]:
        """Return the retained commands of a region in order of creation."""
        return [one for one in self.commands.values() if one.region == region and one.kept]

    def in_region(self, region: str) -> list[O]:
        """Return the invocations of a region in order of creation."""
        return [one for one in self.invocations.values() if one.region == region]

    def of_instance(self, machine_id: str) -> Collection[O]:
        """Return the invocations that a server was named in, in order of creation."""
        return self._by_machine.get(machine_id, ())

    def begin(self, invocation: O, machines: Sequence[M], unreached: Collection[int] = ()) -> O:
        """Begin an invocation on servers; those at the places `unreached` are never reached."""
        self._forget()
        invocation.command.invoked += 1
        for number, machine in enumerate(machines):
            run = self._new_run(invocation, machine)
            if number in unreached:
                self._end(run, RunStatus.ABORTED, self._troubles.undelivered)
        return self.put_invocation(invocation)

    def stop(self, invocation: O, machines: Collection[str]) -> int:
        """Stop the open runs on the servers named, on all when none is; returns how many there were."""
        open_ = [run for id_, run in invocation.runs.items() if run.open and (not machines or id_ in machines)]
        for run in open_:
            run.stopped = self._kernel.clock.now()
            if run.status.value is RunStatus.RUNNING:
                self._enter(run, RunStatus.STOPPING)
                run.due = self._kernel.clock.now() + _millis(self.durations.stopping)
                self._plan(invocation, run)
            elif run.status.value is not RunStatus.STOPPING:
                self._end(run, RunStatus.CANCELLED)
        return len(open_)

    def booted(self, machine: M) -> None:
        """A guest has come up: what was running inside is lost."""
        for invocation in self.of_instance(machine.id):
            run = invocation.runs[machine.id]
            if run.status.value in _BEGUN:
                self._over(invocation, run, RunStatus.ERROR, self._troubles.interrupted)

    def released(self, machine_id: str) -> None:
        """A server is gone: its open runs have nowhere to go on."""
        for invocation in self.of_instance(machine_id):
            run = invocation.runs[machine_id]
            if run.open:
                begun = run.status.value in _BEGUN
                self._end(run, RunStatus.ERROR if begun else RunStatus.ABORTED, self._troubles.released)

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
        self._by_machine.clear()
        self._seq = 0

    @abstractmethod
    def _script(self, invocation: O, machine: M) -> str:
        """Return what an invocation runs on a server."""

    def _new_run(self, invocation: O, machine: M, repeats: int = 1) -> Run:
        """Make the run of an invocation on a server, and send it at once unless its time is later."""
        now, status = self._kernel.clock.now(), RunStatus.SCHEDULED if invocation.timed else RunStatus.PENDING
        run = Run(machine.id, Timeline(status, now), now, self._script(invocation, machine), repeats=repeats)
        invocation.runs[machine.id] = run
        self._kernel.journal.change("command.status", machine.id, None, status)
        if not invocation.timed:
            self._send(run)
        self._plan(invocation, run)
        return run

    def _forget(self) -> None:
        """Let go of the oldest invocations that are over, when there are too many."""
        while len(self.invocations) >= MOST_INVOCATIONS:
            oldest = next(iter(self.invocations.values()))
            if oldest.open:
                return
            del self.invocations[oldest.id]
            for machine_id in oldest.runs:
                self._by_machine[machine_id].remove(oldest)
            if not oldest.command.kept:
                self.commands.pop(oldest.command.id, None)

    def _send(self, run: Run) -> None:
        now = self._kernel.clock.now()
        run.due = now + _millis(self.durations.delivery)
        run.give_up = now + _millis(self.durations.delivery_limit)

    def _plan(self, invocation: O, run: Run) -> None:
        due = run.due
        if due is not None:
            self._kernel.clock.call_at(due, lambda: self._look(invocation, run) if run.due == due else None)

    def _look(self, invocation: O, run: Run) -> None:
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

    def _deliver(self, invocation: O, run: Run) -> None:
        machine, now = self._guests.machines.find(run.instance), self._kernel.clock.now()
        if machine is None or not machine.running:
            missing = self._troubles.released if machine is None else self._troubles.not_running
            self._over(invocation, run, RunStatus.ABORTED, missing)
            return
        ready = self._guests.agent_ready(machine)
        if ready is not None and ready <= now:
            self._enter(run, RunStatus.RUNNING)
            run.started, run.booted = now, self._guests.of(machine).booted
            run.session = Session(run.script)
            run.due, run.give_up = now + _millis(self.durations.command), now + invocation.timeout * MILLIS_PER_SECOND
        elif run.give_up is not None and now >= run.give_up:
            self._over(invocation, run, RunStatus.ABORTED, self._troubles.no_agent)
        else:
            again = now + _millis(self.durations.asking_again) if ready is None else ready
            run.due = again if run.give_up is None else min(again, run.give_up)

    def _continue(self, invocation: O, run: Run) -> None:
        machine, now = self._guests.machines.find(run.instance), self._kernel.clock.now()
        limit = now if run.give_up is None else run.give_up
        if machine is None or run.session is None:
            self._over(invocation, run, RunStatus.ERROR, self._troubles.interrupted)
        elif now >= limit:
            self._over(invocation, run, RunStatus.TIMEOUT, self._troubles.timed_out)
        elif self._stands_still(machine, run):
            run.due = limit
        else:
            wait = self._work(invocation, machine, run.session)
            if not run.session.over:
                run.due = min(now + max(1, _millis(min(wait, 1e6))), limit)
            elif self.waits_for_output and self._held(machine, run.session):
                run.due = min(now + _millis(max(self.durations.asking_again, 0.001)), limit)
            else:
                self._done(invocation, run, run.session.status)

    def _stands_still(self, machine: M, run: Run) -> bool:
        guest = self._guests.of(machine)
        return machine.hung or not machine.running or guest.down or guest.booted != run.booted

    def _held(self, machine: M, session: Session) -> bool:
        """Say whether a process that the script left behind still holds its output."""
        guest = self._guests.of(machine)
        return any(one.running and one.pid in session.holders for one in guest.processes)

    def _work(self, invocation: O, machine: M, session: Session) -> float:
        before = self._guests.look(machine)
        environment = {"USER": invocation.username or "root", "PWD": invocation.working_dir or "/root"}
        wait = proceed(session, self._guests.inside(machine, environment))
        self._guests.note(machine, before)
        return wait

    def _done(self, invocation: O, run: Run, status: int) -> None:
        run.exit_code = status
        failed = RunStatus.FAILED, self._troubles.nonzero
        self._over(invocation, run, *((RunStatus.SUCCESS, None) if status == 0 else failed))

    def _over(self, invocation: O, run: Run, status: RunStatus, trouble: Trouble | None = None) -> None:
        """End a run."""
        self._end(run, status, trouble)
        machine = self._guests.machines.find(run.instance)
        if machine is not None and invocation.kills and status in _KILLED:
            self._kill(machine, run)

    def _kill(self, machine: M, run: Run) -> None:
        """End the process that the script was waiting for, with the script."""
        guest, before = self._guests.of(machine), self._guests.look(machine)
        process = guest.find("" if run.session is None else run.session.foreground)
        if process is not None and process.running:
            guest.end(process)
            self._guests.note(machine, before)

    def _end(self, run: Run, status: RunStatus, trouble: Trouble | None = None) -> None:
        run.due, run.give_up, run.trouble = None, None, trouble
        run.finished = self._kernel.clock.now()
        run.trim()
        self._enter(run, status)

    def _enter(self, run: Run, status: RunStatus) -> None:
        before = run.status.value
        run.status.set(status, self._kernel.clock.now())
        self._kernel.journal.change("command.status", run.instance, before, status)


def _millis(seconds: float) -> int:
    return round(seconds * MILLIS_PER_SECOND)
