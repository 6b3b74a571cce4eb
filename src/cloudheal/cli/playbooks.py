"""Commands about playbooks: which ones there are, and what each needs, risks and promises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cloudheal.cli.desk import settings_of, show_of
from cloudheal.cli.options import HERE, AsJson, Config

if TYPE_CHECKING:
    from cloudheal.act.playbook import Playbook
    from cloudheal.app import Extensions
    from cloudheal.cli.playbook_texts import Said
    from cloudheal.settings.schema import Settings

app = typer.Typer(no_args_is_help=True, help="Playbooks: list, show.")


@dataclass(frozen=True, slots=True)
class PlaybookRow:
    """A playbook in a list."""

    name: str
    troubles: tuple[str, ...]
    risk: str
    reversible: bool
    origin: str


@dataclass(frozen=True, slots=True)
class ParameterRow:
    """One parameter of a playbook."""

    name: str
    default: str
    meaning: str


@app.command("list")
def list_(config: Config = HERE, as_json: AsJson = False) -> None:
    """List the playbooks that rules may name, built in and your own."""
    settings = settings_of(config)
    found = _extensions(settings, config).library.found
    rows = [
        PlaybookRow(name, one.thing.troubles, one.thing.risk.value, one.thing.reversible, one.origin)
        for name, one in sorted(found.items())
    ]
    columns = ("name", "troubles", "risk", "reversible", "origin")
    show_of(settings, as_json=as_json).rows("title.playbooks", rows, columns)


@app.command("show")
def show_(
    name: Annotated[str, typer.Argument(help="The playbook's name.", metavar="NAME")],
    config: Config = HERE,
    as_json: AsJson = False,
) -> None:
    """Show what a playbook is started by, does step by step, risks and promises, and its parameters."""
    settings = settings_of(config)
    extensions, show = _extensions(settings, config), show_of(settings, as_json=as_json)
    found = extensions.library.found.get(name)
    if found is None:
        show.fault("no_playbook", name=name, known=", ".join(extensions.library.found))
        raise typer.Exit(1)
    playbook, said = found.thing, _said(name, found.origin, settings.language)
    promises = said.promises if said else playbook.promises
    started_by = _started_by(playbook, extensions)
    rows = list(parameters_of(playbook, said))
    if as_json:
        show.document(_document(playbook, found.origin, started_by, rows))
        return
    show.say("playbook.summary", name=name, summary=said.summary if said else playbook.summary, origin=found.origin)
    show.say("playbook.started_by", events=", ".join(started_by))
    show.say("playbook.verbs", verbs=", ".join(playbook.may_ask))
    show.say(f"playbook.risk.{playbook.risk}")
    show.say("playbook.reversible" if playbook.reversible else "playbook.irreversible")
    for number, step in enumerate(steps_of(playbook, said), 1):
        show.say("playbook.step", number=number, step=step)
    for promise in promises:
        show.say("playbook.promise", promise=promise)
    if rows:
        show.rows("title.parameters", rows, ("name", "default", "meaning"))
    else:
        show.say("playbook.no_parameters")


def _extensions(settings: Settings, config: Config) -> Extensions:
    from cloudheal.app import extensions_of
    from cloudheal.settings.loader import located

    with located(config):
        return extensions_of(settings)


def _said(name: str, origin: str, language: str) -> Said | None:
    """Return a built-in playbook's declaration in another language; users' playbooks speak the one they have."""
    from cloudheal.cli.playbook_texts import TRANSLATED

    return TRANSLATED.get(language, {}).get(name) if origin == "cloudheal" else None


def _started_by(playbook: Playbook, extensions: Extensions) -> list[str]:
    return [str(one) for one in extensions.triggers if one.trouble in playbook.troubles]


def steps_of(playbook: Playbook, said: Said | None) -> tuple[str, ...]:
    """Return what a playbook does, in order."""
    return said.steps if said else playbook.steps


def parameters_of(playbook: Playbook, said: Said | None) -> Iterator[ParameterRow]:
    """Yield the parameters of a playbook with their defaults; a required one has none."""
    for name, field in playbook.parameters.model_fields.items():
        meaning = (said.parameters.get(name) if said else None) or field.description or ""
        yield ParameterRow(field.alias or name, "" if field.is_required() else _written(field.default), meaning)


def _written(value: Any) -> str:
    from pydantic_core import to_json

    from cloudheal.settings.durations import written

    return written(value) if isinstance(value, timedelta) else to_json(value).decode()


def _document(playbook: Playbook, origin: str, started_by: list[str], rows: list[ParameterRow]) -> dict[str, Any]:
    return {
        "name": playbook.name,
        "origin": origin,
        "summary": playbook.summary,
        "troubles": playbook.troubles,
        "started_by": started_by,
        "verbs": playbook.may_ask,
        "risk": playbook.risk.value,
        "reversible": playbook.reversible,
        "steps": playbook.steps,
        "promises": playbook.promises,
        "parameters": [{"name": row.name, "default": row.default, "meaning": row.meaning} for row in rows],
    }
