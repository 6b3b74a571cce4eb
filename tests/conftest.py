"""What holds for every test: where the tree is, and that no test leaves this machine."""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.sim.simulator import RunningSimulator, started

#: The root of the tree, for tests that read files of the project.
ROOT = Path(__file__).resolve().parent.parent

# The same examples in every run, and no deadline on machines with two busy cores; `make soak`
# draws new ones, of every property.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("soak", deadline=None, max_examples=1000)


def pytest_configure(config: pytest.Config) -> None:
    """Choose hypothesis' profile by the markers asked for."""
    settings.load_profile("soak" if config.getoption("markexpr").startswith("soak") else "steady")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what tests counted (`record_property("summary", ...)`), also when they passed."""
    reports = [one for kind in ("passed", "failed") for one in terminalreporter.stats.get(kind, ())]
    counted = [str(value) for one in reports for name, value in one.user_properties if name == "summary"]
    if counted:
        terminalreporter.section("counted")
        terminalreporter.write_line("\n".join(counted))


@pytest.fixture
def root() -> Path:
    """Hand out the root of the tree."""
    return ROOT


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    """One simulator for the tests of a module that ask for one; each begins with a reset."""
    running = started()
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def log_levels_end_with_the_test() -> Iterator[None]:
    """Put back the levels that a command run in this process chose; the next test reads its own log."""
    loggers = (logging.getLogger(), logging.getLogger("cloudheal"))
    before = [one.level for one in loggers]
    yield
    for one, level in zip(loggers, before, strict=True):
        one.setLevel(level)


class LeftTheMachine(AssertionError):
    """A test tried to reach another machine; tests talk to loopback only."""


@pytest.fixture(autouse=True, scope="session")
def stays_on_this_machine() -> Iterator[None]:
    """Refuse connections to other machines, so that a wrong endpoint is a failure and not a call."""
    connect = socket.socket.connect

    def checked(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_loopback(address[0]):
            raise LeftTheMachine(f"connect to {address!r}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", checked)
        yield


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
