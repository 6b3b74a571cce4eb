"""The logs that a settings file defines: all of them, or the one that somebody named."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from cloudheal.cli.show import Show
    from cloudheal.logs.definition import Definition
    from cloudheal.settings.schema import Settings


def definitions(settings: Settings, config: Path) -> tuple[Definition, ...]:
    """Return the definitions of a settings file. Raises SettingsError with the lines of what is wrong."""
    from cloudheal.logs.declared import definitions_of
    from cloudheal.settings.loader import located

    with located(config):
        return definitions_of(settings)


def definition_named(name: str, show: Show, settings: Settings, config: Path) -> Definition:
    """Return the definition of a log; ends with 1 and the names that there are when it is none of them."""
    known = {one.name: one for one in definitions(settings, config)}
    if name not in known:
        show.fault("logs.unknown", name=name, known=", ".join(known))
        raise typer.Exit(1)
    return known[name]


def no_file(definition: Definition, show: Show, command: str) -> NoReturn:
    """Say that no file of a log is there, and end with 1; of a folder, what to write for the files in it."""
    folders = [one for one in definition.files if Path(one).is_dir()]
    text, files = ("logs.folder", folders) if folders else ("logs.no_file", definition.files)
    show.fault(text, log=definition.name, files=", ".join(files), folder=files[0], command=command)
    raise typer.Exit(1)
