"""`ask_about_event` told as scenes: it gathers, asks, waits for the end, and touches nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cloudheal.model.control import Answer
from cloudheal.playbooks.evidence import MASK, masked
from cloudheal.testing import FakeCloud, Scene, Told, assert_replays
from cloudheal.testing.stage import stage
from tests.unit.test_ask_about_disk import late_yes

WEB, EVENT = "i-web", "e-i-web-1"
RULE: dict[str, Any] = {
    "name": "ask",
    "when": {"type": [{"prefix": "Instance:"}]},
    "resources": {"all": True},
    "playbook": "ask_about_event",
    "mode": "auto",
}


def asked(type_: str = "SystemMaintenance.Redeploy", answer: Answer | None = None, **announced: Any) -> Scene:
    """Return a scene in which something is announced that nobody here answers."""
    cloud = FakeCloud()
    scene = Scene(cloud, rules=[RULE], events=[cloud.maintenance.announces(cloud.server(WEB), type_, **announced)])
    return scene.answering(answer) if answer else scene


def ended(told: Told) -> tuple[str, str]:
    """Return the verdict and its code."""
    return told.verdicts[WEB], told.evidence[WEB].get("code", "")


@pytest.mark.parametrize(
    ("type_", "status"),
    [
        ("SystemMaintenance.Redeploy", "Scheduled"),
        ("SystemMaintenance.Stop", "Scheduled"),
        ("SystemMaintenance.IsolateErrorDisk", "Inquiring"),
    ],
)
def test_a_person_is_asked_and_nothing_is_done(type_: str, status: str) -> None:
    """The evidence is kept, people are told that there is a question, and no call changes anything."""
    told = asked(type_, status=status).play()
    assert told.actions == ()
    assert "ask" in told.reasons
    assert "approval.asked" in told.notices or "escalated" in told.notices
    assert "evidence: kept" in told.steps


def test_the_end_of_the_event_ends_an_unanswered_question() -> None:
    """The platform did it."""
    scene = asked()
    scene.later(timedelta(minutes=5), lambda: scene.cloud.maintenance.moves(EVENT, "Executed"))
    assert ended(scene.play()) == ("not needed", "event_executed")


def test_after_an_approval_the_end_is_waited_for_and_recorded() -> None:
    """Somebody dealt with it; the verdict is what became of the event."""
    scene = asked(answer=Answer.APPROVED)
    scene.later(timedelta(hours=2), lambda: scene.cloud.maintenance.moves(EVENT, "Avoided"))
    told = scene.play()
    assert (ended(told), told.actions) == (("not needed", "event_avoided"), ())


def test_an_event_that_never_ends_is_unknown_in_the_end() -> None:
    """An hour after its time it is still open: it is not waited for without an end."""
    cloud = FakeCloud()
    web, type_ = cloud.server(WEB), "SystemMaintenance.IsolateErrorDisk"
    announced = cloud.maintenance.announces(web, type_, status="Inquiring", within=timedelta(hours=1))
    scene = Scene(cloud, rules=[{**RULE, "with": {"within": "1h"}}], events=[announced]).answering(Answer.APPROVED)
    assert ended(scene.play()) == ("unknown", "still_open")


def test_who_deals_with_it_late_has_all_the_time_for_it() -> None:
    """An event that waits for its owner has no time limit: the time runs from the approval."""
    cloud = FakeCloud()
    web, type_ = cloud.server(WEB), "SystemMaintenance.IsolateErrorDisk"
    announced = cloud.maintenance.announces(web, type_, status="Inquiring", within=timedelta(minutes=1))
    scene = Scene(cloud, rules=[{**RULE, "with": {"within": "1h"}}], events=[announced])
    with stage() as database:
        told = late_yes(scene, database, timedelta(hours=2)).play_on(database)
    assert (ended(told), told.reasons.count("underway")) == (("unknown", "still_open"), 4)


def test_a_denial_ends_it_at_once() -> None:
    """The person's word, and nothing else."""
    told = asked(answer=Answer.DENIED).play()
    assert (ended(told), told.actions) == (("not healed", "denied"), ())


def test_a_death_at_any_step_does_no_harm() -> None:
    """One question, one verdict."""
    assert assert_replays(lambda: asked(answer=Answer.DENIED)) > 5


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("db_password=hunter2 ok", f"db_password={MASK} ok"),
        ("Authorization: Bearer abcdef123456", f"Authorization: Bearer {MASK}"),
        ("key LTAI5tAbCdEfGhIj done", f"key {MASK} done"),
        ("mysql://app:s3cret@db/x", f"mysql://app:{MASK}@db/x"),
        ('{"AccessKeySecret": "xyz123"}', f'{{"AccessKeySecret": "{MASK}"}}'),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nend", f"{MASK}\nend"),
        ("-----BEGIN PRIVATE KEY-----\ncut off", MASK),
        ("login: 14:02 Linux 5.10", "login: 14:02 Linux 5.10"),
    ],
)
def test_what_looks_like_a_secret_is_masked_in_evidence(text: str, shown: str) -> None:
    """A console shows whatever anybody printed."""
    assert masked(text) == shown
