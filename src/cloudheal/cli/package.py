"""The command that makes a package for a platform which runs functions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cloudheal.cli.desk import settings_of, show_of
from cloudheal.cli.options import HERE, Config

app = typer.Typer(no_args_is_help=True, help="Packages: function.")


@app.callback()
def _group() -> None:
    """Packages."""


@app.command("function")
def function_(
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write to.", metavar="DIR")],
    config: Config = HERE,
) -> None:
    """Write a package for Function Compute or SCF: code.zip, how to deploy it, dependencies, and what to do."""
    from cloudheal.app.packaging import package_function

    made = package_function(config, output)
    show = show_of(settings_of(config))
    show.say("packaged", folder=made.folder, files=made.files, beside=", ".join(made.beside))
    show.say("packaged.variables", variables=", ".join(made.variables))
