"""Trust in rules: a new or changed rule only records, until a person promotes exactly this version of it.

A promotion names the rule, its digest, who, when, and the most that it allows. A change of the rule (anything but its
mode) has another digest, so it is in shadow again; going back to a promoted version makes that promotion count again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from cloudheal.model.incident import Mode
from cloudheal.record.ledger import Entry, Kind, append
from cloudheal.record.moments import millis_of
from cloudheal.record.tables import PROMOTION
from cloudheal.settings.rules import Rule

_TRUST = (Mode.SHADOW, Mode.ASK, Mode.AUTO)
_NEWEST = (
    sa.select(PROMOTION)
    .where(PROMOTION.c.rule == sa.bindparam("of"), PROMOTION.c.digest == sa.bindparam("version"))
    .order_by(PROMOTION.c.id.desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Promotion:
    """A person's word that one version of a rule may do more than record."""

    rule: str
    digest: str
    mode: Mode
    who: str
    at: datetime


def promote(connection: sa.Connection, rules: Iterable[Rule], who: str, at: datetime) -> int:
    """Allow each rule, as it is now, the mode that its file asks for; returns how many."""
    rows = [
        {
            "rule": rule.name,
            "digest": rule.digest,
            "mode": rule.mode.value,
            "who": who,
            "promoted": millis_of(at),
        }
        for rule in rules
    ]
    if rows:
        connection.execute(sa.insert(PROMOTION), rows)
        append(connection, [_entry(row, at) for row in rows])
    return len(rows)


def promotion_of(connection: sa.Connection, rule: Rule) -> Promotion | None:
    """Return the newest promotion of exactly this version of a rule."""
    return _promoted(connection, rule.name, rule.digest)


def _promoted(connection: sa.Connection, name: str, digest: str) -> Promotion | None:
    row = connection.execute(_NEWEST, {"of": name, "version": digest}).one_or_none()
    if row is None:
        return None
    at = datetime.fromtimestamp(row.promoted / 1000, UTC)
    return Promotion(row.rule, row.digest, Mode(row.mode), row.who, at)


def _entry(row: Mapping[str, str | int], at: datetime) -> Entry:
    body = {"digest": row["digest"], "who": row["who"]}
    return Entry(Kind.RULE_PROMOTED, at, result=str(row["mode"]), name=str(row["rule"]), body=body)


def effective_mode(connection: sa.Connection, rule: Rule) -> Mode:
    """Return how far a rule is trusted now: what its file asks for, at most what was promoted, else shadow."""
    return trusted(connection, rule.name, rule.digest, rule.mode)


def trusted(connection: sa.Connection, name: str, digest: str, asked: Mode) -> Mode:
    """Return how far a version of a rule is trusted whose file asks for so much."""
    promoted = _promoted(connection, name, digest)
    return min(asked, promoted.mode if promoted else Mode.SHADOW, key=_TRUST.index)
