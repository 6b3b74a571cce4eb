"""What can go wrong with the replacement of a reclaimed server: each has a code, and leaves things in order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from cloudheal.playbooks.spot_evacuate import SPOT_EVACUATE
from cloudheal.ports.cloud import Health, Member
from cloudheal.testing import FakeCloud, Scene, Told, assert_replays
from tests.unit.test_scene import EVACUATE, SPOT

WEB, PEER, NEW = "i-web", "i-peer", "i-new001"
OURS, THEIRS = (WEB, 8080, 30), (PEER, 8080, 55)
FOR_EVER = 100_000
MINUTE = timedelta(minutes=1)


def reclaimed(
    change: Callable[[FakeCloud], object] = lambda _: None, boot: timedelta = timedelta(seconds=10), **parameters: Any
) -> Scene:
    """Return a scene in which a spot server behind a balancer is reclaimed and to be replaced."""
    cloud = FakeCloud(boot=boot)
    web = cloud.server(WEB, order=SPOT)
    cloud.server(PEER)
    cloud.group("lb-1", "g-1", Member(*OURS), Member(*THEIRS))
    change(cloud)
    return Scene(cloud, rules=[EVACUATE | {"with": {"replace": True, **parameters}}], events=[cloud.reclaim(web)])


def ended(told: Told) -> tuple[str, str]:
    """Return the verdict and its code."""
    return told.verdicts[WEB], told.evidence[WEB]["code"]


def members(scene: Scene) -> list[tuple[str, int, int]]:
    """Return who is in the group."""
    (group,) = scene.cloud.balancers.groups.values()
    return [(one.server, one.port, one.weight) for one in group]


def verbs(told: Told) -> list[str]:
    """Return what was called, without on what."""
    return [one.split()[0] for one in told.actions]


def test_a_replacement_that_does_not_run_in_time_is_not_put_in() -> None:
    """It was bought and is named; the old server is out, people are told."""
    scene = reclaimed(boot=timedelta(hours=1), replacement_timeout="2m")
    told = scene.play()
    assert ended(told) == ("not healed", "replacement_not_running")
    assert members(scene) == [THEIRS]
    assert verbs(told) == ["order", "set_weights", "remove"]
    assert (told.evidence[WEB]["replacement"], told.evidence[WEB]["not_added"]) == (NEW, "lb-1/g-1 8080@30")
    assert told.notices == ("incident.not_healed",)


def test_a_replacement_that_runs_and_does_not_become_well_is_not_put_in() -> None:
    """Running is not enough: whoever asks it would be turned away."""
    scene = reclaimed(lambda cloud: cloud.maintenance.is_unwell(cloud.id_of(NEW), "Impaired"), replacement_timeout="2m")
    told = scene.play()
    assert ended(told) == ("not healed", "replacement_not_healthy")
    assert (members(scene), "add" in verbs(told)) == ([THEIRS], False)
    assert told.evidence[WEB]["not_added"] == "lb-1/g-1 8080@30"


def test_a_replacement_that_is_slow_to_be_well_is_put_in_then() -> None:
    """It runs after ten seconds and is well after three minutes; before that it is in no group."""
    scene = reclaimed(lambda cloud: cloud.maintenance.is_unwell(cloud.id_of(NEW), "Initializing"))
    before = list[list[tuple[str, int, int]]]()

    def is_well() -> None:
        before.append(members(scene))
        scene.cloud.maintenance.is_unwell(scene.cloud.id_of(NEW), "Ok")

    told = scene.later(3 * MINUTE, is_well).play()
    assert (ended(told), before) == (("healed", "evacuated"), [[THEIRS]])
    assert members(scene) == [THEIRS, (NEW, 8080, 30)]


def test_a_health_that_cannot_be_read_keeps_no_replacement_out() -> None:
    """A policy without that permission, or a cloud without the word: it runs, and the balancer's check decides."""
    scene = reclaimed(lambda cloud: cloud.refuses("health", "Forbidden.RAM", times=FOR_EVER))
    assert ended(scene.play()) == ("healed", "evacuated")


def test_only_a_rule_that_replaces_asks_for_the_health_of_servers() -> None:
    """The verbs of the policy are those of the parameters."""
    assert SPOT_EVACUATE.needs({"replace": True}) == SPOT_EVACUATE.needs({}) | {"health"}
    assert "health" not in SPOT_EVACUATE.needs({})


def test_a_replacement_that_fails_its_balancers_check_is_told() -> None:
    """It is in the group, runs and is well, and the balancer does not find it so for a minute."""
    scene = reclaimed(lambda cloud: setattr(cloud.balancers, "newcomers", Health.ABNORMAL), healthy_timeout="1m")
    told = scene.play()
    assert ended(told) == ("not healed", "replacement_not_healthy")
    assert told.evidence[WEB]["added"] == "lb-1/g-1 8080@30"
    assert members(scene) == [THEIRS, (NEW, 8080, 30)]


def test_a_replacement_that_a_group_does_not_take_is_told() -> None:
    """Refused for good: the group that lacks it is named."""
    scene = reclaimed(lambda cloud: cloud.refuses("add", "Forbidden.RAM"))
    told = scene.play()
    assert ended(told) == ("not healed", "replacement_not_added")
    assert told.evidence[WEB]["not_added"] == "lb-1/g-1 8080@30"
    assert members(scene) == [THEIRS]


def test_an_order_of_which_nobody_knows_what_came_is_unknown_and_buys_one_server() -> None:
    """Its answer is lost again and again: the server leaves in time, and nothing is bought under another token."""
    scene = reclaimed(lambda cloud: cloud.loses_the_answer("order", times=FOR_EVER), pay_as_you_go=True)
    told = scene.play()
    assert ended(told) == ("unknown", "order_unclear")
    assert (verbs(told).count("order"), members(scene)) == (1, [THEIRS])
    assert told.evidence[WEB]["offers"].endswith("spot: unclear")
    assert told.notices == ("incident.unknown",)


def test_groups_that_cannot_be_read_are_left_by_nobody() -> None:
    """Where the server serves is not known: nothing is changed and nothing bought, and people are told."""
    scene = reclaimed(lambda cloud: cloud.loses_the_call("memberships", times=FOR_EVER))
    told = scene.play()
    assert (ended(told), told.actions) == (("unknown", "groups_unread"), ())
    assert members(scene) == [OURS, THEIRS]
    assert told.notices == ("incident.unknown",)


def test_groups_that_cannot_be_read_in_the_end_prove_nothing() -> None:
    """Every call was accepted, but nobody read that the server is out: that is not called healed."""
    scene = reclaimed(boot=MINUTE, healthy_timeout="0s")
    scene.later(timedelta(seconds=50), lambda: scene.cloud.loses_the_call("memberships", times=FOR_EVER))
    told = scene.play()
    assert ended(told) == ("unknown", "groups_unread")
    assert members(scene) == [THEIRS, (NEW, 8080, 30)]


@pytest.mark.timeout(120)
def test_a_crash_at_any_step_buys_no_second_server() -> None:
    """The replacement is never well: each step dies once before its checkpoint and once after it."""

    def unwell(cloud: FakeCloud) -> None:
        cloud.maintenance.is_unwell(cloud.id_of(NEW), "Impaired")

    assert assert_replays(lambda: reclaimed(unwell, replacement_timeout="2m")) > 10
