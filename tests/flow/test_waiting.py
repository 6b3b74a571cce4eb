"""What must wait waits as a row, and wakes when its cause ends, when room is free, or when a person answers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloudheal.app import App
from cloudheal.model.control import Answer, Hold
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.record.approvals import answer, open_questions
from cloudheal.record.holds import EVERYTHING, add_hold, lift_holds
from cloudheal.record.tables import APPROVAL, GRANT, INCIDENT, OUTBOX, RUN
from cloudheal.settings.schema import Settings
from tests.flow.test_restart import QUEUE, RULE, WORLD, Healing
from tests.migrated import migrated
from tests.sim.simulator import RunningSimulator


@pytest.fixture
def begin(
    simulator: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Healing]]:
    """Start a worker whose rule is changed as the test wants."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "testid")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "testsecret")
    simulator.control("POST", "reset")
    simulator.world(WORLD)
    account = {
        "name": "prod",
        "cloud": "alibaba",
        "id": "1000000000000001",
        "regions": ["cn-hangzhou"],
        "endpoint": simulator.url,
        "queue": {"endpoint": simulator.url, "name": QUEUE, "wait_seconds": 1},
    }
    stack = ExitStack()

    def start(**change: object) -> Healing:
        rules = [{**RULE, **change}]
        document = {"accounts": [account], "database": f"sqlite:///{migrated(tmp_path / 'w.db')}", "rules": rules}
        app = App(Settings.model_validate({**document, "settle_seconds": 0.5}))
        return Healing(stack.enter_context(app.running()), simulator)

    with stack:
        yield start


def stop_and_wait_for(healing: Healing, reason: str, *ids: str) -> None:
    """Stop servers and take in events until their runs wait for this reason."""
    healing.chaos("power_off", *ids)
    give_up = time.monotonic() + 20
    while len(healing.rows(RUN, RUN.c.waits_for == reason)) < len(ids):
        assert time.monotonic() < give_up, healing.rows(RUN)
        healing.drain_queue()


def test_a_paused_run_starts_when_the_pause_is_lifted(begin: Callable[..., Healing]) -> None:
    """Nothing happens during the pause; after `resume` the server is healed without a new event."""
    healing = begin()
    now = healing.app.clock.now()
    with healing.app.database.transaction() as connection:
        add_hold(connection, Hold(EVERYTHING, "ops", "release tonight", now))
    stop_and_wait_for(healing, "paused", "i-bp1web01")
    assert healing.starts() == []
    with healing.app.database.transaction() as connection:
        lift_holds(connection, EVERYTHING, now)
    (incident,) = healing.until_ended(1)
    assert incident.verdict == "healed"


def test_a_hold_ends_by_itself(begin: Callable[..., Healing]) -> None:
    """A hold with an end keeps one server waiting until then, and only that one."""
    healing = begin()
    now = healing.app.clock.now()
    with healing.app.database.transaction() as connection:
        add_hold(connection, Hold("i-bp1web01", "ops", "debugging", now, now + timedelta(seconds=6)))
    stop_and_wait_for(healing, "held", "i-bp1web01")
    (incident,) = healing.until_ended(1, seconds=30)
    assert incident.verdict == "healed"
    assert incident.acted >= (now + timedelta(seconds=5)).timestamp() * 1000


def test_only_as_many_run_as_there_is_room_for(begin: Callable[..., Healing]) -> None:
    """With room for one, the second waits for the budget and is healed after the first."""
    healing = begin(limits={"cool_down": "1s", "at_once": 1, "share": 1.0})
    healing.chaos("power_off", "i-bp1web01", "i-bp1web02")
    first, second = sorted(healing.until_ended(2, seconds=40), key=lambda one: one.ended)
    assert {first.verdict, second.verdict} == {"healed"}
    assert second.acted >= first.ended


def test_a_person_is_asked_and_approves(begin: Callable[..., Healing]) -> None:
    """Mode ask: nothing is touched before the answer; after it the server is healed."""
    healing = begin(mode="ask")
    stop_and_wait_for(healing, "ask", "i-bp1web01")
    assert healing.starts() == []
    now = healing.app.clock.now()
    with healing.app.database.transaction() as connection:
        (question,) = open_questions(connection, now)
        assert "i-bp1web01" in question.question
        assert answer(connection, question.id, Answer.APPROVED, "ops", now)
        assert not answer(connection, question.id, Answer.DENIED, "eve", now)
    (incident,) = healing.until_ended(1)
    assert incident.verdict == "healed"


def test_a_denied_run_never_starts(begin: Callable[..., Healing]) -> None:
    """No means no: the incident ends with who denied it."""
    healing = begin(mode="ask")
    stop_and_wait_for(healing, "ask", "i-bp1web01")
    now = healing.app.clock.now()
    with healing.app.database.transaction() as connection:
        (question,) = open_questions(connection, now)
        answer(connection, question.id, Answer.DENIED, "ops", now)
    (incident,) = healing.until_ended(1)
    assert (incident.verdict, healing.starts()) == ("not healed", [])
    assert "denied" in incident.evidence


