"""Whom a drill is for and who will answer, for scenarios and for single events alike: nothing is created by asking.

Servers are selected as rules select them, among those that are not released; an empty selection is nobody. Who answers
is asked of the rules with the very message that the cloud will send, by the functions of a worker.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cloudheal.clouds.alibaba.events import event_of
from cloudheal.clouds.alibaba.samples import content_of, envelope_of, named, usual_status
from cloudheal.decide.rulebook import RuleBook, selects
from cloudheal.model.event import Channel, Event
from cloudheal.model.incident import Mode
from cloudheal.model.resource import Resource, ResourceId
from cloudheal.record.database import Database
from cloudheal.record.inventory import everything
from cloudheal.record.promotions import effective_mode
from cloudheal.settings.rules import Rule, Selector


@dataclass(frozen=True, slots=True)
class Answering:
    """A rule that is for some of the servers, and how far it is trusted now."""

    rule: str
    playbook: str
    mode: Mode
    servers: int


def servers_on_record(database: Database) -> dict[ResourceId, Resource]:
    """Return every server that the inventory knows and that is not released."""
    with database.snapshot() as connection:
        return {
            one.resource.id: one.resource
            for one in everything(connection)
            if one.released is None and one.resource.id.kind == "instance"
        }


def chosen_among(known: Mapping[ResourceId, Resource], selector: Selector) -> list[Resource]:
    """Return the servers that are meant, in the order of their ids."""
    return [known[one] for one in sorted(known) if selects(selector, one, known[one])]


def lost_among(known: Iterable[ResourceId], selector: Selector) -> list[str]:
    """Return the ids that are meant and that no known server has."""
    return sorted(set(selector.ids) - {one.id for one in known})


def answering(
    database: Database,
    book: RuleBook,
    rules_for: Callable[[Event], Sequence[Rule]],
    servers: Sequence[tuple[ResourceId, Resource | None]],
    types: Sequence[str],
    now: datetime,
) -> list[Answering]:
    """Say which rules are for these servers when such events are announced; without types every rule that selects one.

    `rules_for` are those that match an event and know its trouble.
    """
    counted = Counter(
        name
        for server, resource in servers
        for name in {
            rule.name
            for rule in _asked(book, rules_for, server, types, now)
            if selects(rule.resources, server, resource)
        }
    )
    with database.snapshot() as connection:
        return [
            Answering(name, rule.playbook, effective_mode(connection, rule), counted[name])
            for name, rule in book.rules.items()
            if name in counted
        ]


def announced(server: ResourceId, type_: str, status: str, now: datetime) -> Event:
    """Return the event that the cloud's message about a server would make."""
    content = content_of(type_, status, server.id, "preview", now)
    body = json.dumps(envelope_of(server, named(type_, status), content, "preview", now))
    return event_of(body, now, Channel.QUEUE)


def _asked(
    book: RuleBook,
    rules_for: Callable[[Event], Sequence[Rule]],
    server: ResourceId,
    types: Sequence[str],
    now: datetime,
) -> list[Rule]:
    if not types:
        return list(book.rules.values())
    return [rule for one in types for rule in rules_for(announced(server, one, usual_status(one), now))]
