"""A start that was accepted may come to nothing in three ways, and people are told which: each has facts of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from cloudheal.model.control import Answer
from cloudheal.pipeline.explaining import explained
from cloudheal.record.stories import newest_about
from cloudheal.record.tables import LEDGER, OUTBOX
from cloudheal.testing import FakeCloud, Scene, Told, assert_replays
from cloudheal.testing.stage import stage
from tests.usual import PROD, RULE

WEB = "i-web"
START = f"start {WEB}"


def stopped(change: Callable[[FakeCloud], object], boot: timedelta = timedelta(seconds=10), **parameters: Any) -> Scene:
    """Return a scene in which a server stops that takes so long to boot."""
    cloud = FakeCloud(boot=boot)
    web = cloud.server(WEB, tags=PROD)
    message = cloud.power_off(web)
    change(cloud)
    return Scene(cloud, rules=[RULE | {"with": parameters}], events=[message])


def falling(times: int) -> Callable[[FakeCloud], object]:
    """Let the next starts of the server end in Stopped."""
    return lambda cloud: cloud.falls_back(cloud.id_of(WEB), times=times)


def kept(scene: Scene) -> tuple[Told, list[dict[str, str]]]:
    """Play a scene; return what became of it and what the looks that ended without a verdict saw."""
    with stage() as database:
        told = scene.play_on(database)
        with database.snapshot() as connection:
            waits = sa.select(LEDGER.c.body).where(LEDGER.c.kind == "run.waits").order_by(LEDGER.c.id)
            bodies = [json.loads(body) for body in connection.scalars(waits)]
    return told, [body["evidence"] for body in bodies if "evidence" in body]


def test_a_server_that_fell_back_and_then_ran_is_healed_and_says_so() -> None:
    """The second start held; the verdict names the first one as the one after which it was Stopped again."""
    told = stopped(falling(1)).play()
    assert (told.verdicts[WEB], told.actions) == ("healed", (START, START))
    evidence = told.evidence[WEB]
    assert (evidence["attempts"], evidence["fell_back"]) == ("2", "1")
    assert "not_taken_up" not in evidence


@pytest.mark.parametrize("backoff", ["1s", "3m"])
def test_falling_back_after_every_start_is_told_with_each_of_them(backoff: str) -> None:
    """Within a look or over several: the record, the question and so the notice name the starts that did not hold."""
    scene = stopped(falling(9), backoff=backoff)
    told, seen = kept(scene)
    assert (told.waits, told.actions) == ({WEB: "attempts_used"}, (START,) * 3)
    assert {"attempts": "3", "fell_back": "1, 2, 3"} in seen
    assert [one for one in told.steps if one.endswith(": kept")] == [
        f"fell back to Stopped after start {number}: kept" for number in (1, 2, 3)
    ]


def test_the_notice_and_the_explanation_say_that_it_fell_back() -> None:
    """Who is asked reads it in the question; who asks why reads it in either language."""
    with stage() as database:
        stopped(falling(9)).play_on(database)
        with database.snapshot() as connection:
            notices = " ".join(connection.scalars(sa.select(OUTBOX.c.facts)))
            number = newest_about(connection, WEB) or ""
            english, chinese = (explained(connection, [], number, one, ZoneInfo("UTC")) for one in ("en", "zh"))
    assert "it fell back to Stopped after 1, 2, 3" in notices
    assert "Seen: attempts 3, fell back to Stopped after start 1, 2, 3." in "\n".join(english or ())
    assert "启动后又回到 Stopped 的是第几次 1, 2, 3" in "\n".join(chinese or ())


def test_a_start_that_was_never_taken_up_is_not_called_a_fall_back() -> None:
    """Accepted, and Stopped for the whole minute: the facts name it as that."""
    told, seen = kept(stopped(lambda cloud: cloud.ignores_starts(cloud.id_of(WEB), times=9)))
    assert (told.waits, told.actions) == ({WEB: "attempts_used"}, (START,) * 3)
    assert {"attempts": "3", "not_taken_up": "1, 2, 3"} in seen


def test_a_start_that_takes_too_long_is_neither() -> None:
    """Still on its way when its time is over: `start_timeout`, and nothing is said of falling back."""
    told = stopped(lambda _: None, timedelta(hours=3), start_timeout="10m").play()
    assert (told.verdicts[WEB], told.evidence[WEB]["code"]) == ("not healed", "start_timeout")
    assert {"fell_back", "not_taken_up"}.isdisjoint(told.evidence[WEB])


def test_a_server_that_falls_back_between_two_looks_is_known_to_have_been_on_its_way() -> None:
    """It boots for three minutes and is Stopped then: a later look finds it so, and the journal says what it was."""
    told = stopped(falling(1), timedelta(minutes=3)).play()
    assert (told.verdicts[WEB], told.evidence[WEB]["attempts"]) == ("healed", "2")
    assert told.evidence[WEB]["fell_back"] == "1"


@pytest.mark.parametrize("backoff", ["1s", "3m"])
def test_what_came_before_a_person_approved_is_not_counted_again(backoff: str) -> None:
    """Three starts fell back, somebody said yes, the second one after that held: the verdict counts from the yes on."""
    scene = stopped(falling(4), backoff=backoff).answering(Answer.APPROVED)
    told = scene.play()
    assert (told.verdicts[WEB], told.actions) == ("healed", (START,) * 5)
    assert (told.evidence[WEB]["attempts"], told.evidence[WEB]["fell_back"]) == ("2", "1")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("boot", [10, 100])
def test_a_crash_at_any_step_changes_nothing(boot: int) -> None:
    """Each step dies once before its checkpoint and once after it."""
    assert_replays(lambda: stopped(falling(1), timedelta(seconds=boot), backoff="1s"))
