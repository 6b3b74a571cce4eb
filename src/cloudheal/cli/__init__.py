"""The command line. `--help` must answer at once, so commands import what they need when they run."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from cloudheal.cli import (
    admin,
    audit,
    backtest,
    control,
    drill,
    drill_chaos,
    drill_run,
    instances,
    listeners,
    listing,
    log_alarms,
    log_series,
    log_top,
    logs,
    logs_ship,
    package,
    plan,
    playbooks,
    report,
    rules,
    upkeep,
    work,
)

app = typer.Typer(
    name="cloudheal",
    help="Heals servers from the events their cloud publishes, and rehearses it on a simulated cloud.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # boxes around help would cost more than all the rest of it
)


for group in (work.app, listing.app, control.app, admin.app, audit.app, upkeep.app, backtest.app, report.app):
    app.registered_commands += group.registered_commands
    app.registered_groups += group.registered_groups
drill.app.registered_commands += drill_run.app.registered_commands
drill.app.registered_commands += drill_chaos.app.registered_commands
app.add_typer(drill.app, name="drill")
app.add_typer(plan.app, name="plan")
app.add_typer(instances.app, name="instances")
app.add_typer(rules.app, name="rules")
app.add_typer(playbooks.app, name="playbooks")
app.add_typer(listeners.app, name="listeners")
logs.app.registered_commands += log_alarms.app.registered_commands
logs.app.registered_commands += log_series.app.registered_commands
logs.app.registered_commands += log_top.app.registered_commands
logs.app.registered_commands += logs_ship.app.registered_commands
app.add_typer(logs.app, name="logs")
app.add_typer(package.app, name="package")


def main() -> None:
    """Run the command line; known errors end with their message: 2 when the settings are wrong, 1 for the rest."""
    from cloudheal.errors import CloudhealError, SettingsError

    try:
        app()
    except CloudhealError as problem:
        from cloudheal.settings.discretion import discreet

        print(discreet(f"cloudheal: {problem}"), file=sys.stderr)
        sys.exit(2 if isinstance(problem, SettingsError) else 1)
    except Exception as problem:  # noqa: BLE001 - by itself it would be printed with whatever it holds
        from cloudheal.settings.discretion import told

        print(told(problem), file=sys.stderr)
        sys.exit(1)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version as installed

        print(installed("cloudheal"))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    # An eager callback answers before a command is asked for.
    _ = version


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)
def sim(context: typer.Context) -> None:
    """Start the simulated cloud (its own options: cloudheal sim --help)."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "cloudheal_sim", *context.args])  # noqa: S606 - no shell is wanted


@app.command()
def demo(
    language: Annotated[str, typer.Option(help="en or zh.")] = "en",
) -> None:
    """Watch one evening on a simulated cloud with 200 servers: outages, and how they are healed."""
    from cloudheal.demo import run_demo

    raise typer.Exit(run_demo(language=language))
