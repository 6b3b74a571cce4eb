"""Who may read what the listener shows: whoever holds the token, or, without one, whoever is on this machine anyway.

Figures of logs say how a business goes, and label values are what its users sent. So without a token they are shown
only while the listener can be reached from this machine alone: a loopback address, and no source that pushes from
elsewhere, because where one does, something forwards requests to the loopback address. Of health a stranger learns
whether all is well, which a balancer has to know. The token is compared in constant time and appears in no message.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from cloudheal.errors import SettingsError
from cloudheal.settings.listen import ListenSettings

#: A token that is shorter could be guessed.
SHORTEST_TOKEN = 16


@dataclass(frozen=True, slots=True)
class Readers:
    """Decides what a request may read."""

    token: str = field(default="", repr=False)
    alone: bool = True
    """Nobody but this machine can reach the listener."""

    def may_read(self, authorization: str) -> bool:
        """Say whether a request shows the token; whoever asks may, where there is none."""
        scheme, _, shown = authorization.partition(" ")
        same = hmac.compare_digest(shown.strip().encode("utf-8", "surrogateescape"), self.token.encode())
        return not self.token or (scheme.lower() == "bearer" and same)

    def may_read_logs(self, authorization: str) -> bool:
        """Say whether a request may read figures of logs."""
        return self.may_read(authorization) if self.token else self.alone


def readers_of(settings: ListenSettings, environment: Mapping[str, str]) -> Readers:
    """Return who may read. Raises SettingsError naming a variable, never its value."""
    token = environment.get(settings.token_env, "") if settings.token_env else ""
    if settings.token_env and len(token) < SHORTEST_TOKEN:
        raise SettingsError(
            f"listen.token_env: {settings.token_env} is not set in the environment or is shorter than "
            f"{SHORTEST_TOKEN} characters",
            what_to_do="Make a token, such as with: openssl rand -hex 32",
        )
    return Readers(token, _is_loopback(settings.host) and not settings.sources)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
