"""Private addresses: the next free one of a switch, counted upwards from the start of its block."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.ecs.model.catalogue import VSwitch

#: Addresses at the start of a block that belong to the network itself.
_RESERVED = 9


class Addresses:
    """The last address given out in each switch."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def take(self, vswitch: VSwitch) -> str:
        """Return the next address; a block that is full runs over into what follows it."""
        last = self._last.get(vswitch.id)
        number = (number_of(vswitch.cidr.partition("/")[0]) + _RESERVED if last is None else last) + 1
        self._last[vswitch.id] = number
        return f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"

    def note(self, vswitch_id: str, address: str) -> None:
        """Learn of an address that is in use."""
        number = number_of(address)
        if number > self._last.get(vswitch_id, 0):
            self._last[vswitch_id] = number

    def clear(self) -> None:
        """Forget everything: a new world begins."""
        self._last.clear()


def number_of(address: str) -> int:
    """Read a dotted address as a number; what is none counts as 0."""
    number = 0
    for part in address.split("."):
        number = number << 8 | (int(part) & 255 if part.isdecimal() else 0)
    return number
