"""The drills on record, and what they allow: the only place that lets a simulated event have a real consequence.

Rows are committed before the cloud is asked to simulate anything, so that a message which overtakes the cloud's answer
meets them. Once an id is known a row speaks of that event and no other. Before that it speaks of a simulated event of
the same type, for the same server and the same time, which is all that there is to go by. Where rows disagree, the dry
one counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from cloudheal.model.drill import LIVE, Allowance, DrillOrder, DrillRow, DrillState
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.model.system_event import SystemEvent
from cloudheal.record.ledger import Entry, Kind, append
from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.tables import DRILL, SYSTEM_EVENT

#: Values in one statement, below every dialect's limit of parameters.
SLICE = 500
_SECOND = 1000
_T = DRILL.c
_IS_LIVE = _T.state.in_([one.value for one in LIVE])
_S = SYSTEM_EVENT.c
#: A message does not say that its event is simulated; of one that a drill of ours asked for it is known at once.
IS_SIMULATED = _S.simulated.is_(sa.true()) | (
    sa.exists().where(_T.event == _S.id, _T.cloud == _S.cloud, _T.account == _S.account).correlate(SYSTEM_EVENT)
)


@dataclass(frozen=True, slots=True)
class Ended:
    """How the drill of one server ended."""

    state: DrillState
    problem: str = ""


def add_drill(connection: sa.Connection, order: DrillOrder) -> int:
    """Write an order down, a row for each server, before anything is asked of a cloud; returns how many."""
    rows = [_row_of(order, one) for one in order.servers]
    for start in range(0, len(rows), SLICE):
        connection.execute(sa.insert(DRILL), rows[start : start + SLICE])
    body = {"label": order.label, "servers": len(rows), "real": order.real, "not_before": millis_of(order.not_before)}
    entry = Entry(Kind.DRILL_ORDERED, order.created, order.id, order.type, name=order.who, body=body)
    append(connection, [entry])
    return len(rows)


def note_events(
    connection: sa.Connection, drill: str, place: tuple[Cloud, str, str], events: Mapping[str, str], now: datetime
) -> int:
    """Write the ids down that a cloud gave in one place (cloud, account, region), by server; returns how many."""
    found = 0
    for server, event in events.items():
        mine = _of(drill, place) & (_T.resource == server) & (_T.state == DrillState.CREATING.value)
        opened = {"event": event, "state": DrillState.OPEN.value, "problem": "", "changed": millis_of(now)}
        found += connection.execute(sa.update(DRILL).where(mine).values(opened)).rowcount
    return found


def note_problem(
    connection: sa.Connection, drill: str, place: tuple[Cloud, str, str], servers: Sequence[str], problem: str
) -> int:
    """Write down why the answer about these servers is not there; their events may exist. Returns how many."""
    mine = _of(drill, place) & _T.resource.in_(servers) & (_T.event == "")
    return connection.execute(sa.update(DRILL).where(mine).values(problem=problem)).rowcount


def end_drills(connection: sa.Connection, ended: Mapping[tuple[str, ResourceId], Ended], now: datetime) -> int:
    """Write how the drills of servers ended, by drill and server; returns how many were open."""
    count = 0
    for (drill, server), how in ended.items():
        mine = _of(drill, (server.cloud, server.account, server.region)) & (_T.resource == server.id) & _IS_LIVE
        values = {"state": how.state.value, "problem": how.problem, "changed": millis_of(now)}
        changed = connection.execute(sa.update(DRILL).where(mine).values(values)).rowcount
        if changed:
            entry = Entry(Kind.DRILL_ENDED, now, server.id, drill, how.state.value, body={"problem": how.problem})
            append(connection, [entry])
        count += changed
    return count


def drill_rows(
    connection: sa.Connection,
    *,
    drills: Sequence[str] = (),
    events: Sequence[str] = (),
    live: bool = False,
    limit: int | None = None,
) -> list[DrillRow]:
    """Return drills, the newest first: these, or those of these events, or all; `live`: only what is not over."""
    chosen = sa.select(DRILL).order_by(_T.created.desc(), _T.drill, _T.region, _T.resource).limit(limit)
    if drills or events:
        chosen = chosen.where(_T.drill.in_(drills) | ((_T.event != "") & _T.event.in_(events)))
    if live:
        chosen = chosen.where(_IS_LIVE)
    return [_row(one) for one in connection.execute(chosen).mappings()]


def allowance(connection: sa.Connection, resource: ResourceId, event: SystemEvent, now: datetime) -> Allowance:
    """Say what the drills on record allow about an event, which was just read by its id, on a resource."""
    known = (_T.cloud == str(resource.cloud)) & (_T.account == resource.account) & (_T.event == event.id)
    rows = [_row(one) for one in connection.execute(sa.select(DRILL).where(known)).mappings()]
    if not rows and event.simulated:
        rows = _awaiting(connection, resource, event)
    if not rows:
        return Allowance.NONE
    real = all(one.real and one.state in LIVE and now < one.expires and one.resource == resource for one in rows)
    return Allowance.REAL if real and event.resource == resource else Allowance.DRY


def _awaiting(connection: sa.Connection, resource: ResourceId, event: SystemEvent) -> list[DrillRow]:
    """Return the drills that wait for the id of such an event."""
    if event.not_before is None:
        return []
    waits = (_T.event == "") & (_T.state == DrillState.CREATING.value) & (_T.type == event.type)
    here = (_T.cloud == str(resource.cloud)) & (_T.account == resource.account) & (_T.region == resource.region)
    mine = here & (_T.kind == resource.kind) & (_T.resource == resource.id)
    same_time = _T.not_before == _whole_second(event.not_before)
    return [_row(one) for one in connection.execute(sa.select(DRILL).where(waits, mine, same_time)).mappings()]


def _of(drill: str, place: tuple[Cloud, str, str]) -> sa.ColumnElement[bool]:
    cloud, account, region = place
    here = (_T.cloud == str(cloud)) & (_T.account == account) & (_T.region == region)
    return (_T.drill == drill) & here


def _row_of(order: DrillOrder, server: ResourceId) -> dict[str, object]:
    return {
        "drill": order.id,
        "cloud": str(server.cloud),
        "account": server.account,
        "region": server.region,
        "kind": server.kind,
        "resource": server.id,
        "label": order.label,
        "type": order.type,
        "not_before": _whole_second(order.not_before),
        "real": order.real,
        "state": DrillState.CREATING.value,
        "who": order.who,
        "created": millis_of(order.created),
        "expires": millis_of(order.expires),
        "changed": millis_of(order.created),
    }


def _whole_second(moment: datetime) -> int:
    """Clouds are told whole seconds, and tell them."""
    return millis_of(moment) // _SECOND * _SECOND


def _row(row: sa.RowMapping) -> DrillRow:
    return DrillRow(
        drill=row["drill"],
        label=row["label"],
        resource=ResourceId(Cloud(row["cloud"]), row["account"], row["region"], row["kind"], row["resource"]),
        type=row["type"],
        not_before=moment_of(row["not_before"]),
        real=row["real"],
        event=row["event"],
        state=DrillState(row["state"]),
        problem=row["problem"],
        who=row["who"],
        created=moment_of(row["created"]),
        expires=moment_of(row["expires"]),
    )
