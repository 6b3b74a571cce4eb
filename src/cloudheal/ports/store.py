"""Where stages that store things find the database; `record` provides it, the application hands it in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

import sqlalchemy as sa

#: The database does not answer, refuses for now, or ended the session; nothing of the transaction was done.
STORE_AWAY = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.InternalError, sa.exc.TimeoutError)
#: SQLSTATE of what a program did wrong in PostgreSQL, among those classes: too large for a row, a failed transaction.
_MISTAKES = ("54", "25P02")


def is_away(problem: BaseException) -> bool:
    """Say whether a failure is the database's and passes; a statement that it cannot run is a mistake, and stays."""
    if not isinstance(problem, STORE_AWAY):
        return False
    original = getattr(problem, "orig", None)
    # SQLite has one class for both, and this code for a table that is not there or a statement that is none.
    if getattr(original, "sqlite_errorname", "") == "SQLITE_ERROR":
        return False
    return not str(getattr(original, "sqlstate", None) or "").startswith(_MISTAKES)


class Store(Protocol):
    """One database, for writers and for readers."""

    @property
    def writing(self) -> sa.Engine:
        """The engine on which transactions may write."""

    def transaction(self, check: Callable[[], object] | None = None) -> AbstractContextManager[sa.Connection]:
        """Commit what the block does, on disk, or nothing when it raises.

        `check` is asked before every statement; what it raises ends the transaction.
        """

    def snapshot(self) -> AbstractContextManager[sa.Connection]:
        """Read one consistent state."""
