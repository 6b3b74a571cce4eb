"""What a further status of a system event means for the incident about it: it joins, and may end or wake it.

Where nothing was begun the end of the event ends the incident too: whatever was asked or waited for has become
pointless. Where a run is at work it is woken and sees for itself, because only a look tells what became of the server.
The endings stand in `model.system_event`; the next status of an event never opens a second incident.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from cloudheal.decide.rulebook import RuleBook
from cloudheal.model.decision import Reason
from cloudheal.model.event import Event
from cloudheal.model.incident import RunState, Verdict
from cloudheal.model.system_event import ENDINGS
from cloudheal.record.budget import lock_budget
from cloudheal.record.incidents import Decided
from cloudheal.record.system_events import OpenIncident, incidents_about, name_of, wake
from cloudheal.record.waiting import end_unbegun, keep_waiting

#: Runs that have begun nothing.
_UNBEGUN = frozenset({RunState.WAITING, RunState.ASKING, RunState.PLANNED})


def follow(
    connection: sa.Connection,
    events: Sequence[Event],
    rows: Mapping[str, int],
    rules: RuleBook,
    now: datetime,
) -> dict[str, Decided]:
    """Let new events about which an incident is open join it; returns by key the decisions to be stored.

    Events that a rule may decide on are left to their walk; of them only the waiting run is told.
    """
    names = {event.key: name for event in events if (name := name_of(event)) is not None}
    if not names:
        return {}
    found = incidents_about(connection, sorted(set(names.values())))
    if found:
        lock_budget(connection)
    joined: dict[str, Decided] = {}
    for event in events:
        incident = found.get(names[event.key]) if event.key in names else None
        if incident is not None:
            _tell(connection, incident, event, now)
            joined[event.key] = join(rows[event.key], incident.id, incident.rule, rules, now)
    return joined


def _tell(connection: sa.Connection, incident: OpenIncident, event: Event, now: datetime) -> bool:
    """End an incident on which nothing was done, or wake its run; says whether it ended."""
    ending = ENDINGS.get(event.status)
    underway = incident.waits_for == Reason.UNDERWAY or incident.has_begun
    if incident.state is RunState.PLANNED:
        underway = False  # whatever it had begun was taken back before it returned to the plan
    unseen = not incident.over_with_event and incident.waits_for == Reason.UNKNOWN_STATE
    if ending is not None and incident.state is RunState.ASKING and (incident.has_begun or unseen):
        # Whatever it asked, it has something to tidy up or to look at, and the end of the event may be the answer.
        return not keep_waiting(connection, incident.run, RunState.WAITING, Reason.UNDERWAY, now, now)
    if ending is None or not incident.over_with_event or underway or incident.state not in _UNBEGUN:
        wake(connection, incident.run, now)
        return False
    healed, code = ending
    evidence = {"code": code, "event": event.key}
    return end_unbegun(connection, incident.run, Verdict(incident.id, healed, now, evidence))


def join(row: int, incident: str, name: str, rules: RuleBook, now: datetime) -> Decided:
    """Return the decision by which an event joins an incident of a rule of this name."""
    rule = rules.rules.get(name)
    station = {"question": "not open", "reason": Reason.JOINED.value, "numbers": f"open incident {incident}"}
    digest = rule.digest if rule else ""
    return Decided(row, name, digest, Reason.JOINED, "", (station,), now, None, incident)
