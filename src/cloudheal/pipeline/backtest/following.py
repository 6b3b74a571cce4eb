"""What the record tells of runs, followed: a run that was really made goes in a backtest as it went.

A run of the backtest is the record's when both are about the same event, by the same rule, for the same reason. From
then on the record says when it began, acted, rested and ended, as long as today's rules let it begin at all; what the
record tells of other runs is of no concern. A person's words are followed whatever the rules are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

from cloudheal.model.control import Hold
from cloudheal.model.incident import Healed, Mode, RunState, StepKind
from cloudheal.pipeline.backtest.machine import Machine
from cloudheal.pipeline.backtest.memory import Memory
from cloudheal.pipeline.backtest.runs import Run
from cloudheal.record.ledger import Kind, Written
from cloudheal.record.moments import moment_of

#: Runs whose record may still be about to come: workers that commit side by side mix their rows a little.
MOST_BEGUN = 10_000
#: What a person said of a run that never began: it ends in a backtest, too.
_WORDS = frozenset({"denied", "abandoned"})


class Following:
    """Follows one record."""

    def __init__(self, memory: Memory, machine: Machine) -> None:
        self._memory = memory
        self._machine = machine
        self._begun: dict[str, Run] = {}
        self._order: deque[str] = deque()
        self._keys: dict[str, str] = {}
        self._linked: dict[str, Run] = {}
        self._handlers: Mapping[str, Callable[[Written], object]] = {
            Kind.INCIDENT_OPENED: self._opened,
            Kind.RUN_ADDED: self._added,
            Kind.RUN_WOKEN: self._woken,
            Kind.RUN_BEGUN: self._begins,
            Kind.RUN_WAITS: self._waits,
            Kind.RUN_RELEASED: self._released,
            Kind.STEP_INTENDED: self._intended,
            Kind.STEP_CONCLUDED: self._concluded,
            Kind.INCIDENT_ENDED: self._ended,
            Kind.HOLD_ADDED: self._held,
            Kind.HOLD_LIFTED: self._lifted,
            Kind.RULE_PROMOTED: self._promoted,
        }

    def may_follow(self, key: str, run: Run) -> None:
        """Keep a run until the record may have told of it: its rows follow those of its event."""
        self._begun[key] = run
        self._order.append(key)
        if len(self._order) > MOST_BEGUN:
            self._begun.pop(self._order.popleft(), None)

    def take(self, row: Written) -> bool:
        """Follow one row; False when it is of no concern."""
        handle = self._handlers.get(row.kind)
        if handle is None:
            return False
        self._machine.advance(max(row.at, self._machine.now))
        handle(row)
        return True

    def _opened(self, row: Written) -> None:
        self._keys[row.incident] = str(row.body.get("key", ""))

    def _added(self, row: Written) -> None:
        """Find the run of ours that the record has, too: of the same event, by the same rule, for the same reason."""
        run = self._begun.get(self._keys.pop(row.incident, ""))
        if run is None or run.patient.rule != row.name or run.waits_for != row.body.get("waits_for"):
            return
        if self._is_left(row.name):
            return
        self._linked[row.incident] = run
        if run.state is RunState.STARTING:
            self._machine.follow(run)

    def _is_left(self, rule: str) -> bool:
        """Say whether a rule of today leaves it to the cloud, so that no slot of the record is ever taken up."""
        today = self._machine.rules.rules.get(rule)
        return today is not None and bool(today.parameters.get("leave"))

    def _woken(self, row: Written) -> None:
        run = self._linked_to(row)
        if run is not None:
            self._machine.woken(run, approved=bool(row.name))

    def _begins(self, row: Written) -> None:
        run = self._linked_to(row)
        if run is not None and not run.is_followed:
            self._machine.woken(run, approved=False)

    def _waits(self, row: Written) -> None:
        """Follow the end of a look; of a run that waits anyway today's walk says why, not the record."""
        run, until = self._followed(row), row.body.get("next_eligible")
        if run is not None and run.state is RunState.STARTING:
            self._machine.rested(run, row.result, None if until is None else moment_of(until))

    def _released(self, row: Written) -> None:
        run = self._followed(row)
        if run is not None and row.result == RunState.PARKED:
            self._machine.rested(run, row.result, None)

    def _intended(self, row: Written) -> None:
        run = self._followed(row)
        if run is not None:
            kind = StepKind(row.body.get("kind", StepKind.ACT.value))
            self._machine.acts(run, (row.run, row.body.get("number")), kind)

    def _concluded(self, row: Written) -> None:
        run = self._followed(row)
        if run is not None and row.result == "transient":
            self._memory.not_taken(run.patient.subject, (row.run, row.body.get("number")))

    def _ended(self, row: Written) -> None:
        run = self._linked.pop(row.incident, None)
        if run is None or run.state is RunState.ENDED:
            return
        said = row.body.get("code") in _WORDS
        if said or run.is_followed:
            self._machine.end(run, Healed(row.result))

    def _held(self, row: Written) -> None:
        until = row.body.get("until")
        end = None if until is None else moment_of(until)
        self._memory.holds(Hold(row.resource, row.name, str(row.body.get("why", "")), row.at, end))

    def _lifted(self, row: Written) -> None:
        self._memory.lifted(row.resource)
        self._machine.lifted()

    def _promoted(self, row: Written) -> None:
        self._memory.promoted(row.name, str(row.body.get("digest", "")), Mode(row.result))

    def _linked_to(self, row: Written) -> Run | None:
        run = self._linked.get(row.incident)
        return None if run is None or run.state is RunState.ENDED else run

    def _followed(self, row: Written) -> Run | None:
        run = self._linked_to(row)
        return run if run is not None and run.is_followed else None
