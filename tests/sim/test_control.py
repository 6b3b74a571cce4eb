"""The control API: health, clock, faults, reset; over TCP."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest

from tests.sim.simulator import ControlRefusedError, RunningSimulator


def test_a_stepped_clock_moves_only_when_told(stepped: RunningSimulator) -> None:
    """Two readings are equal until `advance`, then differ by exactly what was asked."""
    first = stepped.control("GET", "clock")["now_ms"]
    assert stepped.control("GET", "clock")["now_ms"] == first
    assert stepped.advance(300)["now_ms"] == first + 300_000


def test_time_does_not_run_backwards(stepped: RunningSimulator) -> None:
    """A clock set to the past is refused with the reason."""
    with pytest.raises(ControlRefusedError, match="backwards"):
        stepped.control("PUT", "clock", {"now": "2001-01-01T00:00:00Z"})


def test_a_misspelt_world_key_changes_nothing(sim: RunningSimulator) -> None:
    """A bad document is refused by name and the world stays as it was."""
    before = sim.control("GET", "world")["alibaba"]
    with pytest.raises(ControlRefusedError, match=r"alibaba\.instancez"):
        sim.world({"alibaba": {"instancez": []}})
    assert sim.control("GET", "world")["alibaba"] == before


def test_a_foreign_web_page_cannot_pull_strings(sim: RunningSimulator) -> None:
    """A request that a browser makes for another site is refused."""
    request = urllib.request.Request(f"{sim.url}/_sim/reset", b"{}", {"Origin": "http://evil.example"}, method="POST")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=10)
