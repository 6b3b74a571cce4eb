"""Every moment at which room is given, written down by the database itself: a trigger on grants, in their transaction.

A test that asks now and then sees what lasts; what lasted for a millisecond is seen by nobody but the transaction. The
counting is written anew here, in plain SQL, so that a mistake in the product's is not made twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cloudheal.record.database import Database
from cloudheal.record.sizes import NOT_RUNNING

_COLUMNS = "run, part, trouble, at_once, in_hour, helped, down, known, fell"
_TABLE = """CREATE TABLE moment (
    run TEXT, part TEXT, trouble TEXT, at_once INT, in_hour INT, helped INT, down INT, known INT, fell INT
)"""
_DOWN = ", ".join(f"'{state}'" for state in NOT_RUNNING)
_HELPED = """SELECT o.resource FROM grant_row g JOIN run r ON r.id = g.run JOIN incident o ON o.id = r.incident"""
_MOMENT = f"""
    INSERT INTO moment ({_COLUMNS}) SELECT i.id, i."group", i.trouble,
        (SELECT count(*) FROM grant_row),
        (SELECT count(*) FROM (
            SELECT r.incident FROM run r JOIN step s ON s.run = r.id
            UNION SELECT r.incident FROM run r JOIN grant_row g ON g.run = r.id
        ) AS acted),
        (SELECT count(*) FROM ({_HELPED} WHERE o."group" = i."group") AS helped),
        (SELECT count(*) FROM resource x
            WHERE x."group" = i."group" AND x.state IN ({_DOWN}) AND x.id NOT IN ({_HELPED})),
        (SELECT count(*) FROM resource x
            WHERE x."group" = i."group" AND x.described IS NOT NULL AND x.released IS NULL),
        (SELECT count(DISTINCT o.resource) FROM incident o WHERE o."group" = i."group" AND o.trouble = 'stopped')
    FROM run q JOIN incident i ON i.id = q.incident WHERE q.id = NEW.run"""
_SQLITE = f"CREATE TRIGGER every_moment AFTER INSERT ON grant_row BEGIN {_MOMENT}; END"
_POSTGRESQL = (
    f"CREATE FUNCTION write_moment() RETURNS trigger AS $$ BEGIN {_MOMENT}; RETURN NEW; END $$ LANGUAGE plpgsql",
    "CREATE TRIGGER every_moment AFTER INSERT ON grant_row FOR EACH ROW EXECUTE FUNCTION write_moment()",
)


@dataclass(frozen=True, slots=True)
class Moment:
    """How things stood right after one grant was given, in its own transaction."""

    incident: str
    group: str
    trouble: str
    at_once: int
    """Grants in force."""
    in_hour: int
    """Incidents acted on so far, or about to be."""
    helped: int
    """Members of the group with a grant."""
    down: int
    """Members of the group that are down and that nobody helps."""
    known: int
    """Members of the group."""
    fell: int
    """Members of the group with an incident."""


def keep_moments(database: Database) -> int:
    """Have every grant from now on written down; returns how many statements that took."""
    rest = (_SQLITE,) if database.is_sqlite else _POSTGRESQL
    with database.transaction() as connection:
        for statement in (_TABLE, *rest):
            connection.exec_driver_sql(statement)
    return len(rest) + 1


def moments(database: Database) -> Sequence[Moment]:
    """Return every moment so far."""
    with database.snapshot() as connection:
        return [Moment(*row) for row in connection.exec_driver_sql(f"SELECT {_COLUMNS} FROM moment")]
