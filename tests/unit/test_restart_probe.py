"""A server that was started again is healed when it serves, where its rule says how that is to be seen."""

from __future__ import annotations

from datetime import timedelta

from cloudheal.testing import FakeCloud, Scene, assert_replays
from cloudheal.testing.scene import Told
from tests.usual import PROD
from tests.usual import RULE as STARTED

WEB = "i-web"
RULE = STARTED | {"with": {"probe": {"tcp": 8080, "within": "5m"}}}


def stopped(warm_up: timedelta | None) -> Scene:
    """Return a scene in which a server stops whose service takes so long after its start; None: it never answers."""
    cloud = FakeCloud()
    cloud.services.warm_up = warm_up
    return Scene(cloud, rules=[RULE], events=[cloud.power_off(cloud.server(WEB, tags=PROD))])


def ended(told: Told) -> tuple[str, str, tuple[str, ...]]:
    """Return the verdict, its reason code, and what was called."""
    return told.verdicts[WEB], told.evidence[WEB]["code"], told.actions


def test_a_server_that_serves_again_is_healed() -> None:
    """It ran at once and answered after three minutes: one start, and the answer stands in the evidence."""
    told = stopped(timedelta(minutes=3)).play()
    assert ended(told) == ("healed", "running", (f"start {WEB}",))
    assert told.evidence[WEB]["probe"] == "tcp 8080: connected"


def test_a_server_that_runs_and_does_not_serve_is_not_healed() -> None:
    """It is not started again, which would help nobody; people are told what was asked and what came of it."""
    told = stopped(None).play()
    assert ended(told) == ("not healed", "probe_failed", (f"start {WEB}",))
    assert told.evidence[WEB]["advice"].startswith("tcp 8080: ")


def test_it_goes_on_from_every_step_after_a_crash() -> None:
    """Whatever was done when it died, the next process asks on within the same time, and starts nothing twice."""
    assert_replays(lambda: stopped(timedelta(seconds=90)))
