"""One engine process per SQLite file: a lock on `FILE.lock`, held from start to end and freed by any death.

Two engines on one file would run each other's looks. Commands that read, or write small control rows, need no lock. A
worker that has it knows that every other worker on record is dead, so it takes their work over at once. PostgreSQL
admits any number of workers, and there is nothing to lock.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloudheal.errors import PermanentError
from cloudheal.record.database import Database, DatabaseUnreachableError


class InUseError(PermanentError):
    """Another process works on this SQLite file."""

    code = "database.in_use"


@contextmanager
def sole_engine(database: Database) -> Iterator[bool]:
    """Be the only engine on a SQLite file until the block ends; yields whether others are excluded at all.

    Raises InUseError naming the process that is, DatabaseUnreachableError where there can be no file.
    """
    database_file = database.require_folder()
    if database_file is None:
        yield False
        return
    path = Path(f"{database_file}.lock")
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as problem:
        advice = "The folder of the database must be writable for this user; cloudheal check looks closer."
        fault = f"the database cannot be used: {path}: {problem.strerror}"
        raise DatabaseUnreachableError(fault, what_to_do=advice) from problem
    try:
        _lock(file, path)
        yield True
    finally:
        os.close(file)


def _lock(file: int, path: Path) -> int:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        holder = os.pread(file, 32, 0).decode("ascii", "replace").strip() or "unknown"
        raise InUseError(
            f"{path}: process {holder} works on this database; SQLite admits one",
            what_to_do="Stop that process, or use database: postgresql://... for several workers.",
        ) from problem
    os.ftruncate(file, 0)
    return os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
