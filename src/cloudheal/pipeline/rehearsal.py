"""What every rule would make of an event, now: which clause fails, or the whole walk; nothing is written or called."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from cloudheal.act.playbook import Playbook
from cloudheal.decide.rulebook import RuleBook, fields_of, when_of
from cloudheal.decide.walk import Walk, walk
from cloudheal.model.event import Event
from cloudheal.model.incident import Trouble
from cloudheal.model.resource import Resource
from cloudheal.pipeline.table_counts import TableCounts
from cloudheal.pipeline.weighing import Told, weighed
from cloudheal.record.observations import newest_known
from cloudheal.sense.triggers import of_server, tells_recovery


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One rule before one event: the clauses that failed, or the walk; neither when its playbook heals other things."""

    rule: str
    playbook: str
    failures: tuple[str, ...]
    walked: Walk | None


def rehearse(
    connection: sa.Connection,
    rules: RuleBook,
    playbooks: Mapping[str, Playbook],
    trouble_of: Callable[[Event], Trouble | None],
    event: Event,
    resource: Resource | None,
    *,
    now: datetime,
) -> Iterator[Rehearsed]:
    """Ask every rule in the order of the file, from the tables as they are now; `resource` is the event's server."""
    trouble, fields, counts = trouble_of(event), fields_of(event), TableCounts(connection)
    told = None if trouble is None else _told(connection, event, trouble, resource)
    for rule in rules.rules.values():
        failures = tuple(str(one) for one in when_of(rule).failures(fields))
        walked = None
        if told is not None and told.trouble.kind in playbooks[rule.playbook].troubles and not failures:
            (one,) = weighed(counts, told, [rule], rules, now, through=walk)
            walked = one.walked
        yield Rehearsed(rule.name, rule.playbook, failures, walked)


def _told(connection: sa.Connection, event: Event, trouble: Trouble, resource: Resource | None) -> Told:
    """Return the event as a worker weighs it, with what is known of its trouble already."""
    newest = newest_known(connection, [(event, trouble)], tells_recovery)
    return Told(of_server(event), trouble, resource, newest.get(event.key))
