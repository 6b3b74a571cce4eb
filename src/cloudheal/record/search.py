"""Search in the ledger: by id, time, kind, type, result, and a part of a name; newest first, page by page.

Every condition but the name is answered by an index; a name is looked for in the rows that the others leave.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from cloudheal.record.ledger import Written, written
from cloudheal.record.moments import millis_of
from cloudheal.record.tables import LEDGER

#: The most rows of one page.
MOST_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for; every field that is given must hold.

    `id` is the id of a resource, an incident or a run. `since` is included, `until` is not. `name` is a part of a
    server's, rule's or person's name, in any case. `before` is the last row of the page before.
    """

    id: str = ""
    since: datetime | None = None
    until: datetime | None = None
    kind: str = ""
    type: str = ""
    result: str = ""
    name: str = ""
    before: int | None = None
    limit: int = 100


def search(connection: sa.Connection, query: Query) -> list[Written]:
    """Return the rows that match, newest first."""
    chosen = sa.select(LEDGER).where(*_conditions(query)).order_by(LEDGER.c.id.desc())
    rows = connection.execute(chosen.limit(max(1, min(query.limit, MOST_ROWS))))
    return [written(row) for row in rows.mappings()]


def _conditions(query: Query) -> Iterator[sa.ColumnElement[bool]]:
    if query.id:
        yield sa.or_(
            LEDGER.c.resource == query.id,
            # The indexes of these two leave out rows without an incident and without a run.
            sa.and_(LEDGER.c.incident == query.id, LEDGER.c.incident != sa.literal_column("''")),
            sa.and_(LEDGER.c.run == query.id, LEDGER.c.run != sa.literal_column("''")),
        )
    if query.since is not None:
        yield LEDGER.c.at >= millis_of(query.since)
    if query.until is not None:
        yield LEDGER.c.at < millis_of(query.until)
    for column, wanted in ((LEDGER.c.kind, query.kind), (LEDGER.c.type, query.type), (LEDGER.c.result, query.result)):
        if wanted:
            yield column == wanted
    if query.name:
        yield LEDGER.c.name.icontains(query.name, autoescape=True)
    if query.before is not None:
        yield LEDGER.c.id < query.before
