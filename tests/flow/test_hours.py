"""A rule with hours acts inside of them only, and what it would have done waits for the next window."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cloudheal.record.promotions import promote
from cloudheal.record.tables import DECISION, RUN
from tests.flow.test_inventory import RULE
from tests.flow.watching import Watching, settings_of, watching, world_of
from tests.sim.simulator import RunningSimulator

NIGHT: dict[str, Any] = {"from": "22:00", "lasts": "8h", "timezone": "Asia/Shanghai"}


@pytest.fixture
def watch(simulator: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watching]:
    """A worker whose only rule acts at night in Shanghai; it is five in the afternoon there."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    simulator.control("POST", "reset")
    simulator.world({"now": "2026-03-02T09:00:00Z", **world_of([{"id": "i-0", "tags": {"app": "shop"}}])})
    simulator.control("PUT", "clock", {"mode": "stepped", "skew_check": "off"})
    settings = settings_of(simulator, tmp_path, rules=[{**RULE, "hours": [NIGHT], "limits": {"cool_down": "1s"}}])
    with watching(simulator, settings) as running:
        with running.app.database.transaction() as connection:
            promote(connection, running.app.rules.rules.values(), "test", running.app.clock.now())
        running.tick()
        running.advance(1)
        yield running


def test_what_falls_by_day_is_healed_when_the_window_opens(watch: Watching) -> None:
    """Off hours with the instant of the next opening; not a call before it; then healed without a new event."""
    watch.chaos("power_off", "i-0")
    watch.advance(1)
    watch.drain()
    (decision,) = watch.rows(DECISION)
    opening = datetime.fromisoformat("2026-03-02T22:00:00+08:00")
    assert (decision.reason, decision.next_eligible) == ("off_hours", round(opening.timestamp() * 1000))
    watch.advance((opening - watch.app.clock.now() - timedelta(seconds=5)).total_seconds())
    watch.app.waker.tick()
    assert [row.waits_for for row in watch.rows(RUN)] == ["off_hours"]
    assert watch.calls("StartInstance") == []
    (healed,) = watch.until_ended(1)
    assert healed.verdict == "healed"
    assert healed.acted >= round(opening.timestamp() * 1000)
