"""What the simulator says when it is asked wrongly: the place, and what to do next."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.sim.simulator import ControlRefusedError, RunningSimulator

if TYPE_CHECKING:
    from pathlib import Path

TWO = [{"id": "i-a"}]


def _refusal(*arguments: str) -> str:
    command = [sys.executable, "-m", "cloudheal_sim", "--port", "0", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    return ended.stderr


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("PUT", "world", {"instances": TWO}, "instances: unknown key; it belongs below alibaba"),
        ("PUT", "world", {"alibabba": {}}, "alibabba: unknown key; known are .*alibaba"),
        ("PUT", "world", {"now": "9999-12-31T23:59:59Z"}, "now: expected an instant in the years 1970 to 8999"),
        ("PUT", "world", {"now": "0001-01-01T00:00:00Z"}, "now: expected an instant in the years 1970 to 8999"),
        ("PUT", "clock", {"now": "9999-12-31T23:59:59Z"}, "now: expected an instant in the years 1970 to 8999"),
        ("POST", "clock/advance", {"to": "2400-01-01T00:00:00"}, "to: expected an instant with its zone"),
        ("POST", "clock/advance", {"minutes": 3}, "minutes: unknown key"),
        ("PUT", "faults", {"fault": "throttle"}, r'rules: expected \{\\?"rules'),
        ("PUT", "faults", [{"action": "StartInstance"}], "0.fault: expected, but absent"),
        ("POST", "faults", [], "no POST /_sim/faults; it answers GET and PUT"),
        ("POST", "chaos", {"do": "power_off"}, "instances: expected a list of ids"),
        ("GET", "journal?kinds=change", None, "kinds: unknown parameter; known are action"),
        ("GET", "journal?limit=-1", None, "limit: expected a whole number, at least 0"),
    ],
)
def test_a_refusal_says_what_to_write_instead(
    stepped: RunningSimulator, method: str, path: str, body: object, said: str
) -> None:
    """The answer names the place and what was expected there, and the clock stands where it stood."""
    before = stepped.control("GET", "clock")
    with pytest.raises(ControlRefusedError, match=said):
        stepped.control(method, path, body)
    assert stepped.control("GET", "clock") == before


def test_time_ends_before_dates_do(stepped: RunningSimulator) -> None:
    """At the last instant that the clock accepts everything still answers, and nothing lies beyond it."""
    stepped.world({"now": "8999-12-31T23:59:59Z", "alibaba": {"instances": [{"id": "i-a", "spot": True}]}})
    stepped.chaos("reclaim", "i-a")
    with pytest.raises(ControlRefusedError, match="1970 to 8999"):
        stepped.advance(300)
    stepped.control("PUT", "clock", {"mode": "scaled", "scale": 1_000_000})
    stepped.control("PUT", "clock", {"mode": "stepped"})
    assert stepped.control("GET", "health")["status"] == "ok"


def test_a_busy_port_is_said_to_be_one() -> None:
    """Whoever starts a second simulator learns how to get a port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = _refusal("--port", str(taken.getsockname()[1]))
    assert "something listens there already" in said
    assert "--port (0 takes a free one)" in said


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("tab.yaml", b"alibaba:\n\tinstances: []\n", 'tab.yaml", line 2'),
        ("half.json", b'{"alibaba":', "expected JSON: Expecting value"),
        ("bytes.yaml", b"\xff\xfe\x00", "expected text in UTF-8"),
        ("words.yaml", b"just words", "expected one object, such as {alibaba:"),
        ("slip.yaml", b"instances: []", "instances: unknown key; it belongs below alibaba"),
    ],
)
def test_a_bad_world_file_is_named_with_its_fault(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    """The message names the file, the place in it, and what was expected."""
    (tmp_path / name).write_bytes(content)
    words = _refusal("--world", str(tmp_path / name))
    assert name in words
    assert said in words


def test_a_world_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    """No number of the operating system stands in the message."""
    assert "cannot be read: No such file or directory" in _refusal("--world", str(tmp_path / "none.yaml"))


@pytest.mark.parametrize("option", ["seconds", "in_seconds"])
def test_no_deed_takes_longer_than_time_lasts(sim: RunningSimulator, option: str) -> None:
    """An absurd duration is refused by whichever deed takes one, and the world can still be read."""
    sim.world({"alibaba": {"instances": [{"id": "i-bp1a", "region": "cn-hangzhou", "status": "Running"}]}})
    for deed in sim.control("GET", "chaos")["deeds"]:
        with pytest.raises(ControlRefusedError):
            sim.control("POST", "chaos", {"do": deed, "instances": ["i-bp1a"], option: 1e300})
    assert sim.control("GET", "world")["alibaba"]["instances"]
