"""Every database that cloudheal supports, real, for every test of what stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloudheal.record.database import Database, open_database
from cloudheal.record.schema import migrate
from tests.contract.postgres import postgres
from tests.migrated import migrated


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of this test process."""
    with postgres() as server:
        yield server.get_uri()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    return _empty(request, tmp_path)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.soak)])
def usual_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty SQLite, and PostgreSQL in `make soak`: for long tests of what contract tests show on both."""
    return _empty(request, tmp_path)


def _empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'cloudheal.db'}"
    url: str = request.getfixturevalue("postgres_url")
    database = open_database(url)
    with database.transaction() as connection:
        connection.execute(sa.text("DROP SCHEMA IF EXISTS dbos CASCADE"))
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))
    database.close()
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open database with all tables and no rows."""
    if database_url.startswith("sqlite"):
        migrated(Path(database_url.removeprefix("sqlite:///")), engine=False)
    opened = open_database(database_url)
    migrate(opened)
    yield opened
    opened.close()
