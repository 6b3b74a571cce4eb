"""System events as they are known: a row for each, joined by its id from messages and looks in any order.

A status only ever moves ahead, a drill stays a drill, and what one way tells and the other does not is added. A look
goes before a message for the time at which an event begins, because clouds move it without a message.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cloudheal.model.event import Channel, Event
from cloudheal.model.incident import DISK, OF_EVENTS, OVER_WITH_EVENT, RunState, StepKind, Trouble
from cloudheal.model.resource import Cloud, ResourceId
from cloudheal.model.system_event import FINAL, SystemEvent, rank
from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.tables import INCIDENT, PLAN, RUN, STEP, SYSTEM_EVENT

#: Rows in one statement, below every dialect's limit of parameters.
SLICE = 500
#: An event by its id; ids are an account's own.
Name = tuple[Cloud, str, str]
_T = SYSTEM_EVENT.c
#: Neither over nor vanished.
IS_OPEN = _T.status.not_in(FINAL) & _T.finished.is_(None)


@dataclass(frozen=True, slots=True)
class Heard:
    """A system event with what we know about knowing it; `channels` are those by which it came, in order."""

    event: SystemEvent
    first_heard: datetime
    changed: datetime
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """An open incident about a system event, and its run."""

    id: str
    run: str
    rule: str
    state: RunState
    waits_for: str
    over_with_event: bool
    has_begun: bool
    """Something was done to the resource already, so that only a look may end it."""


def name_of(event: Event) -> Name | None:
    """Return which system event an event is about; None when it is about none."""
    told = event.data.get("event_id")
    named = isinstance(told, str) and told and "event_type" in event.data
    return (event.subject.cloud, event.subject.account, str(told)) if named else None


def note_system_events(connection: sa.Connection, events: Iterable[Event], now: datetime) -> int:
    """Join what events say with what is known, in the caller's transaction; returns how many rows changed."""
    told: dict[Name, list[Event]] = {}
    for event in events:
        name = name_of(event)
        if name is not None:
            told.setdefault(name, []).append(event)
    names, changed = sorted(told), 0
    for start in range(0, len(names), SLICE):
        part = names[start : start + SLICE]
        rows = _rows(connection, part)
        missing = [name for name in part if name not in rows]
        if missing:
            _insert(connection, [_blank(told[name][0], name, now) for name in missing])
            rows = {**rows, **_rows(connection, missing)}
        joined = [(name, rows[name], _joined(rows[name], told[name])) for name in part]
        different = [(name, new) for name, old, new in joined if name in missing or new != old]
        _plan_anew(connection, [name for name, old, new in joined if new["not_before"] != old["not_before"]])
        changed += sum(_update(connection, name, new, now) for name, new in different)
    return changed


def known_events(connection: sa.Connection, names: Sequence[Name]) -> dict[Name, Heard]:
    """Return system events by id."""
    found: dict[Name, Heard] = {}
    for start in range(0, len(names), SLICE):
        part = names[start : start + SLICE]
        chosen = sa.select(SYSTEM_EVENT).where(_among(part))
        found.update((_name(row), _heard(row)) for row in connection.execute(chosen).mappings())
    return found


def open_elsewhere(
    connection: sa.Connection, cloud: Cloud, account: str, region: str, before: datetime, seen: Collection[str]
) -> list[str]:
    """Return the ids of a region's open events, known since before an instant, that are not among those `seen`.

    Events of disks are in another list of the cloud's and are left out: see `open_of_disks`.
    """
    here = (_T.cloud == str(cloud)) & (_T.account == account) & (_T.region == region) & (_T.kind != DISK)
    chosen = sa.select(_T.id).where(IS_OPEN, here, _T.changed < millis_of(before)).order_by(_T.id)
    return [id_ for id_ in connection.scalars(chosen) if id_ not in seen]


