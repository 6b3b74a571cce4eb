"""Commands for whoever has nothing yet: a simulated cloud, and an evening on it."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

app = typer.Typer()


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)
def sim(context: typer.Context) -> None:
    """Start the simulated cloud (its own options: cloudheal sim --help)."""
    sys.stdout.flush()
    called = {**os.environ, "CLOUDHEAL_SIM_CALLED": "cloudheal sim"}
    words = [sys.executable, "-m", "cloudheal_sim", *context.args]
    os.execve(sys.executable, words, called)  # noqa: S606 - no shell is wanted


@app.command()
def demo(
    language: Annotated[str, typer.Option(help="en or zh.")] = "en",
) -> None:
    """Watch one evening on a simulated cloud with 200 servers: outages, and how they are healed."""
    from cloudheal.demo import run_demo

    raise typer.Exit(run_demo(language=language))
