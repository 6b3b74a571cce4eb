"""Everything that happens is in the ledger; what was sealed cannot be changed unseen; on both databases."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from cloudheal.model.control import Answer, Approval, Hold
from cloudheal.model.decision import Reason
from cloudheal.model.event import Channel
from cloudheal.model.incident import Healed, Mode, Run, RunState, Trouble, Verdict
from cloudheal.record.approvals import answer, ask, expire
from cloudheal.record.database import Database
from cloudheal.record.history import STREAM_ROWS, exported
from cloudheal.record.holds import add_hold, lift_holds
from cloudheal.record.inbox import DeadLetter, add_dead_letter, add_events
from cloudheal.record.incidents import Decided, add_decision, add_run, end_incident, note_action, open_incident
from cloudheal.record.leases import give_up_leases, take_lease
from cloudheal.record.ledger import Entry, Kind, append
from cloudheal.record.retention import remove_old_segments
from cloudheal.record.seal import Sealer
from cloudheal.record.steps import conclude
from cloudheal.record.tables import LEDGER, RUN, SEAL
from cloudheal.record.verifying import Fault, Finding, Range, knows_head, verify
from cloudheal.record.workers import claim, enlist, inherit, release
from tests.contract.intents import intend
from tests.contract.test_inbox import NOON, an_event

SECOND = timedelta(seconds=1)


def kinds(database: Database) -> list[str]:
    """Return what the ledger tells, in order."""
    with database.snapshot() as connection:
        return list(connection.scalars(sa.select(LEDGER.c.kind).order_by(LEDGER.c.id)))


def filled(database: Database, rows: int, start: int = 0) -> None:
    """Append rows one second apart."""
    entries = [Entry(Kind.EVENT, NOON + (start + n) * SECOND, resource=f"i-{start + n}") for n in range(rows)]
    with database.transaction() as connection:
        append(connection, entries)


def changed(database: Database, statement: sa.Executable) -> None:
    """Change the tables behind the ledger's back."""
    with database.transaction() as connection:
        connection.execute(statement)


def one_healing(connection: sa.Connection) -> None:
    """Take one event through everything that one healing writes."""
    (row,) = add_events(connection, [an_event()]).values()
    open_incident(connection, "inc", an_event(), Trouble("stopped"), "web", NOON + SECOND)
    run = Run("run", "inc", "rule", "restart_stopped", "digest", Mode.AUTO, RunState.STARTING)
    add_run(connection, run)
    decided = Decided(
        row,
        "rule",
        "d",
        Reason.ACT,
        "",
        ({"question": "new", "reason": "", "numbers": ""},),
        NOON + SECOND,
        None,
        "inc",
    )
    add_decision(connection, decided)
    held = claim(connection, "run", "worker", 0)
    assert held is not None
    note_action(connection, "inc", NOON + 2 * SECOND)
    intent = intend(connection, held, 0, "start 1", {"state": "Stopped"})
    assert intent is not None
    assert conclude(connection, "run", intent.number, "ok", request_id="REQ-1")
    assert not conclude(connection, "run", intent.number, "ok")
    release(connection, held, RunState.ENDED)
    end_incident(connection, Verdict("inc", Healed.HEALED, NOON + 9 * SECOND, {"code": "running"}), "run")


def test_a_healing_is_told_from_the_event_to_the_verdict(database: Database) -> None:
    """Each stage leaves its row in the causing transaction, with resource, incident and run."""
    with database.transaction() as connection:
        one_healing(connection)
    assert kinds(database) == [
        "event",
        "incident.opened",
        "run.added",
        "decision",
        "run.begun",
        "incident.acted",
        "step.intended",
        "step.concluded",
        "run.released",
        "incident.ended",
    ]
    with database.snapshot() as connection:
        lines = [json.loads(line) for line in exported(connection)]
    assert {line["resource"] for line in lines} == {"i-1"}
    assert [line["incident"] for line in lines[1:]] == ["inc"] * 9
    (concluded,) = [line for line in lines if line["kind"] == "step.concluded"]
    assert (concluded["type"], concluded["result"], concluded["body"]["request_id"]) == ("start 1", "ok", "REQ-1")
    assert lines[-1]["result"] == "healed"


