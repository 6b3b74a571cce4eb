"""Servers that fall again some time after every start, until chaos takes it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudheal_sim.kernel.clock import Clock
    from cloudheal_sim.kernel.trouble import Trouble


class Troubled(Protocol):
    """A server that can be in trouble."""

    id: str
    trouble: Trouble | None

    @property
    def running(self) -> bool:
        """True while it is up, not on the way there."""

    def troubled(self) -> Trouble:
        """Return its trouble record, making one when it has none."""


T = TypeVar("T", bound=Troubled)


class Crashes(Generic[T]):
    """Plans the falls; what is planned is data on the server, so that a world put back goes on with it."""

    def __init__(self, clock: Clock, fall: Callable[[T], object]) -> None:
        self._clock = clock
        self._fall = fall

    def every(self, server: T, seconds: float | None) -> T:
        """Have a server fall `seconds` after every start, the present run included; None ends it."""
        trouble = server.troubled()
        trouble.crash_after, trouble.crash_due = seconds, None
        return self.arm(server)

    def arm(self, server: T) -> T:
        """Plan the fall of the run that begins now, if there is to be one."""
        trouble = server.trouble
        if trouble is not None and trouble.crash_after is not None and server.running:
            trouble.crash_due = self._clock.now() + round(trouble.crash_after * MILLIS_PER_SECOND)
            self.resume(server)
        return server

    def resume(self, server: T) -> bool:
        """Plan the timer of a fall that is due; False when none is."""
        due = server.trouble.crash_due if server.trouble is not None else None
        if due is None:
            return False
        self._clock.call_at(due, lambda: self._crash(server, due))
        return True

    def _crash(self, server: T, due: int) -> None:
        if server.trouble is not None and server.trouble.crash_due == due:
            self._fall(server)
