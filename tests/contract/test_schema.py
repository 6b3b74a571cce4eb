"""The tables' revisions, on both databases: one way to the same tables, safe for many at once, never backwards."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import produce_migrations
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from cloudheal.record import schema
from cloudheal.record.database import Database, open_database
from cloudheal.record.schema import (
    HEAD,
    MIGRATIONS,
    REVISIONS,
    VERSION,
    NewerSchemaError,
    SchemaError,
    differences,
    migrate,
    version_of,
)
from cloudheal.record.tables import EVENT, LEASE, METADATA

AT_ONCE = 8


def catalogue(database: Database) -> list[Any]:
    """Return what the database itself says of our tables: columns, keys and indexes."""
    if database.is_sqlite:
        query = "SELECT tbl_name, name, sql FROM sqlite_master WHERE tbl_name <> 'cloudheal_version' ORDER BY 1, 2"
        with database.snapshot() as connection:
            rows = connection.execute(sa.text(query)).all()
        # The order of a table's constraints means nothing.
        return [(row[0], row[1], sorted(" ".join(str(row[2]).split()).removesuffix(" )").split(", "))) for row in rows]
    columns = (
        "SELECT table_name, column_name, ordinal_position, data_type, is_nullable, column_default, is_identity"
        " FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'cloudheal_version'"
        " ORDER BY 1, 3"
    )
    indexes = (
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'cloudheal_version' ORDER BY 1"
    )
    keys = (
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'cloudheal_version' ORDER BY 1, 2"
    )
    with database.snapshot() as connection:
        return [tuple(row) for query in (columns, indexes, keys) for row in connection.execute(sa.text(query))]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of each kind, with or without tables; each test makes its own."""
    return (
        f"sqlite:///{tmp_path / 'schema.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    )


def emptied(database_url: str) -> Database:
    """Open a database and drop everything of ours in it."""
    database = open_database(database_url)
    METADATA.drop_all(database.writing)
    VERSION.drop(database.writing, checkfirst=True)
    return database


def by_revisions(database: Database) -> None:
    """Make the tables by Alembic alone, revision after revision."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.transaction() as connection:
        config.attributes.update(connection=connection, version_table=VERSION.name)
        command.upgrade(config, "head")


def test_revisions_lead_to_exactly_the_tables(database_url: str) -> None:
    """A database made by the revisions is, to the letter, one made from the tables; autogenerate finds nothing."""
    database = emptied(database_url)
    by_revisions(database)
    by_steps = catalogue(database)
    with database.snapshot() as connection:
        assert list(differences(connection)) == []
        options = {"include_name": lambda name, kind, _: kind != "table" or name in METADATA.tables}
        script = produce_migrations(MigrationContext.configure(connection, opts=options), METADATA)
        assert script.upgrade_ops is not None
        assert script.upgrade_ops.is_empty()
        assert version_of(connection) == HEAD
    database.close()
    database = emptied(database_url)
    assert migrate(database)
    assert catalogue(database) == by_steps
    database.close()


def test_the_program_names_every_revision_in_order() -> None:
    """The list that is compared with a database's version is the folder's; a forgotten revision fails here."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    found = [one.revision for one in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(found)) == REVISIONS


def test_a_program_that_finds_nothing_to_do_changes_nothing_and_loads_no_alembic(database_url: str) -> None:
    """Migrating twice is the same as once, and from the second time on costs one read."""
    database = emptied(database_url)
    assert migrate(database)
    before = catalogue(database)
    assert not migrate(database)
    assert catalogue(database) == before
    database.close()
    program = (
        "import sys; from cloudheal.record.database import open_database; from cloudheal.record.schema import migrate;"
        "d = open_database(sys.argv[1]); assert not migrate(d); d.close(); assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, database_url], check=True, timeout=60)


def test_a_new_database_is_made_without_alembic(database_url: str) -> None:
    """The first start makes the tables as they are now, without the second that loading Alembic costs."""
    emptied(database_url).close()
    program = (
        "import sys; from cloudheal.record.database import open_database; from cloudheal.record.schema import migrate;"
        "d = open_database(sys.argv[1]); assert migrate(d); d.close(); assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, database_url], check=True, timeout=60)


def test_many_workers_may_start_at_once(database_url: str) -> None:
    """Of programs that find an empty database together, one makes the tables and the others wait for it."""
    emptied(database_url).close()

    def come(_: int) -> bool:
        database = open_database(database_url)
        try:
            return migrate(database)
        finally:
            database.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert sorted(pool.map(come, range(AT_ONCE))) == [False] * (AT_ONCE - 1) + [True]


def test_an_older_database_is_brought_up_with_its_rows(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database of an older revision gets the revisions in between; what is in it stays."""
    database = emptied(database_url)
    migrate(database)
    with database.transaction() as connection:
        connection.execute(sa.insert(LEASE).values(name="seal", holder="w", until=1))
    monkeypatch.setattr(schema, "HEAD", "0002")
    monkeypatch.setattr(schema, "REVISIONS", ("0001", "0002"))
    applied: list[str] = []
    monkeypatch.setattr(schema, "_upgrade", lambda connection: applied.append(version_of(connection)))
    assert migrate(database)
    assert applied == ["0001"]
    with database.snapshot() as connection:
        assert connection.scalar(sa.select(LEASE.c.holder)) == "w"
    database.close()


def test_a_database_of_a_newer_program_is_refused(database_url: str) -> None:
    """An unknown revision is left alone, and the error says what to do."""
    database = emptied(database_url)
    migrate(database)
    with database.transaction() as connection:
        connection.execute(sa.update(VERSION).values(version_num="0099"))
    before = catalogue(database)
    with pytest.raises(NewerSchemaError, match=r"0099.*up to 0001") as refused:
        migrate(database)
    assert "Install the cloudheal that used it last" in str(refused.value)
    assert catalogue(database) == before
    database.close()


def test_tables_without_a_version_are_taken_over_when_they_are_ours(database_url: str) -> None:
    """What a development version made is adopted if nothing differs; rows of others beside it do not matter."""
    database = emptied(database_url)
    METADATA.create_all(database.writing)
    with database.transaction() as connection:
        connection.execute(sa.text("CREATE TABLE somebody_elses (id INTEGER)"))
        connection.execute(sa.insert(LEASE).values(name="seal", holder="w", until=1))
    assert migrate(database)
    with database.snapshot() as connection:
        assert version_of(connection) == HEAD
        assert connection.scalar(sa.select(LEASE.c.holder)) == "w"
    database.close()


def test_tables_without_a_version_that_differ_are_refused(database_url: str) -> None:
    """A missing column is named, and nothing is changed."""
    database = emptied(database_url)
    METADATA.create_all(database.writing)
    with database.transaction() as connection:
        connection.execute(sa.text(f"ALTER TABLE {EVENT.name} DROP COLUMN channel"))
    before = catalogue(database)
    with pytest.raises(SchemaError, match=r"differ.*add_column event channel"):
        migrate(database)
    assert catalogue(database) == before
    database.close()
