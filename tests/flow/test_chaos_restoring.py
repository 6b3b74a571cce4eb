"""Random outages of a server, judged by the laws: the virtual clock makes an evening of them in a moment.

One history is a list of deeds: the server falls, hangs, comes back late or not at all, messages about
it are lost, doubled or out of order, calls go wrong in every way, people hold it, and the healing process dies at any
step. In the end the books are checked. A failing history is printed by hypothesis and can be played again as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudheal.model.control import Answer, Hold
from cloudheal.model.incident import RunState, StepKind
from cloudheal.model.inventory import RUNNING, STOPPED
from cloudheal.record.database import Database
from cloudheal.record.holds import add_hold, lift_holds
from cloudheal.record.tables import GRANT, INCIDENT, RUN, STEP
from cloudheal.testing import FakeCloud, Scene
from cloudheal.testing.engine import Death
from cloudheal.testing.stage import stage

WEB, MAX_STARTS = "i-web", 2
FREE = {"cool_down": "1s", "attempts": 100, "flaps": 100, "per_hour": 10_000}
RULE: dict[str, Any] = {
    "name": "restore",
    "when": {"type": ["Agent_Status_Stopped"]},
    "resources": {"all": True},
    "desired": "on",
    "playbook": "restore_after_ping_loss",
    "with": {
        "command": "restore",
        "command_timeout": "5m",
        "limit": "5m",
        "reboot": "soft",
        "reboot_after": "2m",
        "max_starts": MAX_STARTS,
    },
    "mode": "auto",
    "limits": FREE,
}
VERBS = st.sampled_from(["servers", "agents", "start", "reboot", "run_command", "command_result"])
BAD_DAYS = st.sampled_from(["throttles", "loses_the_answer", "loses_the_call"])
DEEDS = st.one_of(
    st.tuples(st.just("falls")),
    st.tuples(st.just("runs")),
    st.tuples(st.just("hangs")),
    st.tuples(st.just("answers")),
    st.tuples(st.just("is lost")),
    st.tuples(st.just("is heard")),
    st.tuples(st.just("is held")),
    st.tuples(st.just("is let go")),
    st.tuples(st.just("fails to restore")),
    st.tuples(st.just("is slow")),
    st.tuples(st.just("bad day"), BAD_DAYS, VERBS, st.integers(1, 3)),
)
HISTORIES = st.lists(st.tuples(st.integers(0, 240), DEEDS), min_size=1, max_size=10)
#: How it begins: with nothing, the server is well when the first message comes.
BEGINNINGS = st.sets(st.sampled_from(["falls", "hangs", "is slow"]))
DEATHS = st.none() | st.builds(Death, st.integers(1, 30), st.booleans())


@dataclass
class Evening:
    """A server, and what befalls it."""

    database: Database
    cloud: FakeCloud = field(default_factory=FakeCloud)

    def __post_init__(self) -> None:
        self.web = self.cloud.server(WEB)

    def happens(self, deed: tuple[Any, ...]) -> bytes | None:
        """Do one thing; returns the message that tells of it."""
        server = self.cloud.now(WEB)
        state = server.state if server else ""
        match deed:
            case ("bad day", how, verb, times):
                spoil: Callable[[str, int], object] = getattr(self.cloud, how)
                spoil(verb, times)
            case ("runs",) if state == STOPPED:
                return self.cloud.changes(self.web, RUNNING)
            case ("is lost",):
                return self.cloud.loses_contact(self.web)
            case ("is heard",):
                return self.cloud.is_heard_again(self.web)
            case ("is held" | "is let go" as what,):
                self.hold(held=what == "is held")
            case ("falls",) if state == RUNNING:
                self.cloud.power_off(self.web)
            case (inside,):
                self._inside(inside)
        return None

    def _inside(self, deed: str) -> None:
        match deed:
            case "hangs":
                self.cloud.guests.offline.add(WEB)
            case "answers":
                self.cloud.guests.offline.clear()
            case "fails to restore":
                self.cloud.guests.exits_with(1, "no\n")
            case "is slow":
                self.cloud.guests.lasts = timedelta(seconds=100)

    def hold(self, *, held: bool) -> None:
        """Hold the server, or let it go."""
        with self.database.transaction() as connection:
            now = self.cloud.clock.now()
            if held:
                add_hold(connection, Hold(WEB, "somebody", "looking", now))
            else:
                lift_holds(connection, WEB, now)


def calm(evening: Evening) -> None:
    """Let everything come to rest: the hold goes, the agent answers, calls go well."""
    evening.cloud.guests.offline.clear()
    evening.hold(held=False)


def broken(evening: Evening, scene: Scene) -> list[str]:
    """Say which laws do not hold."""
    with evening.database.snapshot() as connection:
        incidents = connection.execute(sa.select(INCIDENT)).all()
        runs = connection.execute(sa.select(RUN)).all()
        steps = connection.execute(sa.select(STEP).where(STEP.c.kind != StepKind.READ.value)).all()
        grants = connection.scalars(sa.select(GRANT.c.run)).all()
    sent = Counter(one.run for one in steps if one.name.startswith("command ") and one.outcome == "ok")
    starts = Counter(one.run for one in steps if one.name.startswith("start ") and one.outcome == "ok")
    begun = sum(action.startswith("run restore") for action in scene.cloud.actions)
    closed = {one.id for one in runs if one.state == RunState.ENDED.value}
    laws = {
        "one command in a run": max(sent.values(), default=0) <= 1,
        "every command was journaled": begun <= sum(one.name.startswith("command ") for one in steps),
        "few starts in a run": max(starts.values(), default=0) <= MAX_STARTS,
        "one incident at a time": sum(one.ended is None for one in incidents) <= 1,
        "what has ended holds no grant": not closed & set(grants),
        "no intent is left open": all(one.done is not None for one in steps),
        "only people are waited for": all(
            one.state in {RunState.ENDED.value, RunState.ASKING.value} for one in runs
        ),
        "healed is proven": all(
            sent[one.id] == 1 for one in runs for incident in incidents
            if incident.id == one.incident and incident.verdict == "healed"
        ),
    }  # fmt: skip
    return [law for law, holds in laws.items() if not holds]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(BEGINNINGS, HISTORIES, DEATHS, st.sampled_from([None, Answer.APPROVED, Answer.DENIED]))
def test_whatever_befalls_a_server_the_laws_hold(
    begins: set[str], history: list[tuple[int, tuple[Any, ...]]], death: Death | None, said: Answer | None
) -> None:
    """One command in a run, few starts, nothing left open, and nobody is waited for but people."""
    with stage() as database:
        evening = Evening(database)
        for deed in sorted(begins):
            evening.happens((deed,))
        first = evening.cloud.loses_contact(evening.web)
        scene = Scene(evening.cloud, rules=[RULE], events=[first])
        scene.answer = said
        if death is not None:
            scene.dying(death)
        after = timedelta()
        for seconds, happening in history:
            after += timedelta(seconds=seconds)
            scene.later(after, partial(evening.happens, happening))
        scene.later(after + timedelta(minutes=1), lambda: calm(evening))
        scene.play_on(database)
        assert broken(evening, scene) == []
