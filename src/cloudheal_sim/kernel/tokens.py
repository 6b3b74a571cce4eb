"""Client tokens: a call repeated with the same token and parameters gives the first call's result, once."""

from __future__ import annotations

from dataclasses import dataclass

from cloudheal_sim.kernel.clock import MILLIS_PER_DAY

#: How long the service remembers a token, in milliseconds (24 hours).
MEMORY = MILLIS_PER_DAY


@dataclass(frozen=True, slots=True)
class Used:
    """One token: what was asked with it, and what came of it."""

    fingerprint: str
    ids: tuple[str, ...]
    at: int


class Tokens:
    """The client tokens of one account, by action and token."""

    def __init__(self) -> None:
        self.used: dict[tuple[str, str], Used] = {}

    def find(self, action: str, token: str, now: int) -> Used | None:
        """Return what a token was used for, None when it is new or older than MEMORY."""
        found = self.used.get((action, token))
        return found if found is not None and now - found.at < MEMORY else None

    def remember(self, action: str, token: str, used: Used) -> Used:
        """Note a token, and forget those past their time."""
        while self.used and used.at - next(iter(self.used.values())).at >= MEMORY:
            del self.used[next(iter(self.used))]
        self.used[action, token] = used
        return used
