"""A person's word: holds on a resource, a group, or everything (a pause). Asked again in every intent's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from cloudheal.model.control import Hold
from cloudheal.record.ledger import Entry, Kind, append
from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.tables import HOLD, RESOURCE

#: The scope of a pause: everything.
EVERYTHING = "*"
#: So many servers of one name are told.
MOST_NAMED = 10

_NOW = sa.bindparam("now", type_=sa.BigInteger)
_IN_FORCE = (
    sa.select(HOLD).where(HOLD.c.lifted.is_(None), HOLD.c.until.is_(None) | (HOLD.c.until > _NOW)).order_by(HOLD.c.id)
)
_ON = _IN_FORCE.where(HOLD.c.scope.in_(sa.bindparam("scopes", expanding=True)))


@dataclass(frozen=True, slots=True)
class Meant:
    """What the inventory knows under the name that somebody gave a hold."""

    is_known: bool
    named: tuple[str, ...] = ()
    """Ids of servers that are called so."""


def add_hold(connection: sa.Connection, hold: Hold) -> int:
    """Put a hold in force; returns its number."""
    row = {
        "scope": hold.scope,
        "who": hold.who,
        "why": hold.why,
        "since": millis_of(hold.since),
        "until": None if hold.until is None else millis_of(hold.until),
    }
    number = int(connection.execute(sa.insert(HOLD).values(row).returning(HOLD.c.id)).scalar_one())
    body = {"number": number, "why": hold.why, "until": row["until"]}
    append(connection, [Entry(Kind.HOLD_ADDED, hold.since, resource=hold.scope, name=hold.who, body=body)])
    return number


def lift_holds(connection: sa.Connection, scope: str, at: datetime, who: str = "") -> int:
    """End every hold on exactly this scope, by the word of `who`; returns how many were in force."""
    standing = (HOLD.c.scope == scope) & HOLD.c.lifted.is_(None)
    lifted = connection.execute(sa.update(HOLD).where(standing).values(lifted=millis_of(at))).rowcount
    if lifted:
        append(connection, [Entry(Kind.HOLD_LIFTED, at, resource=scope, name=who, body={"holds": lifted})])
    return lifted


def holds_on(connection: sa.Connection, scopes: Sequence[str], now: datetime) -> list[Hold]:
    """Return the holds in force on any of these scopes, oldest first."""
    return [_hold(row) for row in connection.execute(_ON, {"now": millis_of(now), "scopes": list(scopes)})]


def holds_in_force(connection: sa.Connection, now: datetime) -> list[Hold]:
    """Return every hold in force, oldest first."""
    return [_hold(row) for row in connection.execute(_IN_FORCE, {"now": millis_of(now)})]


def meant_by(connection: sa.Connection, scope: str) -> Meant:
    """Say whether a scope is the id or the group of a known server; if not, which servers are called so."""
    known = (RESOURCE.c.id == scope) | (RESOURCE.c.group == scope)
    if connection.execute(sa.select(RESOURCE.c.id).where(known).limit(1)).first() is not None:
        return Meant(is_known=True)
    named = sa.select(RESOURCE.c.id).where(RESOURCE.c.name == scope, RESOURCE.c.released.is_(None))
    return Meant(is_known=False, named=tuple(connection.scalars(named.order_by(RESOURCE.c.id).limit(MOST_NAMED))))


def _hold(row: sa.Row[Any]) -> Hold:
    until = None if row.until is None else moment_of(row.until)
    return Hold(row.scope, row.who, row.why, moment_of(row.since), until)
