"""What is on its way to somebody: when it is handed over, and how often it is tried again until it is answered.

Everything under way is data (what, when, which attempt), so that a world that is read and put back continues the same.
What is pushed stays under way until it is answered: at least once, also across a new world.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cloudheal_sim.kernel.core import Kernel
    from cloudheal_sim.kernel.outbound import Push


class Parcel(Protocol):
    """Something under way."""

    @property
    def due(self) -> int:
        """When it arrives, epoch milliseconds."""

    @property
    def attempt(self) -> int:
        """Which attempt that is, from 1."""


P = TypeVar("P", bound=Parcel)


class Courier(Generic[P]):
    """Carries parcels of one kind.

    `hand_over` delivers one on the spot and returns None, or returns the push that has to be answered; `again` returns
    a parcel for its next attempt at an instant; `retries` are the seconds before the second attempt, the third, ...
    """

    def __init__(
        self,
        kernel: Kernel,
        hand_over: Callable[[P], Push | None],
        again: Callable[[P, int], P],
        retries: Sequence[float],
    ) -> None:
        self._kernel = kernel
        self._hand_over = hand_over
        self._again = again
        self._retries = retries
        self._under_way: dict[int, P] = {}
        self._seq = 0

    def under_way(self) -> list[P]:
        """Return what has not arrived yet, in the order of arrival."""
        return sorted(self._under_way.values(), key=lambda one: one.due)

    def replace(self, parcels: Iterable[P]) -> int:
        """Forget what was under way (its timers are gone or find nothing) and plan these anew."""
        self._under_way.clear()
        for parcel in parcels:
            self._await(parcel)
        return len(self._under_way)

    def plan(self, parcel: P) -> int:
        """Let a parcel arrive when it is due, which may be now; returns its number."""
        if parcel.due > self._kernel.clock.now():
            return self._await(parcel)
        number = self._numbered(parcel)
        self._arrive(number)
        return number

    def exchange(self, number: int, parcel: P) -> bool:
        """Put another parcel in the place of one that is under way; False when that has arrived."""
        if number not in self._under_way:
            return False
        self._under_way[number] = parcel
        return True

    def _await(self, parcel: P) -> int:
        """Have a timer hand a parcel over: while a world is being built nothing arrives."""
        number = self._numbered(parcel)
        self._kernel.clock.call_at(parcel.due, lambda: self._arrive(number))
        return number

    def _numbered(self, parcel: P) -> int:
        self._seq += 1
        self._under_way[self._seq] = parcel
        return self._seq

    def _arrive(self, number: int) -> None:
        parcel = self._under_way.get(number)
        if parcel is None:
            return
        push = self._hand_over(parcel)
        if push is None:
            del self._under_way[number]
            return
        hear = self._kernel.outbound.send(push, lambda answered: self._answered(number, parcel, answered=answered))
        if not hear:
            del self._under_way[number]

    def _answered(self, number: int, parcel: P, *, answered: bool) -> None:
        if self._under_way.get(number) is not parcel:
            return
        del self._under_way[number]
        if answered or parcel.attempt > len(self._retries):
            return
        due = self._kernel.clock.now() + round(self._retries[parcel.attempt - 1] * MILLIS_PER_SECOND)
        self.plan(self._again(parcel, due))
