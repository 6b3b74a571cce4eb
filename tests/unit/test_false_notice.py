"""A notice of an interruption that is none keeps no server from being healed, whoever sent it and when."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from cloudheal.record.tables import INCIDENT
from cloudheal.testing import FakeCloud, Scene, assert_replays, message
from cloudheal.testing.stage import stage
from tests.usual import RULE

WEB = "i-web"
RESTART: dict[str, Any] = {**RULE, "resources": {"all": True}, "limits": {"cool_down": "1s"}}
LEAVE: dict[str, Any] = {
    "name": "leave",
    "when": {"type": ["Instance:PreemptibleInstanceInterruption"]},
    "resources": {"all": True},
    "playbook": "spot_evacuate",
    "mode": "auto",
}


def false_notice(cloud: FakeCloud) -> bytes:
    """Return the message of an interruption of a server that nobody takes back."""
    content = {"instanceId": WEB, "action": "delete"}
    return message(cloud.id_of(WEB), "Instance:PreemptibleInstanceInterruption", content, cloud.clock.now())


def scene(after: timedelta) -> Scene:
    """Return a scene in which a server stops, and so much later its interruption is told of."""
    cloud = FakeCloud()
    web = cloud.server(WEB)
    cloud.ignores_starts(web)  # the first start comes to nothing, so that the notice finds a run at work
    playing = Scene(cloud, rules=[RESTART, LEAVE], events=[cloud.power_off(web)])
    playing.later(after, lambda: false_notice(cloud))
    return playing


def verdicts(playing: Scene) -> list[tuple[str, str]]:
    """Play a scene; return its incidents in the order in which they were opened: trouble and verdict."""
    with stage() as database:
        playing.play_on(database)
        with database.snapshot() as connection:
            found = connection.execute(sa.select(INCIDENT).order_by(INCIDENT.c.detected, INCIDENT.c.id))
            return [(row.trouble, row.verdict) for row in found]


@pytest.mark.parametrize("after", [timedelta(seconds=1), timedelta(seconds=20)])
def test_a_restart_that_a_false_notice_superseded_is_taken_up_again(after: timedelta) -> None:
    """The interruption comes to nothing; the stop is decided on anew, and the server runs in the end."""
    superseded, notice = ("stopped", "not needed"), ("interruption", "not needed")
    assert verdicts(scene(after)) == [superseded, notice, ("stopped", "healed")]


def test_a_stop_that_joined_a_false_notice_is_healed_after_it() -> None:
    """The notice came first, and the stop while it was looked at."""
    cloud = FakeCloud()
    web = cloud.server(WEB)
    playing = Scene(cloud, rules=[RESTART, LEAVE], events=[false_notice(cloud), cloud.power_off(web)])
    assert verdicts(playing) == [("interruption", "not needed"), ("stopped", "healed")]


def test_a_death_at_any_step_changes_nothing_about_that() -> None:
    """What is decided anew is decided in the transaction that ends the interruption."""
    assert assert_replays(lambda: scene(timedelta(seconds=1))) > 5
