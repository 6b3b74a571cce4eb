"""The waits of looks at work: all of a process look again at the same moments, so that their reads are one.

The moments are whole intervals of the process's own real time; how long a wait lasts is told by the operator's clock.
An event about a resource lets those who wait for it look at once. Rows that wait are `waking`'s, not these.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.model.resource import ResourceId
from cloudheal.ports.clock import Clock

#: How often waiting looks read again; reads are cheap beside the minutes that starts take.
LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Waits:
    """Everything that waits inside looks of one process."""

    clock: Clock
    monotonic: Callable[[], float]
    pause: Callable[[threading.Event, float], object]
    """Waits until the event is set or so many real seconds have passed."""
    _bells: dict[ResourceId, set[threading.Event]] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def wait(self, resource: ResourceId, seconds: float, condition: Callable[[], bool]) -> bool:
        """Wait on the operator's clock until the condition holds; what cannot be read counts as not yet."""
        began, bell = self.clock.now(), threading.Event()
        with self._guard:
            self._bells.setdefault(resource, set()).add(bell)
        try:
            while not _holds(condition):
                if (self.clock.now() - began).total_seconds() >= seconds:
                    return False
                self.pause(bell, LOOK_SECONDS - self.monotonic() % LOOK_SECONDS)
                bell.clear()
            return True
        finally:
            with self._guard:
                self._bells[resource].discard(bell)
                if not self._bells[resource]:
                    del self._bells[resource]

    def ring(self, resources: Iterable[ResourceId]) -> int:
        """Let those who wait for these resources look now; returns how many."""
        with self._guard:
            bells = [bell for one in resources for bell in self._bells.get(one, ())]
        for bell in bells:
            bell.set()
        return len(bells)


def _holds(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except (CloudTransientError, CloudPermanentError):
        return False
