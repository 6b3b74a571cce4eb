"""Restoring a backup: the rows, and the engine's looks of before, which must not run for rows that came back."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from cloudheal.act.engine import Engine
from cloudheal.record.archive import Manifest, restore
from cloudheal.record.database import Database
from cloudheal.record.schema import migrate
from cloudheal.record.sole import sole_engine

WORKER = "restore"


def restore_archive(
    database: Database, path: Path, *, replace: bool, lease_seconds: float, now: datetime
) -> tuple[Manifest, int]:
    """Restore an archive; returns it and how many runs are parked.

    Raises ArchiveError, InUseError while a worker has the SQLite file, SchemaError.
    """
    with sole_engine(database) as alone:
        migrate(database)
        # Alone on the file, nobody else can be at work, whatever a killed worker's row says.
        lease = 0 if alone else round(lease_seconds * 1000)
        manifest, parked = restore(database, path, replace=replace, lease_millis=lease, now=now)
        _forget_looks(database)
        return manifest, parked


def _forget_looks(database: Database) -> int:
    engine = Engine(database, WORKER, _no_look)
    if not engine.has_tables:
        return 0
    engine.connect()
    try:
        return engine.forget()
    finally:
        engine.disconnect()


def _no_look(run: str, look: int) -> None:
    raise AssertionError(f"no look is begun while a backup is restored: {run}/{look}")
