"""Which version of each rule the living workers have: a worker reads its settings once, when it starts.

So an operator who changed the file is told which workers still act as the old one says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from cloudheal.model.incident import Mode
from cloudheal.record.moments import database_now
from cloudheal.record.promotions import trusted
from cloudheal.record.tables import WORKER
from cloudheal.record.workers import LEASE_MILLIS
from cloudheal.settings.rules import Rule


@dataclass(frozen=True, slots=True)
class Outdated:
    """A rule that a living worker has otherwise than the file; `mode` is the one in force there, none: it has none."""

    worker: str
    rule: str
    mode: Mode | None


def note_rules(connection: sa.Connection, worker: str, rules: Sequence[Rule]) -> bool:
    """Write which rules a worker has; False when it is on no list."""
    versions = json.dumps({one.name: [one.digest, one.mode.value] for one in rules})
    return connection.execute(sa.update(WORKER).where(WORKER.c.id == worker).values(rules=versions)).rowcount == 1


def outdated(connection: sa.Connection, rules: Sequence[Rule], lease_millis: int = LEASE_MILLIS) -> list[Outdated]:
    """Return every rule that a living worker has in another version than these are, by worker and rule."""
    alive = WORKER.c.heartbeat >= database_now(connection) - lease_millis
    rows = connection.execute(sa.select(WORKER.c.id, WORKER.c.rules).where(alive).order_by(WORKER.c.id)).all()
    wanted = {one.name: [one.digest, one.mode.value] for one in rules}
    return [one for row in rows for one in _differing(connection, row.id, json.loads(row.rules), wanted)]


def _differing(
    connection: sa.Connection, worker: str, has: Mapping[str, Sequence[str]], wanted: Mapping[str, Sequence[str]]
) -> Iterator[Outdated]:
    for name in sorted({*has, *wanted}):
        if has.get(name) != wanted.get(name):
            digest, mode = has.get(name, ("", ""))
            yield Outdated(worker, name, trusted(connection, name, digest, Mode(mode)) if mode else None)
