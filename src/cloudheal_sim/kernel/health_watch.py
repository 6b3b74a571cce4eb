"""Health checks of load balancers over time: whose servers answered when, and when that shows at a member.

A cloud's balancers describe each check of each member as a `Probe`; here is what the checks show, now or at an earlier
instant, and the journal entry at the instant at which a verdict changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import AwareDatetime, Field

from cloudheal_sim.kernel.clock import iso_millis, to_millis
from cloudheal_sim.kernel.health_checks import Check, Health, health, next_change
from cloudheal_sim.kernel.timeline import Timeline
from cloudheal_sim.kernel.world import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cloudheal_sim.kernel.core import Kernel


class SeenPart(Part):
    """Since when a server answered or not; null is since ever."""

    since: AwareDatetime | None = None
    serving: bool


class ServerPart(Part):
    """What health checks have seen of one server, oldest first."""

    id: str
    history: tuple[SeenPart, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Probe:
    """One check of one member."""

    label: str
    """What the journal calls it."""
    server: str
    begun: int
    """When checking began, epoch milliseconds; 0 is since ever."""
    check: Check


class HealthWatch:
    """Watches the servers behind the balancers of one account."""

    def __init__(self, kernel: Kernel, answers: Callable[[str], bool]) -> None:
        self._kernel = kernel
        self._answers = answers
        self.servers: dict[str, Timeline[bool]] = {}
        self._planned: set[tuple[str, int]] = set()

    def clear(self) -> None:
        """Forget everything: a new world begins."""
        self.servers.clear()
        self._planned.clear()

    def load(self, parts: Iterable[ServerPart]) -> int:
        """Take what a document says that the checks have seen; return of how many servers."""
        self.servers.update({one.id: _history(one) for one in parts})
        return len(self.servers)

    def dump(self, servers: Iterable[str]) -> list[dict[str, object]]:
        """Return what the checks have seen of servers, as a document has it."""
        return [
            {
                "id": id_,
                "history": [
                    {"since": iso_or_ever(since), "serving": serving} for since, serving in self.servers[id_].entries()
                ],
            }
            for id_ in sorted(set(servers))
        ]

    def meet(self, server: str, *, known: bool = True) -> bool:
        """Watch a server from now on; return True when that is news. One that nobody knows is taken to answer."""
        if known:
            return self.observe(server)
        return self.servers.setdefault(server, Timeline(True, 0)).value

    def observe(self, server: str) -> bool:
        """Note whether a server answers; return True when that is news."""
        serving = self._answers(server)
        past = self.servers.setdefault(server, Timeline(serving, 0))
        if past.value is serving:
            return False
        past.set(serving, self._kernel.clock.now())
        return True

    def health(self, probe: Probe, instant: int | None = None) -> Health:
        """Return what a check shows now or at an earlier instant."""
        now = self._kernel.clock.now() if instant is None else instant
        return health(self.servers[probe.server].entries(), probe.begun, probe.check, now)

    def plan(self, probe: Probe, stands: Callable[[], bool]) -> bool:
        """Plan a journal entry for the verdict that is still to come; it is written if the probe `stands` then."""
        due = next_change(self.servers[probe.server].entries(), probe.begun, probe.check)
        what = (probe.label, due or 0)
        if due is None or due <= self._kernel.clock.now() or what in self._planned:
            return False
        self._planned.add(what)

        def show() -> None:
            self._planned.discard(what)
            if not stands():
                return
            before, after = self.health(probe, due - 1), self.health(probe, due)
            if before is not after:
                self._kernel.journal.change("backend.health", probe.label, before, after)

        self._kernel.clock.call_at(due, show)
        return True


def iso_or_ever(instant: int) -> str | None:
    """Write an instant; None for one that is since ever."""
    return iso_millis(instant) if instant else None


def _history(part: ServerPart) -> Timeline[bool]:
    first, *later = part.history
    timeline = Timeline(first.serving, 0 if first.since is None else to_millis(first.since))
    for seen in later:
        timeline.set(seen.serving, timeline.since if seen.since is None else to_millis(seen.since))
    return timeline
