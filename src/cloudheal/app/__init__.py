"""The composition root: from settings to a running healer; the one place that knows every layer below it.

Names are loaded when they are asked for: a process that only follows logs starts without clouds and workflow engine.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudheal.app.accounts import Accounts, UnknownAccountError, accounts_of, open_account, policy_of
    from cloudheal.app.drills import drill_desk
    from cloudheal.app.extensions import Extensions, extensions_of
    from cloudheal.app.rules import rules_for, rules_in, rules_of
    from cloudheal.app.worker import App

__all__ = [
    "Accounts",
    "App",
    "Extensions",
    "UnknownAccountError",
    "accounts_of",
    "drill_desk",
    "extensions_of",
    "open_account",
    "policy_of",
    "rules_for",
    "rules_in",
    "rules_of",
]

_MODULES = {
    **dict.fromkeys(("Accounts", "UnknownAccountError", "accounts_of", "open_account", "policy_of"), "accounts"),
    "drill_desk": "drills",
    **dict.fromkeys(("Extensions", "extensions_of"), "extensions"),
    **dict.fromkeys(("rules_for", "rules_in", "rules_of"), "rules"),
    "App": "worker",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
