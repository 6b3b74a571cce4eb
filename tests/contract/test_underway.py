"""A run that asked gave its place back: when its event ends it goes on within the limits, like any other; both."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from cloudheal.decide.rulebook import rule_book
from cloudheal.model.decision import Reason
from cloudheal.model.event import Event
from cloudheal.model.incident import MAINTENANCE, Mode, Run, RunState, Trouble
from cloudheal.pipeline import Waker
from cloudheal.pipeline.system_events import follow
from cloudheal.record.budget import grant
from cloudheal.record.database import Database
from cloudheal.record.inbox import add_events
from cloudheal.record.incidents import add_run, open_incident
from cloudheal.record.promotions import promote
from cloudheal.record.waiting import Rest, rest
from cloudheal.record.workers import claim
from cloudheal.testing.clock import VirtualClock
from cloudheal.testing.engine import Engine
from tests.contract.intents import intend
from tests.contract.test_budget import IDS, NOON, granted, rules_with
from tests.contract.test_retention import stop_of

MANY, ROOM = 6, 2


def asks(connection: sa.Connection, number: int) -> Event:
    """Let a run do something and ask a person then; returns the end of its event."""
    event = stop_of(f"i-{number}", NOON - timedelta(minutes=9))
    add_events(connection, [event])
    trouble = Trouble(MAINTENANCE, f"e-{number}")
    open_incident(connection, f"inc{number}", event, trouble, f"group {number}", NOON)
    run = Run(f"run{number}", f"inc{number}", "restart", "restart_stopped", "d", Mode.AUTO, RunState.STARTING)
    add_run(connection, run)
    grant(connection, run.id, NOON)
    held = claim(connection, run.id, "w", 0)
    assert held is not None
    assert intend(connection, held, 0, "take out of the balancer", {})
    assert rest(connection, held, Rest(RunState.ASKING, Reason.ASK.value, None), NOON)
    type_ = "Instance:SystemMaintenance.Reboot"
    data = {"event_id": trouble.id, "event_type": "SystemMaintenance.Reboot"}
    return event._replace(key=f"end-{number}", type=type_, status="Avoided", time=NOON, data=data)


def test_many_events_that_end_at_once_wake_no_more_runs_than_there_is_room_for(database: Database) -> None:
    """Each had done something and asked a person; the rest waits until a place is free."""
    rules = rules_with(at_once=ROOM, per_hour=100, cool_down="1s")
    clock = VirtualClock(NOON)
    waker = Waker(database, Engine(), rule_book(rules.rules), clock, lambda: f"{next(IDS)}")
    with database.transaction() as connection:
        promote(connection, rules.rules, "test", NOON)
        ended = [asks(connection, number) for number in range(MANY)]
    clock.advance(timedelta(minutes=1))
    with database.transaction() as connection:
        follow(connection, ended, add_events(connection, ended), rule_book(rules.rules), clock.now())
    assert granted(database) == 0
    assert waker.tick() == ROOM
    assert granted(database) == ROOM
