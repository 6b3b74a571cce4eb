"""A SQLite file with every table and no row, copied to where a test wants one: making the tables takes longer.

That a worker makes them itself, and brings old ones up to date, is shown by tests which start with no file.
"""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path

from cloudheal.act.engine import Engine
from cloudheal.record.database import open_database
from cloudheal.record.schema import migrate


def migrated(file: Path, *, engine: bool = True) -> Path:
    """Make this file, if there is none, with our tables and with those of the workflow engine."""
    if not file.exists():
        shutil.copy(_template(engine=engine), file)
    return file


@cache
def _template(*, engine: bool) -> Path:
    file = Path(_folder().name) / f"{'engine' if engine else 'ours'}.db"
    database = open_database(f"sqlite:///{file}")
    migrate(database)
    if engine:
        Engine(database, "template", lambda _run, _look: None).connect().disconnect()
    database.close()
    return file


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="cloudheal-tables-")
