"""The deeds of chaos that every cloud's servers have in common: they hang, boot slowly or not at all, fall silent.

A cloud joins with its store of servers; the deeds have the same names and options everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from pydantic import Field

from cloudheal_sim.kernel.chaos import NoOptions, named, options_of
from cloudheal_sim.kernel.clock import LONGEST_SECONDS
from cloudheal_sim.kernel.crashes import T
from cloudheal_sim.kernel.world import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudheal_sim.kernel.chaos import Chaos, Servers
    from cloudheal_sim.kernel.crashes import Crashes
    from cloudheal_sim.kernel.journal import Journal


class FailStart(Part):
    """How many starts fail; absent means all of them, 0 ends it."""

    times: int | None = Field(None, ge=0)


class Seconds(Part):
    """How long, in seconds."""

    seconds: float = Field(60.0, ge=0, le=LONGEST_SECONDS)


class CrashLoop(Part):
    """Seconds from Running to the fall; null ends it."""

    seconds: float | None = Field(30.0, ge=0, le=LONGEST_SECONDS)


class TroubleChaos(Generic[T]):
    """The deeds, over the servers of one account."""

    def __init__(self, servers: Servers[T], journal: Journal, crashes: Crashes[T]) -> None:
        self._servers = servers
        self._journal = journal
        self._crashes = crashes

    def register(self, chaos: Chaos) -> Chaos:
        """Offer every deed."""
        deeds: dict[str, Callable[[T, Mapping[str, Any]], object]] = {
            "hang": self._hang,
            "unhang": lambda one, options: self._plain(one, options, "hung", value=False),
            "fail_start": self._fail_start,
            "slow_boot": self._slow_boot,
            "crash_loop": self._crash_loop,
            "agent_offline": lambda one, options: self._plain(one, options, "agent_offline", value=True),
            "agent_online": lambda one, options: self._plain(one, options, "agent_offline", value=False),
        }
        for name, deed in deeds.items():
            self.offer(chaos, name, deed)
        return chaos

    def offer(self, chaos: Chaos, name: str, deed: Callable[[T, Mapping[str, Any]], object]) -> Chaos:
        """Offer one deed for these servers; each cloud has some of its own."""

        def do(id_: str, options: Mapping[str, Any]) -> None:
            deed(named(self._servers, id_), options)

        chaos.register(name, self._servers.__contains__, do)
        return chaos

    def _hang(self, server: T, options: Mapping[str, Any]) -> None:
        options_of(NoOptions, options)
        if server.running:
            self._set(server, "hung", value=True)

    def _fail_start(self, server: T, options: Mapping[str, Any]) -> None:
        times = options_of(FailStart, options).times
        self._set(server, "fail_starts", value=-1 if times is None else times)

    def _slow_boot(self, server: T, options: Mapping[str, Any]) -> None:
        self._set(server, "slow_boot", value=options_of(Seconds, options).seconds)

    def _crash_loop(self, server: T, options: Mapping[str, Any]) -> None:
        seconds = options_of(CrashLoop, options).seconds
        self._journal.change("instance.crash_after", server.id, server.troubled().crash_after, seconds)
        self._crashes.every(server, seconds)

    def _plain(self, server: T, options: Mapping[str, Any], what: str, *, value: bool) -> None:
        options_of(NoOptions, options)
        self._set(server, what, value=value)

    def _set(self, server: T, what: str, *, value: float) -> None:
        trouble = server.troubled()
        before = getattr(trouble, what)
        if before != value:
            setattr(trouble, what, value)
            self._journal.change(f"instance.{what}", server.id, before, value)
