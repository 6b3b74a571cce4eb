"""A consumer group as a broker keeps it: who is in it, which generation it is, what was committed.

Members join, one of them shares the partitions out, all beat; whoever leaves, dies or comes makes everyone join anew.
A commit of a generation that is over is refused.
"""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass, field
from enum import Enum, auto

NONE, ILLEGAL_GENERATION, UNKNOWN_MEMBER, REBALANCING = 0, 22, 25, 27


class State(Enum):
    """Where the group is between two generations."""

    EMPTY = auto()
    PREPARING = auto()
    COMPLETING = auto()
    STABLE = auto()


@dataclass
class Member:
    """One member, alive while it beats."""

    session: float
    protocols: list[tuple[str, bytes]]
    heard: float
    joined: bool = True


@dataclass(frozen=True)
class Joined:
    """The answer to a member that joins."""

    error: int
    generation: int = -1
    protocol: str = ""
    leader: str = ""
    member: str = ""
    members: tuple[tuple[str, bytes], ...] = ()


@dataclass
class Group:
    """One group; shared between the threads of the connections."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    members: dict[str, Member] = field(default_factory=dict)
    committed: dict[tuple[str, int], int] = field(default_factory=dict)
    state: State = State.EMPTY
    generation: int = 0
    leader: str = ""
    shares: dict[str, bytes] = field(default_factory=dict)
    _names: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def join(self, name: str, session: float, protocols: list[tuple[str, bytes]]) -> Joined:
        """Wait until everyone has joined, or those who have not are given up."""
        with self.changed:
            if name and name not in self.members:
                return Joined(UNKNOWN_MEMBER)
            name = name or f"member-{next(self._names)}"
            self.members[name] = Member(session, protocols, time.monotonic())
            if self.state is not State.PREPARING:
                self._prepare(but=name)
            before = self.generation
            self.changed.notify_all()
            while self.generation == before and name in self.members:
                if all(one.joined for one in self.members.values()):
                    self._complete()
                else:
                    self.changed.wait(0.05)
                    self._bury()
            if name not in self.members:
                return Joined(UNKNOWN_MEMBER)
            protocol = protocols[0][0]
            members = tuple((id_, dict(one.protocols)[protocol]) for id_, one in self.members.items())
            mine = members if name == self.leader else ()
            return Joined(NONE, self.generation, protocol, self.leader, name, mine)

    def sync(self, name: str, generation: int, shares: dict[str, bytes]) -> tuple[int, bytes]:
        """Take the leader's shares, or wait for them."""
        with self.changed:
            if error := self._wrong(name, generation):
                return error, b""
            if name == self.leader:
                self.shares, self.state = shares, State.STABLE
                self.changed.notify_all()
            while self.state is State.COMPLETING and self.generation == generation:
                self.changed.wait(0.05)
            if self.state is not State.STABLE or self.generation != generation:
                return REBALANCING, b""
            return NONE, self.shares.get(name, b"")

    def beat(self, name: str, generation: int) -> int:
        """Hear of a member."""
        with self.changed:
            if error := self._wrong(name, generation):
                return error
            return REBALANCING if self.state is State.PREPARING else NONE

    def leave(self, name: str) -> int:
        """Let a member go."""
        with self.changed:
            if self.members.pop(name, None) is None:
                return UNKNOWN_MEMBER
            self._prepare()
            return NONE

    def commit(self, name: str, generation: int, offsets: dict[tuple[str, int], int]) -> int:
        """Keep how far the group is."""
        with self.changed:
            if error := self._wrong(name, generation):
                return error
            self.committed |= offsets
            return NONE

    def bury(self) -> None:
        """Give up members that were not heard of."""
        with self.changed:
            self._bury()

    def rebalance(self) -> None:
        """Make everyone join anew, as when somebody comes."""
        with self.changed:
            self._prepare()

    def _bury(self) -> None:
        now = time.monotonic()
        waits = self.state is State.PREPARING
        # Who waits in a join is there, whether or not it beats.
        dead = [
            id_ for id_, one in self.members.items() if now - one.heard > one.session and not (waits and one.joined)
        ]
        for id_ in dead:
            del self.members[id_]
        if dead and not waits:
            self._prepare()
        self.changed.notify_all()

    def _prepare(self, but: str = "") -> None:
        self.state = State.PREPARING if self.members else State.EMPTY
        for id_, one in self.members.items():
            one.joined = id_ == but
        self.changed.notify_all()

    def _complete(self) -> None:
        self.generation += 1
        self.state, self.shares, self.leader = State.COMPLETING, {}, next(iter(self.members))
        for one in self.members.values():
            one.heard = time.monotonic()
        self.changed.notify_all()

    def _wrong(self, name: str, generation: int) -> int:
        """Say what is wrong with who calls; hears of it otherwise."""
        if name not in self.members:
            return UNKNOWN_MEMBER
        self.members[name].heard = time.monotonic()
        return ILLEGAL_GENERATION if generation != self.generation else NONE
