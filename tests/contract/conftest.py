"""Every database that cloudheal supports, real, for every test of what stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudheal.record.database import Database, open_database
from tests.contract.postgres import postgres
from tests.migrated import cleared, migrated


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of this test process."""
    with postgres() as server:
        yield server.get_uri()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of each kind with every table and no row."""
    return _ready(request, tmp_path)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.soak)])
def usual_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLite as above, and PostgreSQL in `make soak`: for long tests of what contract tests show on both."""
    return _ready(request, tmp_path)


def _ready(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{migrated(tmp_path / 'cloudheal.db')}"
    url: str = request.getfixturevalue("postgres_url")
    return cleared(url)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open database with all tables and no rows."""
    opened = open_database(database_url)
    yield opened
    opened.close()
