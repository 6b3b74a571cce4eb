"""A rehearsal's time is the simulator's."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from cloudheal.errors import SettingsError
from cloudheal.ports.clock import SystemClock
from cloudheal.settings.schema import ClockSettings
from cloudheal.sources.followed_clock import ASK_SECONDS, clock_of
from tests.flow.operators import until
from tests.sim.simulator import RunningSimulator


def test_hours_that_pass_in_the_simulator_pass_here(shell_simulator: RunningSimulator) -> None:
    """The clock stands while the simulator's stands, and leaps when it leaps."""
    shell_simulator.control("POST", "reset")
    shell_simulator.control("PUT", "clock", {"mode": "stepped", "now": "2030-01-01T00:00:00Z"})
    clock = clock_of(ClockSettings(follow=shell_simulator.url))
    assert clock.now() == clock.now() == datetime(2030, 1, 1, tzinfo=UTC)
    shell_simulator.advance(7200)
    until(lambda: clock.now() == datetime(2030, 1, 1, 2, tzinfo=UTC), what="the leap")
    shell_simulator.control("POST", "reset")
    asked_again = time.monotonic() + 2 * ASK_SECONDS
    until(lambda: time.monotonic() > asked_again)
    assert clock.now() == datetime(2030, 1, 1, 2, tzinfo=UTC), "a simulator set back does not set us back"


def test_a_simulator_that_is_not_there_is_told_at_the_start() -> None:
    """The setting is named; without the setting this machine's clock is used."""
    with pytest.raises(SettingsError, match=r"clock\.follow: http://127\.0\.0\.1:9 does not tell the time"):
        clock_of(ClockSettings(follow="http://127.0.0.1:9"))
    assert isinstance(clock_of(ClockSettings(follow=None)), SystemClock)
