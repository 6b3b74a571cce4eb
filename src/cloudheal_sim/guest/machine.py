"""What the inside of a server must know of the server around it, whichever cloud keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudheal_sim.guest.guest import Guest


class Machine(Protocol):
    """One server; instants are epoch milliseconds."""

    id: str
    host_name: str
    created: int
    started: int | None
    """When it last came up; None when it never did."""
    guest: Guest | None
    """Its inside; None while nobody has looked."""

    @property
    def running(self) -> bool:
        """True while it is up, not on the way there."""

    @property
    def hung(self) -> bool:
        """True while the platform sees it up and nothing inside moves."""

    @property
    def agent_offline(self) -> bool:
        """True while chaos keeps the agent inside silent."""


M = TypeVar("M", bound=Machine)
M_co = TypeVar("M_co", bound=Machine, covariant=True)


class Machines(Protocol[M_co]):
    """All servers of one account."""

    def __iter__(self) -> Iterator[M_co]:
        """Iterate over those that are there."""

    def __contains__(self, id_: object, /) -> bool:
        """Say whether there is a server of that id."""

    def find(self, id_: str, /) -> M_co | None:
        """Return a server by id, None when there is none."""
