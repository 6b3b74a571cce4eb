"""How many instances of a type a zone still has room for; what is not listed is never short."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pydantic import Field

from cloudheal_sim.kernel.world import Part


@dataclass(slots=True)
class Room:
    """Room for `available` instances in the zones and types that the shell patterns cover."""

    zone: str
    type: str
    available: int


class StockPart(Part):
    """How many more instances of the types fit into the zones; shell patterns."""

    zone: str = "*"
    type: str = "*"
    available: int = Field(ge=0)


class Stock:
    """The entries in order; the first that covers a zone and type counts."""

    def __init__(self) -> None:
        self.entries: list[Room] = []

    def left(self, zone: str, type_: str) -> int | None:
        """Return how many more instances fit, None for no limit."""
        found = self._covering(zone, type_)
        return None if found is None else found.available

    def take(self, zone: str, type_: str, amount: int) -> int:
        """Use room up; return how much of `amount` there was."""
        found = self._covering(zone, type_)
        if found is None:
            return amount
        taken = min(amount, found.available)
        found.available -= taken
        return taken

    def exhaust(self, zone: str, type_: str) -> Room:
        """Leave no room in a zone for a type."""
        entry = Room(zone, type_, 0)
        self.entries = [entry, *(one for one in self.entries if (one.zone, one.type) != (zone, type_))]
        return entry

    def load(self, parts: Iterable[StockPart]) -> int:
        """Take the entries of a document instead of the present ones; return how many there are."""
        self.entries = [Room(one.zone, one.type, one.available) for one in parts]
        return len(self.entries)

    def dump(self) -> list[dict[str, object]]:
        """Return the entries as a document has them."""
        return [{"zone": one.zone, "type": one.type, "available": one.available} for one in self.entries]

    def _covering(self, zone: str, type_: str) -> Room | None:
        covering = (one for one in self.entries if fnmatchcase(zone, one.zone) and fnmatchcase(type_, one.type))
        return next(covering, None)
