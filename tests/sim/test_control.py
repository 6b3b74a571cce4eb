"""The control API: health, clock, faults, reset; over TCP."""

from __future__ import annotations

import urllib.error
import urllib.request
from datetime import datetime
from functools import partial

import pytest

from tests.sim.raw_mns import Background, RawMns, until
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


def test_a_receiver_that_waits_is_no_change_to_come(stepped: RunningSimulator) -> None:
    """The next due time is the end of a long poll; the next change is that of the world, or none."""
    servers = [{"id": "i-a", "status": "Running"}, {"id": "i-b", "status": "Running"}]
    stepped.world({"alibaba": {"instances": servers, "queues": [{"name": "q"}]}})
    mns = RawMns(stepped.address)
    waiting = [Background(partial(mns.receive, "q", f"?waitseconds={wait}")) for wait in (20, 21, 22)]
    until(lambda: stepped.control("GET", "clock")["timers"] == len(waiting), "the polls")
    clock = stepped.control("GET", "clock")
    assert clock["next_due"] is not None
    assert clock["next_change"] is None
    for id_, seconds in (("i-a", 100), ("i-b", 50)):
        stepped.chaos("crash_loop", id_, seconds=seconds)
    change = datetime.fromisoformat(stepped.control("GET", "clock")["next_change"])
    assert change.timestamp() * 1000 == clock["now_ms"] + 50_000
    stepped.advance(30)
    assert {one.answer().status for one in waiting} == {404}


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


def test_every_deed_refuses_an_option_that_it_has_not(stepped: RunningSimulator) -> None:
    """A misspelt option is named, whatever the deed, and nothing is done."""
    rule = {"id": "r-1", "name": "r", "namespace": "acs_ecs_dashboard", "metric": "cpu_total"}
    alibaba = {"instances": [{"id": "i-a", "spot": True}], "metric_rules": [rule]}
    stepped.world({"alibaba": alibaba, "tencent": {"instances": [{"id": "ins-a"}]}})
    world = stepped.control("GET", "world")
    for deed in stepped.control("GET", "chaos")["deeds"]:
        needed = {"process": "nginx"} if deed == "process_die" else {}
        told = []
        for id_ in ("r-1", "i-a", "ins-a"):
            with pytest.raises(ControlRefusedError) as refused:
                stepped.chaos(deed, id_, secconds=3, **needed)
            told += [] if "no resource" in str(refused.value) else [str(refused.value)]
        assert told, deed
        assert all("secconds" in one for one in told), deed
    assert stepped.control("GET", "world") == world


def test_what_is_so_already_is_no_change(stepped: RunningSimulator) -> None:
    """A deed done twice is journaled once."""
    stepped.world({"alibaba": {"instances": [{"id": "i-a"}]}})
    seen = stepped.control("GET", "health")["journal"]
    for deed in ("hang", "agent_offline", "out_of_memory", "disk_read_only"):
        stepped.chaos(deed, "i-a")
        stepped.chaos(deed, "i-a")
    changed = [change["what"] for entry in stepped.journal(since=seen) for change in entry["changes"]]
    inside = ["guest.out_of_memory", "guest.oom", "guest.disk_read_only"]
    assert changed == ["instance.hung", "instance.agent_offline", *inside]
