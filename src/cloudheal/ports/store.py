"""Where stages that store things find the database; `record` provides it, the application hands it in."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

import sqlalchemy as sa

#: The database does not answer, refuses for now, or ended the session; nothing of the transaction was done.
STORE_AWAY = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.InternalError, sa.exc.TimeoutError)


class Store(Protocol):
    """One database, for writers and for readers."""

    @property
    def writing(self) -> sa.Engine:
        """The engine on which transactions may write."""

    def transaction(self) -> AbstractContextManager[sa.Connection]:
        """Commit what the block does, on disk, or nothing when it raises."""

    def snapshot(self) -> AbstractContextManager[sa.Connection]:
        """Read one consistent state."""
