"""The command line. `--help` must answer at once, so commands import what they need when they run.

Building a command costs more than it prints: its module is imported, and every option read from its signature. So only
the first word's command is built whole; of the others `--help` needs the names and the first lines, and reads those
from their functions. `app` is the whole command line, for whoever wants every command of it.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer
from typer.main import solve_typer_info_help
from typer.models import CommandInfo, TyperInfo

if TYPE_CHECKING:
    from cloudheal.errors import CloudhealError

    app: typer.Typer

#: The modules whose commands and groups stand at the top, each with their names, in the order of the help.
TOP = {
    "work": ("run", "feed", "dead-letters"),
    "listing": ("events", "incidents", "maintenance", "explain"),
    "control": ("pause", "resume", "hold", "holds", "unhold", "approvals", "approve", "deny"),
    "admin": ("check", "policy", "setup"),
    "audit": ("timeline", "evidence", "pace", "audit"),
    "upkeep": ("drain", "backup", "restore", "runs"),
    "backtest": ("backtest",),
    "report": ("report",),
    "beginning": ("sim", "demo"),
}
#: No command: of a word that is none everything is made, for the sake of what is said about it.
_EVERY = "every command"
#: Groups of their own: the module of the name, and those whose commands join it.
GROUPS: dict[str, tuple[str, ...]] = {
    "drill": ("drill_run", "drill_chaos"),
    "plan": (),
    "instances": (),
    "rules": (),
    "playbooks": (),
    "listeners": (),
    "logs": ("log_alarms", "log_series", "log_top", "logs_ship"),
    "package": (),
}


def application(words: Sequence[str]) -> typer.Typer:
    """Return the command line that these words need: one command, the names of all, or every command whole."""
    first = words[0] if words else ""
    home = next((module for module, names in TOP.items() if first in names), "")
    if first in GROUPS:
        return _made([], [_group(first)])
    if home:
        top = _app_of(home)
        commands = [one for one in top.registered_commands if _name(one) == first]
        return _made(commands, [one for one in top.registered_groups if one.name == first])
    tops = [_app_of(module) for module in TOP]
    commands = [one for top in tops for one in top.registered_commands]
    groups = [one for top in tops for one in top.registered_groups] + [_group(name) for name in GROUPS]
    # No option of the program itself is followed by a command.
    names_do = not first or first.startswith("-")
    return _made([*map(_listed, commands), *map(_listed_group, groups)], []) if names_do else _made(commands, groups)


def __getattr__(name: str) -> typer.Typer:
    if name != "app":
        raise AttributeError(name)
    return application([_EVERY])


def main() -> None:
    """Run the command line; known errors end with their message: 2 when the settings are wrong, 1 for the rest."""
    from cloudheal.errors import CloudhealError, SettingsError

    try:
        application(sys.argv[1:])()
    except CloudhealError as problem:
        from cloudheal.settings.discretion import discreet

        print(discreet(f"cloudheal: {_said(problem)}"), file=sys.stderr)
        sys.exit(2 if isinstance(problem, SettingsError) else 1)
    except Exception as problem:  # noqa: BLE001 - by itself it would be printed with whatever it holds
        from cloudheal.settings.discretion import told

        print(told(problem), file=sys.stderr)
        sys.exit(1)


def _said(problem: CloudhealError) -> str:
    """Return an error as it is told: in the language that the settings name, as far as that is known."""
    from cloudheal.cli.settings_texts import in_chinese, wants_chinese

    return in_chinese(str(problem)) if wants_chinese(sys.argv[1:]) else str(problem)


def _made(commands: list[CommandInfo], groups: list[TyperInfo]) -> typer.Typer:
    made = typer.Typer(
        name="cloudheal",
        help="Heals servers from the events their cloud publishes, and rehearses it on a simulated cloud.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # boxes around help would cost more than all the rest of it
    )
    made.callback()(_options)
    made.registered_commands, made.registered_groups = commands, groups
    return made


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version as installed

        print(installed("cloudheal"))
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    # An eager callback answers before a command is asked for.
    _ = version


def _app_of(module: str) -> typer.Typer:
    found: typer.Typer = import_module(f"{__name__}.{module}").app
    return found


@cache
def _group(name: str) -> TyperInfo:
    """Return a group with the commands of all modules that have some of them."""
    whole = _app_of(name)
    for module in GROUPS[name]:
        whole.registered_commands += _app_of(module).registered_commands
    return TyperInfo(whole, name=name)


def _name(command: CommandInfo) -> str:
    return command.name or getattr(command.callback, "__name__", "").replace("_", "-")


def _listed(command: CommandInfo) -> CommandInfo:
    """Return a command that can say what it is called and is for, and nothing more."""
    line = command.help or inspect.getdoc(command.callback)
    return CommandInfo(_name(command), callback=_nothing, help=line, hidden=command.hidden)


def _listed_group(group: TyperInfo) -> CommandInfo:
    return CommandInfo(str(group.name), callback=_nothing, help=solve_typer_info_help(group))


def _nothing() -> None:
    """Stand in for a command whose name is all that is asked for."""
