"""What connections to SQLite keep in memory: nothing of a large batch once it is committed."""

from __future__ import annotations

from pathlib import Path

from cloudheal.record.database import open_database

#: What SQLite gives a connection by itself: two MiB.
USUAL_KIB = 2000


def test_a_writer_keeps_a_batch_in_memory_to_its_commit_only(tmp_path: Path) -> None:
    """Dozens of connections write, so none has a large memory of its own; a batch grows beyond it until its commit."""
    database = open_database(f"sqlite:///{tmp_path / 'c.db'}")
    try:
        with database.transaction() as connection:
            size = connection.exec_driver_sql("PRAGMA cache_size").scalar_one()
            spills = connection.exec_driver_sql("PRAGMA cache_spill").scalar_one()
    finally:
        database.close()
    assert -USUAL_KIB <= size < 0
    assert spills == 0
