"""Group commit: batches that come at the same time are taken in together, and no message spoils the others.

Whoever comes while another commits waits, and is then committed with everyone who waited: a fast feed gives large
commits, an idle one commits at once. What cannot be committed together is tried in halves, down to the single message;
one that fails alone again and again becomes a dead letter with the reason. A database that is in trouble blames no
message: its exception goes to everyone who waited, and nothing was taken that may be acknowledged.

Urgent messages have a group of their own. While it commits, the commit of the others is undone and done again; where
there are such messages, the others are committed few at a time, so that little is undone and nobody waits for much.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from cloudheal.metrics.counters import Counters
from cloudheal.model.event import Fate
from cloudheal.pipeline.courtesy import Courtesy, Polite
from cloudheal.pipeline.deciding import Fared
from cloudheal.pipeline.intake import Intake, Taken
from cloudheal.ports.hurry import hurrying
from cloudheal.record.blame import blame
from cloudheal.sense.reading import Message

log = logging.getLogger("cloudheal.intake")

#: Messages in one transaction: beyond this a commit grows no cheaper by the message, and others wait for it.
MOST_TOGETHER = 2000
#: The same beside urgent ones: of messages that each open an incident, less than a tenth of a second.
FEW_TOGETHER = 64
#: How often a message is tried alone before it is to blame.
TRIES = 3


@dataclass(slots=True, eq=False)
class _Parcel:
    """The messages of one caller, and what came of them."""

    messages: Sequence[Message]
    taken: Taken | None = None
    problem: BaseException | None = None


@dataclass(slots=True)
class GroupCommit:
    """Takes messages in for any number of threads."""

    intake: Intake
    counters: Counters
    monotonic: Callable[[], float] = time.monotonic
    courtesy: Courtesy = field(default_factory=Courtesy)
    is_urgent: bool = False
    """True for the group that goes before everything else."""
    most: int = MOST_TOGETHER
    """Messages in one transaction."""
    _waiting: list[_Parcel] = field(default_factory=list)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def take(self, messages: Sequence[Message]) -> Taken:
        """Commit messages with whoever else waits. Raises what the database raised: then nothing may be acknowledged.

        Whoever is tried again after that may find that part of it was committed; it is a duplicate then.
        """
        parcel = _Parcel(messages)
        with self._guard:
            self._waiting.append(parcel)
        first = self.courtesy.urgent() if self.is_urgent else self.courtesy.first()
        with hurrying(self.is_urgent), first, self._turn:
            while parcel.taken is None and parcel.problem is None:
                self._commit(self._next())
        if parcel.problem is not None:
            raise parcel.problem
        return parcel.taken or Taken(())

    def _next(self) -> list[_Parcel]:
        """Return the parcels that go together, oldest first; one that is larger than the most goes alone."""
        chosen: list[_Parcel] = []
        with self._guard:
            while self._waiting and (not chosen or _size([*chosen, self._waiting[0]]) <= MOST_TOGETHER):
                chosen.append(self._waiting.pop(0))
        return chosen

    def _commit(self, parcels: Sequence[_Parcel]) -> None:
        try:
            fared = iter(list(self._in_parts([one for parcel in parcels for one in parcel.messages])))
        except BaseException as problem:
            for parcel in parcels:
                parcel.problem = problem  # every caller tells what it is
            if isinstance(problem, Exception):
                return
            raise
        for parcel in parcels:
            parcel.taken = Taken(tuple(islice(fared, len(parcel.messages))))

    def _in_parts(self, messages: Sequence[Message]) -> Iterator[Fared]:
        """Commit messages, so many at a time, each part in a turn of its own and with a patience of its own."""
        for start in range(0, len(messages), self.most):
            yield from self._settled(messages[start : start + self.most], Polite(self.courtesy))

    def _settled(self, messages: Sequence[Message], polite: Polite) -> list[Fared]:
        try:
            return list(self._timed(messages, polite).fared)
        except Exception as problem:
            reason = blame(problem)
            if not reason:
                raise
            if len(messages) == 1:
                return [self._alone(messages[0], reason, polite)]
            half = len(messages) // 2
            return [*self._settled(messages[:half], polite), *self._settled(messages[half:], polite)]

    def _alone(self, message: Message, reason: str, polite: Polite) -> Fared:
        """Try a message that failed by itself again; what fails every time is kept apart."""
        for _ in range(TRIES - 1):
            try:
                return self._timed([message], polite).fared[0]
            except Exception as problem:
                reason = blame(problem)
                if not reason:
                    raise
        number = self.intake.bury(message, reason)
        log.warning("intake.buried origin=%r dead_letter=%d reason=%r", message.origin, number, reason)
        return Fared(Fate.DEAD_LETTER)

    def _timed(self, messages: Sequence[Message], polite: Polite) -> Taken:
        """Commit messages, after whatever is urgent and comes before the end of it."""
        return polite.do(lambda check: self._measured(messages, check))

    def _measured(self, messages: Sequence[Message], check: Callable[[], None]) -> Taken:
        began = self.monotonic()
        taken = self.intake.take(messages, check)
        self.counters.observe("cloudheal_commit_seconds", self.monotonic() - began)
        self.counters.observe("cloudheal_commit_messages", len(messages))
        return taken


def _size(parcels: Sequence[_Parcel]) -> int:
    return sum(len(one.messages) for one in parcels)
