"""The lifecycle of instances: every state that one was ever told or seen to enter, kept after its release.

A transition is written in the transaction that commits its event, once per event. What a poll found may be told by a
late message again; the read model shows such a pair once, by the message, because that carries the true time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from cloudheal.model.event import Channel, Event
from cloudheal.model.inventory import Known
from cloudheal.model.resource import ResourceId
from cloudheal.record.bulk import Bulk, Row
from cloudheal.record.inventory import instances_called
from cloudheal.record.moments import millis_of, moment_of
from cloudheal.record.tables import LIFECYCLE

_INSERT, _BULK = sa.insert(LIFECYCLE), Bulk.of(LIFECYCLE, "id")
#: The states in which an instance begins.
_BORN = frozenset({"Pending", "Created"})


@dataclass(frozen=True, slots=True)
class Transition:
    """One state entered, when, and by which channel we know."""

    state: str
    at: datetime
    channel: Channel
    event: int


@dataclass(frozen=True, slots=True)
class Life:
    """All that is on record of one instance: what is known of it, and every state that it entered."""

    known: Known
    states: tuple[Transition, ...]

    @property
    def lived(self) -> timedelta | None:
        """How long it was there; None while it is, and where nobody told of its beginning."""
        told = self.states and self.states[0].state in _BORN
        return self.known.released - self.states[0].at if told and self.known.released else None


def add_transitions(connection: sa.Connection, events: Iterable[Event], rows: Mapping[str, int]) -> int:
    """Write the states that new events tell of; `rows` are the row numbers of the new events by key."""
    return _BULK.write(connection, _INSERT, [_row(event, rows[event.key]) for event in events])


def lives(connection: sa.Connection, called: str) -> list[Life]:
    """Return the lives of every instance of an id or a name, released or not, the newest first."""
    known = instances_called(connection, called)
    return [Life(one, tuple(transitions(connection, one.resource.id))) for one in known]


def transitions(connection: sa.Connection, subject: ResourceId) -> list[Transition]:
    """Return every state that a resource entered, in the order of time."""
    name = {"cloud": str(subject.cloud), "account": subject.account, "region": subject.region, "kind": subject.kind}
    same = [LIFECYCLE.c[column] == value for column, value in name.items()]
    rows = connection.execute(
        sa.select(LIFECYCLE).where(LIFECYCLE.c.resource == subject.id, *same).order_by(LIFECYCLE.c.at, LIFECYCLE.c.id)
    )
    every = [Transition(row.state, moment_of(row.at), Channel(row.channel), row.event) for row in rows]
    return [one for number, one in enumerate(every) if not _is_told_by_another(every, number)]


def _is_told_by_another(every: list[Transition], number: int) -> bool:
    one = every[number]
    beside = every[max(0, number - 1) : number] + every[number + 1 : number + 2]
    return one.channel is Channel.POLL and any(
        other.state == one.state and other.channel is not Channel.POLL for other in beside
    )


def _row(event: Event, number: int) -> Row:
    subject = event.subject
    place = (str(subject.cloud), subject.account, subject.region, subject.kind, subject.id)
    return *place, event.status, millis_of(event.as_of), number, str(event.channel)
