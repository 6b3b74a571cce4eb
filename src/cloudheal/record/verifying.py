"""Verification of the ledger: what is sealed and whole, what was removed by retention, what is not sealed yet.

It reads one consistent state, a segment at a time, and names each row that was altered, removed or inserted after it
was sealed. It repairs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from cloudheal.ports.store import Store
from cloudheal.record.ledger import Kind
from cloudheal.record.seal import ID_BYTES, LEAF_BYTES, NO_HASH, chained, leaf_of
from cloudheal.record.tables import LEDGER, SEAL


class Fault(StrEnum):
    """What is wrong with a row or a seal."""

    ALTERED = "altered"
    REMOVED = "removed"
    INSERTED = "inserted"
    CHAIN = "chain broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault; `row` is 0 where the seal itself is meant."""

    fault: Fault
    segment: int
    row: int = 0


@dataclass(frozen=True, slots=True)
class Range:
    """A range of ids, both ends included, and how many rows it holds; the ids are 0 when it is empty."""

    first: int = 0
    last: int = 0
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Verified:
    """The whole truth about the ledger. `head` is the newest seal's hash, worth keeping elsewhere."""

    sealed: Range
    unsealed: Range
    removed: Range
    segments: int
    head: str
    findings: tuple[Finding, ...]

    @property
    def whole(self) -> bool:
        """True when nothing sealed was changed."""
        return not self.findings


def verify(store: Store) -> Verified:
    """Check every seal and every sealed row."""
    with store.snapshot() as connection:
        if connection.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        return verified(connection)


def knows_head(store: Store, head: str) -> bool:
    """Say whether a head that was kept elsewhere is the hash of a seal: then the chain up to it is the same."""
    with store.snapshot() as connection:
        return connection.execute(sa.select(SEAL.c.number).where(SEAL.c.hash == head)).first() is not None


def verified(connection: sa.Connection) -> Verified:
    """Check every seal and every sealed row of the state that a connection reads."""
    numbers = sa.select(SEAL.c.number, SEAL.c.first, SEAL.c.last, SEAL.c.rows, SEAL.c.removed, SEAL.c.hash)
    seals = connection.execute(numbers.order_by(SEAL.c.number)).mappings().all()
    gone = [one for one in seals if one["removed"] is not None]
    kept = [one for one in seals if one["removed"] is None]
    findings = [*_chain(connection, len(gone)), *_strangers(connection, gone)]
    previous = gone[-1]["last"] if gone else 0
    for one in kept:
        findings.extend(_segment(connection, one["number"], previous))
        previous = one["last"]
    return Verified(
        sealed=_range(kept),
        unsealed=_unsealed(connection, previous),
        removed=_range(gone),
        segments=len(kept),
        head=seals[-1]["hash"] if seals else NO_HASH,
        findings=tuple(findings),
    )


def _chain(connection: sa.Connection, gone: int) -> Iterator[Finding]:
    """Follow the chain: each seal follows the one before, and what retention removed is its beginning, as recorded."""
    expected, number = NO_HASH, 0
    wanted = sa.select(SEAL.c.number, SEAL.c.previous, SEAL.c.hash, SEAL.c.leaves, SEAL.c.removed)
    for one in connection.execute(wanted.order_by(SEAL.c.number), execution_options={"yield_per": 50}):
        number += 1
        hashed = one.hash if one.removed is not None else chained(one.number, one.previous, one.leaves)
        misplaced = one.number != number or (one.removed is not None) != (number <= gone)
        if misplaced or one.previous != expected or hashed != one.hash:
            yield Finding(Fault.CHAIN, one.number)
            number = one.number
        expected = one.hash
    if gone != _told_removed(connection):
        yield Finding(Fault.CHAIN, gone)


def _told_removed(connection: sa.Connection) -> int:
    """Return how many segments retention says that it removed."""
    newest = sa.select(LEDGER.c.body).where(LEDGER.c.kind == Kind.LEDGER_REMOVED.value).order_by(LEDGER.c.id.desc())
    body = connection.scalar(newest.limit(1))
    told = json.loads(body).get("through", 0) if body else 0
    return told if isinstance(told, int) else 0


def _segment(connection: sa.Connection, number: int, after: int) -> Iterator[Finding]:
    seal = connection.execute(sa.select(SEAL).where(SEAL.c.number == number)).mappings().one()
    leaves = _by_id(seal["leaves"])
    rows = sa.select(LEDGER).where(LEDGER.c.id > after, LEDGER.c.id <= seal["last"]).order_by(LEDGER.c.id)
    found, newest = dict[int, bytes](), None
    for row in connection.execute(rows).mappings():
        found[row["id"]] = leaf_of(row)
        newest = row["at"] if newest is None else max(newest, row["at"])
    for id_ in sorted(leaves.keys() | found.keys()):
        if id_ not in found:
            yield Finding(Fault.REMOVED, number, id_)
        elif id_ not in leaves:
            yield Finding(Fault.INSERTED, number, id_)
        elif found[id_] != leaves[id_]:
            yield Finding(Fault.ALTERED, number, id_)
    if found == leaves and not _tells(seal, list(leaves), newest):
        yield Finding(Fault.CHAIN, number)


def _tells(seal: sa.RowMapping, ids: list[int], newest: int | None) -> bool:
    """Say whether what stands beside the leaves, which the hash does not cover, agrees with them.

    Reports go by it, and retention: a forged age would let it remove what is young.
    """
    told = (seal["first"], seal["last"], seal["rows"], seal["newest"])
    return bool(ids) and told == (ids[0], ids[-1], len(ids), newest)


def _strangers(connection: sa.Connection, gone: list[sa.RowMapping]) -> Iterator[Finding]:
    """Find rows in the range that retention has emptied."""
    last = gone[-1]["last"] if gone else 0
    for id_ in connection.scalars(sa.select(LEDGER.c.id).where(LEDGER.c.id <= last).order_by(LEDGER.c.id).limit(100)):
        number = next(one["number"] for one in gone if id_ <= one["last"])
        yield Finding(Fault.INSERTED, number, id_)


def _unsealed(connection: sa.Connection, after: int) -> Range:
    numbers = sa.select(sa.func.min(LEDGER.c.id), sa.func.max(LEDGER.c.id), sa.func.count())
    first, last, rows = connection.execute(numbers.where(LEDGER.c.id > after)).one()
    return Range(first or 0, last or 0, rows)


def _range(seals: list[sa.RowMapping]) -> Range:
    return Range(seals[0]["first"], seals[-1]["last"], sum(one["rows"] for one in seals)) if seals else Range()


def _by_id(leaves: bytes) -> Mapping[int, bytes]:
    parts = (leaves[start : start + LEAF_BYTES] for start in range(0, len(leaves), LEAF_BYTES))
    return {int.from_bytes(part[:ID_BYTES], "big"): part for part in parts}
