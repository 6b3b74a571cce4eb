"""Backup and restore: every row comes back, what was under way is parked, and nothing half-done is left; on both."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cloudheal.app.restoring import restore_archive
from cloudheal.model.event import Event
from cloudheal.model.incident import Mode, Run, RunState, Trouble
from cloudheal.record.archive import MANIFEST, TABLES, ArchiveError, back_up
from cloudheal.record.archive import check as checked
from cloudheal.record.budget import grant
from cloudheal.record.database import Database, open_database
from cloudheal.record.inbox import add_events
from cloudheal.record.incidents import add_run, open_incident
from cloudheal.record.ledger import Entry, Kind, append
from cloudheal.record.schema import migrate
from cloudheal.record.seal import Sealer
from cloudheal.record.sole import InUseError, sole_engine
from cloudheal.record.tables import APPROVAL, EVENT, GRANT, LEDGER, METADATA, RUN, WORKER
from cloudheal.record.verifying import verify
from cloudheal.record.workers import enlist
from tests.contract.shell import shell
from tests.contract.test_inbox import NOON, an_event
from tests.contract.test_ledger import SECOND, one_healing

LEASE_SECONDS = 10.0


@pytest.fixture
def lived(database: Database) -> Database:
    """A database in which one server was healed and another one's run is at work."""
    with database.transaction() as connection:
        one_healing(connection)
        event = event_of("i-other")
        add_events(connection, [event])
        open_incident(connection, "open", event, Trouble("stopped"), "web", NOON)
        add_run(connection, Run("at-work", "open", "rule", "p", "d", Mode.AUTO, RunState.RUNNING, look=3), owner="w")
        grant(connection, "at-work", NOON)
    Sealer(database, "test").seal()
    return database


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Database]:
    """Another, empty database: SQLite, also for an archive that PostgreSQL gave."""
    other = open_database(f"sqlite:///{tmp_path / 'elsewhere.db'}")
    migrate(other)
    yield other
    other.close()


def event_of(server: str) -> Event:
    """Return the stop of a server."""
    return an_event(server)._replace(subject=replace(an_event().subject, id=server))


def rows_of(database: Database) -> dict[str, list[Any]]:
    """Return every row of every table that an archive holds."""
    with database.snapshot() as connection:
        chosen = {one.name: sa.select(one).order_by(*one.primary_key.columns) for one in TABLES}
        return {name: [tuple(row) for row in connection.execute(query)] for name, query in chosen.items()}


def restored(database: Database, path: Path, *, instead: bool = False) -> int:
    """Restore, and return how many runs are parked."""
    _, parked = restore_archive(database, path, replace=instead, lease_seconds=LEASE_SECONDS, now=NOON)
    return parked


def test_every_row_comes_back(lived: Database, elsewhere: Database, tmp_path: Path) -> None:
    """All tables are equal afterwards, but for what restoring itself does: it parks, and it writes that down."""
    path = tmp_path / "backup.zip"
    made = back_up(lived, path, NOON)
    assert path.stat().st_mode & 0o777 == 0o600
    assert checked(path) == made
    assert restored(elsewhere, path) == 1
    before, after = rows_of(lived), rows_of(elsewhere)
    for name in before.keys() - {"run", "grant_row", "ledger"}:
        assert after[name] == before[name], name
    assert after["ledger"][: len(before["ledger"])] == before["ledger"]
    assert [row[2] for row in after["ledger"][len(before["ledger"]) :]] == ["run.parked", "restored"]
    found = verify(elsewhere)
    assert found.whole
    assert found.head == made.head


def test_what_was_under_way_is_parked_at_a_look_that_nobody_began(
    lived: Database, elsewhere: Database, tmp_path: Path
) -> None:
    """Without owner, place and open question, one look further, and an epoch that no zombie knows."""
    back_up(lived, tmp_path / "backup.zip", NOON)
    restored(elsewhere, tmp_path / "backup.zip")
    with elsewhere.snapshot() as connection:
        row = connection.execute(sa.select(RUN).where(RUN.c.id == "at-work")).one()
        assert (row.state, row.waits_for, row.owner, row.look, row.epoch) == ("parked", "restored", "", 4, 1)
        assert connection.scalar(sa.select(sa.func.count()).select_from(GRANT)) == 0
        assert connection.scalar(sa.select(sa.func.count()).where(APPROVAL.c.answer == "")) == 0
        ended = connection.execute(sa.select(RUN.c.state).where(RUN.c.id == "run")).scalar_one()
    assert ended == "ended"


