"""The composition root: from settings to a running healer; the one place that knows every layer below it."""

from cloudheal.app.accounts import Accounts, UnknownAccountError, accounts_of, open_account, policy_of
from cloudheal.app.drills import drill_desk
from cloudheal.app.extensions import Extensions, extensions_of
from cloudheal.app.rules import rules_in, rules_of
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
    "rules_in",
    "rules_of",
]
