"""The crash matrix: a worker dies before or after any commit or call of any playbook, and nothing is lost or doubled.

A run in which nothing dies tells the points and the effects. Then, point by point, a worker is killed there and a
second one finishes. `make test` takes a sample that is the same every time; `make soak` takes every point, and then
random moments. CRASH_POINT=NAME in the environment replays one point.
"""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cloudheal import playbooks
from cloudheal.act.playbook import Playbook
from cloudheal.plugins import in_package, of_kind
from tests.crash.rounds import Round, Seen, fresh, keys
from tests.crash.scenarios import ALIKE, EVERY, SCENARIOS, Scenario
from tests.sim.simulator import RunningSimulator

#: Points of one playbook that `make test` takes on each database.
SAMPLE = 1
#: What a worker does every second, whether or not anything is to be healed: its first two times are points, no more.
USUAL, TWICE = 6, 2
RANDOM_ROUNDS = 100
#: Rounds of a long run after which it says how it goes.
TOLD_EVERY = 25
#: Playbooks of which `make test` takes a point on PostgreSQL too.
ON_BOTH = frozenset({"restart_stopped", "spot_evacuate", "planned_reboot"})
#: Every playbook that comes with cloudheal.
BUILT_IN = sorted(found.thing.name for found in of_kind(in_package(playbooks), Playbook))


@dataclass
class Matrix:
    """Rounds of one playbook on one database, and what came of them."""

    simulator: RunningSimulator
    url: str
    folder: Path
    scenario: Scenario
    say: Callable[[str], None]
    """Tells at once, so that a long run that is broken off has told what it saw."""
    rounds: int = 0
    died: int = 0
    lost: int = 0
    doubled: int = 0
    failures: list[str] = field(default_factory=list)

    def round(self, deadly: str = "", kill_after: float | None = None) -> Seen:
        """Make a round on an empty database."""
        fresh(self.url)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        one = Round(self.simulator, self.url, self.folder, self.scenario)
        one.prepare()
        return one.run(deadly, kill_after)

    def reference(self) -> Seen:
        """Let nothing die; the points and effects of this round are what the others are compared with."""
        seen = self.round()
        assert seen.problems == (), f"{seen.problems}\n{seen.output}"
        assert bool(seen.effects) is not self.scenario.only_looks, f"effects of healing: {seen.effects}"
        assert set(seen.effects.values()) <= {1, self.scenario.commands}, seen.effects
        return seen

    def judge(self, what: str, seen: Seen, wanted: Counter[str]) -> None:
        """Compare a round with the reference."""
        self.rounds += 1
        self.died += seen.died
        lost, doubled = wanted - seen.effects, seen.effects - wanted
        self.lost += bool(lost or seen.problems)
        self.doubled += bool(doubled)
        if lost or doubled or seen.problems:
            facts = f"lost={dict(lost)} doubled={dict(doubled)} problems={list(seen.problems)}"
            self.failures.append(f"{what}: {facts}\n{seen.output[-6000:]}")
            self.say(f"{what}: {facts}")
        if self.rounds % TOLD_EVERY == 0:
            self.say(self.summary)

    @property
    def summary(self) -> str:
        """Say how it went, in one line."""
        kind = self.url.partition(":")[0]
        numbers = f"lost={self.lost} doubled={self.doubled} rounds={self.rounds} died={self.died}"
        return f"{self.scenario.playbook} on {kind}: {numbers}"


def points_of(trace: Sequence[str]) -> list[str]:
    """Return the points of a run in its order: both sides of each commit and call, and the end of each answer."""
    often = Counter(line.rpartition(" #")[0] for line in trace)
    points = []
    for line in trace:
        label, _, number = line.rpartition(" #")
        if often[label] > USUAL and label.startswith(_USUALLY) and int(number) > TWICE:
            continue
        sides = ("after",) if label.startswith("answer ") else ("before", "after")
        points += [f"{line} {side}" for side in sides]
    return points


#: Labels of what goes on while nothing happens.
_USUALLY = (
    "commit worker",
    "commit lease",
    "commit approval",
    "commit poll",
    "commit workflow_status #",
    "call GET /queues",
    "answer GET /queues",
)


def sample(points: Sequence[str], count: int) -> list[str]:
    """Choose so many points, evenly over the run, the same ones every time."""
    stride = max(1, len(points) // count)
    return list(points[random.Random(38).randrange(stride) :: stride])[:count]


@pytest.fixture(params=sorted(EVERY))
def matrix(
    request: pytest.FixtureRequest,
    simulator: RunningSimulator,
    database_url: str,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Matrix]:
    """A matrix for each playbook that comes with cloudheal, planned or not, on each database."""
    keys()

    def say(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}", flush=True)

    rounds = Matrix(simulator, database_url, tmp_path / "round", EVERY[request.param], say)
    yield rounds
    record_property("summary", rounds.summary)


def walk(matrix: Matrix, choose: Callable[[Sequence[str]], Sequence[str]]) -> None:
    """Die at each of the chosen points."""
    reference = matrix.reference()
    chosen = os.environ.get("CRASH_POINT")
    points = [chosen] if chosen else choose(points_of(reference.trace))
    for point in points:
        matrix.judge(f"CRASH_POINT='{point}'", matrix.round(point), reference.effects)
    assert not matrix.failures, "\n\n".join([matrix.summary, *matrix.failures])


def test_every_playbook_has_a_scenario() -> None:
    """A playbook without a place in the matrix is not proven."""
    assert set(SCENARIOS) == set(BUILT_IN)


def _sampled() -> Iterator[object]:
    """Yield every playbook but the alike on SQLite, those that act most differently on PostgreSQL too; else `soak`."""
    for name in sorted(EVERY):
        yield pytest.param(name, "sqlite", id=f"{name}-sqlite", marks=(pytest.mark.soak,) if name in ALIKE else ())
        marks = () if name in ON_BOTH else (pytest.mark.soak,)
        yield pytest.param(name, "postgresql", id=f"{name}-postgresql", marks=marks)


@pytest.mark.parametrize(("matrix", "database_url"), list(_sampled()), indirect=True)
@pytest.mark.timeout(400)
def test_a_worker_may_die_at_any_point(matrix: Matrix) -> None:
    """At a sample of points: each effect once, events acknowledged, books closed and whole."""
    walk(matrix, lambda points: sample(points, SAMPLE))
    assert matrix.rounds == SAMPLE


@pytest.mark.soak
@pytest.mark.timeout(14_400)
def test_a_worker_dies_at_every_point(matrix: Matrix) -> None:
    """The same at every point before and after each commit and each call."""
    walk(matrix, lambda points: points)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_worker_dies_at_random_moments(matrix: Matrix) -> None:
    """The same at moments that nobody chose."""
    reference, chance = matrix.reference(), random.Random()
    for _ in range(RANDOM_ROUNDS):
        moment = chance.uniform(0.3, 5)
        matrix.judge(f"killed after {moment:.3f} s", matrix.round(kill_after=moment), reference.effects)
    assert not matrix.failures, "\n\n".join([matrix.summary, *matrix.failures])
