"""What an operator types about the plan, beside a worker that plans and begins."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.flow.operators import Operator, until

WEB, PEER = "i-bp1web01", "i-bp1web02"
RULE: dict[str, Any] = {
    "name": "maintain",
    "when": {"type": ["Instance:SystemMaintenance.Reboot"]},
    "resources": {"all": True},
    "playbook": "sit_still",
    "mode": "auto",
}
NIGHT = {"from": "02:00", "lasts": "4h"}
PLAYBOOK = '''\
"""A playbook whose runs wait for a slot, and then do nothing."""

from cloudheal.extend import Case, End, Hands, Healed, PlannedParameters, Playbook


def sit_still(case: Case, hands: Hands) -> End:
    """End at once."""
    return End(Healed.HEALED, "done")


PLAYBOOK = Playbook(
    "sit_still", ("maintenance",), PlannedParameters, ("servers",), reversible=True, run=sit_still, planned=True
)
'''


@pytest.fixture
def planned(at_hand: Operator) -> Operator:
    """An operator whose servers are to be rebooted by the cloud at noon in three days, with windows in the night."""
    folder = at_hand.folder / "playbooks"
    folder.mkdir()
    (folder / "sit_still.py").write_text(PLAYBOOK, encoding="utf-8")
    at_hand.settings(rules=[RULE], extensions={"folders": ["playbooks"]}, maintenance={"windows": [NIGHT]})
    at_hand.done("rules", "promote", "maintain")
    at_hand.simulator.chaos("maintenance_event", WEB, PEER, in_seconds=_until_noon() + 3 * 86_400)
    return at_hand


def _until_noon() -> float:
    """Return how many seconds are left of the morning; of the next one in the afternoon."""
    now = datetime.now(ZoneInfo("Asia/Shanghai"))
    noon = now.replace(hour=12, minute=0, second=0, microsecond=0)
    return (noon - now) % timedelta(days=1) / timedelta(seconds=1)


def rows(at: Operator, *words: str) -> dict[str, dict[str, Any]]:
    """Return the plan by server."""
    return {one["resource"]: one for one in at.json("plan", *words)}


@pytest.mark.timeout(300)
def test_the_plan_is_shown_moved_left_and_done_at_once(planned: Operator) -> None:
    """Two servers get slots at night; one is done now, the other is moved, left to the cloud and taken back."""
    assert "Nothing found" in planned.done("plan")
    with planned.worker() as worker:
        until(lambda: len([one for one in rows(planned).values() if one["begin"]]) == 2, 60, "two slots")
        first = rows(planned)
        assert all(one["begin"][11:13] in {"02", "03", "04", "05"} for one in first.values())
        assert {one["policy"] for one in first.values()} == {"handle"}
        shown = planned.done("plan")
        assert "in the window from" in shown
        assert "Maintenance from" in shown
        planned.settings(
            rules=[RULE],
            extensions={"folders": ["playbooks"]},
            maintenance={"windows": [NIGHT]},
            language="zh",
        )
        assert "在时间窗" in planned.done("plan")
        assert "计划中的维护" in planned.done("plan")

        assert WEB in planned.done("plan", "cancel", WEB)
        until(lambda: rows(planned)[WEB]["policy"] == "leave", 30, "left to the cloud")
        planned.done("plan", "auto", WEB)
        until(lambda: rows(planned)[WEB]["begin"] is not None, 30, "a slot again")
        wanted = first[PEER]["begin"][:16].replace("T02", "T03")
        planned.done("plan", "move", WEB, wanted)
        until(lambda: rows(planned)[WEB]["begin"][:16] == wanted, 30, "the slot that was asked for")
        planned.done("plan", "move", WEB, f"{wanted[:10]}T11:55")
        until(lambda: "无法保留" in rows(planned)[WEB]["why"], 30, "what is in the way")

        planned.done("plan", "now", PEER)
        until(lambda: PEER not in rows(planned), 60, "the end of what was done at once")
        over = rows(planned, "--ended")[PEER]
        assert over["state"] == "ended"
        assert planned("plan", "cancel", PEER).returncode == 1
        assert worker.stop() == 0
    story = planned.done("explain", PEER)
    assert "sit_still" in story


def test_words_about_nothing_are_refused(planned: Operator) -> None:
    """A name that is not in the plan, and a time that has passed or is none."""
    assert planned("plan", "move", "i-none", "2h").returncode == 1
    passed = planned("plan", "move", WEB, "2020-01-01T02:00")
    assert passed.returncode == 2
    assert "plan now" in passed.stderr
    assert planned("plan", "move", WEB, "soon").returncode == 2
