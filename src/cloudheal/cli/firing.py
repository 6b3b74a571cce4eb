"""One test message through the cloud's own rules: which event fits a rule, about which server, and who it is for.

The message goes the whole way that a real one goes. It is marked as a test, so that a worker records which rules it is
for, and nothing else.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import typer

from cloudheal.app import Accounts, accounts_of, extensions_of, rules_for, rules_of
from cloudheal.cli.desk import Desk
from cloudheal.cli.drill_scope import known_servers
from cloudheal.clouds.alibaba.samples import content_of, named, split, usual_status
from cloudheal.decide.rulebook import fields_of, selects, when_of
from cloudheal.drills.scope import announced
from cloudheal.errors import RefusedError
from cloudheal.model.resource import Resource, ResourceId
from cloudheal.sense.triggers import TRIGGERS
from cloudheal.settings.accounts import AccountSettings
from cloudheal.settings.loader import located
from cloudheal.settings.rules import Rule


class NothingToFireError(RefusedError):
    """There is no message to send."""

    code = "fire.nothing"


@dataclass(frozen=True, slots=True)
class Asked:
    """What an operator asked for; a rule or the name of an event, the rest may be empty."""

    rule: str
    event: str
    instance: str
    status: str
    account: str
    region: str


@dataclass(frozen=True, slots=True)
class Fired:
    """What was sent, and which rules it is for; `not_selecting` match it and do not select the server."""

    type: str
    status: str
    resource: ResourceId
    request_id: str
    rules: tuple[str, ...]
    not_selecting: tuple[str, ...]


def fired(at: Desk, config: Path, asked: Asked) -> Fired:
    """Send the message. Raises NothingToFireError, Cloud*Error."""
    with located(config):
        rules_of(at.settings)
    accounts = accounts_of(at.settings, now=at.clock.now)
    server, resource = _server(at, accounts, asked)
    type_, status = _fitting(at, asked, server) if asked.rule else _named(asked)
    token = secrets.token_hex(8)
    content = content_of(type_, status, server.id, token, at.clock.now())
    drills = accounts.drills_of(server.cloud, server.account)
    request = drills.fire(server, named(type_, status), content, token)
    rules, others = _for(at, server, resource, type_, status)
    return Fired(type_, status, server, request, rules, others)


def _named(asked: Asked) -> tuple[str, str]:
    type_, status = split(asked.event)
    return type_, asked.status or status or usual_status(type_)


def _fitting(at: Desk, asked: Asked, server: ResourceId) -> tuple[str, str]:
    """Return the first event that a rule is for: of those that open a trouble, then of those that it names."""
    rule = next((one for one in at.settings.rules if one.name == asked.rule), None)
    if rule is None:
        known = ", ".join(one.name for one in at.settings.rules)
        raise NothingToFireError(at.show.text("fire.no_rule", rule=asked.rule, rules=known))
    pattern, now = when_of(rule), at.clock.now()
    for type_, status in _candidates(at, rule):
        event = announced(server, type_, asked.status or status, now)
        if not list(pattern.failures(fields_of(event))):
            return type_, asked.status or status
    raise NothingToFireError(at.show.text("fire.nothing_fits", rule=asked.rule))


def _candidates(at: Desk, rule: Rule) -> Iterator[tuple[str, str]]:
    library = extensions_of(at.settings).library
    troubles = library.playbooks[rule.playbook].troubles
    for one in (*TRIGGERS, *library.triggers):
        if one.trouble in troubles and one.type.startswith("Instance:"):
            for status in dict.fromkeys([usual_status(one.type), *one.statuses]):
                yield one.type, status
    for type_ in rule.when.get("type", ()):
        if isinstance(type_, str):
            yield type_, usual_status(type_)


def _server(at: Desk, accounts: Accounts, asked: Asked) -> tuple[ResourceId, Resource | None]:
    """Return the full name of the server: as it is known, or as the operator says, because it need not exist."""
    among = [one for one in at.settings.accounts if asked.account in {"", one.name}]
    known = known_servers(at, accounts, {asked.instance}, among)
    found = [one for one in known.items() if one[0].id == asked.instance and asked.region in {"", one[0].region}]
    if len(found) == 1:
        return found[0]
    places = [(one, region) for one in among for region in one.regions if asked.region in {"", region}]
    if len(places) != 1:
        raise typer.BadParameter(at.show.text("fire.where", resource=asked.instance), param_hint="--region")
    return _id_of(*places[0], asked.instance), None


def _id_of(account: AccountSettings, region: str, id_: str) -> ResourceId:
    return ResourceId(account.cloud, account.id, region, "instance", id_)


def _for(
    at: Desk, server: ResourceId, resource: Resource | None, type_: str, status: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the rules that a message is for, and those that match it and do not select its server."""
    matching = rules_for(at.settings)(announced(server, type_, status, at.clock.now()))
    meant = [rule.name for rule in matching if selects(rule.resources, server, resource)]
    return tuple(meant), tuple(rule.name for rule in matching if rule.name not in meant)
