"""What our tables know about why a server stopped: failures reported near it, operations of ours; on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cloudheal.model.drill import DrillOrder
from cloudheal.model.event import Event
from cloudheal.model.incident import Healed, Mode, Run, RunState, Trouble, Verdict
from cloudheal.record.clues import SKEW, failures_near, own_operations, own_requests
from cloudheal.record.database import Database
from cloudheal.record.drills import add_drill, note_events
from cloudheal.record.inbox import add_events
from cloudheal.record.incidents import add_run, end_incident, note_action, open_incident
from cloudheal.record.steps import conclude
from cloudheal.record.system_events import note_system_events
from cloudheal.record.workers import claim
from tests.contract.intents import intend
from tests.contract.test_inbox import NOON, an_event

SECOND = timedelta(seconds=1)
SUBJECT = an_event().subject
FAILURE = an_event("failure")._replace(type="Instance:SystemFailure.Reboot", status="Executing")


def failures(database: Database, *events: Event) -> list[str]:
    """Store events and ask for the failures within a minute of noon."""
    with database.transaction() as connection:
        add_events(connection, list(events))
    with database.snapshot() as connection:
        found = failures_near(connection, SUBJECT, NOON - 60 * SECOND, NOON + 60 * SECOND)
    return [f"{type_} {(at - NOON).total_seconds():.0f}" for type_, at in found]


def test_a_failure_reported_near_the_stop_is_found(database: Database) -> None:
    """With its type and time, to the very edge of what is near."""
    late = FAILURE._replace(key="late", time=NOON + 60 * SECOND, type="Instance:InstanceFailure.Reboot")
    found = failures(database, FAILURE, late)
    assert found == ["Instance:SystemFailure.Reboot 0", "Instance:InstanceFailure.Reboot 60"]


@pytest.mark.parametrize(
    "other",
    [
        FAILURE._replace(time=NOON + 61 * SECOND),
        FAILURE._replace(status="Avoided"),
        FAILURE._replace(status="Canceled"),
        FAILURE._replace(simulated=True),
        FAILURE._replace(type="Instance:SystemMaintenance.Reboot"),
        FAILURE._replace(subject=replace(SUBJECT, id="i-2")),
        FAILURE._replace(subject=replace(SUBJECT, account="2000000000000002")),
    ],
    ids=["too late", "avoided", "called off", "a drill", "maintenance", "another server", "another account"],
)
def test_what_is_no_failure_of_this_server_explains_nothing(database: Database, other: Event) -> None:
    """Another time, server or account, a drill, or a failure that did not come."""
    assert failures(database, other) == []


@pytest.mark.parametrize("known", ["by the list", "by its id", "asked for"])
def test_a_message_of_a_drill_that_does_not_say_so_is_no_failure(database: Database, known: str) -> None:
    """What is simulated makes no stop an accident: nothing real is started for it. Of another id it may be real."""
    said = {"event_id": "e-1", "event_type": "SystemFailure.Reboot"}
    message = an_event("drill", said)._replace(type=FAILURE.type, status="Executing")
    order = DrillOrder("d-1", "x", [SUBJECT], FAILURE.type, NOON, False, "li", NOON, NOON)
    with database.transaction() as connection:
        note_system_events(connection, [message._replace(simulated=known == "by the list")], NOON)
        if known != "by the list":
            add_drill(connection, order)
        if known == "by its id":
            note_events(connection, "d-1", (SUBJECT.cloud, SUBJECT.account, SUBJECT.region), {SUBJECT.id: "e-1"}, NOON)
    assert failures(database, message) == []
    real = message._replace(key="real", data={**said, "event_id": "e-2"})
    assert failures(database, real) == ([] if known == "asked for" else ["Instance:SystemFailure.Reboot 0"])


def operate(database: Database, step: str, outcome: str = "ok", ended: timedelta | None = None) -> None:
    """Let another run of ours act on the server at noon, and end some time later."""
    with database.transaction() as connection:
        add_events(connection, [an_event()])
        open_incident(connection, "inc", an_event(), Trouble("maintenance", "e-1"), "", NOON)
        add_run(connection, Run("run", "inc", "r", "reboot", "d", Mode.AUTO, RunState.STARTING))
        held = claim(connection, "run", "w", 0)
        assert held is not None
        note_action(connection, "inc", NOON)
        intent = intend(connection, held, 0, step, {}, at=NOON)
        assert intent is not None
        conclude(connection, "run", intent.number, outcome, "", "REQ-1", at=NOON)
        if ended is not None:
            end_incident(connection, Verdict("inc", Healed.HEALED, NOON + ended, {}), "run")


def operations(database: Database, stopped: timedelta, run: str = "mine") -> list[tuple[str, str]]:
    """Ask which operations of ours were going on when the server stopped."""
    with database.snapshot() as connection:
        return own_operations(connection, SUBJECT, run, NOON + stopped)


def test_a_stop_during_our_own_reboot_is_ours(database: Database) -> None:
    """While it goes on, and as long before and after as clocks may differ; a run does not explain itself."""
    operate(database, "reboot 1", ended=60 * SECOND)
    inside = [-SKEW, timedelta(), 60 * SECOND + SKEW]
    assert [operations(database, one) for one in inside] == [[("reboot 1", "run")]] * 3
    assert operations(database, -SKEW - SECOND) == operations(database, 61 * SECOND + SKEW) == []
    assert operations(database, timedelta(), run="run") == []


@pytest.mark.parametrize(("step", "outcome"), [("start 1", "ok"), ("reboot 1", "permanent")])
def test_what_stopped_nothing_explains_no_stop(database: Database, step: str, outcome: str) -> None:
    """A start, or a reboot that the cloud refused."""
    operate(database, step, outcome)
    assert operations(database, timedelta()) == []


def test_our_own_requests_are_known_by_the_clouds_ids(database: Database) -> None:
    """For this server only."""
    operate(database, "reboot 1")
    with database.snapshot() as connection:
        assert own_requests(connection, SUBJECT) == {"REQ-1"}
        assert own_requests(connection, replace(SUBJECT, id="i-2")) == set()
