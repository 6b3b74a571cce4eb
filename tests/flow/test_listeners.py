"""Listeners that hang, and clocks that fail, hold up nothing else of a worker; whoever looks is told of them."""

from __future__ import annotations

import logging
import os
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cloudheal.app import App
from cloudheal.model.event import Channel
from cloudheal.record.promotions import promote
from cloudheal.record.tables import INCIDENT, LISTENER_TASK
from tests.contract.receivers import Webhook, serving
from tests.flow.operators import until
from tests.flow.test_cli_work import message
from tests.flow.test_restart import RULE
from tests.flow.watching import Watching, settings_of, watching, world_of
from tests.sim.simulator import RunningSimulator

WEB = "i-bp1web01"
#: Chores that ask the clock.
FAILING = {"keep", "notify", "watch", "poll", "plan", "tend", "series", "listener brisk.Brisk"}
HEAD = """
    from pathlib import Path

    from cloudheal.extend import BasicListener, Listeners

    FOLDER = Path({folder!r})
"""
#: A listener that blocks until somebody writes into a pipe.
STUCK = """
    class Stuck(BasicListener):
        def process(self, event):
            (FOLDER / "pipe").read_text()

    listeners = Listeners().register(Stuck())
"""
#: One that keeps what it hears.
BRISK = """
    class Brisk(BasicListener):
        def process(self, event):
            with (FOLDER / "heard").open("a") as file:
                file.write(event["content"]["state"] + "\\n")

    listeners = Listeners().register(Brisk())
"""


@pytest.fixture(autouse=True)
def world(simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time stands still until the test moves it."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    simulator.control("POST", "reset")
    simulator.control("PUT", "clock", {"mode": "stepped", "skew_check": "off"})
    simulator.world(world_of([{"id": WEB, "tags": {"env": "prod"}}]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a folder for each listener, and the pipe."""
    os.mkfifo(tmp_path / "pipe")
    for name, code in (("stuck", STUCK), ("brisk", BRISK)):
        (tmp_path / name).mkdir()
        text = textwrap.dedent(HEAD.format(folder=str(tmp_path))) + textwrap.dedent(code)
        (tmp_path / name / f"{name}.py").write_text(text, encoding="utf-8")
    return tmp_path


def heard(folder: Path) -> Sequence[str]:
    """Return what the brisk listener kept."""
    file = folder / "heard"
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else ()


def problems(one: Watching) -> list[str]:
    """Return what /healthz says is not well, by name and about what."""
    found = one.app.watch.health()["problems"]
    assert isinstance(found, list)
    return [" ".join(str(each).split()[:2]) for each in found]


def test_a_listener_that_hangs_holds_up_no_other_and_no_notice(
    simulator: RunningSimulator, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One blocks for ever: the other hears every event, people are told of what else is wrong, health names it.

    When it comes back after all, the log says so, it hears the next event, and all is well.
    """
    with serving(Webhook()) as webhook:
        monkeypatch.setenv("OPS_URL", f"json://{webhook.address}/x")
        settings = settings_of(
            simulator,
            folder,
            extensions={"folders": [str(folder / "stuck"), str(folder / "brisk")]},
            notify={"targets": [{"name": "ops", "url_env": "OPS_URL"}], "gather": "1s"},
            watch={"listener_call": "1s"},
        )
        with caplog.at_level(logging.WARNING), watching(simulator, settings) as one:
            one.app.take([message(WEB, "Stopped", "001").encode()], "test", Channel.WEBHOOK)
            until(lambda: len(one.app.patrol.calls()) == 1, what="a listener that is busy")
            one.app.take([message(WEB, "Running", "002").encode(), b"{"], "test", Channel.WEBHOOK)
            until(lambda: heard(folder) == ["Stopped", "Running"], what="the other listener")
            one.advance(2)
            until(lambda: len(webhook.received) == 1, what="a notice of the message that nobody could read")
            until(lambda: problems(one) == ["listener.hangs stuck.Stuck"], what="health that names the listener")
            until(lambda: "listener.hangs listener=stuck.Stuck" in caplog.text, what="a line in the log")
            assert 'cloudheal_listener_call_seconds{listener="brisk.Brisk"} 0' in one.app.watch.metrics()
            for _ in range(2):
                until(lambda: len(one.app.patrol.calls()) == 1, what="the stuck listener")
                (folder / "pipe").write_text("go on", encoding="utf-8")
                until(lambda: one.app.patrol.hanging() == [], what="a listener that returned")
            until(lambda: all(row.done for row in one.rows(LISTENER_TASK)), what="listeners that are done")
            assert one.app.watch.health()["ok"]
            assert caplog.text.count("listener.hangs listener=stuck.Stuck") == 1
            until(lambda: "listener.returned listener=stuck.Stuck" in caplog.text, what="its return in the log")
        assert [row.outcome for row in one.rows(LISTENER_TASK)] == ["heard"] * 4


def verdicts(one: Watching) -> list[str]:
    """Take in what is on the queue; returns the verdict of every incident."""
    one.drain()
    return [row.verdict for row in one.rows(INCIDENT)]


class Fragile:
    """A clock that can be broken: whoever asks it then gets an error."""

    def __init__(self) -> None:
        self.broken = False

    def now(self) -> datetime:
        """Return the present. Raises RuntimeError while it is broken."""
        if self.broken:
            raise RuntimeError("the clock is broken")
        return datetime.now(UTC)


def test_no_chore_dies_of_an_error_that_nobody_foresaw(
    simulator: RunningSimulator, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Everything that a worker does again and again fails for a while; then it goes on, and a stop is healed and told.

    The failures are logged with their reason, counted, and shown while they last.
    """
    simulator.control("PUT", "clock", {"mode": "real", "skew_check": "off"})
    more = {"extensions": {"folders": [str(folder / "brisk")]}, "rules": [RULE]}
    clock = Fragile()
    app = App(settings_of(simulator, folder, **more), clock)
    with app.running():
        with app.database.transaction() as connection:
            promote(connection, app.settings.rules, "test", clock.now())
        one = Watching(app, simulator)
        clock.broken = True
        until(lambda: {each.chore for each in app.chores.ill()} == FAILING, 60, "failing chores")
        assert all(
            f"chore.failed chore={name} reason='RuntimeError at flow/test_listeners" in caplog.text for name in FAILING
        )
        assert caplog.text.count("chore.failed chore=keep") == 1
        clock.broken = False
        until(lambda: not app.chores.ill(), 60, "chores that work again")
        assert all(f'cloudheal_chore_failures_total{{chore="{name}"}}' in app.watch.metrics() for name in FAILING)
        one.chaos("power_off", WEB)
        until(lambda: verdicts(one) == ["healed"], what="a healed server")
        until(lambda: "Stopped" in heard(folder), what="a listener that heard")
