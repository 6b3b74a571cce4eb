"""Backup and restore: every table of ours as JSON lines in one zip file, the same for both databases.

The archive is read from one consistent state while workers go on, so it needs no pause. Its manifest names the tables'
revision, and for each table its columns, its rows and the SHA-256 of its lines; it is read back before it gets its
name. Workers, leases and the operator's control rows stay out: they are of the moment. So do workflows, which only the
engine knows: what was under way comes back parked, and never continues by itself.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cloudheal.errors import PermanentError
from cloudheal.model.incident import Parked
from cloudheal.record.database import Database
from cloudheal.record.ledger import Entry, Kind, append
from cloudheal.record.moments import database_now, millis_of
from cloudheal.record.parking import park_all
from cloudheal.record.schema import HEAD
from cloudheal.record.tables import CONTROL, LEASE, LEDGER, LISTENER_TASK, METADATA, SEAL, WORKER
from cloudheal.record.verifying import verified

FORMAT = "cloudheal-backup/1"
MANIFEST = "manifest.json"
#: Rows in memory at a time.
ROWS_AT_ONCE = 500
_OF_THE_MOMENT = (WORKER, LEASE, CONTROL)
TABLES: Sequence[sa.Table] = tuple(one for one in METADATA.sorted_tables if one not in _OF_THE_MOMENT)


class ArchiveError(PermanentError):
    """A backup cannot be made or used."""

    code = "backup.failed"


@dataclass(frozen=True, slots=True)
class Part:
    """One table in an archive."""

    table: str
    columns: tuple[str, ...]
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive holds. `head` and `whole` are the ledger's, as it was verified while the archive was made."""

    format: str
    revision: str
    made: str
    head: str
    whole: bool
    parts: tuple[Part, ...]

    @property
    def rows(self) -> int:
        """How many rows there are in all."""
        return sum(one.rows for one in self.parts)


def back_up(database: Database, path: Path, now: datetime) -> Manifest:
    """Write an archive, beside any number of workers. Raises ArchiveError; then no file of that name is left."""
    if path.exists():
        raise ArchiveError(f"{path} exists", what_to_do="Name a file that does not exist yet; none is overwritten.")
    partial = path.with_name(f"{path.name}.part")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, database.snapshot() as connection:
                manifest = _written(archive, connection, now)
            file.flush()
            os.fsync(file.fileno())
        check(partial)
        partial.replace(path)
    except OSError as problem:
        raise ArchiveError(f"{path} cannot be written: {problem.strerror}") from problem
    finally:
        partial.unlink(missing_ok=True)
    return manifest


def _written(archive: zipfile.ZipFile, connection: sa.Connection, now: datetime) -> Manifest:
    if connection.dialect.name == "postgresql":
        connection.execution_options(isolation_level="REPEATABLE READ")
    else:
        found = connection.exec_driver_sql("PRAGMA integrity_check").scalar_one()
        if found != "ok":
            advice = "Stop the worker, copy the file aside, and restore the newest backup into an empty database."
            raise ArchiveError(f"the SQLite file is damaged: {found}", what_to_do=advice)
    proof = verified(connection)
    parts = tuple(_table_written(archive, connection, one) for one in TABLES)
    manifest = Manifest(FORMAT, HEAD, now.isoformat(), proof.head, proof.whole, parts)
    archive.writestr(MANIFEST, json.dumps(asdict(manifest), indent=1))
    return manifest


