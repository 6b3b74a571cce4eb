"""How what we send is signed: as every push of ours, with a secret that the receiver holds too."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cloudheal.errors import SettingsError
from cloudheal.sense.webhook import NONCE, SIGNATURE, TIMESTAMP, signature_of
from cloudheal.settings.outlets import OutletSettings

#: A secret that is shorter could be guessed; the other cloudheal refuses it as well.
SHORTEST_SECRET = 16


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs what one sender sends."""

    source: str
    secret: str = field(repr=False)
    now: Callable[[], datetime] = field(repr=False)

    def signed(self, body: bytes) -> Mapping[str, str]:
        """Return the headers that prove a body, good for five minutes and once."""
        moment, nonce = str(int(self.now().timestamp())), secrets.token_hex(16)
        return {
            TIMESTAMP: moment,
            NONCE: nonce,
            SIGNATURE: signature_of(self.secret, self.source, moment, nonce, body),
        }


def signer_of(settings: OutletSettings, environment: Mapping[str, str], now: Callable[[], datetime]) -> Signer:
    """Return who signs for an outlet. Raises SettingsError naming a variable, never its value."""
    secret = secret_of(settings, environment)
    if len(secret) < SHORTEST_SECRET:
        raise SettingsError(
            f"outlets.{settings.name}: {settings.secret_env} is shorter than {SHORTEST_SECRET} characters",
            what_to_do="Make a secret, such as with: openssl rand -hex 32",
        )
    return Signer(settings.source, secret, now)


def secret_of(settings: OutletSettings, environment: Mapping[str, str]) -> str:
    """Return an outlet's secret, empty when it has none. Raises SettingsError when its variable is not set."""
    secret = environment.get(settings.secret_env, "") if settings.secret_env else ""
    if settings.secret_env and not secret:
        raise SettingsError(f"outlets.{settings.name}: {settings.secret_env} is not set in the environment")
    return secret
