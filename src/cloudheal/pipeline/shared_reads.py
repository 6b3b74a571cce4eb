"""Reads of servers that coincide become one call: whoever asks first waits a moment, and asks for all who came by then.

A read answers only those who asked before it was sent, so that everybody's answer is fresher than their question. When
a call for several fails for good, each asks alone, so that one bad id costs the others nothing. What changes something
goes through untouched.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cloudheal.errors import CloudPermanentError, CloudTransientError
from cloudheal.ports.cloud import Compute, Server

#: How long the first one waits for others; far below what a call takes.
GATHER_SECONDS = 0.02


@dataclass(slots=True)
class _Round:
    """One call to be, with everybody's ids; `done` when it was made."""

    ids: set[str] = field(default_factory=set)
    askers: int = 0
    done: threading.Event = field(default_factory=threading.Event)
    found: Mapping[str, Server] | None = None
    problem: CloudTransientError | None = None


class SharedReads:
    """The servers of one account, read together by all threads of a process."""

    def __init__(self, compute: Compute, pause: Callable[[float], object]) -> None:
        """`pause` waits so many real seconds."""
        self._compute = compute
        self._pause = pause
        self._guard = threading.Lock()
        self._gathering: dict[str, _Round] = {}

    def servers(self, region: str, ids: Sequence[str]) -> Mapping[str, Server]:
        """Read servers afresh, by the hundred, together with whoever asks at this moment."""
        with self._guard:
            mine = self._gathering.get(region)
            leads = mine is None
            if mine is None:
                mine = self._gathering[region] = _Round()
            mine.ids.update(ids)
            mine.askers += 1
        if leads:
            self._call(region, mine)
        mine.done.wait()
        if mine.problem is not None:
            raise mine.problem
        if mine.found is None:
            return self._compute.servers(region, ids)
        return {id_: mine.found[id_] for id_ in ids if id_ in mine.found}

    def start(self, region: str, id_: str, seconds: float) -> str:
        """Ask for a stopped server to be started; returns the vendor's request id."""
        return self._compute.start(region, id_, seconds)

    def reboot(self, region: str, id_: str, seconds: float, *, force: bool = False) -> str:
        """Ask for a running server to be restarted; returns the vendor's request id."""
        return self._compute.reboot(region, id_, seconds, force=force)

    def _call(self, region: str, mine: _Round) -> None:
        """Make the call for everybody. Whatever happens, nobody is left waiting; what is unclear each asks again."""
        try:
            self._pause(GATHER_SECONDS)
        finally:
            with self._guard:
                del self._gathering[region]
            try:
                mine.found = self._compute.servers(region, sorted(mine.ids))
            except CloudTransientError as problem:
                mine.problem = problem
            except CloudPermanentError:
                if mine.askers == 1:
                    raise
            finally:
                mine.done.set()