def _table_written(archive: zipfile.ZipFile, connection: sa.Connection, table: sa.Table) -> Part:
    digest, rows = hashlib.sha256(), 0
    chosen = sa.select(table).order_by(*table.primary_key.columns)
    with archive.open(_member(table.name), "w", force_zip64=True) as file:
        for row in connection.execute(chosen, execution_options={"yield_per": ROWS_AT_ONCE}):
            values = [base64.b64encode(one).decode() if isinstance(one, bytes) else one for one in row]
            line = json.dumps(values, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
            digest.update(line)
            file.write(line)
            rows += 1
    return Part(table.name, tuple(one.name for one in table.columns), rows, digest.hexdigest())


def check(path: Path) -> Manifest:
    """Read an archive to its end. Raises ArchiveError when it is not one, or not whole."""
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = _manifest(archive)
            for part in manifest.parts:
                _check_part(archive, part)
    except OSError as problem:
        raise ArchiveError(f"{path} cannot be read: {problem.strerror or problem}") from problem
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as problem:
        raise ArchiveError(f"{path} is not a whole backup of cloudheal: {problem}") from problem
    return manifest


def _check_part(archive: zipfile.ZipFile, part: Part) -> Part:
    digest, rows = hashlib.sha256(), 0
    with archive.open(_member(part.table)) as file:
        for line in file:
            digest.update(line)
            rows += 1
    if (rows, digest.hexdigest()) != (part.rows, part.sha256):
        raise ArchiveError(f"table {part.table} of the backup was changed or cut short")
    return part


def restore(database: Database, path: Path, *, replace: bool, lease_millis: int, now: datetime) -> tuple[Manifest, int]:
    """Put an archive into an empty database, or in the place of what is there; returns it and how many runs are parked.

    Everything or nothing. Raises ArchiveError, also while a worker that is not dead is on record.
    """
    manifest = check(path)
    if manifest.revision != HEAD:
        raise ArchiveError(
            f"the backup has tables of revision {manifest.revision}, this program of {HEAD}",
            what_to_do="Restore it with the cloudheal that made it; the newer one then brings the database up to date.",
        )
    with database.transaction() as connection, zipfile.ZipFile(path) as archive:
        _make_room(connection, replace=replace, lease_millis=lease_millis)
        for part in manifest.parts:
            _fill(connection, archive, part)
        _number_on(connection)
        proof = verified(connection)
        if manifest.whole and (not proof.whole or proof.head != manifest.head):
            raise ArchiveError("the ledger of the backup is not whole after it was restored; nothing was changed")
        parked = park_all(connection, Parked.RESTORED, now)
        # What listeners do is action too: nobody is told of an old event because a backup came back.
        untold = sa.update(LISTENER_TASK).where(LISTENER_TASK.c.done.is_(None))
        connection.execute(untold.values(done=millis_of(now), outcome=Parked.RESTORED.value))
        append(connection, [Entry(Kind.RESTORED, now, body={"made": manifest.made, "head": manifest.head})])
    return manifest, parked


def _make_room(connection: sa.Connection, *, replace: bool, lease_millis: int) -> None:
    living = WORKER.c.heartbeat >= database_now(connection) - lease_millis
    workers = connection.scalars(sa.select(WORKER.c.id).where(living)).all()
    if workers:
        raise ArchiveError(f"workers are at work: {', '.join(workers)}", what_to_do="Stop them first.")
    used = [
        one.name for one in TABLES if connection.execute(sa.select(sa.literal(1)).select_from(one).limit(1)).first()
    ]
    if used and not replace:
        raise ArchiveError(
            f"the database is not empty: {', '.join(used)}",
            what_to_do="Name an empty database, or say --replace to lose what is in this one.",
        )
    for table in reversed(METADATA.sorted_tables):
        connection.execute(sa.delete(table))


def _fill(connection: sa.Connection, archive: zipfile.ZipFile, part: Part) -> int:
    table = METADATA.tables[part.table]
    binary = frozenset(one.name for one in table.columns if isinstance(one.type, sa.LargeBinary))
    count = 0
    with archive.open(_member(part.table)) as file:
        while lines := list(islice(file, ROWS_AT_ONCE)):
            rows = [_row(part.columns, json.loads(line), binary) for line in lines]
            connection.execute(sa.insert(table), rows)
            count += len(rows)
    return count


def _row(columns: Sequence[str], values: Sequence[Any], binary: frozenset[str]) -> dict[str, Any]:
    return {
        name: base64.b64decode(value) if name in binary else value for name, value in zip(columns, values, strict=True)
    }


def _number_on(connection: sa.Connection) -> int:
    """Let new rows be numbered after every restored one, and the ledger's after every row that it ever sealed."""
    count = 0
    for table, column in _numbered():
        last = connection.scalar(sa.select(sa.func.max(column))) or 0
        if table is LEDGER:
            last = max(last, connection.scalar(sa.select(sa.func.max(SEAL.c.last))) or 0)
        if connection.dialect.name == "postgresql":
            named = sa.func.pg_get_serial_sequence(table.name, column.name)
            connection.execute(sa.select(sa.func.setval(named, max(last, 1), last > 0)))
        elif table.dialect_options["sqlite"]["autoincrement"]:
            place = sa.text("DELETE FROM sqlite_sequence WHERE name = :name")
            connection.execute(place, {"name": table.name})
            insert = sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :seq)")
            connection.execute(insert, {"name": table.name, "seq": last})
        count += 1
    return count


def _numbered() -> Iterator[tuple[sa.Table, sa.Column[Any]]]:
    for table in TABLES:
        column = table.autoincrement_column
        if column is not None:
            yield table, column


def _manifest(archive: zipfile.ZipFile) -> Manifest:
    document = json.loads(archive.read(MANIFEST))
    if document.get("format") != FORMAT:
        raise ArchiveError(f"its format is {document.get('format')!r}, expected {FORMAT}")
    parts = tuple(Part(one["table"], tuple(one["columns"]), one["rows"], one["sha256"]) for one in document["parts"])
    strange = sorted({one.table for one in parts} - {one.name for one in TABLES})
    if strange:
        raise ArchiveError(f"it has tables that this program does not know: {', '.join(strange)}")
    return Manifest(FORMAT, document["revision"], document["made"], document["head"], document["whole"], parts)


def _member(table: str) -> str:
    return f"tables/{table}.jsonl"
