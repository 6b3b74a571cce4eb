"""The database on which scenes are played: one file for the process, emptied before each scene, gone at the end.

Opening a database and compiling its statements takes longer than playing a scene, so it is done once.
"""

from __future__ import annotations

import atexit
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cloudheal.record.database import Database, open_database
from cloudheal.record.tables import METADATA

_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def stage() -> Iterator[Database]:
    """Have an empty database until the block ends; another scene of this process waits for it."""
    with _ONE_AT_A_TIME:
        database = _opened()
        with database.transaction() as connection:
            for table in reversed(METADATA.sorted_tables):
                connection.execute(sa.delete(table))
        yield database


@cache
def _opened() -> Database:
    folder = tempfile.TemporaryDirectory(prefix="cloudheal-scenes-")
    database = open_database(f"sqlite:///{Path(folder.name) / 'scene.db'}")
    # Nothing of a scene outlives the process, so nothing of it waits for the disk.
    sa.event.listen(database.writing, "connect", _hastily)
    METADATA.create_all(database.writing)
    atexit.register(folder.cleanup)
    atexit.register(database.close)
    return database


def _hastily(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")
