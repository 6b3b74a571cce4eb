"""What is old and ended leaves in slices; what is open or needed stays; both databases."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from cloudheal.act.engine import Engine
from cloudheal.model.control import Answer, Approval, Hold
from cloudheal.model.decision import Reason
from cloudheal.model.drill import DrillOrder
from cloudheal.model.event import Event
from cloudheal.model.incident import Healed, Mode, Run, RunState, Trouble, Verdict
from cloudheal.model.inventory import Description
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.record import retention
from cloudheal.record.approvals import answer, ask
from cloudheal.record.database import Database
from cloudheal.record.drills import add_drill, drill_rows
from cloudheal.record.holds import add_hold
from cloudheal.record.inbox import DeadLetter, add_dead_letter, add_events
from cloudheal.record.incidents import Decided, add_decision, add_run, end_incident, open_incident
from cloudheal.record.inventory import describe, release
from cloudheal.record.keeping import Keeper, Spans
from cloudheal.record.lifecycle import add_transitions, lives
from cloudheal.record.listeners import add_tasks
from cloudheal.record.seal import Sealer
from cloudheal.record.steps import conclude
from cloudheal.record.tables import (
    APPROVAL,
    DEAD_LETTER,
    DECISION,
    EVENT,
    HOLD,
    INCIDENT,
    LIFECYCLE,
    LISTENER_TASK,
    RESOURCE,
    RUN,
    STEP,
)
from cloudheal.record.workers import claim
from cloudheal.record.workers import release as release_run
from cloudheal.settings.schema import RecordSettings
from tests.contract.intents import intend
from tests.contract.test_inbox import NOON, an_event

DAY = timedelta(days=1)
LATER = NOON + 500 * DAY
SPANS = Spans(history=400 * DAY, dead_letters=90 * DAY, workflows=7 * DAY, instances=3650 * DAY)


class At:
    """A clock that stands still."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        """Return the instant."""
        return self._now


def stop_of(server: str, at: datetime = NOON) -> Event:
    """Return the stop of a server."""
    subject = replace(an_event().subject, id=server)
    return an_event(f"{server}|{at}")._replace(subject=subject, time=at, received=at)


def decided(row: int, incident: str) -> Decided:
    """Return a decision on an event."""
    return Decided(row, "rule", "d", Reason.ACT, "", ({"question": "new"},), NOON, None, incident)


def incident(connection: sa.Connection, name: str, *, ended: bool) -> int:
    """Take a stop in, with everything that healing it leaves, ended or still open; returns the event's number."""
    event = stop_of(f"i-{name}")
    (row,) = add_events(connection, [event]).values()
    open_incident(connection, name, event, Trouble("stopped"), "web", NOON)
    add_run(connection, Run(f"run-{name}", name, "rule", "p", "d", Mode.AUTO, RunState.STARTING))
    add_decision(connection, decided(row, name))
    held = claim(connection, f"run-{name}", "w", 0)
    assert held is not None
    intent = intend(connection, held, 0, "start 1", {})
    assert intent is not None
    conclude(connection, f"run-{name}", intent.number, "ok")
    ask(connection, Approval(f"ask-{name}", f"run-{name}", "?", NOON, NOON + DAY))
    answer(connection, f"ask-{name}", Answer.APPROVED, "somebody", NOON)
    if ended:
        release_run(connection, held, RunState.ENDED)
        end_incident(connection, Verdict(name, Healed.HEALED, NOON, {"code": "running"}), f"run-{name}")
    return row


def keep(database: Database, now: datetime, spans: Spans = SPANS) -> list[datetime]:
    """Let a keeper remove what is old; returns what the engine was asked to forget."""
    asked: list[datetime] = []

    def forget(before: datetime) -> int:
        asked.append(before)
        return 0

    Keeper(database, Sealer(database, "w"), At(now), "w", 400 * DAY, 30 * DAY, spans, forget).tick()
    return asked


def count(database: Database, table: sa.Table) -> int:
    """Count a table's rows."""
    with database.snapshot() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def test_drills_leave_when_their_time_and_the_last_word_about_them_are_long_ago(database: Database) -> None:
    """What was ordered lately, or is still to come, stays."""
    server = ResourceId(Cloud.ALIBABA, "1000000000000001", "cn-hangzhou", "instance", "i-1")

    def order(id_: str, created: datetime, begin: datetime) -> DrillOrder:
        return DrillOrder(id_, "", [server], "Instance:SystemMaintenance.Reboot", begin, False, "ops", created, begin)

    with database.transaction() as connection:
        add_drill(connection, order("old", NOON, NOON + DAY))
        add_drill(connection, order("new", LATER, LATER + DAY))
        add_drill(connection, order("far", NOON, LATER + DAY))
        assert retention.remove_old_drills(connection, LATER - DAY) == 1
        assert {one.drill for one in drill_rows(connection)} == {"new", "far"}


