"""What every rule would make of an event, now: which clause fails, or the whole walk; nothing is written or called."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import sqlalchemy as sa

from cloudheal.act.playbook import Playbook
from cloudheal.decide.rulebook import RuleBook, fields_of, selects, when_of
from cloudheal.decide.walk import Walk, walk
from cloudheal.model.event import Event
from cloudheal.model.incident import Trouble, deadline_of
from cloudheal.model.resource import Resource
from cloudheal.pipeline.table_counts import TableCounts
from cloudheal.pipeline.weighing import Before, crowd, gathered, tag_held
from cloudheal.sense.triggers import of_server


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
    event = of_server(event)
    for rule in rules.rules.values():
        failures = tuple(str(one) for one in when_of(rule).failures(fields))
        heals = trouble is not None and trouble.kind in playbooks[rule.playbook].troubles
        walked = None
        if trouble is not None and heals and not failures:
            deadline = deadline_of(event.subject, trouble, event.time)
            selected = selects(rule.resources, event.subject, resource)
            before = Before(selected, rules.bounds[rule.name], "", deadline, only_looks=rule.name in rules.looking)
            facts = gathered(counts, rule, event.subject, trouble, resource, now, before=before)
            facts = tag_held(facts, rules.wishes_of(event.subject), resource, now)
            count = partial(crowd, counts, rule, event.subject, trouble, facts.group.name, now)
            walked = walk(event.time, now, facts, count)
        yield Rehearsed(rule.name, rule.playbook, failures, walked)
