"""What was known already of the troubles that a batch of events tells of: asked once for all, never one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from cloudheal.model.event import AHEAD, Channel, Event
from cloudheal.model.incident import Healed, Trouble
from cloudheal.model.resource import ResourceId, named
from cloudheal.model.system_event import rank
from cloudheal.record.bulk import among, texts
from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.recoveries import told_otherwise
from cloudheal.record.system_events import known_events, name_of
from cloudheal.record.tables import EVENT, INCIDENT

#: Names in one statement.
SLICE = 1000
_NAME = ("cloud", "account", "region", "kind", "resource")
_SEEN = [EVENT.c[name] for name in (*_NAME, "type", "status", "channel", "source")]
#: As `Event.as_of`: a message of a time that is not yet would make all that follows stale.
_BELIEVED = EVENT.c.received + AHEAD // timedelta(milliseconds=1)
_AS_OF = sa.case((EVENT.c.occurred > _BELIEVED, _BELIEVED), else_=EVENT.c.occurred)
#: What is simulated, or a test message, says nothing of how a resource is.
_OBSERVED = (
    sa.select(*_SEEN, sa.func.max(_AS_OF))
    .where(among(EVENT.c.resource, "ids"), EVENT.c.simulated.is_(False))
    .where(EVENT.c.occurred >= sa.bindparam("since", type_=sa.BigInteger))
    .group_by(*_SEEN)
)
_OF_INCIDENT = [INCIDENT.c[name] for name in (*_NAME, "trouble")]
_GIVEN_UP = (
    sa.select(*_OF_INCIDENT, sa.func.max(INCIDENT.c.ended))
    .where(among(INCIDENT.c.resource, "ids"), INCIDENT.c.verdict == Healed.NOT_HEALED.value)
    .group_by(*_OF_INCIDENT)
)


def newest_known(
    connection: sa.Connection,
    told: Sequence[tuple[Event, Trouble]],
    tells_recovery: Callable[[str], bool] = lambda _type: False,
) -> dict[str, datetime]:
    """Return by event key until when its trouble is known: an event of before that tells nothing new.

    That is the time of the newest event of the same type and resource, these ones included, or the time when an
    incident of the trouble ended without a heal, because its run had looked at the resource by then. Of a system event
    the furthest status that is known is the newest. Of a type that tells of recoveries these make no fault old: what
    stopped running with the fault does not run again with the recovery.
    """
    others = [one for one in told if name_of(one[0]) is None]
    system = [event for event, _ in told if name_of(event) is not None]
    newest = {key: newest for part in _slices(others) for key, newest in _newest(connection, part, tells_recovery)}
    return {**newest, **dict(_overtaken(connection, system))}


def _overtaken(connection: sa.Connection, events: Sequence[Event]) -> Iterator[tuple[str, datetime]]:
    """Yield the system events that are further along already, whatever the clocks say: their life leads one way.

    Another event of the same type and resource is another trouble, and makes none of them old.
    """
    known = known_events(connection, sorted({name for event in events if (name := name_of(event))}))
    for event in events:
        name = name_of(event)
        heard = known.get(name) if name else None
        if heard is not None and rank(heard.event.status) > rank(event.status):
            yield event.key, max(heard.changed, event.time + timedelta(milliseconds=1))


def _newest(
    connection: sa.Connection, told: Sequence[tuple[Event, Trouble]], tells_recovery: Callable[[str], bool]
) -> Iterator[tuple[str, datetime]]:
    observed, given_up = _observed(connection, [event for event, _ in told]), _given_up(connection, told)
    for event, trouble in told:
        paired = tells_recovery(event.type)
        seen = (
            at
            for (status, channel, source), at in observed.get((event.subject, event.type), {}).items()
            if (_is_told_again(event, status, source) if paired else _is_newer_state(event, status, channel))
        )
        other = told_otherwise(connection, event, trouble) if paired else None
        newest = max((*seen, given_up.get((event.subject, trouble.kind), 0), other or 0), default=0)
        if newest:
            yield event.key, moment_of(newest)


def _is_newer_state(event: Event, status: str, channel: str) -> bool:
    """Say whether what was seen counts: not a look at the cloud that showed something else, which may be stale."""
    return channel != Channel.POLL or status == event.status


def _is_told_again(event: Event, status: str, source: str) -> bool:
    """Say whether a fault that has a recovery was told before: what other sources tell joins it."""
    return (status, source) == (event.status, event.source)


def _observed(
    connection: sa.Connection, events: Sequence[Event]
) -> Mapping[tuple[ResourceId, str], Mapping[tuple[str, str, str], int]]:
    """Return the newest times by resource and type, then by status and way; older ones than `events` are left."""
    since = millis_of(min(event.time for event in events))
    asked = {"ids": texts(event.subject.id for event in events), "since": since}
    found: dict[tuple[ResourceId, str], dict[tuple[str, str, str], int]] = {}
    for row in connection.execute(_OBSERVED, asked):
        found.setdefault((_subject(row), row[5]), {})[row[6], row[7], row[8]] = row[9]
    return found


def _given_up(connection: sa.Connection, told: Sequence[tuple[Event, Trouble]]) -> Mapping[tuple[ResourceId, str], int]:
    ids = texts(event.subject.id for event, _ in told)
    return {(_subject(row), row[5]): row[6] for row in connection.execute(_GIVEN_UP, {"ids": ids})}


def _subject(row: sa.Row[*tuple[Any, ...]]) -> ResourceId:
    cloud, account, region, kind, id_ = row[:5]
    return named(cloud, account, region, kind, id_)


def _slices(told: Sequence[tuple[Event, Trouble]]) -> Iterator[Sequence[tuple[Event, Trouble]]]:
    return (told[start : start + SLICE] for start in range(0, len(told), SLICE))
