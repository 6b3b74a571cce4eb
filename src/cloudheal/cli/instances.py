"""Servers as they are known: a list, and all that is on record of one, also when its cloud has forgotten it long since.

Asked is the record, never the cloud.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cloudheal.cli.desk import desk
from cloudheal.cli.options import HERE, AsJson, Config, Limit, Resource, Since, moment_of

if TYPE_CHECKING:
    from cloudheal.cli.show import Show
    from cloudheal.record.lifecycle import Life

app = typer.Typer()


@dataclass(frozen=True, slots=True)
class AttributeRow:
    """One attribute of a server in its cloud's words; `name` is the way to it."""

    name: str
    value: str


@app.callback(invoke_without_command=True)
def list_instances_(
    context: typer.Context,
    config: Config = HERE,
    since: Since = "",
    resource: Resource = "",
    state: Annotated[str, typer.Option(help="Only in this state, such as Stopped.")] = "",
    released: Annotated[bool, typer.Option("--released", help="Also those that are gone.")] = False,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List servers as they are known, as of when; `show` tells all about one, also when it is gone."""
    from cloudheal.cli.called import server_called
    from cloudheal.record.lists import Narrow, list_instances

    if context.invoked_subcommand is not None:
        return
    with desk(config, as_json=as_json) as at, at.database.snapshot() as connection:
        narrow = Narrow(
            moment_of(since, at.clock.now(), at.zone, "--since"), server_called(at, connection, resource), limit
        )
        rows = list_instances(connection, narrow, state=state, released=released)
        columns = ("id", "name", "region", "group", "state", "since", "as_of", "locks")
        at.show.rows("title.instances", rows, columns, limit=limit)


@app.command()
def show(
    called: Annotated[str, typer.Argument(help="A server's id or name.", metavar="SERVER")],
    config: Config = HERE,
    as_json: AsJson = False,
) -> None:
    """Show a server with its attributes and every state that it entered, also when it is gone; exits with 1 if none."""
    from cloudheal.record.lifecycle import lives

    with desk(config, as_json=as_json) as at, at.database.snapshot() as connection:
        found = lives(connection, called)
        if not found:
            at.show.fault("instance.none", called=called)
            raise typer.Exit(1)
        if as_json:
            at.show.document([_document(one) for one in found])
        for one in found:
            _tell(at.show, one)


def _tell(show: Show, life: Life) -> None:
    if show.as_json:
        return
    known = life.known
    tags = [f"{name}={value}" for name, value in sorted(known.resource.tags.items())]
    facts = {**_facts(life), "tags": ", ".join(tags), "locks": ", ".join(known.locks)}
    told = {name: "-" if value == "" else value for name, value in facts.items()}
    for sentence in ("instance.is", "instance.place", "instance.gone" if known.released else "instance.seen"):
        show.say(sentence, **told)
    show.rows("title.instance.states", life.states, ("at", "state", "channel", "event"))
    show.rows("title.instance.attributes", list(_attributes(life)), ("name", "value"))


def _document(life: Life) -> Mapping[str, Any]:
    return {**_facts(life), "attributes": life.known.attributes, "states": [asdict(one) for one in life.states]}


def _facts(life: Life) -> Mapping[str, Any]:
    known, resource = life.known, life.known.resource
    return {
        **asdict(resource.id),
        "name": resource.name,
        "zone": resource.zone,
        "group": resource.group,
        "tags": resource.tags,
        "locks": known.locks,
        "state": resource.state,
        "since": known.since,
        "as_of": resource.as_of,
        "first_seen": known.first_seen,
        "described": known.described,
        "released": known.released,
        "lived": life.lived,
    }


def _attributes(life: Life) -> Iterator[AttributeRow]:
    """Yield what its cloud said of it when it was described last, one row for each value."""
    for path, value in _leaves((), life.known.attributes):
        yield AttributeRow(".".join(path), value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _leaves(path: Sequence[str], value: Any) -> Iterator[tuple[Sequence[str], Any]]:
    if isinstance(value, Mapping) and value:
        for name, one in value.items():
            yield from _leaves((*path, str(name)), one)
    else:
        yield path, value