def test_an_unexplained_stop_is_asked_about_even_under_auto(begin: Callable[..., Healing]) -> None:
    """Without `desired: on` nobody knows whether it was on purpose; a person's yes is reason enough to start it."""
    healing = begin(desired=None)
    stop_and_wait_for(healing, "unexplained", "i-bp1web01")
    assert (healing.starts(), healing.rows(GRANT)) == ([], [])
    say(healing, Answer.APPROVED)
    (incident,) = healing.until_ended(1)
    assert (incident.verdict, healing.starts()) == ("healed", ["i-bp1web01"])
    # The first sweep may find the same stop, before or after the message: one of both is stale then.
    assert [one for one in healing.reasons() if one != "stale"] == ["act", "unexplained"]
    (run,) = healing.rows(RUN)
    assert (run.look, run.approved_by) == (1, "ops")


def test_a_question_that_nobody_answers_stays_and_people_are_told(begin: Callable[..., Healing]) -> None:
    """After its hour the run says `ask_expired`; a late answer is as good as an early one."""
    healing = begin(desired=None)
    stop_and_wait_for(healing, "unexplained", "i-bp1web01")
    with healing.app.database.transaction() as connection:
        connection.execute(sa.update(APPROVAL).values(expires=APPROVAL.c.asked))
    healing.until(lambda: healing.rows(RUN, RUN.c.waits_for == "ask_expired"))
    reasons = [json.loads(row.facts)["reason"] for row in healing.rows(OUTBOX, OUTBOX.c.topic == "escalated")]
    assert reasons == ["unexplained", "ask_expired"]
    say(healing, Answer.APPROVED)
    (incident,) = healing.until_ended(1)
    assert incident.verdict == "healed"


def test_a_pause_in_mid_run_holds_the_next_deed_and_nothing_is_done_twice(begin: Callable[..., Healing]) -> None:
    """Between two starts everything is paused: the run waits as a row, and after the pause counts on from there."""
    healing = begin(**{"with": {"start_timeout": "20s", "backoff": "4s"}})
    healing.chaos("fail_start", "i-bp1web01")
    healing.chaos("power_off", "i-bp1web01")
    healing.until(healing.starts)
    now = healing.app.clock.now()
    with healing.app.database.transaction() as connection:
        add_hold(connection, Hold(EVERYTHING, "ops", "look first", now))
    (run,) = healing.until(lambda: healing.rows(RUN, RUN.c.waits_for == "paused"))
    assert (run.state, run.look, healing.starts()) == ("waiting", 1, ["i-bp1web01"])
    with healing.app.database.transaction() as connection:
        lift_holds(connection, EVERYTHING, now)
    healing.until(lambda: healing.rows(RUN, RUN.c.waits_for == "attempts_used"), 60)
    assert healing.starts() == ["i-bp1web01"] * 3


def test_a_run_that_was_never_asked_is_asked_after_the_pause(begin: Callable[..., Healing]) -> None:
    """A pause delays the question of an asking rule; it does not swallow it."""
    healing = begin(mode="ask")
    now = healing.app.clock.now()
    with healing.app.database.transaction() as connection:
        add_hold(connection, Hold(EVERYTHING, "ops", "release tonight", now))
    stop_and_wait_for(healing, "paused", "i-bp1web01")
    with healing.app.database.transaction() as connection:
        lift_holds(connection, EVERYTHING, now)
    healing.until(lambda: healing.rows(RUN, RUN.c.waits_for == "ask"))
    say(healing, Answer.APPROVED)
    (incident,) = healing.until_ended(1)
    assert incident.verdict == "healed"


def say(healing: Healing, said: Answer) -> None:
    """Answer the only question."""
    now = healing.app.clock.now()
    with healing.app.database.transaction() as connection:
        (question,) = open_questions(connection, now)
        assert answer(connection, question.id, said, "ops", now)


def test_what_recovers_by_itself_is_not_touched(begin: Callable[..., Healing]) -> None:
    """A waiting run ends when its server is seen Running: somebody else started it."""
    healing = begin(mode="ask")
    stop_and_wait_for(healing, "ask", "i-bp1web01")
    healing.app.accounts.of(subject(healing)).start("cn-hangzhou", "i-bp1web01", 5)
    (incident,) = healing.until_ended(1)
    assert incident.verdict == "not needed"
    assert len(healing.starts()) == 1


def subject(healing: Healing) -> ResourceId:
    """The resource of the only incident."""
    with healing.app.database.snapshot() as connection:
        row = connection.execute(sa.select(INCIDENT)).one()
    return ResourceId(Cloud(row.cloud), row.account, row.region, row.kind, row.resource)
