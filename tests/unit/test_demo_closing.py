"""The demo's closing counts are compared with the scenes: whatever differs is named, and ends the demo with 1."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cloudheal.demo.closing import PING, closing_of
from cloudheal.demo.engine import Engine
from cloudheal.demo.evening import Evening
from cloudheal.demo.scenes import ON_TENCENT, SCENES
from cloudheal.demo.texts import TEXTS
from cloudheal.demo.view import Picture, Standing
from cloudheal.drills.stage.door import free_door
from cloudheal.drills.stage.simulator import SimulatedCloud
from cloudheal.drills.stage.tencent_fleet import PROCESS

WEB, SPOT, STRANGER = "i-bp1demoweb02", "i-bp1demospot1", "i-bp1demoweb20"
#: One event, delivered twice, and one that the second cloud pushed.
HEARD = 2


@dataclass(frozen=True)
class Told(SimulatedCloud):
    """A cloud that has an evening behind it: its journal, and how its world stands."""

    journal: list[dict[str, Any]]
    down: set[str] = field(default_factory=set)

    def control(self, method: str, path: str, body: object = None) -> Any:
        """Answer as the simulator's control API would."""
        assert (method, body) == ("GET", None)
        if path == "world":
            servers = [
                {"id": one.id, "guest": {"processes": [{"name": PROCESS, "running": one.id not in self.down}]}}
                for one in ON_TENCENT
            ]
            return {"tencent": {"instances": servers}}
        return {"entries": [one for one in self.journal if one["kind"] == "request" or "kind=" not in path]}


def request(action: str, *changes: tuple[str, str | None, str], fault: str = "") -> dict[str, Any]:
    """Return the entry of a call that changed the state of servers."""
    told = [{"what": "instance.status", "id": id_, "before": old, "after": new} for id_, old, new in changes]
    return {"kind": "request", "service": "ecs", "action": action, "fault": fault, "changes": told}


def start(id_: str) -> dict[str, Any]:
    """Return the entry of a start."""
    return request("StartInstance", (id_, "Stopped", "Starting"))


def evening() -> tuple[Told, Picture]:
    """Return an evening on which everything was as the scenes say."""
    delivered = {"kind": "event", "service": "cms", "details": {"event": "e-1"}, "resources": []}
    (pay,) = ON_TENCENT
    alarms = [
        {"kind": "event", "service": "eb", "action": PING, "resources": [pay.id], "details": {"id": "p", "rules": [1]}}
    ] * 2
    starts = [start(one.id) for one in SCENES for _ in range(one.starts)]
    order = request("RunInstances", ("i-new", None, "Pending"))
    journal = [request("RunInstances", fault="throttled: throttle"), order, *starts, delivered, delivered, *alarms]
    standings = {one.id: Standing(one.verdict, one.code, 1.0, 1, (1.0,) * one.heals) for one in SCENES}
    incidents = {one.id: 1 for one in SCENES if one.verdict != "left alone"}
    return Told("http://127.0.0.1:1", journal), Picture(standings, HEARD, 1, 200, HEARD, incidents=incidents)


def standing(id_: str, **changes: Any) -> Callable[[Told, Picture], Picture]:
    """Return what changes how one server stands at the end."""
    return lambda _, end: replace(end, standings={**end.standings, id_: replace(end.standings[id_], **changes)})


def more(*entries: dict[str, Any]) -> Callable[[Told, Picture], Picture]:
    """Return what adds entries to the journal."""

    def add(cloud: Told, end: Picture) -> Picture:
        cloud.journal.extend(entries)
        return end

    return add


def without(which: Callable[[dict[str, Any]], bool]) -> Callable[[Told, Picture], Picture]:
    """Return what takes the first such entry out of the journal."""

    def drop(cloud: Told, end: Picture) -> Picture:
        cloud.journal.remove(next(one for one in cloud.journal if which(one)))
        return end

    return drop


def dead(cloud: Told, end: Picture) -> Picture:
    """Let the process of the second cloud's server be down."""
    cloud.down.update(one.id for one in ON_TENCENT)
    return end


WRONG: dict[str, tuple[Callable[[Told, Picture], Picture], str]] = {
    "verdict": (standing(WEB, verdict="not healed"), "web-02: verdict not healed, not healed"),
    "code": (standing("i-bp1demodb001", code="paused"), "db-01: code paused, not held"),
    "healed twice": (standing(WEB, healed_in=(1.0, 1.0)), "web-02: heals 2, not 1"),
    "started twice": (more(start(WEB)), "web-02: starts 2, not 1"),
    "not started": (without(lambda one: one == start(WEB)), "web-02: starts 0, not 1"),
    "started though held": (more(start("i-bp1demodb001")), "db-01: starts 1, not 0"),
    "another server started": (more(start(STRANGER)), f"{STRANGER}: 1 starts, 0 incidents, not 0"),
    "another server's incident": (
        lambda _, end: replace(end, incidents={**end.incidents, STRANGER: 1}),
        f"{STRANGER}: 0 starts, 1 incidents, not 0",
    ),
    "ordered twice": (more(request("RunInstances", ("i-2", None, "Pending"))), "2 servers ordered, not 1"),
    "an event lost": (lambda _, end: replace(end, heard=HEARD - 1), "2 events were delivered, 1 recorded"),
    "an event twice": (lambda _, end: replace(end, heard=HEARD + 1), "2 events were delivered, 3 recorded"),
    "poison lost": (lambda _, end: replace(end, dead_letters=0), "dead letters: 0, not 1"),
    "nothing doubled": (without(lambda one: one["service"] == "cms"), "doubled events: none"),
    "nothing throttled": (without(lambda one: bool(one.get("fault"))), "throttled calls: none"),
    "process down": (dead, "pay-01: "),
    "an alarm missing": (without(lambda one: one["service"] == "eb"), "pay-01: "),
}


def test_an_evening_as_it_must_be_has_nothing_wrong() -> None:
    """Every count is the scenes' own."""
    cloud, end = evening()
    assert closing_of(cloud, end, 1).wrong == ()


@pytest.mark.parametrize("what", WRONG)
def test_a_count_that_differs_is_named(what: str) -> None:
    """Each difference alone is told, and is the only one told."""
    cloud, end = evening()
    change, told = WRONG[what]
    found = closing_of(cloud, change(cloud, end), 1)
    assert [one.startswith(told) for one in found.wrong] == [True], found.wrong


@pytest.mark.parametrize("kills", [0, 2])
def test_an_engine_that_was_not_killed_once_has_shown_nothing(kills: int) -> None:
    """The promise of the evening is that it survives a kill."""
    cloud, end = evening()
    assert closing_of(cloud, end, kills).wrong == (f"kills of the engine: {kills}, not 1",)


def test_the_demo_fails_when_its_counts_differ(tmp_path: Path) -> None:
    """The report says what is not as expected, and not that everything is right."""
    cloud, end = evening()
    screen = io.StringIO()
    engine = Engine(tmp_path, "http://127.0.0.1:1", "en", free_door())
    one = Evening(cloud, engine, Console(file=screen, width=300), "en")
    try:
        assert not one.report(end)
    finally:
        one.close()
    assert "Not as expected: kills of the engine: 0, not 1" in screen.getvalue()
    assert TEXTS["en"]["right"][:20] not in screen.getvalue()
