"""Where things are, as far as services that do not own places need to know: regions, zones, switches.

ECS owns the lists (its catalogue); `cloud.py` hands them on in these shapes.
"""

from __future__ import annotations

from typing import Protocol


class Region(Protocol):
    """A region with the full ids of its zones."""

    @property
    def id(self) -> str:
        """`cn-hangzhou`."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def zones(self) -> tuple[str, ...]:
        """`cn-hangzhou-h`, ..."""


class VSwitch(Protocol):
    """A subnet in one zone."""

    @property
    def id(self) -> str:
        """`vsw-...`."""

    @property
    def vpc(self) -> str:
        """The id of its network."""

    @property
    def region(self) -> str:
        """The id of its region."""

    @property
    def zone(self) -> str:
        """The id of its zone."""

    @property
    def cidr(self) -> str:
        """Its addresses, `10.0.0.0/16`."""

    @property
    def name(self) -> str:
        """What people call it."""
