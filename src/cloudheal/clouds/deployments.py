"""What every platform that runs functions is handed, whichever cloud it is of: a kit of files beside cloudheal's code.

Each cloud's `deployment` makes its own kit. Names of environment variables stand in it, never their values: these are
taken from the environment of whoever deploys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from cloudheal.settings.accounts import AccountSettings
from cloudheal.settings.schema import Settings

#: Seconds for a call: to commit and return, or to act until ten seconds before.
COMMIT_SECONDS, INLINE_SECONDS = 60, 300
MEMORY_MB = 512
NAME = "cloudheal"
DESCRIPTION = "cloudheal: heals servers from the events their cloud publishes"
#: The layer with what is compiled for the platform.
LAYER = "cloudheal-dependencies"
SETTINGS_FILE = "cloudheal.yaml"


@dataclass(frozen=True, slots=True)
class Packed:
    """A file of the package; `mode` is what it may do when it is unpacked."""

    name: str
    content: bytes
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class Kit:
    """What one platform needs: files in the package, files beside it, and the variables that the function reads."""

    packed: tuple[Packed, ...]
    beside: Mapping[str, str]
    variables: tuple[str, ...]


def variables_of(settings: Settings, of_account: Iterable[str]) -> tuple[str, ...]:
    """Name the environment variables that a function with these settings reads, those of its accounts included."""
    targets = [target.url_env for target in settings.notify.targets]
    watcher = [settings.watch.dead_man.url_env] if settings.watch.dead_man else []
    return tuple(sorted({*of_account, *targets, *watcher, "PGPASSWORD"}))


def keys_in(account: AccountSettings) -> tuple[str, str]:
    """Name the variables of an account's keys without that of a token, which only short-lived keys have."""
    return account.access_key_id_env, account.access_key_secret_env


def seconds_of(settings: Settings) -> int:
    """Say how long a call may last."""
    return INLINE_SECONDS if settings.function.act == "inline" else COMMIT_SECONDS


def written(head: str, document: Mapping[str, Any], operators: Iterable[str]) -> str:
    """Write a description; lines that hold something which only the operator knows are marked `<<<`."""
    marks = tuple(operators)
    body = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=200)
    lines = (f"{line}  # <<<" if any(one in line for one in marks) else line for line in body.splitlines())
    return head + "".join(f"{line}\n" for line in lines)
