"""Whose fault it is when something cannot be stored: what was to be stored, or the database.

Only what the database says of a value blames the value: wrong data, a broken constraint, more than a row or an index
can hold. Everything else (a lost connection, a full disk, a lock, a missing table) is the database's trouble, and
trying again later is right. A mistake of ours in the code that reads a value also blames the value: others pass.
"""

from __future__ import annotations

import sqlalchemy as sa

from cloudheal.errors import TransientError

#: SQLSTATE classes: data exception, integrity constraint violation, program limit exceeded.
_BLAMING_CLASSES = frozenset({"22", "23", "54"})
_BLAMING_NAMES = ("SQLITE_CONSTRAINT", "SQLITE_TOOBIG", "SQLITE_MISMATCH", "SQLITE_RANGE")


def blame(problem: Exception) -> str:
    """Return what is wrong with the value, in a few words without any part of it; empty: the database is."""
    if isinstance(problem, TransientError | OSError | MemoryError | sa.exc.TimeoutError):
        return ""
    if not isinstance(problem, sa.exc.SQLAlchemyError):
        return f"cannot be taken in: {type(problem).__name__}"
    if not isinstance(problem, sa.exc.DBAPIError):
        return f"cannot be stored: {type(problem).__name__}"
    if problem.connection_invalidated or not _blames(problem):
        return ""
    code = _code(problem.orig)
    return f"cannot be stored: {type(problem).__name__} {code}".rstrip()


def _blames(problem: sa.exc.DBAPIError) -> bool:
    if isinstance(problem, sa.exc.DataError | sa.exc.IntegrityError):
        return True
    code = _code(problem.orig)
    return code[:2] in _BLAMING_CLASSES if len(code) == 5 else code.startswith(_BLAMING_NAMES)


def _code(original: BaseException | None) -> str:
    return str(getattr(original, "sqlstate", None) or getattr(original, "sqlite_errorname", None) or "")
