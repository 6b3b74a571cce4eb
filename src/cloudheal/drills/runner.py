"""Runs one drill: preflight, step by step, and whatever happens, everything is taken back.

Facts count from what was caused last, and each expectation has its limit from the end of the step before, on the
operator's clock. The first step that fails ends the drill: what follows it would be about something else. What must
never be is asked when its step comes and once more at the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from cloudheal.drills.cleaning import PREFIX, Cleaned, begin_alone, clean, end_alone, go_on
from cloudheal.drills.ground import DrillStoppedError, Ground
from cloudheal.drills.looks import MOST_SHOWN, Judged, Looks, Mark, entry_of
from cloudheal.drills.outcome import DrillReport, Result, StepResult, Why
from cloudheal.drills.preflight import Ready, preflight
from cloudheal.drills.scenario import Announce, Chaos, HandlerDeed, Scenario, Step
from cloudheal.drills.stage.simulator import StageError
from cloudheal.drills.tape import mark_of
from cloudheal.errors import CloudhealError
from cloudheal.model.drill import DrillOrder, DrillState
from cloudheal.record.workers import is_anyone_alive, listed

#: How long a handler may take to be at work, in real seconds, looked at so often.
READY_SECONDS, READY_LOOK = 120.0, 0.2
#: How often it is written down that the drill goes on: far within its lease, and seldom enough to be in nobody's way.
RENEW_SECONDS = 10.0
_FOLLOWED = frozenset({"announce", "cancel", "chaos", "publish", "handler"})


class DrillFailedError(CloudhealError):
    """What a step was to cause could not be caused."""

    code = "drill.failed"


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who is told how the drill goes: of its scope before it begins, of each step when it is come to and over."""

    ready: Callable[[Scenario, Ready], object] = lambda _scenario, _ready: None
    begins: Callable[[int, Step], object] = lambda _number, _step: None
    ended: Callable[[StepResult], object] = lambda _result: None
    before: Callable[[Cleaned], object] = lambda _cleaned: None
    """Of what dead drills had left."""


def run_drill(ground: Ground, scenario: Scenario, watcher: Watcher, *, allow_real: bool = False) -> DrillReport:
    """Run a drill and return what came of it. Raises RefusedError when it cannot begin; then nothing was created."""
    watcher.before(begin_alone(ground))
    try:
        ready = preflight(ground, scenario, allow_real=allow_real)
        watcher.ready(scenario, ready)
        return _Drill(ground, scenario, ready, watcher).run()
    finally:
        end_alone(ground)


