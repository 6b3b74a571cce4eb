"""Client tokens: a call repeated with the same token and parameters gives the first call's result, once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import AwareDatetime

from cloudheal_sim.kernel.clock import MILLIS_PER_DAY, iso_millis, to_millis
from cloudheal_sim.kernel.world import Part

#: How long the service remembers a token, in milliseconds (24 hours).
MEMORY = MILLIS_PER_DAY


@dataclass(frozen=True, slots=True)
class Used:
    """One token: what was asked with it, and what came of it."""

    fingerprint: str
    ids: tuple[str, ...]
    at: int


class TokenPart(Part):
    """A client token that was used, in a world document."""

    action: str
    token: str
    fingerprint: str
    ids: tuple[str, ...] = ()
    at: AwareDatetime


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

    def load(self, parts: Iterable[TokenPart]) -> int:
        """Take the tokens of a document instead of the present ones; return how many there are."""
        self.used = {(one.action, one.token): Used(one.fingerprint, one.ids, to_millis(one.at)) for one in parts}
        return len(self.used)

    def dump(self) -> list[dict[str, object]]:
        """Return the tokens as a document has them."""
        return [
            {
                "action": action,
                "token": token,
                "fingerprint": used.fingerprint,
                "ids": list(used.ids),
                "at": iso_millis(used.at),
            }
            for (action, token), used in self.used.items()
        ]
