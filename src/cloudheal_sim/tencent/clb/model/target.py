"""One target behind a listener or rule, and the pure ways in which a list of targets changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEFAULT_WEIGHT, MOST_WEIGHT = 10, 100


@dataclass(frozen=True, slots=True)
class Target:
    """One target: an instance, or an address; instants are epoch milliseconds."""

    server: str
    """Id of the instance; for an address that no instance has, the address itself."""
    port: int
    weight: int = DEFAULT_WEIGHT
    address: str = ""
    """The private address that it was registered by; empty for one registered by instance."""
    tag: str = ""
    registered: int = 0
    since: int = 0
    """Checked since then; 0 is since ever, its health checks are settled."""

    @property
    def label(self) -> str:
        """`server:port`, as the journal and the world document write it."""
        return f"{self.server}:{self.port}"


Targets = tuple[Target, ...]


def without(targets: Targets, leavers: Iterable[Target]) -> Targets:
    """Return the targets that are not among `leavers`."""
    gone = {one.label for one in leavers}
    return tuple(one for one in targets if one.label not in gone)


def reweighted(targets: Targets, weights: Mapping[str, int]) -> Targets:
    """Return the targets with the weights given by label; the others keep theirs."""
    return tuple(replace(one, weight=weights.get(one.label, one.weight)) for one in targets)