@dataclass(slots=True)
class _Drill:
    """One drill at work."""

    ground: Ground
    scenario: Scenario
    ready: Ready
    watcher: Watcher
    results: list[StepResult] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)
    renewed: float = field(default_factory=time.monotonic)
    """When it was last written down that the drill goes on, in this process's own time."""
    faults: list[object] | None = None
    """The fault rules of the simulator as they were, when they were changed."""

    def run(self) -> DrillReport:
        ground = self.ground
        id_, began, problem, cleaned = f"{PREFIX}{ground.new_id()}", ground.clock.now(), "", Cleaned()
        self._first = self._since = self._mark()
        try:
            self._go_through(id_)
        except (CloudhealError, OSError) as failed:
            problem = failed.args[0] if isinstance(failed, CloudhealError) else f"{type(failed).__name__}: {failed}"
        finally:
            cleaned = self._clean()
        return DrillReport(
            drill=id_,
            scenario=self.scenario.name,
            description=getattr(self.scenario.description, ground.settings.language),
            scope=self.ready.scope,
            began=began,
            ended=ground.clock.now(),
            steps=tuple(self.results),
            problem=problem,
            left=cleaned.left,
            cancelled=cleaned.cancelled,
        )

    # --- step by step ----------------------------------------------------------------------------

    def _go_through(self, id_: str) -> None:
        for number, step in enumerate(self.scenario.steps, 1):
            self._heed()
            self.watcher.begins(number, step)
            if any(one.result is Result.FAIL for one in self.results):
                result = self._result(number, step, Result.SKIPPED, why=Why.NOT_COME_TO)
            elif step.causes:
                result = self._caused(number, step, id_)
            elif step.never is not None:
                result = self._never(number, step)
            else:
                result = self._awaited(number, step)
            self._keep(result)
        self._ask_once_more()

    def _keep(self, result: StepResult) -> None:
        self.results.append(result)
        self.watcher.ended(result)

    def _heed(self) -> None:
        """Stop where somebody wants that, or where another drill took this one's place. Raises DrillStoppedError."""
        if self.ground.told():
            raise DrillStoppedError("stopped by a person before it was over")
        if time.monotonic() - self.renewed < RENEW_SECONDS:
            return
        if not go_on(self.ground):
            raise DrillStoppedError("another drill took its place: this process was not heard of for a minute")
        self.renewed = time.monotonic()

    def _awaited(self, number: int, step: Step) -> StepResult:
        """Wait until a step is as expected, or its limit is over."""
        ground, limit = self.ground, step.within or self.scenario.within
        if step.kind == "call" and ground.cloud is None:
            return self._result(number, step, Result.SKIPPED, why=Why.NO_JOURNAL)
        until = ground.clock.now() + limit
        while True:
            now = ground.clock.now()
            judged = self._looks.judge(step, self._since, servers=step.servers, times=step.times)
            if judged.met or now >= until:
                return self._compared(number, step, judged, limit)
            ground.passes(until)
            self._heed()

    def _compared(self, number: int, step: Step, judged: Judged, limit: timedelta) -> StepResult:
        if judged.met:
            latency = max((judged.at or self._since.at) - self._since.at, timedelta())
            return self._result(number, step, Result.PASS, seen=judged.seen, latency=latency, limit=limit)
        return self._result(
            number,
            step,
            Result.FAIL,
            seen=judged.seen,
            missing=judged.missing,
            limit=limit,
            why=Why.LATE_ALONE if self._is_alone() else Why.LATE,
        )

    def _is_alone(self) -> bool:
        """Say whether nobody is there who could have met a step."""
        handler = self.ground.handler
        with self.ground.database.snapshot() as connection:
            heard = is_anyone_alive(connection, round(self.ground.settings.lease_seconds * 1000))
        return not heard or (handler is not None and not handler.lives)

    def _never(self, number: int, step: Step) -> StepResult:
        """Look that something has not been since the drill began."""
        never = step.never
        if never is None or (never.call is not None and self.ground.cloud is None):
            return self._result(number, step, Result.SKIPPED, why=Why.NO_JOURNAL)
        judged = self._looks.judge(never, self._first, servers=step.servers or 1, times=step.times)
        if judged.met:
            return self._result(number, step, Result.FAIL, seen=judged.seen, why=Why.NEVER)
        return self._result(number, step, Result.PASS)

    def _ask_once_more(self) -> None:
        """Look again at the end that what must never be has not been; a step that fails now is told again."""
        if any(one.result is Result.FAIL for one in self.results):
            return
        for number, step in enumerate(self.scenario.steps, 1):
            if step.never is not None and self.results[number - 1].result is Result.PASS:
                again = self._never(number, step)
                if again.result is Result.FAIL:
                    self.results[number - 1] = again
                    self.watcher.ended(again)

    def _result(self, number: int, step: Step, result: Result, **more: object) -> StepResult:
        now = self.ground.clock.now()
        return replace(StepResult(number, step.title, step.kind, result, now), **more)  # type: ignore[arg-type]

    # --- what is caused --------------------------------------------------------------------------

    def _caused(self, number: int, step: Step, id_: str) -> StepResult:
        """Cause what a step says. Whatever cannot be caused fails the step, not the drill's cleaning."""
        before = self._mark()
        try:
            seen = self._cause(step, id_)
        except CloudhealError as problem:
            if isinstance(problem, DrillStoppedError):
                raise
            return self._result(number, step, Result.FAIL, why=str(problem.args[0]))
        if step.kind in _FOLLOWED:
            self._since = before
        return self._result(number, step, Result.DONE, seen=tuple(seen[:MOST_SHOWN]))

    def _cause(self, step: Step, id_: str) -> Sequence[str]:
        """Cause what a step says; returns what was made or touched."""
        match step.said:
            case _, Announce() as asked:
                return self._announce(asked, id_)
            case "cancel", _:
                return self._cancel()
            case "wait", timedelta() as length:
                return self._wait(length)
            case _, HandlerDeed() as deed:
                return self._handler(deed)
        return self._simulate(step)

    def _announce(self, asked: Announce, id_: str) -> Sequence[str]:
        """Order the events: rows first, then the cloud, by the hundred."""
        now = self.ground.clock.now()
        not_before = (now + asked.ahead).replace(microsecond=0)
        order = DrillOrder(
            id=f"{id_}-{len(self.orders) + 1}",
            label=self.scenario.name,
            servers=self.ready.servers,
            type=f"Instance:{asked.type}",
            not_before=not_before,
            real=self.scenario.actions == "real",
            who=self.ground.who,
            created=now,
            expires=not_before,
        )
        self.orders.append(order.id)
        rows = self.ground.desk.order(order)
        without = [one for one in rows if not one.event]
        if without:
            problems = ", ".join(sorted({one.problem or "no answer" for one in without}))
            raise DrillFailedError(f"{len(without)} of {len(rows)} events were not created: {problems}")
        return [one.event for one in rows]

    def _cancel(self) -> Sequence[str]:
        rows = self.ground.desk.rows(*self.orders) if self.orders else []
        taken = self.ground.desk.take_back([one for one in rows if one.state is DrillState.OPEN])
        if taken.kept:
            raise DrillFailedError(f"{taken.kept[0].row.event} could not be taken back: {taken.kept[0].why}")
        return [one.event for one in taken.cancelled]

    def _wait(self, length: timedelta) -> Sequence[str]:
        until = self.ground.clock.now() + length
        while self.ground.clock.now() < until:
            self.ground.passes(until)
            self._heed()
        return ()

    def _handler(self, deed: HandlerDeed) -> Sequence[str]:
        handler = self.ground.handler
        if handler is None:
            raise DrillFailedError("the handler is not the drill's own")
        match deed:
            case HandlerDeed.KILL:
                handler.kill()
            case HandlerDeed.STOP:
                handler.stop()
            case HandlerDeed.START:
                before = self._workers()
                handler.start()
                self._await_another(before)
        return ()

    def _workers(self) -> set[str]:
        with self.ground.database.snapshot() as connection:
            return listed(connection)

    def _await_another(self, before: set[str]) -> None:
        """Wait until another worker than those before is at work. Raises StageError."""
        for _ in range(round(READY_SECONDS / READY_LOOK)):
            if self._workers() - before:
                return
            self.ground.pause(READY_LOOK)
        raise StageError("the handler did not begin its work")

    def _simulate(self, step: Step) -> Sequence[str]:
        """Do what only a simulator can; there is nothing else that this could be sent to."""
        cloud, ids = self.ground.cloud, [one.id for one in self.ready.servers]
        if cloud is None:
            raise DrillFailedError("this cloud is not simulated")
        match step.said:
            case _, Chaos() as chaos:
                cloud.control("POST", "chaos", {"do": chaos.do, "instances": ids, **chaos.options})
                return ids
            case "faults", list() as rules:
                if self.faults is None:
                    self.faults = cloud.control("GET", "faults")["rules"]
                cloud.control("PUT", "faults", rules)
            case "publish", dict() as event:
                cloud.control("POST", "events", event)
        return ()

    # --- before and after ------------------------------------------------------------------------

    _first: Mark = field(init=False, repr=False)
    _since: Mark = field(init=False, repr=False)

    @property
    def _looks(self) -> Looks:
        return Looks(self.ground, self.ready.servers, tuple(self.orders))

    def _mark(self) -> Mark:
        with self.ground.database.snapshot() as connection:
            row = mark_of(connection)
        return Mark(row, entry_of(self.ground), self.ground.clock.now())

    def _clean(self) -> Cleaned:
        """Take everything back, the faults first, which would stand in the way; says what could not be."""
        faulty = self._mended()
        rows = self.ground.desk.rows(*self.orders) if self.orders else []
        cleaned = clean(self.ground, rows)
        return replace(cleaned, left=(*cleaned.left, *faulty))

    def _mended(self) -> tuple[str, ...]:
        """Give a simulator back the faults that it had; says that it does not take them."""
        if self.faults is None or self.ground.cloud is None:
            return ()
        try:
            self.ground.cloud.control("PUT", "faults", self.faults)
        except (OSError, StageError) as problem:
            return (f"the simulator's faults: {type(problem).__name__}",)
        return ()
