"""Whatever is announced, moved, said, answered or killed, in any order: no limit of a plan is ever broken.

Each history is a life of a small fleet under one rule: a step takes an event in, lets its cloud move or end it, lets a
person speak, kills the planner in mid-write, or lets time pass. After each step the laws are looked at in the tables.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudheal.model.control import Answer
from cloudheal.model.incident import RunState
from cloudheal.model.window import is_in
from cloudheal.pipeline.plans import Planner
from cloudheal.record.approvals import answer, open_questions
from cloudheal.record.plans import Wish, wish
from cloudheal.record.tables import INCIDENT, PLAN, RUN
from cloudheal.testing.stage import stage
from tests.contract.test_plans import HOUR, MINUTE, NIGHT, NOON, Plans

SERVERS = [f"i-{number}" for number in range(4)]
DAY = {"from": "12:00", "lasts": "3h", "timezone": "Asia/Shanghai"}
STEPS = st.one_of(
    st.tuples(st.just("told"), st.sampled_from(SERVERS), st.integers(0, 1), st.integers(0, 60)),
    st.tuples(st.just("over"), st.sampled_from(SERVERS), st.integers(0, 1), st.sampled_from(["Avoided", "Canceled"])),
    st.tuples(st.just("pin"), st.integers(0, 7), st.integers(0, 72), st.booleans()),
    st.tuples(st.just("leave"), st.integers(0, 7)),
    st.tuples(st.just("auto"), st.integers(0, 7)),
    st.tuples(st.just("answer"), st.integers(0, 7), st.sampled_from([Answer.APPROVED, Answer.DENIED])),
    st.tuples(st.just("killed"), st.integers(0, 3)),
    st.tuples(st.just("passes"), st.integers(1, 90)),
    st.tuples(st.just("ends"), st.integers(0, 7)),
)


class Killed(BaseException):
    """The planner's process died."""


def _dying_after(rows: int, plans: Plans) -> Planner:
    """Return a planner whose process dies before it writes the next row."""
    written = itertools.count()

    def dying(write: Callable[[sa.Connection], bool]) -> Callable[[sa.Connection], bool]:
        def one(connection: sa.Connection) -> bool:
            if next(written) == rows:
                raise Killed
            return write(connection)

        return one

    class Dying(Planner):
        def _due(self, *arguments: Any) -> list[tuple[str, Callable[[sa.Connection], bool]]]:
            return [(run, dying(write)) for run, write in super()._due(*arguments)]

    return plans.planner_of(Dying)