def open_of_disks(
    connection: sa.Connection, cloud: Cloud, account: str, region: str, before: datetime
) -> list[SystemEvent]:
    """Return the open events of a region's disks that are known since before an instant."""
    here = (_T.cloud == str(cloud)) & (_T.account == account) & (_T.region == region) & (_T.kind == DISK)
    chosen = sa.select(SYSTEM_EVENT).where(IS_OPEN, here, _T.changed < millis_of(before)).order_by(_T.id)
    return [_heard(row).event for row in connection.execute(chosen).mappings()]


def note_vanished(connection: sa.Connection, names: Sequence[Name], now: datetime) -> int:
    """Write that the cloud does not show events any more that were never said to be over; returns how many."""
    if not names:
        return 0
    gone = sa.update(SYSTEM_EVENT).where(_among(names), IS_OPEN)
    return connection.execute(gone.values(finished=millis_of(now), changed=millis_of(now))).rowcount


def incidents_about(connection: sa.Connection, names: Sequence[Name]) -> dict[Name, OpenIncident]:
    """Return the open incidents about system events, by event."""
    found: dict[Name, OpenIncident] = {}
    begun = sa.exists().where(STEP.c.run == RUN.c.id, STEP.c.kind != StepKind.READ.value)
    run = (RUN.c.id.label("run"), RUN.c.rule, RUN.c.state, RUN.c.waits_for, begun.label("begun"))
    joined = sa.select(INCIDENT, *run)
    joined = joined.join(RUN, RUN.c.incident == INCIDENT.c.id)
    for start in range(0, len(names), SLICE):
        ids = [id_ for _, _, id_ in names[start : start + SLICE]]
        about = INCIDENT.c.trouble_id.in_(ids) & INCIDENT.c.trouble.in_(sorted(OF_EVENTS))
        for row in connection.execute(joined.where(about, INCIDENT.c.ended.is_(None))).mappings():
            name = (Cloud(row["cloud"]), row["account"], row["trouble_id"])
            found[name] = OpenIncident(
                id=row["id"],
                run=row["run"],
                rule=row["rule"],
                state=RunState(row["state"]),
                waits_for=row["waits_for"],
                over_with_event=row["trouble"] in OVER_WITH_EVENT,
                has_begun=bool(row["begun"]),
            )
    return found


def is_news(connection: sa.Connection, resource: ResourceId, trouble: Trouble, since: datetime) -> bool:
    """Say whether something was learned of the system event of a trouble after a look at it began."""
    if trouble.kind not in OF_EVENTS:
        return False
    known = known_events(connection, [(resource.cloud, resource.account, trouble.id)])
    return any(one.changed > since for one in known.values())


def wake(connection: sa.Connection, run: str, now: datetime) -> int:
    """Let a run that waits look now; returns how many were waiting."""
    waits = (RUN.c.id == run) & (RUN.c.state == RunState.WAITING.value) & (RUN.c.next_eligible > millis_of(now))
    return connection.execute(sa.update(RUN).where(waits).values(next_eligible=millis_of(now))).rowcount


def _joined(row: Mapping[str, Any], events: Sequence[Event]) -> dict[str, Any]:
    for event in events:
        row = _with(row, event)
    return dict(row)


def _with(row: Mapping[str, Any], event: Event) -> dict[str, Any]:
    """Return a row with what one more event says."""
    told, status = event.data, event.status
    ahead = rank(status) > rank(row["status"])
    looked = event.channel is Channel.POLL and status == row["status"]
    not_before = _millis(told.get("not_before"))
    channels = row["channels"].split()
    joined = {
        **row,
        "published": row["published"] or _millis(told.get("published")),
        "reason": row["reason"] or str(told.get("reason") or ""),
        "impact": row["impact"] or str(told.get("impact") or ""),
        "disk": row["disk"] or str(told.get("disk_id") or ""),
        "simulated": row["simulated"] or event.simulated,
        "channels": " ".join(dict.fromkeys([*channels, event.channel.value])),
    }
    if not_before and (ahead or looked or not row["not_before"]):
        joined["not_before"] = not_before
    if ahead:
        joined["status"] = status
    if joined["status"] == status:
        over = row["finished"] or millis_of(event.time)
        joined["finished"] = over if status in FINAL else None
    return joined