def test_new_rows_are_numbered_after_restored_ones(lived: Database, tmp_path: Path) -> None:
    """Also after a restore in place; the ledger goes on, and stays whole when it is sealed."""
    back_up(lived, tmp_path / "backup.zip", NOON)
    restored(lived, tmp_path / "backup.zip", instead=True)
    with lived.transaction() as connection:
        last = connection.scalar(sa.select(sa.func.max(EVENT.c.id))) or 0
        (number,) = add_events(connection, [event_of("i-new")]).values()
        assert number > last
        append(connection, [Entry(Kind.EVENT, NOON + SECOND)])
    Sealer(lived, "test").seal()
    assert verify(lived).whole


def test_a_database_that_is_not_empty_is_not_replaced_by_accident(lived: Database, tmp_path: Path) -> None:
    """Refused with what to say, and unchanged."""
    back_up(lived, tmp_path / "backup.zip", NOON)
    before = rows_of(lived)
    with pytest.raises(ArchiveError, match=r"not empty(.|\n)*--replace"):
        restored(lived, tmp_path / "backup.zip")
    assert rows_of(lived) == before


def test_nothing_is_restored_under_a_living_worker(lived: Database, tmp_path: Path) -> None:
    """On PostgreSQL its heartbeat tells, on SQLite its lock."""
    back_up(lived, tmp_path / "backup.zip", NOON)
    with lived.transaction() as connection:
        enlist(connection, "living", "host")
    if lived.is_sqlite:
        with sole_engine(lived), pytest.raises(InUseError):
            restored(lived, tmp_path / "backup.zip", instead=True)
        return
    with pytest.raises(ArchiveError, match="workers are at work: living"):
        restored(lived, tmp_path / "backup.zip", instead=True)
    with lived.transaction() as connection:
        connection.execute(sa.update(WORKER).values(heartbeat=0))
    assert restored(lived, tmp_path / "backup.zip", instead=True) == 1


def test_a_damaged_backup_is_refused_before_anything_is_touched(
    lived: Database, elsewhere: Database, tmp_path: Path
) -> None:
    """One changed letter in one table, a cut file, and something else altogether."""
    path = tmp_path / "backup.zip"
    back_up(lived, path, NOON)
    forged = tmp_path / "forged.zip"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(forged, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content.replace(b"i-other", b"i-0ther") if name == "tables/event.jsonl" else content)
    cut = tmp_path / "cut.zip"
    cut.write_bytes(path.read_bytes()[:-200])
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as strange:
        strange.writestr(MANIFEST, json.dumps({"format": "somebody else's"}))
    for bad in (forged, cut, other):
        with pytest.raises(ArchiveError):
            restored(elsewhere, bad)
    assert not any(rows_of(elsewhere).values())


def test_a_backup_of_an_altered_ledger_is_made_and_said(lived: Database, database_url: str, tmp_path: Path) -> None:
    """Better than none; the command ends with 1, and a restore of it does not hide it."""
    with lived.transaction() as connection:
        connection.execute(sa.update(LEDGER).where(LEDGER.c.id == 2).values(name="x"))
    printed = shell(tmp_path, database_url)("backup", str(tmp_path / "backup.zip"))
    assert printed.code == 1
    assert "NOT whole" in printed.text
    assert not checked(tmp_path / "backup.zip").whole


def test_backup_and_restore_on_the_command_line(
    lived: Database, elsewhere: Database, database_url: str, tmp_path: Path
) -> None:
    """Both say what they did; an existing file is not overwritten."""
    path = str(tmp_path / "backup.zip")
    assert "rows written to" in shell(tmp_path, database_url).done("backup", path)
    again = shell(tmp_path, database_url)("backup", path)
    assert again.code == 1
    assert "none is overwritten" in again.text
    other = shell(tmp_path, str(elsewhere.writing.url))
    assert "1 run is parked" in other.done("restore", path)
    assert "Whole" in other.done("audit", "verify")
    assert [row["id"] for row in other.json("runs", "--open")] == ["at-work"]


def test_an_archive_holds_every_table_that_lasts() -> None:
    """A table that somebody adds is in the archive unless it is named as one of the moment."""
    assert {one.name for one in TABLES} == METADATA.tables.keys() - {"worker", "lease", "control"}
