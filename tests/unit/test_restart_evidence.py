"""Before a server is started its evidence is kept, where the rule asks for it: a start overwrites the console (Q30)."""

from __future__ import annotations

from typing import Any

import pytest

from cloudheal.playbooks.restart_stopped import RESTART_STOPPED
from cloudheal.testing import FakeCloud, Scene, assert_replays
from tests.usual import RULE

WEB, PROD = "i-web", {"env": "prod"}
PANIC = "Kernel panic - not syncing: Fatal exception"


def rule(**parameters: Any) -> dict[str, Any]:
    """Return a rule that restarts, with parameters."""
    return RULE | {"with": parameters}


def fallen(**parameters: Any) -> Scene:
    """Return a scene in which a server panics and stops."""
    cloud = FakeCloud()
    web = cloud.server(WEB, tags=PROD)
    cloud.guests.consoles[WEB] = PANIC
    return Scene(cloud, rules=[rule(**parameters)], events=[cloud.power_off(web)])


def test_the_console_is_kept_before_the_first_start() -> None:
    """Gathered once, before the call; the heal goes on."""
    told = fallen(evidence=True).play()
    assert (told.verdicts[WEB], told.actions) == ("healed", (f"start {WEB}",))
    steps = list(told.steps)
    assert steps.count("gather evidence") == 1
    assert steps.index("evidence: kept") < steps.index("start 1: intent")


def test_it_is_gathered_once_however_often_the_server_is_started() -> None:
    """What a later start finds is what the first one did."""
    scene = fallen(evidence=True, backoff="1s")
    scene.cloud.falls_back(scene.cloud.now(WEB).id, times=9)  # type: ignore[union-attr]
    told = scene.play()
    assert told.actions == (f"start {WEB}",) * 3
    assert list(told.steps).count("evidence: kept") == 1


def test_a_console_that_cannot_be_read_holds_nothing_up() -> None:
    """Evidence is worth less than a server that serves."""
    scene = fallen(evidence=True)
    scene.cloud.refuses("console", "Forbidden.RAM")
    assert scene.play().verdicts[WEB] == "healed"


def test_a_rule_that_does_not_ask_spends_no_call_and_no_permission() -> None:
    """The verbs of the policy are those of the parameters."""
    assert "gather evidence" not in fallen().play().steps
    assert RESTART_STOPPED.needs({}) == {"servers", "start"}
    assert RESTART_STOPPED.needs({"evidence": True}) == {"servers", "start", "console", "health"}


@pytest.mark.timeout(60)
def test_a_crash_at_any_step_changes_nothing() -> None:
    """Each step dies once before its checkpoint and once after it."""
    assert_replays(lambda: fallen(evidence=True))
