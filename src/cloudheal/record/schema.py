"""The tables' version: every program that opens a database brings it up to its own revision first, or refuses.

An empty database gets the tables as they are now and the newest revision; one of an older revision gets the revisions
in between, in one transaction. Who comes at the same time waits for it: on PostgreSQL at an advisory lock, on SQLite at
the write lock. Where nothing is to be done, one row is read and Alembic is not even loaded.

A database of a newer program is refused: an older program would write rows that the newer one does not expect. Tables
without a version are taken over when they are exactly those of this program, and refused otherwise.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cloudheal.errors import PermanentError
from cloudheal.record.database import Database
from cloudheal.record.tables import METADATA

log = logging.getLogger("cloudheal.schema")

#: Every revision of the tables, oldest first; a test compares this with the folder `migrations`.
REVISIONS = ("0001",)
HEAD = REVISIONS[-1]
#: Not Alembic's usual name: the database may be shared with another program that uses Alembic.
VERSION = sa.Table("cloudheal_version", sa.MetaData(), sa.Column("version_num", sa.String(32), primary_key=True))
MIGRATIONS = Path(__file__).with_name("migrations")
#: Any number that no other program uses: "clou" in ASCII.
_LOCK = 0x636C6F75


class SchemaError(PermanentError):
    """The database's tables are not those of this program."""

    code = "database.schema"


class NewerSchemaError(SchemaError):
    """The database was last used by a newer program."""

    code = "database.newer"


def migrate(database: Database) -> bool:
    """Bring the tables up to this program's revision; False when they were.

    Raises SchemaError, and DatabaseUnreachableError where there can be no file.
    """
    database.require_folder()
    with database.snapshot() as connection:
        if version_of(connection) == HEAD:
            return False
    with database.transaction() as connection:
        if not database.is_sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        return _bring_up(connection)


def version_of(connection: sa.Connection) -> str:
    """Return the revision of a database's tables; empty when it has none yet."""
    if not sa.inspect(connection).has_table(VERSION.name):
        return ""
    return connection.scalar(sa.select(VERSION.c.version_num)) or ""


def _bring_up(connection: sa.Connection) -> bool:
    version = version_of(connection)
    if version == HEAD:
        return False
    if version in REVISIONS:
        _upgrade(connection)
        log.info("schema.upgraded from=%s to=%s", version, HEAD)
        return True
    if version:
        raise NewerSchemaError(
            f"the database has revision {version}, this program knows revisions up to {HEAD}",
            what_to_do="Install the cloudheal that used it last, or restore a backup of before into an empty database.",
        )
    if METADATA.tables.keys() & sa.inspect(connection).get_table_names():
        _adopt(connection)
    METADATA.create_all(connection)
    VERSION.create(connection)
    connection.execute(sa.insert(VERSION).values(version_num=HEAD))
    return True


def _adopt(connection: sa.Connection) -> None:
    """Accept tables that have no version, if they are exactly ours. Raises SchemaError."""
    found = differences(connection)
    if found:
        raise SchemaError(
            f"the database has tables without a version that differ from this program's: {'; '.join(found[:3])}",
            what_to_do="They were made by a development version; name an empty database, or move the file away.",
        )
    log.info("schema.adopted revision=%s", HEAD)


def differences(connection: sa.Connection) -> Sequence[str]:
    """Return how the database's tables differ from this program's; tables of others do not count."""
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415 - a second, and seldom needed
    from alembic.migration import MigrationContext  # noqa: PLC0415 - same

    def ours(name: str | None, kind: str, _parents: Any) -> bool:
        return name in METADATA.tables if kind == "table" else True

    # Not the defaults: SQLite's empty text is read back as another one.
    options = {"compare_type": True, "include_name": ours}
    return [_worded(one) for one in compare_metadata(MigrationContext.configure(connection, opts=options), METADATA)]


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command  # noqa: PLC0415 - a second, and seldom needed
    from alembic.config import Config  # noqa: PLC0415 - same

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes.update(connection=connection, version_table=VERSION.name)
    command.upgrade(config, HEAD)


def _worded(difference: Any) -> str:
    while isinstance(difference, list):
        difference = difference[0]
    parts = (getattr(part, "name", part) for part in difference if part is not None)
    return " ".join(str(part) for part in parts if isinstance(part, str))
