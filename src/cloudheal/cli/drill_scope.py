"""Which servers a drill is for, and who will answer: by ids, or selected as rules select; an empty selection is nobody.

What the inventory does not know is read from the cloud by its id. Who answers is asked of the rules with the message
that the cloud will send.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

import typer

from cloudheal.app import Accounts, extensions_of, rules_of
from cloudheal.cli.desk import Desk
from cloudheal.clouds.alibaba.events import event_of
from cloudheal.clouds.alibaba.samples import content_of, envelope_of, named, usual_status
from cloudheal.decide.rulebook import RuleBook, selects
from cloudheal.errors import RefusedError
from cloudheal.model.event import Channel, Event
from cloudheal.model.incident import Mode
from cloudheal.model.resource import Resource, ResourceId
from cloudheal.record.inventory import everything
from cloudheal.record.promotions import effective_mode
from cloudheal.settings.rules import Selector
from cloudheal.settings.schema import AccountSettings


class NobodySelectedError(RefusedError):
    """A drill is for nobody."""

    code = "drill.nobody"


@dataclass(frozen=True, slots=True)
class Answering:
    """A rule that is for some of the servers."""

    rule: str
    playbook: str
    mode: Mode
    servers: int


def selector_of(
    ids: Sequence[str] | None,
    names: Sequence[str] | None,
    regions: Sequence[str] | None,
    groups: Sequence[str] | None,
    tags: Sequence[str] | None,
) -> Selector:
    """Return what was asked for in the form in which rules select. Raises BadParameter for a tag without a value."""
    values: dict[str, list[str]] = {}
    for one in tags or ():
        key, equals, value = one.partition("=")
        if not key or not equals:
            raise typer.BadParameter(f"expected key=value, got {one!r}", param_hint="--tag")
        values.setdefault(key, []).append(value)
    return Selector(
        ids=list(ids or ()),
        names=list(names or ()),
        regions=list(regions or ()),
        groups=list(groups or ()),
        tags=values,
    )


def servers_of(
    at: Desk, accounts: Accounts, selector: Selector, among: Sequence[AccountSettings]
) -> list[tuple[ResourceId, Resource | None]]:
    """Return the servers that are meant, with what is known of them. Raises NobodySelectedError naming what is not."""
    if selector.selects_nothing:
        raise NobodySelectedError(at.show.text("drill.nothing"))
    known = known_servers(at, accounts, set(selector.ids), among)
    lost = set(selector.ids) - {one.id for one in known}
    if lost:
        raise NobodySelectedError(at.show.text("drill.unknown", servers=", ".join(sorted(lost))))
    chosen = sorted(one for one, resource in known.items() if selects(selector, one, resource))
    if not chosen:
        raise NobodySelectedError(at.show.text("drill.nothing"))
    return [(one, known[one]) for one in chosen]


def known_servers(
    at: Desk, accounts: Accounts, ids: AbstractSet[str], among: Sequence[AccountSettings]
) -> dict[ResourceId, Resource]:
    """Return the servers of accounts that the inventory knows, and those of `ids` that it does not but their cloud."""
    mine = {(one.cloud, one.id) for one in among}
    with at.database.snapshot() as connection:
        found = {
            one.resource.id: one.resource
            for one in everything(connection)
            if one.released is None and one.resource.id.kind == "instance"
        }
    known = {name: one for name, one in found.items() if (name.cloud, name.account) in mine}
    if ids:
        missing = ids - {one.id for one in known}
        known |= accounts.lookup(_anywhere(missing, among), at.clock.now()) if missing else {}
    return known


def _anywhere(ids: Iterable[str], among: Sequence[AccountSettings]) -> list[ResourceId]:
    return [
        ResourceId(account.cloud, account.id, region, "instance", id_)
        for account in among
        for region in account.regions
        for id_ in sorted(ids)
    ]


def answering(
    at: Desk, servers: Sequence[tuple[ResourceId, Resource | None]], type_: str, now: datetime
) -> list[Answering]:
    """Say which rules are for these servers when such an event is announced, and how far each is trusted now."""
    rules, playbooks = rules_of(at.settings), extensions_of(at.settings)
    counted: Counter[str] = Counter()
    for server, resource in servers:
        event = announced(server, type_, usual_status(type_), now)
        trouble = playbooks.trouble_of(event)
        counted.update(
            rule.name
            for rule in rules.matching(event)
            if trouble is not None
            and trouble.kind in playbooks.library.playbooks[rule.playbook].troubles
            and selects(rule.resources, server, resource)
        )
    return [_trusted(at, rules, name, count) for name, count in counted.items()]


def announced(server: ResourceId, type_: str, status: str, now: datetime) -> Event:
    """Return the event that the cloud's message about a server would make."""
    content = content_of(type_, status, server.id, "preview", now)
    body = json.dumps(envelope_of(server, named(type_, status), content, "preview", now))
    return event_of(body, now, Channel.QUEUE)


def _trusted(at: Desk, rules: RuleBook, name: str, count: int) -> Answering:
    rule = rules.rules[name]
    with at.database.snapshot() as connection:
        return Answering(name, rule.playbook, effective_mode(connection, rule), count)