def test_a_persons_word_and_a_workers_death_are_told(database: Database) -> None:
    """Holds, questions, answers, dead letters and taking over are in the ledger too."""
    with database.transaction() as connection:
        one_healing(connection)
        add_hold(connection, Hold("i-1", "li", "debugging", NOON))
        lift_holds(connection, "i-1", NOON + SECOND, "wang")
        lift_holds(connection, "i-1", NOON + SECOND, "wang")
        connection.execute(sa.update(RUN).values(state=RunState.ASKING.value))
        ask(connection, Approval("q1", "run", "restart i-1?", NOON, NOON + SECOND))
        assert answer(connection, "q1", Answer.DENIED, "wang", NOON)
        ask(connection, Approval("q2", "run", "restart i-1?", NOON, NOON + SECOND))
        assert expire(connection, NOON + 2 * SECOND) == 1
        add_dead_letter(connection, DeadLetter(NOON, Channel.QUEUE, "queue q", "not JSON", b"\x00"))
        enlist(connection, "dead", "host")
        run = Run("run2", "inc", "rule", "p", "d", Mode.AUTO, RunState.STARTING)
        add_run(connection, run)
        assert claim(connection, "run2", "dead", 0) is not None
        inherit(connection, "heir", -60_000)
    assert kinds(database)[10:] == [
        "hold.added",
        "hold.lifted",
        "approval.asked",
        "approval.answered",
        "approval.asked",
        "approval.answered",
        "dead_letter",
        "run.added",
        "run.begun",
        "worker.dead",
        "run.taken_over",
    ]
    with database.snapshot() as connection:
        said = {row["kind"]: row.get("name", "") for row in map(json.loads, exported(connection))}
    assert (said["hold.added"], said["hold.lifted"]) == ("li", "wang")


def test_what_was_not_committed_is_not_told(database: Database) -> None:
    """A transaction that fails leaves no row; a duplicate and a second verdict leave none either."""

    def cut_short() -> None:
        with database.transaction() as connection:
            one_healing(connection)
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power"):
        cut_short()
    assert kinds(database) == []
    with database.transaction() as connection:
        one_healing(connection)
        add_events(connection, [an_event()])
        assert not open_incident(connection, "inc", an_event(), Trouble("stopped"), "web", NOON)
        assert not end_incident(connection, Verdict("inc", Healed.UNKNOWN, NOON, {}), "run")
    assert len(kinds(database)) == 10


def test_an_untouched_ledger_is_whole(database: Database) -> None:
    """Sealed and unsealed ranges are told apart, and the newest head is named."""
    filled(database, 25)
    sealer = Sealer(database, "w", segment_rows=10)
    assert sealer.seal() == 25
    assert sealer.seal() == 0
    filled(database, 3, start=25)
    found = verify(database)
    assert found.whole
    assert (found.sealed, found.segments) == (Range(1, 25, 25), 3)
    assert (found.unsealed, found.removed) == (Range(26, 28, 3), Range())
    with database.snapshot() as connection:
        assert connection.scalar(sa.select(SEAL.c.hash).where(SEAL.c.number == 3)) == found.head


