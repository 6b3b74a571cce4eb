"""What the recovery from a trouble means for the incident about it: it joins, and wakes the run that waits.

It never opens an incident, and a cloud's never ends one: a server that answers again is not yet one whose work goes on,
and only the run can tell. What was measured to be wrong and is measured to be right again, as alarms on logs are, ends
an incident for which nothing was done yet. A recovery that overtook its fault joins when the fault has opened an
incident after all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from cloudheal.decide.rulebook import RuleBook
from cloudheal.model.decision import Reason
from cloudheal.model.event import Event
from cloudheal.model.incident import Healed, Verdict
from cloudheal.pipeline.system_events import join
from cloudheal.record.incidents import Decided
from cloudheal.record.recoveries import incident_of, told_before
from cloudheal.record.system_events import wake
from cloudheal.record.waiting import end_unbegun
from cloudheal.sense.triggers import is_measured, recovery_of, tells_recovery, trouble_of


def follow_recoveries(
    connection: sa.Connection,
    events: Sequence[Event],
    rows: Mapping[str, int],
    opened: Sequence[Event],
    rules: RuleBook,
    now: datetime,
) -> list[Decided]:
    """Let recoveries join their incidents; returns the decisions to be stored.

    `events` are the new ones of a batch, `opened` those of them that opened an incident.
    """
    found = [_joined(connection, event, rows[event.key], rules, now) for event in events]
    joined = [one for one in found if one is not None]
    known = {one.event for one in joined}
    for fault in opened:
        if tells_recovery(fault.type):
            early = [row for row in told_before(connection, fault) if row not in known]
            joined += _overtook(connection, fault, early, rules, now)
    return joined


def _joined(connection: sa.Connection, event: Event, row: int, rules: RuleBook, now: datetime) -> Decided | None:
    trouble = recovery_of(event)
    incident = incident_of(connection, event, trouble) if trouble and not event.simulated else None
    if incident is None:
        return None
    if incident.is_open and incident.is_idle and is_measured(event.type):
        evidence = {"code": Reason.RECOVERED.value, "event": event.key}
        end_unbegun(connection, incident.run, Verdict(incident.id, Healed.NOT_NEEDED, now, evidence))
    elif incident.is_open:
        wake(connection, incident.run, now)
    return join(row, incident.id, incident.rule, rules, now)


def _overtook(
    connection: sa.Connection, fault: Event, early: Sequence[int], rules: RuleBook, now: datetime
) -> list[Decided]:
    trouble = trouble_of(fault)
    incident = incident_of(connection, fault, trouble) if early and trouble else None
    return [join(row, incident.id, incident.rule, rules, now) for row in early] if incident else []
