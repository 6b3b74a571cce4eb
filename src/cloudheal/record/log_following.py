"""How far logs were read and what was counted up to there: one transaction for both, on either database.

A host that dies goes on from its last commit, reads again what came after it, and comes to the same. Commits are
numbered: whoever was overtaken, because two processes follow one log on one host, or cannot know whether its commit
arrived, writes nothing and begins again from what is on record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cloudheal.errors import TransientError
from cloudheal.logs.counting import Engine, Fed, Minute
from cloudheal.logs.definition import Definition
from cloudheal.ports.log_files import Place
from cloudheal.record.log_series import add_minutes
from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.tables import LOG_OPEN, LOG_POSITION

#: Later than any minute.
_END = 1 << 40


class OvertakenError(TransientError):
    """Another process has committed for this log and host; what this one counted since is forgotten and read again."""

    code = "log.overtaken"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a log stands on a host: what was counted in all, the open minutes, and where reading goes on."""

    version: int = 0
    sequence: int = 0
    newest: int = 0
    lines: int = 0
    rejected: int = 0
    late: int = 0
    state: bytes = b""
    places: Mapping[int, Place] | None = None
    """By number; None where only the sums were asked for."""
    written: datetime | None = None
    closed: int = 0
    """The second up to which minutes are over and stored; only late lines add to them."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What came since: minutes that were closed, those that are open, what lines came to, and every place."""

    minutes: Sequence[Minute]
    state: bytes
    fed: Fed
    places: Sequence[Place]
    closed: int = 0


def standing(connection: sa.Connection, definition: str, host: str) -> Standing:
    """Return how a log stands on a host; version 0 when it was never followed there."""
    mine = (LOG_OPEN.c.definition == definition) & (LOG_OPEN.c.host == host)
    row = connection.execute(sa.select(LOG_OPEN).where(mine)).mappings().first()
    places = {one.number: one for one in _places(connection, definition, host)}
    return replace(_standing(row), places=places) if row else Standing(places=places)


def standings(connection: sa.Connection) -> Mapping[tuple[str, str], Standing]:
    """Return how every log stands on every host, without places and open minutes."""
    columns = [one for one in LOG_OPEN.c if one.name != "state"]
    rows = connection.execute(sa.select(*columns).order_by(LOG_OPEN.c.definition, LOG_OPEN.c.host)).mappings()
    return {(row["definition"], row["host"]): _standing({**row, "state": b""}) for row in rows}


def open_minutes(connection: sa.Connection, definition: Definition, engine: Engine) -> list[Minute]:
    """Return the minutes that are not over, as of the last commit of each host."""
    columns = sa.select(LOG_OPEN.c.state).where(LOG_OPEN.c.definition == definition.name)
    found: list[Minute] = []
    for state in connection.scalars(columns):
        try:
            found += engine.load(definition, state).close(_END) if state else ()
        except ValueError:  # the definition was changed, and its host has not noticed yet
            continue
    return found


def advance(
    connection: sa.Connection, definition: str, host: str, before: Standing, progress: Progress, now: datetime
) -> Standing:
    """Write what came since `before`, all of it; returns how the log stands now. Raises OvertakenError."""
    last = add_minutes(connection, definition, host, progress.minutes, before.sequence)
    fed = progress.fed
    after = Standing(
        version=before.version + 1,
        sequence=last,
        newest=max(before.newest, min(fed.newest, int(now.timestamp()))),  # a time to come is none to go on from
        lines=before.lines + fed.lines,
        rejected=before.rejected + fed.rejected,
        late=before.late + fed.late,
        state=progress.state,
        places={one.number: one for one in progress.places},
        written=now,
        closed=max(before.closed, progress.closed),
    )
    _turn(connection, definition, host, before, after)
    _move(connection, definition, host, before.places or {}, after.places or {})
    return after


def _turn(connection: sa.Connection, definition: str, host: str, before: Standing, after: Standing) -> Standing:
    values = {
        "version": after.version,
        "sequence": after.sequence,
        "newest": after.newest,
        "lines": after.lines,
        "rejected": after.rejected,
        "late": after.late,
        "written": millis_of(after.written) if after.written else 0,
        "closed": after.closed,
        "state": after.state,
    }
    mine = (LOG_OPEN.c.definition == definition) & (LOG_OPEN.c.host == host)
    if before.version:
        turn = sa.update(LOG_OPEN).where(mine, LOG_OPEN.c.version == before.version).values(values)
        written = connection.execute(turn.returning(LOG_OPEN.c.version)).first()
    else:
        insert = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(LOG_OPEN)
        begin = insert.values(definition=definition, host=host, **values).on_conflict_do_nothing()
        written = connection.execute(begin.returning(LOG_OPEN.c.version)).first()
    if written is None:
        raise OvertakenError(
            f"another process follows the log {definition} on host {host}",
            what_to_do="Let one process follow it; two machines need two names: follow.host in the settings.",
        )
    return after


def _move(
    connection: sa.Connection, definition: str, host: str, before: Mapping[int, Place], after: Mapping[int, Place]
) -> int:
    """Write the places that changed; returns how many."""
    mine = (LOG_POSITION.c.definition == definition) & (LOG_POSITION.c.host == host)
    changed = [one for number, one in after.items() if before.get(number) != one]
    stale = [*(before.keys() - after.keys()), *(one.number for one in changed if one.number in before)]
    if stale:
        connection.execute(sa.delete(LOG_POSITION).where(mine, LOG_POSITION.c.number.in_(stale)))
    if changed:
        rows = [{"definition": definition, "host": host, **_row(one)} for one in changed]
        connection.execute(sa.insert(LOG_POSITION), rows)
    return len(changed)


def _row(place: Place) -> dict[str, object]:
    return {
        "number": place.number,
        "stream": place.stream,
        "file": f"{place.device}:{place.inode}",
        "offset": place.offset,
        "head": place.head,
        "tail": place.tail,
        "changed": place.changed,
        "skipping": place.skipping,
        "finished": place.finished,
    }


def _places(connection: sa.Connection, definition: str, host: str) -> Iterable[Place]:
    mine = (LOG_POSITION.c.definition == definition) & (LOG_POSITION.c.host == host)
    for row in connection.execute(sa.select(LOG_POSITION).where(mine).order_by(LOG_POSITION.c.number)):
        device, inode = (int(one) for one in row.file.split(":"))
        yield Place(
            row.number,
            row.stream,
            device,
            inode,
            row.offset,
            row.head,
            row.tail,
            row.changed,
            row.skipping,
            row.finished,
        )


def _standing(row: Mapping[Any, Any]) -> Standing:
    return Standing(
        version=row["version"],
        sequence=row["sequence"],
        newest=row["newest"],
        lines=row["lines"],
        rejected=row["rejected"],
        late=row["late"],
        state=row["state"],
        written=moment_of(row["written"]),
        closed=row["closed"],
    )
