"""Addresses: the next free one of a subnet, counted upwards from the start of its block."""

from __future__ import annotations

from typing import Protocol

#: Addresses at the start of a block that belong to the network itself.
_RESERVED = 9


class Subnet(Protocol):
    """A block of addresses."""

    @property
    def id(self) -> str:
        """What the cloud calls it."""

    @property
    def cidr(self) -> str:
        """`10.0.0.0/16`."""


class Addresses:
    """The last address given out in each subnet."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def take(self, subnet: Subnet) -> str:
        """Return the next address; a block that is full runs over into what follows it."""
        last = self._last.get(subnet.id)
        number = (number_of(subnet.cidr.partition("/")[0]) + _RESERVED if last is None else last) + 1
        self._last[subnet.id] = number
        return f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"

    def note(self, subnet_id: str, address: str) -> None:
        """Learn of an address that is in use."""
        number = number_of(address)
        if number > self._last.get(subnet_id, 0):
            self._last[subnet_id] = number

    def clear(self) -> None:
        """Forget everything: a new world begins."""
        self._last.clear()


def number_of(address: str) -> int:
    """Read a dotted address as a number; what is none counts as 0."""
    number = 0
    for part in address.split("."):
        number = number << 8 | (int(part) & 255 if part.isdecimal() else 0)
    return number
