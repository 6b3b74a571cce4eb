"""What Alembic runs: revisions on the connection and in the transaction of `record.schema`, which holds the lock."""

from __future__ import annotations

from alembic import context

from cloudheal.record.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=context.config.attributes["version_table"],
    # SQLite changes a column by making the table anew.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
