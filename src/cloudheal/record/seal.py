"""Sealing: the ledger's rows, in id order, are chained segment by segment, so that a later change can be shown.

A segment is a range of ids that is final: no transaction under way can still commit a row into it. On SQLite writers
follow one another, so every committed id is final. On PostgreSQL ids are handed out before they are committed, so a
smaller id may appear after a larger one. `Horizon` waits for those: it notes how far ids were handed out and which
transactions were writing to the ledger *after that*; when these have ended, everything up to the note is final. Nobody
has to wait for the sealer.

A seal keeps one leaf per row (id and digest) and the hash over the leaves and the seal before it. Leaves tell which row
was altered, removed or inserted; the chain tells when the leaves themselves were. What was never sealed is not proven;
whoever can rewrite every seal can rewrite history, unless a head was kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cloudheal.ports.store import Store
from cloudheal.record.leases import is_anothers, take_lease
from cloudheal.record.moments import database_now
from cloudheal.record.tables import LEDGER, SEAL

#: The most rows in one segment; retention works by whole segments.
SEGMENT_ROWS = 5000
LEASE_NAME, LEASE_MILLIS = "seal", 10_000
#: A leaf: the row's id in 8 bytes, then half of a SHA-256, which is more than anyone can collide.
LEAF_BYTES, ID_BYTES = 24, 8
NO_HASH = "0" * 64
_COLUMNS = ("id", "at", "kind", "resource", "type", "result", "name", "event", "incident", "run", "body")
_columns_of = itemgetter(*_COLUMNS)
#: Made once, because every row of the ledger is written so.
_as_text = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(slots=True)
class Horizon:
    """How far ids are final; kept from pass to pass by whoever seals."""

    final: int = 0
    _noted: int = 0
    _writers: frozenset[str] = frozenset()

    def advance(self, connection: sa.Connection) -> int:
        """Look once, and return the largest id that is final."""
        if connection.dialect.name == "sqlite":
            self.final = connection.scalar(sa.select(sa.func.max(LEDGER.c.id))) or self.final
            return self.final
        if not self._writers & _writers(connection):
            # The order matters: first how far, then who; who began later has larger ids.
            self.final, self._noted = max(self.final, self._noted), _handed_out(connection)
            self._writers = _writers(connection)
        if not self._writers:
            self.final = max(self.final, self._noted)
        return self.final


@dataclass(slots=True)
class Sealer:
    """Seals what is final, one worker at a time."""

    store: Store
    worker: str
    segment_rows: int = SEGMENT_ROWS
    horizon: Horizon = field(default_factory=Horizon)

    def seal(self) -> int:
        """Seal everything that is final now, while nobody else does; returns the number of rows."""
        sealed = 0
        while rows := self._segment():
            sealed += rows
        return sealed

    def _segment(self) -> int:
        with self.store.snapshot() as connection:
            if is_anothers(connection, LEASE_NAME, self.worker):
                return 0
            head, last = head_of(connection)
            rows = self._final_rows(connection, last)
        if not rows:
            return 0
        leaves = leaves_of(rows)
        number = head.number + 1 if head else 1
        previous = head.hash if head else NO_HASH
        with self.store.transaction() as connection:
            if not take_lease(connection, LEASE_NAME, self.worker, LEASE_MILLIS):
                return 0
            values = {
                "number": number,
                "first": rows[0]["id"],
                "last": rows[-1]["id"],
                "rows": len(rows),
                "newest": max(row["at"] for row in rows),
                "sealed": database_now(connection),
                "previous": previous,
                "hash": chained(number, previous, leaves),
                "leaves": leaves,
            }
            insert = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(SEAL)
            # Two sealers may have read the same rows; the number admits one of them.
            added = insert.values(values).on_conflict_do_nothing().returning(SEAL.c.number)
            return len(rows) if connection.execute(added).first() is not None else 0

    def _final_rows(self, connection: sa.Connection, after: int) -> Sequence[sa.RowMapping]:
        newest = connection.scalar(sa.select(sa.func.max(LEDGER.c.id))) or 0
        # Idle is the usual state: then nothing is asked about transactions, and nothing is written.
        horizon = self.horizon.advance(connection) if newest > after else after
        final = (LEDGER.c.id > after) & (LEDGER.c.id <= horizon)
        chosen = sa.select(LEDGER).where(final).order_by(LEDGER.c.id).limit(self.segment_rows)
        return connection.execute(chosen).mappings().all()


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain; whoever keeps it elsewhere can prove everything before it."""

    number: int
    hash: str


def head_of(connection: sa.Connection) -> tuple[Head | None, int]:
    """Return the newest seal, and the last id that it covers."""
    newest = sa.select(SEAL.c.number, SEAL.c.hash, SEAL.c.last).order_by(SEAL.c.number.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    return (None, 0) if row is None else (Head(row.number, row.hash), row.last)


def leaf_of(row: sa.RowMapping) -> bytes:
    """Return a row's leaf: its id and the digest of all its columns."""
    text = _as_text(_columns_of(row))
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int(row["id"]).to_bytes(ID_BYTES, "big") + digest[: LEAF_BYTES - ID_BYTES]


def leaves_of(rows: Sequence[sa.RowMapping]) -> bytes:
    """Return the leaves of rows, in their order."""
    return b"".join(leaf_of(row) for row in rows)


def chained(number: int, previous: str, leaves: bytes) -> str:
    """Return the hash of a seal."""
    return hashlib.sha256(f"cloudheal/1/{number}/{previous}/".encode() + leaves).hexdigest()


def _handed_out(connection: sa.Connection) -> int:
    sequence = connection.scalar(sa.text("SELECT pg_get_serial_sequence('ledger', 'id')"))
    row = connection.execute(sa.text(f"SELECT last_value, is_called FROM {sequence}")).one()  # noqa: S608 - our own
    return int(row.last_value) if row.is_called else 0


def _writers(connection: sa.Connection) -> frozenset[str]:
    """Return the transactions that have written to the ledger or are about to: an insert locks before it numbers."""
    locks = sa.text(
        "SELECT virtualtransaction FROM pg_locks WHERE relation = 'ledger'::regclass AND mode = 'RowExclusiveLock'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return frozenset(connection.scalars(locks))
