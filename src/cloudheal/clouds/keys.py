"""An account's keys, read from the environment; they are handed to the vendor's clients and to nothing else.

Whoever signs asks for the keys of the moment, every time: those of a role are others every hour (see `roles`).
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Protocol

from cloudheal.errors import CloudTransientError, SettingsError
from cloudheal.settings.accounts import AccountSettings

#: How long a call that asks for keys may wait for them, unless it says so itself.
WAIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Keys:
    """What signs an account's calls; the token is empty unless the keys are short-lived ones."""

    id: str = field(repr=False)
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)

    def current(self, seconds: float = WAIT_SECONDS) -> Keys:  # noqa: ARG002 - there is nothing to wait for
        """Return these: nobody fetches others."""
        return self

    def run_out(self, keys: Keys) -> bool:  # noqa: ARG002 - it is these
        """Return False: there are no others to be had."""
        return False


class KeyRing(Protocol):
    """Where an account's keys come from; shared by all its clients and their threads."""

    def current(self, seconds: float = WAIT_SECONDS) -> Keys:
        """Return the keys of this moment, waited for no longer than that. Raises Cloud*Error."""

    def run_out(self, keys: Keys) -> bool:
        """Hear that the cloud took these keys for expired; says whether the next call has others."""


def left_for(ring: KeyRing, action: str, seconds: float) -> tuple[Keys, float]:
    """Return the keys for a call and the seconds that are left for it after waiting for them. Raises Cloud*Error."""
    began = time.monotonic()
    keys = ring.current(seconds)
    left = seconds - (time.monotonic() - began)
    if left <= 0:
        message = f"{action} was not sent: its keys came too late"
        raise CloudTransientError(message, vendor_code="KeysLate", refused=True)
    return keys, left


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
