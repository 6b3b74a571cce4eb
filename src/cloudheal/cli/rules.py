"""Commands about rules: what they would do, how far each is trusted, and trusting one further."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cloudheal.cli.desk import Desk, MessagesUnreadableError, desk, operator
from cloudheal.cli.options import HERE, AsJson, Config

if TYPE_CHECKING:
    from cloudheal.model.decision import Station
    from cloudheal.model.event import Event
    from cloudheal.model.evidence import Evidence
    from cloudheal.model.resource import Resource, ResourceId
    from cloudheal.pipeline.rehearsal import Rehearsed
    from cloudheal.ports.cloud import Server

app = typer.Typer(no_args_is_help=True, help="Rules: list, test, promote, fire a test message.")


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule and how far it is trusted."""

    name: str
    playbook: str
    mode: str
    effective: str
    promoted_by: str
    promoted_at: datetime | None
    workers: Mapping[str, str]
    """The workers that still have another version of it, and the mode in force there; empty where they have none."""


@app.command("list")
def list_(config: Config = HERE, as_json: AsJson = False) -> None:
    """List the rules, with the mode that each asks for and the one in force."""
    with desk(config, as_json=as_json) as at:
        rows = list(_rows(at))
        at.show.rows("title.rules", rows, ("name", "playbook", "mode", "effective", "promoted_by", "promoted_at"))
        _tell_of_workers(at, rows)


@app.command()
def promote(
    name: Annotated[str, typer.Argument(help="The rule's name.", metavar="NAME")], config: Config = HERE
) -> None:
    """Trust a rule, exactly as it is now, as far as its file asks for."""
    from cloudheal.model.incident import Mode
    from cloudheal.record.promotions import promote as write

    with desk(config) as at:
        known = {rule.name: rule for rule in at.settings.rules}
        rule = known.get(name)
        if rule is None:
            at.show.say("promote.no_rule", rule=name, rules=", ".join(known))
            raise typer.Exit(1)
        if rule.mode is Mode.SHADOW:
            at.show.say("promote.shadow", rule=name)
            raise typer.Exit(1)
        with at.database.transaction() as connection:
            write(connection, [rule], operator(), at.clock.now())
        at.show.say("promoted", rule=name, mode=rule.mode)
        _tell_of_workers(at, [one for one in _rows(at) if one.name == name])


@app.command()
def fire(
    rule: Annotated[str, typer.Argument(help="The rule that the message is to be for.", metavar="RULE")] = "",
    event: Annotated[
        str, typer.Option(help="Or the event's name, such as Instance:SystemMaintenance.Reboot:Scheduled.")
    ] = "",
    instance: Annotated[str, typer.Option(help="The server that the message names; it is not touched.")] = "",
    status: Annotated[str, typer.Option(help="The status that it tells, such as Stopped.")] = "",
    account: Annotated[str, typer.Option(help="The account's name, when there are several.")] = "",
    region: Annotated[str, typer.Option(help="The server's region, where it is not known.")] = "",
    config: Config = HERE,
    as_json: AsJson = False,
) -> None:
    """Send one test message through the cloud's rules to the queue: a worker records it and does nothing."""
    from cloudheal.cli.firing import Asked, fired

    if not instance:
        raise typer.BadParameter("name the server that the message is to be about", param_hint="--instance")
    with desk(config, as_json=as_json) as at:
        if bool(rule) == bool(event):
            raise typer.BadParameter(at.show.text("fire.which"), param_hint="RULE")
        told = fired(at, config, Asked(rule, event, instance, status, account, region))
        if as_json:
            at.show.document(at.show.records([told])[0])
        at.show.say("fire.sent", type=told.type, status=told.status, resource=instance, request_id=told.request_id)
        for one in told.rules:
            at.show.say("fire.rule", rule=one)
        for one in told.not_selecting:
            at.show.say("fire.not_selected", rule=one, resource=instance)
        if not told.rules:
            at.show.say("fire.no_match")


