"""From a settings file's rules to the rules in force: every mistake is told by its field before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from cloudheal.act.playbook import Playbook
from cloudheal.app.extensions import extensions_of
from cloudheal.decide.rulebook import RuleBook, rule_book, when_of
from cloudheal.decide.wishes import WishTags
from cloudheal.errors import SettingsError
from cloudheal.model.event import Event
from cloudheal.model.resource import Cloud
from cloudheal.pipeline.weighing import usable
from cloudheal.settings.loader import load_rules, located
from cloudheal.settings.part import advice, keys_of, meant
from cloudheal.settings.rules import Rule
from cloudheal.settings.schema import Settings


def rules_of(settings: Settings) -> RuleBook:
    """Compile the rules and check their playbooks' parameters. Raises SettingsError naming the field."""
    playbooks = extensions_of(settings).library.playbooks
    for number, rule in enumerate(settings.rules):
        _check(rule, playbooks, ("rules", number))
    looking = [name for name, one in playbooks.items() if one.only_looks]
    later = [name for name, one in playbooks.items() if one.planned]
    book = rule_book(settings.rules, wishes_of(settings), looking, later)
    return replace(book, approvers=settings.approvers)


def rules_in(path: Path, settings: Settings) -> RuleBook:
    """Compile the rules of another file as if they stood in these settings. Raises SettingsError by line and field."""
    with located(path):
        return rules_of(settings.model_copy(update={"rules": load_rules(path, settings.timezone)}))


def rules_for(settings: Settings) -> Callable[[Event], Sequence[Rule]]:
    """Return what says which rules match an event and know its trouble, as a worker asks them."""
    book, extensions = rules_of(settings), extensions_of(settings)

    def asked(event: Event) -> Sequence[Rule]:
        trouble = extensions.trouble_of(event)
        return usable(book, extensions.library.playbooks, event, trouble) if trouble else ()

    return asked


def wishes_of(settings: Settings) -> Mapping[tuple[Cloud, str], WishTags]:
    """Return by which tags the people of each account say what they want."""
    zone = settings.timezone
    return {(one.cloud, one.id): WishTags(one.hold_tag, one.desired_tag, zone) for one in settings.accounts}


def _check(rule: Rule, playbooks: Mapping[str, Playbook], field: tuple[int | str, ...]) -> None:
    if rule.playbook not in playbooks:
        known = f"{', '.join(playbooks)}{meant(rule.playbook, playbooks)}"
        message = f"rules.{rule.name}.playbook: no playbook {rule.playbook!r}; known are {known}"
        raise SettingsError(message, field=(*field, "playbook"))
    parameters = playbooks[rule.playbook].parameters
    try:
        parameters.model_validate(rule.parameters)
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        message = f"rules.{rule.name}.with.{where}: {advice(first, keys_of(parameters))}"
        raise SettingsError(message, field=(*field, "with", *first["loc"])) from problem
    try:
        when_of(rule)
    except SettingsError as problem:
        raise SettingsError(str(problem.args[0]), field=(*field, "when")) from problem
