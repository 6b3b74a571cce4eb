"""`ask_about_disk` told as scenes: it gathers, asks, waits for the end, and touches nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from cloudheal.model.control import Answer
from cloudheal.record.approvals import answer
from cloudheal.record.database import Database
from cloudheal.record.tables import APPROVAL
from cloudheal.testing import FakeCloud, Scene, Told, assert_replays
from cloudheal.testing.stage import stage

WEB, EVENT = "i-web", "e-d-data-1"
RULE: dict[str, Any] = {
    "name": "ask",
    "when": {"type": [{"prefix": "Disk:"}]},
    "resources": {"all": True},
    "playbook": "ask_about_disk",
    "mode": "auto",
}


def asked(type_: str = "Stalled", answer: Answer | None = None, **parameters: Any) -> Scene:
    """Return a scene in which a disk of a server fails."""
    cloud = FakeCloud()
    message = cloud.maintenance.disk_fails(cloud.server(WEB), type_)
    scene = Scene(cloud, rules=[{**RULE, "with": parameters}], events=[message])
    return scene.answering(answer) if answer else scene


def late_yes(scene: Scene, database: Database, after: timedelta) -> Scene:
    """Let somebody approve after so long, when nobody had answered in time."""

    def approve() -> None:
        with database.transaction() as connection:
            (question,) = connection.scalars(sa.select(APPROVAL.c.id)).all()
            assert answer(connection, question, Answer.APPROVED, "ops", scene.cloud.clock.now())

    return scene.later(after, approve)


def ended(told: Told) -> tuple[str, str]:
    """Return the verdict and its code."""
    return told.verdicts[WEB], told.evidence[WEB].get("code", "")


@pytest.mark.parametrize("type_", ["Stalled", "ErrorDetected"])
def test_a_person_is_asked_and_nothing_is_done(type_: str) -> None:
    """The evidence is kept, people are told that there is a question, and no call changes anything."""
    told = asked(type_).play()
    assert told.actions == ()
    assert "ask" in told.reasons
    assert "approval.asked" in told.notices or "escalated" in told.notices
    assert "evidence: kept" in told.steps


def test_the_end_of_the_event_ends_an_unanswered_question() -> None:
    """The disk works again."""
    scene = asked()
    scene.later(timedelta(minutes=5), lambda: scene.cloud.maintenance.moves(EVENT, "Executed"))
    assert ended(scene.play()) == ("not needed", "event_executed")


def test_after_an_approval_the_end_is_waited_for_even_without_a_message() -> None:
    """The cloud forgets what is over: that it is not shown any more is its end."""
    scene = asked(answer=Answer.APPROVED)

    def silently() -> None:
        scene.cloud.maintenance.moves(EVENT, "Executed")

    scene.later(timedelta(hours=2), silently)
    told = scene.play()
    assert (ended(told), told.actions) == (("not needed", "event_executed"), ())


def test_an_event_that_never_ends_is_unknown_in_the_end() -> None:
    """It is not waited for without an end."""
    assert ended(asked(answer=Answer.APPROVED, within="1h").play()) == ("unknown", "still_open")


def test_who_sees_to_it_late_has_all_the_time_for_it() -> None:
    """A late approval is as good as an early one: the time runs from it, and not from when the disk failed."""
    scene = asked(within="1h")
    with stage() as database:
        told = late_yes(scene, database, timedelta(hours=2)).play_on(database)
    assert (ended(told), told.reasons.count("underway")) == (("unknown", "still_open"), 4)


def test_a_disk_that_has_hung_for_days_is_asked_about() -> None:
    """Nobody was at work over the weekend: the cloud shows it still."""
    scene = asked()
    scene.cloud.clock.advance(timedelta(days=3))
    told = scene.play()
    assert (told.reasons, told.waits) == (("act", "ask"), {WEB: "ask"})


def test_an_old_message_about_a_disk_that_works_again_asks_nobody() -> None:
    """The cloud shows no event any more."""
    scene = asked()
    scene.cloud.clock.advance(timedelta(days=3))
    scene.cloud.maintenance.moves(EVENT, "Executed")
    told = scene.play()
    assert (ended(told), told.notices) == (("not needed", "event_executed"), ())


def test_a_denial_ends_it_at_once() -> None:
    """The person's word, and nothing else."""
    told = asked(answer=Answer.DENIED).play()
    assert (ended(told), told.actions) == (("not healed", "denied"), ())


def test_a_server_that_is_gone_has_no_disk_to_ask_about() -> None:
    """Somebody released it while nobody answered."""
    scene = asked(answer=Answer.APPROVED)
    scene.later(timedelta(minutes=30), lambda: scene.cloud.release(scene.cloud.id_of(WEB)))
    assert ended(scene.play()) == ("not needed", "gone")


def test_a_death_at_any_step_does_no_harm() -> None:
    """One question, one verdict."""
    assert assert_replays(lambda: asked(answer=Answer.DENIED)) > 5
