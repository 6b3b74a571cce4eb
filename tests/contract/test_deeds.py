"""What runs did to a server, as their journals have it, and which of them has taken it on; on both databases."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from cloudheal.model.deed import CLAIM, SHARED
from cloudheal.model.incident import MAINTENANCE, Mode, Run, RunState, StepKind, Trouble
from cloudheal.pipeline.memory import TableMemory
from cloudheal.record.database import Database
from cloudheal.record.facts import Counting, Windows
from cloudheal.record.inbox import add_events
from cloudheal.record.incidents import add_run, open_incident
from cloudheal.record.steps import ClaimedIntents
from cloudheal.record.tables import LEDGER
from cloudheal.record.verifying import verify
from cloudheal.record.workers import Claim, claim, release
from tests.contract.shell import shell
from tests.contract.test_inbox import NOON, an_event

SUBJECT = an_event().subject
HOUR = timedelta(hours=1)
Opened = Callable[[str], tuple[Claim, ClaimedIntents]]


@pytest.fixture
def opened(database: Database) -> Opened:
    """Opens a run about an event of the server, at work in its first look."""
    event = an_event()
    with database.transaction() as connection:
        add_events(connection, [event])

    def begin(name: str) -> tuple[Claim, ClaimedIntents]:
        with database.transaction() as connection:
            open_incident(connection, name, event, Trouble(MAINTENANCE, f"e-{name}"), "web", NOON)
            add_run(connection, Run(name, name, "rule", "playbook", "d", Mode.AUTO, RunState.STARTING))
            held = claim(connection, name, "worker", 0)
        assert held is not None
        return held, ClaimedIntents(database, held, 0, lambda _: "")

    return begin


def attempts(database: Database) -> int:
    """Count what counts as an attempt at the server."""
    with database.snapshot() as connection:
        counting = Counting(connection)
        return counting.of(SUBJECT, Trouble(MAINTENANCE, "e"), NOON, Windows(HOUR, HOUR)).attempts


def test_one_run_has_a_server_until_it_ends(database: Database, opened: Opened) -> None:
    """The other one is refused as long, and knows who has it; afterwards it may."""
    (first, ours), (_, theirs) = opened("first"), opened("second")
    taken = ours.intend(CLAIM, {}, StepKind.HELP, sole=True)
    assert not isinstance(taken, str)
    ours.conclude(taken, "ok", "", "", {})
    assert not isinstance(ours.intend(CLAIM, {}, StepKind.HELP, sole=True), str)
    memory = TableMemory(database, SUBJECT, "second", 0)
    assert theirs.intend(CLAIM, {}, StepKind.HELP, sole=True) == SHARED
    assert memory.claimant() == "first"
    with database.transaction() as connection:
        release(connection, first, RunState.ENDED, NOON)
    assert memory.claimant() == ""
    assert not isinstance(theirs.intend(CLAIM, {}, StepKind.HELP, sole=True), str)


def test_a_claim_that_came_to_nothing_keeps_nobody_out(database: Database, opened: Opened) -> None:
    """Its process was too late to hold it."""
    (_, ours), (_, theirs) = opened("first"), opened("second")
    taken = ours.intend(CLAIM, {}, StepKind.HELP, sole=True)
    assert not isinstance(taken, str)
    ours.conclude(taken, "transient", "too_late_to_send", "", {})
    assert TableMemory(database, SUBJECT, "second", 0).claimant() == ""
    assert not isinstance(theirs.intend(CLAIM, {}, StepKind.HELP, sole=True), str)


def test_of_many_that_ask_at_the_same_moment_one_has_it(opened: Opened) -> None:
    """Whatever the database makes of their transactions."""
    intents = [opened(f"run-{number}")[1] for number in range(6)]
    all_here = threading.Barrier(len(intents))
    told: list[object] = []

    def ask(one: ClaimedIntents) -> None:
        all_here.wait()
        told.append(one.intend(CLAIM, {}, StepKind.HELP, sole=True))

    threads = [threading.Thread(target=ask, args=(one,)) for one in intents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(str(one) if one == SHARED else "had" for one in told) == ["had", *[SHARED] * 5]


def test_only_an_attempt_counts_as_one(database: Database, opened: Opened) -> None:
    """Notes and help are on record and leave the number of attempts alone."""
    _, intents = opened("first")
    assert intents.note("evidence", {"state": "Running"})
    assert intents.intend("drain", {}, StepKind.HELP) == ("first", 2)
    assert attempts(database) == 0
    assert intents.intend("reboot 1", {}) == ("first", 3)
    assert attempts(database) == 1


def test_a_note_is_kept_once_in_a_look_and_told_whole(database: Database, opened: Opened) -> None:
    """A replay keeps nothing twice; the ledger stays whole, and a later look reads it."""
    _, intents = opened("first")
    assert intents.note("evidence", {"state": "Running"})
    assert intents.note("evidence", {"state": "Stopped"})
    (kept,) = TableMemory(database, SUBJECT, "first", 1).deeds()
    assert (kept.name, kept.before, kept.outcome) == ("evidence", {"state": "Running"}, "ok")
    assert TableMemory(database, SUBJECT, "first", 0).deeds() == []
    with database.snapshot() as connection:
        kinds = connection.execute(LEDGER.select().where(LEDGER.c.type == "evidence")).mappings()
        assert [row["kind"] for row in kinds] == ["step.intended", "step.concluded"]
    assert verify(database).whole


def test_a_run_that_is_not_ours_any_more_keeps_no_note(database: Database, opened: Opened) -> None:
    """Whoever took it over writes its journal."""
    held, intents = opened("first")
    with database.transaction() as connection:
        release(connection, held, RunState.ENDED, NOON)
    assert not intents.note("evidence", {})


@pytest.mark.parametrize(("outcome", "seen"), [("ok", 1), ("unknown", 1), ("", 1), ("permanent", 0), ("transient", 0)])
def test_reboots_of_others_are_seen_unless_nothing_came_of_them(
    database: Database, opened: Opened, outcome: str, seen: int
) -> None:
    """One that may have happened counts."""
    (_, ours), _ = opened("first"), opened("second")
    intent = ours.intend("reboot 1", {"started": "noon"})
    assert not isinstance(intent, str)
    if outcome:
        ours.conclude(intent, outcome, "", "", {})
    found = TableMemory(database, SUBJECT, "second", 0).reboots_by_others(NOON - HOUR)
    assert len(found) == seen
    assert TableMemory(database, SUBJECT, "first", 1).reboots_by_others(NOON - HOUR) == []


def test_the_evidence_is_printed_or_written_as_one_document(opened: Opened, database_url: str, tmp_path: Path) -> None:
    """By the id of the run, the incident or the server; what was kept about nothing is told so."""
    _, intents = opened("first")
    intents.note("evidence", {"server": {"state": "Running"}})
    operator, target = shell(tmp_path, database_url), tmp_path / "evidence.json"
    assert json.loads(operator.done("evidence", "first"))["server"] == {"state": "Running"}
    operator.done("evidence", SUBJECT.id, "-o", str(target))
    assert json.loads(target.read_text(encoding="utf-8"))["server"] == {"state": "Running"}
    assert operator("evidence", "i-none").code == 1
