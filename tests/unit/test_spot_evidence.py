"""What a spot server shows goes with it, so it is kept where the rule asks for it, and never before the server left."""

from __future__ import annotations

from typing import Any

import pytest

from cloudheal.playbooks.spot_evacuate import SPOT_EVACUATE
from cloudheal.ports.cloud import Member
from cloudheal.testing import FakeCloud, Scene, assert_replays
from tests.unit.test_scene import EVACUATE, SPOT

WEB, LINE = "i-web", "Out of memory: Killed process 4711 (java)"


def reclaimed(**parameters: Any) -> Scene:
    """Return a scene in which a spot server behind a balancer is reclaimed."""
    cloud = FakeCloud()
    web = cloud.server(WEB, order=SPOT)
    cloud.server("i-peer")
    cloud.group("lb-1", "g-1", Member(WEB, 8080, 30), Member("i-peer", 8080, 55))
    cloud.guests.consoles[WEB] = LINE
    return Scene(cloud, rules=[EVACUATE | {"with": {"replace": True, **parameters}}], events=[cloud.reclaim(web)])


def test_it_is_read_once_the_server_is_out_of_its_groups() -> None:
    """Minutes count: nothing of the way out waits for it, only what waits for the replacement anyway."""
    plain, told = reclaimed().play(), reclaimed(evidence=True).play()
    assert told.verdicts[WEB] == "healed"
    assert told.actions == plain.actions
    steps = list(told.steps)
    assert steps.count("gather evidence") == 1
    removed = max(number for number, one in enumerate(steps) if one.startswith("remove "))
    assert removed < steps.index("evidence: kept") < steps.index("replacement runs")


def test_a_console_that_cannot_be_read_holds_nothing_up() -> None:
    """Evidence is worth less than a place that is served."""
    scene = reclaimed(evidence=True)
    scene.cloud.refuses("console", "Forbidden.RAM")
    assert scene.play().verdicts[WEB] == "healed"


def test_a_rule_that_does_not_ask_spends_no_call_and_no_permission() -> None:
    """The verbs of the policy are those of the parameters."""
    assert "gather evidence" not in reclaimed().play().steps
    assert SPOT_EVACUATE.needs({"evidence": True}) == SPOT_EVACUATE.needs({}) | {"console", "health"}


@pytest.mark.timeout(60)
def test_a_crash_at_any_step_changes_nothing() -> None:
    """Each step dies once before its checkpoint and once after it."""
    assert_replays(lambda: reclaimed(evidence=True))