@app.command("test")
def try_out(
    file: Annotated[
        str,
        typer.Argument(help="Messages, one a line or one for the whole file; - reads standard input.", metavar="FILE"),
    ],
    config: Config = HERE,
    look: Annotated[
        bool, typer.Option("--look", help="Read the resources from the cloud, for tags and names.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what every rule would make of these messages now; nothing is written or called."""
    from cloudheal.app import rules_of
    from cloudheal.settings.loader import located

    bodies = _bodies(file)
    with desk(config, as_json=as_json) as at:
        with located(config):
            rules_of(at.settings)
        documents = [_Trial(at, number, body).tell(look=look) for number, body in enumerate(bodies, 1)]
        if as_json:
            at.show.document(documents)
        if not documents:
            at.show.say("test.nothing", file=file)
    raise typer.Exit(0 if documents and all("unreadable" not in one for one in documents) else 1)


class _Trial:
    """One message before all rules."""

    def __init__(self, at: Desk, number: int, body: bytes) -> None:
        self._at = at
        self._number = number
        self._body = body

    def tell(self, *, look: bool) -> dict[str, Any]:
        """Print what comes of it and return it as a document."""
        from cloudheal.app.attribution import Attribution
        from cloudheal.errors import NotAnEventError
        from cloudheal.model.event import Channel
        from cloudheal.sense.triggers import of_server

        say = self._at.show.say
        try:
            reading = Attribution(self._at.settings.accounts)
            event = reading.read_any(self._body, self._at.clock.now(), Channel.FILE)
        except NotAnEventError as problem:
            say("test.unreadable", number=self._number, reason=problem.args[0])
            return {"message": self._number, "unreadable": problem.args[0]}
        say("test.event", number=self._number, type=event.type, status=event.status, resource=event.subject.id)
        return {
            "message": self._number,
            "type": event.type,
            "status": event.status,
            "resource": event.subject.id,
            "rules": self._ask(event, _seen(self._at, of_server(event).subject, look=look), look=look),
        }

    def _ask(self, event: Event, seen: Seen | None, *, look: bool) -> list[dict[str, Any]]:
        from cloudheal.app import extensions_of, rules_of
        from cloudheal.pipeline.rehearsal import rehearse

        resource = seen.resource if seen else None

        extensions = extensions_of(self._at.settings)
        playbooks, trouble_of = extensions.library.playbooks, extensions.trouble_of
        if trouble_of(event) is None:
            self._at.show.say("test.no_trouble")
        with self._at.database.snapshot() as connection:
            rules, now = rules_of(self._at.settings), self._at.clock.now()
            found = list(rehearse(connection, rules, playbooks, trouble_of, event, resource, now=now))
        known = resource is not None
        return [self._weighed(self._told(one, event, known=known), event, seen, look=look) for one in found]

    def _weighed(self, told: dict[str, Any], event: Event, seen: Seen | None, *, look: bool) -> dict[str, Any]:
        """Show what speaks for purpose and for accident, where a rule would get as far as asking."""
        from cloudheal.record.explain import signs_told

        if seen is None or told["reason"] in {None, "not_selected", "stale"}:
            return told
        settings, zone = self._at.settings, self._at.zone
        evidence = _evidence(self._at, event, seen, told["rule"], look=look).told()
        for side, signs in evidence.items():
            words = signs if side == "held" else signs_told(signs, settings.language, zone)
            self._at.show.say(f"test.{side}", rule=told["rule"], signs=words)
        return {**told, "evidence": evidence}

    def _told(self, one: Rehearsed, event: Event, *, known: bool) -> dict[str, Any]:
        from cloudheal.app import extensions_of

        say = self._at.show.say
        if one.failures:
            say("test.no_match", rule=one.rule)
            for failure in one.failures:
                say("test.clause", clause=failure)
        elif one.walked is None:
            say(
                "test.other_trouble",
                rule=one.rule,
                playbook=one.playbook,
                trouble=extensions_of(self._at.settings).trouble_of(event),
            )
        else:
            say("test.match", rule=one.rule, reason=one.walked.reason)
            for station in one.walked.stations:
                self._station(station)
            if not known and one.walked.reason == "not_selected":
                say("test.unknown_resource", resource=event.subject.id)
        walk = one.walked.stations if one.walked else ()
        return {
            "rule": one.rule,
            "failures": one.failures,
            "reason": one.walked.reason if one.walked else None,
            "walk": [{"question": at.question, "reason": at.reason, "numbers": at.numbers} for at in walk],
        }

    def _station(self, station: Station) -> None:
        """Say one question of the walk as `explain` does."""
        from cloudheal.record.explain import refuses, station_told
        from cloudheal.record.stories import Passed

        reason = station.reason or ""
        passed = Passed(station.question, reason, station.numbers)
        said = station_told(passed, self._at.settings.language, self._at.zone)
        self._at.show.say("test.refused" if refuses(reason) else "test.passed", said=said, reason=reason)


def _rows(at: Desk) -> Iterator[RuleRow]:
    from cloudheal.record.promotions import effective_mode, promotion_of
    from cloudheal.record.versions import outdated

    with at.database.snapshot() as connection:
        elsewhere: dict[str, dict[str, str]] = {}
        for one in outdated(connection, at.settings.rules, round(at.settings.lease_seconds * 1000)):
            elsewhere.setdefault(one.rule, {})[one.worker] = one.mode or ""
        for rule in at.settings.rules:
            found, mode = promotion_of(connection, rule), effective_mode(connection, rule)
            who, when = (found.who, found.at) if found else ("", None)
            yield RuleRow(rule.name, rule.playbook, rule.mode, mode, who, when, elsewhere.pop(rule.name, {}))
        for name, workers in elsewhere.items():
            yield RuleRow(name, "", "", "", "", None, workers)


def _tell_of_workers(at: Desk, rows: Sequence[RuleRow]) -> int:
    """Say which workers go by another version of a rule than the file; returns how many were named."""
    differing = [(row.name, worker, mode) for row in rows for worker, mode in row.workers.items()]
    for rule, worker, mode in differing:
        at.show.say("rules.outdated" if mode else "rules.unheard", rule=rule, worker=worker, mode=mode)
    return len(differing)


@dataclass(frozen=True, slots=True)
class Seen:
    """A resource as the rules are held against it, and the server behind it."""

    resource: Resource
    server: Server


def _seen(at: Desk, subject: ResourceId, *, look: bool) -> Seen | None:
    """Return what is known of a resource: by the inventory, or by a fresh look at the cloud."""
    from cloudheal.app import accounts_of
    from cloudheal.ports.cloud import Server
    from cloudheal.record.inventory import known

    with at.database.snapshot() as connection:
        found = known(connection, [subject]).get(subject)
    if not look:
        if found is None:
            return None
        one = found.resource
        return Seen(one, Server(one.id, one.state, one.name, one.zone, found.locks, tags=one.tags))
    accounts = accounts_of(at.settings)
    resource = accounts.lookup([subject], at.clock.now()).get(subject)
    server = accounts.of(subject).servers(subject.region, [subject.id]).get(subject.id) if resource else None
    return Seen(resource, server) if resource and server else None


def _evidence(at: Desk, event: Event, seen: Seen, rule: str, *, look: bool) -> Evidence:
    """Weigh what is known of a stop; with a look the audit trail is asked too."""
    from cloudheal.app import accounts_of, rules_of
    from cloudheal.pipeline.intentions import Intentions, Stop

    trail_of = accounts_of(at.settings).trail_of if look else lambda _: None
    intentions = Intentions(at.database, rules_of(at.settings), trail_of, at.clock)
    stop = Stop(event.subject, event.time, rule)
    return intentions.of_known(stop, seen.server, trail_of(event.subject))


def _bodies(file: str) -> list[bytes]:
    """Read messages: the whole file when it is one JSON document, else a message a line."""
    import json

    from cloudheal.clouds.entrances import parts_of

    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as problem:
        raise MessagesUnreadableError(file, problem) from problem
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return [body for line in content.splitlines() if line.strip() for body in parts_of(line)]
    return parts_of(content)
