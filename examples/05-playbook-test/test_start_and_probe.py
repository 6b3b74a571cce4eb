"""Tests of the playbook of example 02: no cloud, no waiting, and a death of the process at every step."""

import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloudheal.testing import FakeCloud, Scene, assert_replays

sys.path.insert(0, str(Path(__file__).parents[1] / "02-playbook-in-a-folder" / "playbooks"))

from start_and_probe import START_AND_PROBE


@pytest.fixture
def port() -> Iterator[int]:
    """A port of this machine at which a service listens."""
    with socket.create_server(("127.0.0.1", 0)) as service:
        yield service.getsockname()[1]


def scene(port: int, change: Callable[[FakeCloud], object] = lambda _: None) -> Scene:
    """A web server stops, in a cloud that has perhaps another trouble."""
    cloud = FakeCloud()
    web = cloud.server("i-web", name="web-01", tags={"role": "web"})
    rule = {
        "name": "start-web-and-probe-it",
        "when": {"type": ["Instance:StateChange"], "data": {"state": ["Stopped"]}},
        "resources": {"tags": {"role": ["web"]}},
        "desired": "on",
        "playbook": "start_and_probe",
        "with": {"host": "127.0.0.1", "port": port},
        "mode": "auto",
    }
    stopped = cloud.power_off(web)
    change(cloud)
    return Scene(cloud, rules=[rule], playbooks=[START_AND_PROBE], events=[stopped])


def test_it_is_started_and_probed(port: int) -> None:
    """One start, and the verdict names the service."""
    told = scene(port).play()
    assert told.actions == ("start i-web",)
    assert told.verdicts == {"i-web": "healed"}
    assert told.evidence["i-web"]["service"] == f"127.0.0.1:{port}"


def test_a_silent_service_is_not_healed() -> None:
    """A server that runs but does not answer is told to people."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        told = scene(unused.getsockname()[1]).play()
    assert told.verdicts == {"i-web": "not healed"}
    assert "incident.not_healed" in told.notices


def test_an_answer_that_is_lost_starts_nothing_twice(port: int) -> None:
    """The start took place although nobody said so."""
    told = scene(port, lambda cloud: cloud.loses_the_answer("start")).play()
    assert told.actions == ("start i-web",)
    assert told.verdicts == {"i-web": "healed"}


def test_a_locked_server_is_waited_for(port: int) -> None:
    """Nothing is started while the vendor has locked the server."""
    told = scene(port, lambda cloud: cloud.lock(cloud.id_of("i-web"), "security")).play()
    assert told.actions == ()
    assert told.waits == {"i-web": "locked.security"}


def test_a_crash_anywhere_does_no_harm(port: int) -> None:
    """Whoever follows ends what was begun, with one start."""
    assert assert_replays(lambda: scene(port)) > 0
