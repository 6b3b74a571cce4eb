"""How far the ledger was carried out to other places, and which rows come next.

Only sealed rows leave: they are final and follow one another by number, so a place is one number. It moves in a
transaction of its own after the other side has answered; what was sent before a crash and not noted is sent again,
under the same mark. What an outlet has not had yet stays out of reach of retention.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from cloudheal.ports.excerpt import Excerpt, Line
from cloudheal.record.log_outlets import Sent, note_sent, sent
from cloudheal.record.moments import moment_of
from cloudheal.record.tables import LEDGER, SEAL
from cloudheal.settings.discretion import discreet_facts

#: Where an outlet's place in the ledger stands, beside those in logs, whose names are never empty.
_LEDGER = ("", "ledger")
#: Rows and bytes of one excerpt; one row is always taken, however large.
MOST_ROWS, ENOUGH_BYTES = 500, 1 << 19
_NAMES = ("kind", "resource", "type", "result", "name", "event", "incident", "run")


@dataclass(frozen=True, slots=True)
class Carried:
    """How far an outlet was served: the last row that it took, the seal over it, and how many rows wait."""

    last: int
    seal: str
    waits: int


def place(connection: sa.Connection, outlet: str) -> int:
    """Return the number of the last row that an outlet took; 0 when it took none."""
    return sent(connection, outlet).get(_LEDGER, Sent(0, "")).position


def next_excerpt(connection: sa.Connection, after: int) -> Excerpt | None:
    """Return the sealed rows that follow a number, within one segment; None when there is none yet."""
    seal = connection.execute(
        sa.select(SEAL.c.number, SEAL.c.last, SEAL.c.hash)
        .where(SEAL.c.last > after, SEAL.c.removed.is_(None))
        .order_by(SEAL.c.number)
        .limit(1)
    ).one_or_none()
    if seal is None:
        return None
    chosen = sa.select(LEDGER).where(LEDGER.c.id > after, LEDGER.c.id <= seal.last).order_by(LEDGER.c.id)
    rows = list(_enough(connection.execute(chosen.limit(MOST_ROWS)).mappings().all()))
    if not rows:  # whoever removed them from a sealed segment is found by `audit verify`, and holds nothing up
        return Excerpt(seal.last, seal.last, seal.number, seal.hash, ())
    lines = [_line(row, seal.number, seal.hash) for row in rows]
    return Excerpt(rows[0]["id"], rows[-1]["id"], seal.number, seal.hash, lines)


def move_on(connection: sa.Connection, outlet: str, before: int, excerpt: Excerpt) -> bool:
    """Note that an outlet took an excerpt; False when somebody else has moved its place meanwhile."""
    if place(connection, outlet) != before:
        return False
    note_sent(connection, outlet, *_LEDGER, Sent(excerpt.last, excerpt.seal))
    return True


def removed_unsent(connection: sa.Connection, after: int) -> int:
    """Return how many rows that follow a number retention has removed: an outlet that came later cannot have them."""
    gone = sa.select(sa.func.sum(SEAL.c.rows)).where(SEAL.c.removed.is_not(None), SEAL.c.first > after)
    return int(connection.scalar(gone) or 0)


def carried(connection: sa.Connection, outlet: str) -> Carried:
    """Say how far an outlet was served."""
    found = sent(connection, outlet).get(_LEDGER, Sent(0, ""))
    waits = connection.scalar(sa.select(sa.func.count()).where(LEDGER.c.id > found.position)) or 0
    return Carried(found.position, found.epoch, waits)


def taken_by_all(connection: sa.Connection, outlets: Sequence[str]) -> int | None:
    """Return the number up to which every one of these outlets has the ledger; None when there is no outlet."""
    return min((place(connection, one) for one in outlets), default=None)


def _enough(rows: Sequence[sa.RowMapping]) -> Iterator[sa.RowMapping]:
    size = 0
    for row in rows:
        yield row
        size += len(row["body"])
        if size >= ENOUGH_BYTES:
            return


def _line(row: sa.RowMapping, segment: int, seal: str) -> Line:
    told = {name: row[name] for name in _NAMES if row[name] not in {"", None}}
    body = json.loads(row["body"])
    at = moment_of(row["at"]).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    facts = {"id": row["id"], "at": at, **told, **({"body": body} if body else {})}
    return Line(row["at"] // 1000, discreet_facts({**facts, "segment": segment, "seal": seal}))