class Life:
    """One history, and the laws that it must keep."""

    def __init__(self, plans: Plans) -> None:
        self.plans = plans
        self._began: Counter[str] = Counter()
        self._known: set[tuple[str, str]] = set()

    def step(self, what: str, *more: Any) -> None:
        """Do one step and look at the laws."""
        getattr(self, f"_{what}")(*more)
        self.look()

    def _told(self, server: str, number: int, hours: int) -> None:
        event = f"e-{server}-{number}"
        if (server, event) not in self._known:
            self._known.add((server, event))
            self.plans.told(server, event, self.plans.clock.now() + hours * HOUR)
            self.plans.planner.tick()

    def _over(self, server: str, number: int, status: str) -> None:
        event = f"e-{server}-{number}"
        if (server, event) in self._known:
            self.plans.clock.advance(MINUTE)
            self.plans.told(server, event, self.plans.clock.now() + HOUR, status)

    def _pin(self, index: int, steps: int, anywhere: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
        now = self.plans.clock.now()
        grid = now - timedelta(seconds=now.timestamp() % 300)
        self._say(index, Wish("alice", grid + steps * 30 * MINUTE, anywhere))

    def _leave(self, index: int) -> None:
        self._say(index, Wish("alice", leave=True))

    def _auto(self, index: int) -> None:
        self._say(index, Wish("alice"))

    def _say(self, index: int, said: Wish) -> None:
        for row in self.plans.rows()[index : index + 1]:
            with self.plans.database.transaction() as connection:
                wish(connection, row.run, said, self.plans.clock.now())
        self.plans.planner.tick()

    def _answer(self, index: int, said: Answer) -> None:
        with self.plans.database.transaction() as connection:
            now = self.plans.clock.now()
            for one in open_questions(connection, now)[index : index + 1]:
                answer(connection, one.id, said, "alice", now)

    def _killed(self, after: int) -> None:
        """Kill the planner when it has written so many rows; another process goes on."""
        with contextlib.suppress(Killed):
            _dying_after(after, self.plans).tick()
        self.plans.planner = self.plans.planner_of(Planner)
        self.plans.planner.tick()

    def _passes(self, minutes: int) -> None:
        for _ in range(0, minutes, 5):
            self.plans.tick()
            self.look()
            self.plans.clock.advance(5 * MINUTE)

    def _ends(self, index: int) -> None:
        """Let a run that is at work come to its end."""
        with self.plans.database.transaction() as connection:
            at_work = sa.select(RUN.c.id).where(RUN.c.state == RunState.STARTING.value).order_by(RUN.c.id)
            for run in connection.scalars(at_work).all()[index : index + 1]:
                incident = connection.scalar(sa.select(RUN.c.incident).where(RUN.c.id == run))
                now = round(self.plans.clock.now().timestamp() * 1000)
                connection.execute(sa.update(RUN).where(RUN.c.id == run).values(state=RunState.ENDED.value))
                connection.execute(sa.update(INCIDENT).where(INCIDENT.c.id == incident).values(ended=now))

    def look(self) -> None:
        """Look at the laws: windows, deadlines, one at a time, one beginning for a run."""
        planned = [one for one in self.plans.rows() if one.begin and one.state is RunState.PLANNED]
        windows = self.plans.windows
        for row in planned:
            assert row.begin is not None
            assert row.begin.timestamp() % 300 == 0
            if row.then == "" and row.deadline is not None and not row.stale:
                assert row.begin < row.deadline, row
            if windows and row.why["choice"] == "window":
                assert row.end is not None
                last = row.end - timedelta(seconds=1)
                assert any(is_in(one, row.begin) and is_in(one, last) for one in windows), row
        slots = sorted(
            {(one.begin, one.end, one.subject) for one in planned if one.begin and one.end and not one.stale}
        )
        for (_, before, _), (after, _, _) in itertools.pairwise(slots):
            assert before is not None
            assert after is not None
            assert before <= after, slots
        counted = Counter(run for run, _ in self.plans.engine.queued)
        assert set(counted.values()) <= {1}, counted
        with self.plans.database.snapshot() as connection:
            rows = (
                sa.select(INCIDENT.c.resource)
                .join(RUN, RUN.c.incident == INCIDENT.c.id)
                .join(PLAN, PLAN.c.run == RUN.c.id)
            )
            busy = Counter(connection.scalars(rows.where(RUN.c.state == RunState.STARTING.value)))
        assert set(busy.values()) <= {1}, busy


@pytest.mark.parametrize("mode", ["auto", "ask"])
@given(
    steps=st.lists(STEPS, min_size=3, max_size=10),
    windows=st.sampled_from([[], [NIGHT], [NIGHT, DAY]]),
    then=st.sampled_from(["ask", "platform"]),
)
@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=30)
def test_no_history_breaks_a_limit_of_the_plan(
    mode: str, steps: list[tuple[Any, ...]], windows: list[dict[str, str]], then: str
) -> None:
    """Inside windows, before deadlines, one member at a time, each run begun once, no server with two at work."""
    with stage() as database:
        life = Life(Plans(database, {"mode": mode, "with": {"too_late": then}}, {"windows": windows}))
        assert life.plans.clock.now() == NOON
        for one in steps:
            life.step(*one)