def _blank(event: Event, name: Name, now: datetime) -> dict[str, Any]:
    subject = event.subject
    return {
        "cloud": str(name[0]),
        "account": name[1],
        "id": name[2],
        "region": subject.region,
        "kind": subject.kind,
        "resource": subject.id,
        "type": event.type,
        "status": event.status,
        "simulated": False,
        "first_heard": millis_of(now),
        "changed": millis_of(now),
    }


def _plan_anew(connection: sa.Connection, names: Sequence[Name]) -> int:
    """Let the planner look again at what is planned for events that were moved, also when it is looking just now.

    Rows are locked in the order in which it writes them. Returns how many there were.
    """
    if not names:
        return 0
    joined = sa.join(INCIDENT, RUN, RUN.c.incident == INCIDENT.c.id)
    about = (
        sa.select(RUN.c.id).select_from(joined).where(_among(names, INCIDENT.c.trouble_id), INCIDENT.c.ended.is_(None))
    )
    locked = sa.select(PLAN.c.run).where(PLAN.c.run.in_(about)).order_by(PLAN.c.run).with_for_update()
    runs = list(connection.scalars(locked))
    stale = sa.update(PLAN).where(PLAN.c.run.in_(runs)).values(stale=True, version=PLAN.c.version + 1)
    return connection.execute(stale).rowcount if runs else 0


def _insert(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> int:
    """Add rows for events that nobody had heard of; another worker may do so at the same moment."""
    insert = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(SYSTEM_EVENT)
    return connection.execute(insert.values(list(rows)).on_conflict_do_nothing()).rowcount


def _rows(connection: sa.Connection, names: Sequence[Name]) -> dict[Name, dict[str, Any]]:
    """Return rows as they are, locked in one order; SQLite has one writer and needs no locks."""
    chosen = sa.select(SYSTEM_EVENT).where(_among(names)).order_by(_T.cloud, _T.account, _T.id).with_for_update()
    return {
        (Cloud(row["cloud"]), row["account"], row["id"]): dict(row) for row in connection.execute(chosen).mappings()
    }


def _update(connection: sa.Connection, name: Name, row: Mapping[str, Any], now: datetime) -> int:
    values = {key: row[key] for key in row if key not in {"cloud", "account", "id"}}
    one = (_T.cloud == str(name[0])) & (_T.account == name[1]) & (_T.id == name[2])
    changed = sa.update(SYSTEM_EVENT).where(one).values({**values, "changed": millis_of(now)})
    return connection.execute(changed).rowcount


def _among(names: Sequence[Name], id_: sa.Column[str] = _T.id) -> sa.ColumnElement[bool]:
    """Narrow to events by id, account by account: the rows of a table, by its column of that id."""
    table, accounts = id_.table.c, dict[tuple[Cloud, str], list[str]]()
    for cloud, account, event in names:
        accounts.setdefault((cloud, account), []).append(event)
    every = (
        (table.cloud == str(cloud)) & (table.account == account) & id_.in_(ids)
        for (cloud, account), ids in accounts.items()
    )
    return sa.or_(sa.false(), *every)


def _name(row: sa.RowMapping) -> Name:
    return Cloud(row["cloud"]), row["account"], row["id"]


def _heard(row: sa.RowMapping) -> Heard:
    event = SystemEvent(
        id=row["id"],
        type=row["type"],
        resource=ResourceId(Cloud(row["cloud"]), row["account"], row["region"], row["kind"], row["resource"]),
        status=row["status"],
        published=_moment(row["published"]),
        not_before=_moment(row["not_before"]),
        finished=_moment(row["finished"]),
        reason=row["reason"],
        impact=row["impact"],
        disk=row["disk"],
        simulated=row["simulated"],
    )
    return Heard(event, moment_of(row["first_heard"]), moment_of(row["changed"]), tuple(row["channels"].split()))


def _millis(text: object) -> int | None:
    """Read a time of an event's facts, which the reader of messages has written."""
    return millis_of(datetime.fromisoformat(text)) if isinstance(text, str) and text else None


def _moment(millis: int | None) -> datetime | None:
    return None if millis is None else moment_of(millis)
