"""The command line. `--help` must answer at once, so commands import what they need when they run."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

app = typer.Typer(
    name="cloudheal",
    help="Heals servers from the events their cloud publishes, and rehearses it on a simulated cloud.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line; known errors end with their message and exit code 2."""
    from cloudheal.errors import CloudhealError

    try:
        app()
    except CloudhealError as problem:
        print(f"cloudheal: {problem}", file=sys.stderr)
        sys.exit(2)


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        print(installed("cloudheal"))
        raise typer.Exit


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)
def sim(context: typer.Context) -> None:
    """Start the simulated cloud (its own options: cloudheal sim --help)."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "cloudheal_sim", *context.args])  # noqa: S606 - no shell is wanted


@app.command()
def demo(
    pace: Annotated[float, typer.Option(min=0, max=10, help="Seconds to pause between scenes.")] = 1.0,
    language: Annotated[str, typer.Option(help="en or zh.")] = "en",
) -> None:
    """Start a small simulated fleet and walk through one outage with an official SDK."""
    from cloudheal.demo import run_demo

    raise typer.Exit(run_demo(pace=pace, language=language))