CHANGES: dict[str, tuple[Callable[[], sa.Executable], Finding]] = {
    "body": (
        lambda: sa.update(LEDGER).where(LEDGER.c.id == 12).values(body='{"why":"x"}'),
        Finding(Fault.ALTERED, 2, 12),
    ),
    "time": (
        lambda: sa.update(LEDGER).where(LEDGER.c.id == 1).values(at=LEDGER.c.at + 1),
        Finding(Fault.ALTERED, 1, 1),
    ),
    "result": (lambda: sa.update(LEDGER).where(LEDGER.c.id == 25).values(result="ok"), Finding(Fault.ALTERED, 3, 25)),
    "row": (lambda: sa.delete(LEDGER).where(LEDGER.c.id == 20), Finding(Fault.REMOVED, 2, 20)),
    "seal": (lambda: sa.update(SEAL).where(SEAL.c.number == 2).values(leaves=b""), Finding(Fault.CHAIN, 2)),
    "hash": (lambda: sa.update(SEAL).where(SEAL.c.number == 3).values(hash="0" * 64), Finding(Fault.CHAIN, 3)),
    "segment": (lambda: sa.delete(SEAL).where(SEAL.c.number == 2), Finding(Fault.CHAIN, 3)),
    "count": (lambda: sa.update(SEAL).where(SEAL.c.number == 2).values(rows=11), Finding(Fault.CHAIN, 2)),
    "begin": (lambda: sa.update(SEAL).where(SEAL.c.number == 1).values(first=2), Finding(Fault.CHAIN, 1)),
    "age": (lambda: sa.update(SEAL).where(SEAL.c.number == 1).values(newest=0), Finding(Fault.CHAIN, 1)),
    "first seal": (lambda: sa.delete(SEAL).where(SEAL.c.number == 1), Finding(Fault.CHAIN, 2)),
    "link": (lambda: sa.update(SEAL).where(SEAL.c.number == 2).values(previous="0" * 64), Finding(Fault.CHAIN, 2)),
    "claimed removal": (
        lambda: sa.update(SEAL).where(SEAL.c.number == 1).values(removed=1),
        Finding(Fault.CHAIN, 1),
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_of_what_was_sealed_is_found(database: Database, what: str) -> None:
    """One altered or removed row is named; a changed seal breaks the chain where it was changed."""
    filled(database, 25)
    Sealer(database, "w", segment_rows=10).seal()
    statement, finding = CHANGES[what]
    changed(database, statement())
    assert finding in verify(database).findings


def test_rows_that_changed_places_are_found(database: Database) -> None:
    """The order of things is the order of ids: two rows that swapped theirs are both named."""
    filled(database, 12)
    Sealer(database, "w", segment_rows=10).seal()
    for old, new in ((4, 99), (5, 4), (99, 5)):
        changed(database, sa.update(LEDGER).where(LEDGER.c.id == old).values(id=new))
    assert verify(database).findings == (Finding(Fault.ALTERED, 1, 4), Finding(Fault.ALTERED, 1, 5))


@pytest.mark.parametrize("resealed", [False, True])
def test_a_tail_that_was_cut_off_is_found_by_a_head_that_was_kept(database: Database, resealed: bool) -> None:  # noqa: FBT001
    """Without its last seals and rows a chain is whole and shorter: what was noted elsewhere is not in it any more."""
    filled(database, 20)
    Sealer(database, "w", segment_rows=10).seal()
    kept = verify(database).head
    filled(database, 5, start=20)
    Sealer(database, "w", segment_rows=10).seal()
    assert knows_head(database, kept)
    changed(database, sa.delete(SEAL).where(SEAL.c.number >= 2))
    changed(database, sa.delete(LEDGER).where(LEDGER.c.id > 10))
    if resealed:
        filled(database, 15, start=10)
        Sealer(database, "w", segment_rows=10).seal()
    found = verify(database)
    assert (found.whole, found.sealed.rows) == (True, 25 if resealed else 10)
    assert not knows_head(database, kept)


def test_a_kept_head_that_is_written_into_another_chain_breaks_it(database: Database) -> None:
    """Whoever rewrote a row and every seal, and puts the old head where it is looked for, has no chain that follows."""
    filled(database, 20)
    Sealer(database, "w", segment_rows=10).seal()
    kept = verify(database).head
    changed(database, sa.update(LEDGER).where(LEDGER.c.id == 3).values(name="somebody else"))
    changed(database, sa.delete(SEAL))
    Sealer(database, "w", segment_rows=10).seal()
    assert verify(database).whole
    assert not knows_head(database, kept)
    changed(database, sa.update(SEAL).where(SEAL.c.number == 2).values(hash=kept))
    assert knows_head(database, kept)
    assert verify(database).findings == (Finding(Fault.CHAIN, 2),)


def test_a_row_slipped_between_sealed_rows_is_found(database: Database) -> None:
    """An id that was skipped, and is used after the range was sealed, is an insertion."""
    filled(database, 5)
    changed(database, sa.delete(LEDGER).where(LEDGER.c.id == 3))
    Sealer(database, "w").seal()
    assert verify(database).whole
    with database.transaction() as connection:
        row = {"at": 0, "kind": "decision", "resource": "", "type": "", "result": "", "name": ""}
        connection.execute(sa.insert(LEDGER).values(id=3, incident="", run="", body="{}", **row))
    assert verify(database).findings == (Finding(Fault.INSERTED, 1, 3),)


def test_retention_removes_whole_segments_and_keeps_their_heads(database: Database) -> None:
    """Old segments go, the chain still holds, and the removal itself is told."""
    filled(database, 25)
    sealer = Sealer(database, "w", segment_rows=10)
    sealer.seal()
    before, now = NOON + timedelta(seconds=15), NOON + timedelta(days=400)
    with database.transaction() as connection:
        assert remove_old_segments(connection, before, now) == 1
        assert remove_old_segments(connection, before, now) == 0
    found = verify(database)
    assert found.whole
    assert (found.removed, found.sealed) == (Range(1, 10, 10), Range(11, 25, 15))
    sealer.seal()
    assert verify(database).whole
    assert kinds(database)[-1] == "ledger.removed"


def test_an_emptied_ledger_does_not_use_an_id_twice(database: Database) -> None:
    """Ids go on after everything was removed, so that new rows are not taken for old ones."""
    filled(database, 10)
    sealer = Sealer(database, "w", segment_rows=5)
    sealer.seal()
    with database.transaction() as connection:
        assert remove_old_segments(connection, NOON + timedelta(days=1), NOON) == 2
    changed(database, sa.delete(LEDGER).where(LEDGER.c.kind == "event"))
    filled(database, 1)
    assert sealer.seal() == 2
    found = verify(database)
    assert (found.whole, found.removed) == (True, Range(1, 10, 10))


def test_a_removal_that_nobody_recorded_is_found(database: Database) -> None:
    """Dropping the oldest rows and marking their seal as removed is not retention."""
    filled(database, 20)
    Sealer(database, "w", segment_rows=10).seal()
    changed(database, sa.delete(LEDGER).where(LEDGER.c.id <= 10))
    changed(database, sa.update(SEAL).where(SEAL.c.number == 1).values(removed=1, leaves=b""))
    assert verify(database).findings == (Finding(Fault.CHAIN, 1),)


def test_rows_that_commit_out_of_order_are_sealed_when_they_are_final(database: Database) -> None:
    """A transaction that took its ids early and commits late holds the seal back, never slips behind it."""
    if database.is_sqlite:
        pytest.skip("SQLite's writers follow one another")
    sealer = Sealer(database, "w")
    with database.transaction() as late:
        append(late, [Entry(Kind.EVENT, NOON, resource="late")])
        filled(database, 3)
        assert sealer.seal() == 0
        filled(database, 2)
        assert sealer.seal() == 0
    while sealer.seal():
        pass
    found = verify(database)
    assert found.whole
    assert found.sealed.rows + found.unsealed.rows == 6
    sealer.seal()
    assert verify(database).unsealed.rows == 0


def test_many_writers_and_two_sealers_leave_a_whole_chain(database: Database) -> None:
    """Whatever commits when, every row is sealed exactly once and nothing appears behind a seal."""
    writing = threading.Event()
    writing.set()

    def write(name: int) -> None:
        for number in range(40):
            with database.transaction() as connection:
                append(connection, [Entry(Kind.EVENT, NOON, resource=f"{name}-{number}")] * 3)

    def seal(name: str) -> None:
        sealer = Sealer(database, name, segment_rows=50)
        while writing.is_set():
            sealer.seal()

    sealers = [threading.Thread(target=seal, args=(name,)) for name in ("a", "b")]
    writers = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in (*sealers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    writing.clear()
    for thread in sealers:
        thread.join()
    last = Sealer(database, "a")
    with database.transaction() as connection:
        give_up_leases(connection, "b")
    for _ in range(3):
        last.seal()
    found = verify(database)
    assert found.whole
    assert (found.sealed.rows, found.unsealed.rows) == (480, 0)


def test_a_lease_has_one_holder_until_it_ends(database: Database) -> None:
    """The holder renews; another gets it only after its end or when it was given up."""
    with database.transaction() as connection:
        assert take_lease(connection, "seal", "a", 60_000)
        assert take_lease(connection, "seal", "a", 60_000)
        assert not take_lease(connection, "seal", "b", 60_000)
        assert take_lease(connection, "poll", "b", 60_000)
        assert give_up_leases(connection, "a") == 1
        assert take_lease(connection, "seal", "b", -60_000)
        assert take_lease(connection, "seal", "a", 60_000)


def test_a_long_ledger_is_exported_whole_and_in_order(database: Database) -> None:
    """It is read in parts of a thousand rows, and no row is lost or told twice where they meet."""
    filled(database, 2 * STREAM_ROWS + 1)
    with database.snapshot() as connection:
        told = [json.loads(line)["id"] for line in exported(connection)]
    assert told == list(range(1, 2 * STREAM_ROWS + 2))


def test_the_export_is_one_line_of_json_for_each_row(database: Database) -> None:
    """Text in any script survives; empty fields are left out; the time is UTC."""
    with database.transaction() as connection:
        append(connection, [Entry(Kind.HOLD_ADDED, NOON, resource="i-1", name="李", body={"why": "调试\n'\""})])
        append(connection, [Entry(Kind.EVENT, NOON + timedelta(hours=2))])
    with database.snapshot() as connection:
        lines: list[Any] = [json.loads(line) for line in exported(connection)]
        assert len(list(exported(connection, since=datetime(2026, 3, 2, 13, tzinfo=UTC)))) == 1
    assert lines[0] == {
        "id": 1,
        "at": "2026-03-02T12:00:00.000Z",
        "kind": "hold.added",
        "resource": "i-1",
        "name": "李",
        "body": {"why": "调试\n'\""},
    }
