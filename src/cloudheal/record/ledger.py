"""The ledger: one row for everything that happened, appended in the transaction that made it happen.

Nothing outside `record` writes here: the functions that store an event, a decision, a step or a verdict append the row
themselves, so that none can be forgotten. Rows are never changed; `seal` chains them afterwards, `retention` drops the
oldest. A row holds names, numbers and reasons, never the bytes of a message, a credential or an address of a notifier.

`at` is the operator's clock where the caller told it, otherwise the database's. The order of things is the order of ids
within one incident, because each of its transactions follows the one before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from cloudheal.record.bulk import Bulk, Row, as_json
from cloudheal.record.database import note_commit
from cloudheal.record.moments import database_millis, millis_of
from cloudheal.record.tables import INCIDENT, LEDGER, RUN

_INSERT, _BULK = sa.insert(LEDGER), Bulk.of(LEDGER, "id")
_ABOUT_RUN = (
    sa.select(INCIDENT.c.resource, RUN.c.incident)
    .select_from(RUN.outerjoin(INCIDENT, INCIDENT.c.id == RUN.c.incident))
    .where(RUN.c.id == sa.bindparam("of"))
)


class Kind(StrEnum):
    """What a row tells."""

    EVENT = "event"
    DEAD_LETTER = "dead_letter"
    DEAD_LETTER_REPLAYED = "dead_letter.replayed"
    DECISION = "decision"
    INCIDENT_OPENED = "incident.opened"
    INCIDENT_ACTED = "incident.acted"
    INCIDENT_ENDED = "incident.ended"
    RUN_ADDED = "run.added"
    RUN_PLANNED = "run.planned"
    RUN_WAITS = "run.waits"
    RUN_WOKEN = "run.woken"
    RUN_BEGUN = "run.begun"
    RUN_RELEASED = "run.released"
    RUN_TAKEN_OVER = "run.taken_over"
    STEP_INTENDED = "step.intended"
    STEP_CONCLUDED = "step.concluded"
    APPROVAL_ASKED = "approval.asked"
    APPROVAL_ANSWERED = "approval.answered"
    APPROVAL_REFUSED = "approval.refused"
    HOLD_ADDED = "hold.added"
    HOLD_LIFTED = "hold.lifted"
    ALARM_ACKNOWLEDGED = "alarm.acknowledged"
    RULE_PROMOTED = "rule.promoted"
    RUN_PARKED = "run.parked"
    RUN_RESTARTED = "run.restarted"
    RUN_ABANDONED = "run.abandoned"
    DRAIN_BEGUN = "drain.begun"
    DRAIN_ENDED = "drain.ended"
    DRILL_ORDERED = "drill.ordered"
    DRILL_ENDED = "drill.ended"
    RESTORED = "restored"
    LISTENER_DONE = "listener.done"
    LISTENER_FAILED = "listener.failed"
    WORKER_DEAD = "worker.dead"
    LEDGER_REMOVED = "ledger.removed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row to be.

    `type` is the event's type, the trouble, the playbook or the step's name; `result` its status, reason, verdict or
    outcome; `name` what people call it (a server's name, a rule, a person). `event` is the row number of an event.
    """

    kind: Kind
    at: datetime | None
    resource: str = ""
    type: str = ""
    result: str = ""
    name: str = ""
    event: int | None = None
    incident: str = ""
    run: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Written:
    """One row as it stands in the ledger."""

    id: int
    at: datetime
    kind: str
    resource: str
    type: str
    result: str
    name: str
    event: int | None
    incident: str
    run: str
    body: Mapping[str, Any]


def append(connection: sa.Connection, entries: Iterable[Entry]) -> int:
    """Append rows in the caller's transaction, in this order; returns how many."""
    told: int | None = None
    rows, written = [], list(entries)
    for entry in written:
        if entry.at is None and told is None:
            told = database_millis(connection)
        rows.append(_row(entry, told))
    if rows:
        _BULK.write(connection, _INSERT, rows)
        note_commit(connection, written)
    return len(rows)


def append_rows(connection: sa.Connection, rows: Sequence[Row]) -> int:
    """Append rows that stand in the order of the columns: events, which come by the thousand and are not counted."""
    return _BULK.write(connection, _INSERT, rows)


def about_run(connection: sa.Connection, run: str) -> tuple[str, str]:
    """Return the resource and the incident of a run; empty names where it is not known."""
    row = connection.execute(_ABOUT_RUN, {"of": run}).one_or_none()
    return ("", "") if row is None else (row[0] or "", row[1])


def written(row: sa.RowMapping) -> Written:
    """Read a row of the table."""
    return Written(
        id=row["id"],
        at=datetime.fromtimestamp(row["at"] / 1000, UTC),
        kind=row["kind"],
        resource=row["resource"],
        type=row["type"],
        result=row["result"],
        name=row["name"],
        event=row["event"],
        incident=row["incident"],
        run=row["run"],
        body=json.loads(row["body"]),
    )


def _row(entry: Entry, told: int | None) -> Row:
    at = told if entry.at is None else millis_of(entry.at)
    what = (str(entry.kind), entry.resource, entry.type, entry.result, entry.name)
    return at, *what, entry.event, entry.incident, entry.run, as_json(entry.body)
