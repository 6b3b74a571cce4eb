"""An account's keys, read from the environment; they are handed to the vendor's clients and to nothing else."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from cloudheal.errors import SettingsError
from cloudheal.settings.accounts import AccountSettings


@dataclass(frozen=True, slots=True)
class Keys:
    """What signs an account's calls; the token is empty unless the keys are short-lived ones."""

    id: str = field(repr=False)
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)


def keys_of(account: AccountSettings) -> Keys:
    """Read an account's keys from the environment. Raises SettingsError naming the variable, never its value."""
    names = (account.access_key_id_env, account.access_key_secret_env)
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        raise SettingsError(
            f"account {account.name}: {' and '.join(missing)} not set in the environment",
            what_to_do="Export the access key of a RAM or CAM user that may do what the rules' playbooks need.",
        )
    return Keys(os.environ[names[0]], os.environ[names[1]], os.environ.get(account.token_env, ""))