def test_what_has_ended_leaves_with_all_that_was_done_for_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More rows than a slice holds: incident, run, step, answer, decision and event go, and nothing before its time."""
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 2)
    with database.transaction() as connection:
        for name in ("a", "b", "c", "d", "e"):
            incident(connection, name, ended=True)
    keep(database, NOON + 399 * DAY)
    assert {count(database, one) for one in (EVENT, DECISION, INCIDENT, RUN, STEP, APPROVAL)} == {5}
    keep(database, LATER)
    assert {count(database, one) for one in (EVENT, DECISION, INCIDENT, RUN, STEP, APPROVAL)} == {0}


def test_what_is_open_or_owed_stays(database: Database) -> None:
    """An open incident keeps everything of its own; an event that a listener waits for stays until it has heard."""
    with database.transaction() as connection:
        incident(connection, "open", ended=False)
        (row,) = add_events(connection, [stop_of("i-owed")]).values()
        add_tasks(connection, [(row, "listener", an_event().subject)], NOON)
    keep(database, LATER)
    assert [count(database, one) for one in (EVENT, DECISION, INCIDENT, RUN, STEP, APPROVAL)] == [2, 1, 1, 1, 1, 1]
    with database.transaction() as connection:
        connection.execute(sa.update(LISTENER_TASK).values(done=1))
    keep(database, LATER)
    assert [count(database, one) for one in (EVENT, LISTENER_TASK)] == [1, 0]


def test_what_listeners_were_told_leaves_with_its_event(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Heard, not wanted or failed for good: the rows go with the event, slice by slice; one open row keeps them all."""
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 2)
    with database.transaction() as connection:
        rows = add_events(connection, [stop_of(f"i-{n}") for n in range(5)])
        wanted = [(row, name, an_event().subject) for row in rows.values() for name in ("a", "b", "c")]
        add_tasks(connection, wanted, NOON)
        for name, outcome in (("a", "heard"), ("b", "not wanted"), ("c", "failed")):
            ended = sa.update(LISTENER_TASK).where(LISTENER_TASK.c.listener == name)
            connection.execute(ended.values(done=1, outcome=outcome))
        owed = rows[stop_of("i-3").key]
        late = (LISTENER_TASK.c.event == owed) & (LISTENER_TASK.c.listener == "b")
        connection.execute(sa.update(LISTENER_TASK).where(late).values(done=None, outcome="", attempts=3))
    keep(database, NOON + 399 * DAY)
    assert [count(database, one) for one in (EVENT, LISTENER_TASK)] == [5, 15]
    keep(database, LATER)
    with database.snapshot() as connection:
        assert connection.scalars(sa.select(EVENT.c.id)).all() == [owed]
        assert sorted(connection.scalars(sa.select(LISTENER_TASK.c.listener))) == ["a", "b", "c"]


def test_a_servers_life_outlives_the_events_that_told_of_it(database: Database) -> None:
    """States and released servers have their own, longer time; the event's number is never used again."""
    with database.transaction() as connection:
        event = stop_of("i-life")
        rows = add_events(connection, [event])
        add_transitions(connection, [event], rows)
        describe(connection, [Description(id=event.subject, at=NOON, state="Stopped", name="web")])
        release(connection, [event.subject], NOON + DAY)
        old = rows[event.key]
    keep(database, LATER)
    assert [count(database, one) for one in (EVENT, LIFECYCLE, RESOURCE)] == [0, 1, 1]
    with database.transaction() as connection:
        assert [[one.event for one in life.states] for life in lives(connection, "web")] == [[old]]
        (new,) = add_events(connection, [stop_of("i-life", LATER)]).values()
        assert new > old
    keep(database, NOON + 3700 * DAY)
    assert [count(database, one) for one in (LIFECYCLE, RESOURCE)] == [0, 0]


def test_dead_letters_and_lifted_holds_leave(database: Database) -> None:
    """Each after its own time; a hold in force stays however old it is."""
    with database.transaction() as connection:
        event = an_event()
        add_dead_letter(connection, DeadLetter(NOON, event.channel, "queue q", "not JSON", b"{"))
        add_hold(connection, Hold("i-over", "somebody", "why", NOON, NOON + DAY))
        add_hold(connection, Hold("i-held", "somebody", "why", NOON))
    keep(database, NOON + 89 * DAY)
    assert [count(database, one) for one in (DEAD_LETTER, HOLD)] == [1, 2]
    keep(database, LATER)
    assert count(database, DEAD_LETTER) == 0
    with database.snapshot() as connection:
        assert connection.scalars(sa.select(HOLD.c.scope)).all() == ["i-held"]


def test_the_engine_forgets_what_it_finished(database: Database) -> None:
    """Finished looks older than asked go, others stay; a look that waits in the queue always stays."""
    done, looked = threading.Event(), []

    def body(run: str, _look: int) -> None:
        looked.append(run)
        done.set()

    engine = Engine(database, "w", body).start()
    try:
        with database.transaction() as connection:
            engine.enqueue(connection, "first", 0)
        assert done.wait(60)
        give_up = threading.Event()
        for _ in range(300):
            if not engine.begun_by("w"):
                break
            give_up.wait(0.1)
        engine.hold(held=True)
        give_up.wait(1)  # not for something: a poll that is under way ends within its interval, as a beat allows for
        with database.transaction() as connection:
            engine.enqueue(connection, "waiting", 0)
        assert engine.forget(datetime.now(UTC) - DAY) == 0
        assert engine.forget(datetime.now(UTC) + DAY) == 1
        assert looked == ["first"]
        done.clear()
        engine.hold(held=False)
        assert done.wait(60)
        assert looked == ["first", "waiting"]
    finally:
        engine.stop()


def test_the_engine_is_asked_in_real_time(database: Database) -> None:
    """A followed clock, years ahead, does not make it forget looks of a moment ago."""
    (asked,) = keep(database, LATER)
    assert abs(datetime.now(UTC) - SPANS.workflows - asked) < DAY


@pytest.mark.parametrize("field", ["history", "dead_letters", "workflows", "instances"])
def test_a_time_too_short_to_be_safe_is_refused(field: str) -> None:
    """A queue keeps messages for seven days: what it brings again must be known."""
    with pytest.raises(ValidationError, match="or more, got 1h"):
        RecordSettings.model_validate({field: "1h"})
