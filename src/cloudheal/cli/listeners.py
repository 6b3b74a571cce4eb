"""The command about listeners of the old style: which ones there are, what they were told, and what they failed on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from cloudheal.cli.desk import desk
from cloudheal.cli.options import HERE, AsJson, Config

if TYPE_CHECKING:
    from cloudheal.act.listening import Audience
    from cloudheal.record.listeners import Heard

app = typer.Typer(no_args_is_help=True, help="Listeners: list.")


@dataclass(frozen=True, slots=True)
class ListenerRow:
    """A listener, what it is told of, and its numbers."""

    listener: str
    events: tuple[str, ...]
    done: int
    waiting: int
    failed: int
    problem: str


@app.command("list")
def list_(config: Config = HERE, as_json: AsJson = False) -> None:
    """List the listeners with the events that they are done with, that wait, and that they failed on for good."""
    from cloudheal.app import extensions_of
    from cloudheal.record.listeners import heard
    from cloudheal.settings.loader import located

    with desk(config, as_json=as_json) as at:
        with located(config):
            audience = extensions_of(at.settings).audience
        with at.database.snapshot() as connection:
            numbers = {one.listener: one for one in heard(connection)}
        columns = ("listener", "events", "done", "waiting", "failed", "problem")
        at.show.rows("title.listeners", list(_rows(audience, numbers)), columns)


# The application takes the commands of a group over by its name; one command alone would become the group itself.
@app.callback()
def _group() -> None:
    """Listeners."""


def _rows(audience: Audience, numbers: dict[str, Heard]) -> Iterator[ListenerRow]:
    """Yield those that are registered and those that no file registers any more."""
    for name in sorted({*audience.subscriptions, *numbers}):
        own = audience.subscriptions.get(name, ())
        events = tuple("?" if one.wants else one.pattern for one in own)
        found = numbers.get(name)
        done, waiting, failed = (found.done, found.waiting, found.failed) if found else (0, 0, 0)
        yield ListenerRow(name, events, done, waiting, failed, found.problem if found else "")
