"""Event: one fact that a cloud, or a monitor of ours, told us. The shape follows CloudEvents 1.0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, Self

from cloudheal.model.resource import ResourceId

#: What the data of a test message holds: nothing happened, it is recorded, and nothing follows from it.
DRY_RUN: Mapping[str, str] = {"cloudheal": "dry run"}
#: What no other message holds: millions are asked.
_MARK = next(iter(DRY_RUN))
#: How far ahead of our clock the time of an event is believed: clocks differ by seconds.
AHEAD = timedelta(minutes=1)
#: How grave whoever tells of an event says that it is, the gravest first.
CRITICAL, WARN, INFO = LEVELS = ("CRITICAL", "WARN", "INFO")


def is_test(data: Mapping[str, Any]) -> bool:
    """Say whether a message with this data tells of nothing: somebody tests the way from the cloud's rules to us."""
    return _MARK in data and DRY_RUN.items() <= data.items()


class Channel(StrEnum):
    """The way by which an event reached us."""

    QUEUE = "queue"
    POLL = "poll"
    WEBHOOK = "webhook"
    FILE = "file"
    FUNCTION = "function"
    LOG = "log"


class Fate(StrEnum):
    """What became of a message; all but `retry` are final, and the message may be acknowledged."""

    DONE = "done"
    """Its event is recorded, and a rule decided on it or it says how a resource is."""
    IGNORED = "ignored"
    """Its event is recorded, of a kind that is not known or that no rule wants."""
    DUPLICATE = "duplicate"
    DEAD_LETTER = "dead_letter"
    """It cannot be read or cannot be stored, and is kept with the reason."""
    CANARY = "canary"
    """It is a message of our own that came back from the queue."""
    RETRY = "retry"
    """The database did not take it; it comes again."""


def most_telling(fates: Sequence[Fate]) -> Fate:
    """Return the fate of a message that held several events: what somebody must see, before what came of it."""
    order = (Fate.DEAD_LETTER, Fate.DONE, Fate.IGNORED, Fate.DUPLICATE, Fate.CANARY)
    return min(fates, key=order.index)


class _Fields(NamedTuple):
    """What an event holds: a tuple, which is made in a third of the time of a frozen class; millions are made."""

    key: str
    id: str
    source: str
    type: str
    subject: ResourceId
    time: datetime
    received: datetime
    status: str
    data: Mapping[str, Any]
    channel: Channel
    simulated: bool
    raw: bytes


class Event(_Fields):
    """One fact, normalised from whatever envelope it came in.

    `key` is what makes two messages the same event (DESIGN section 3); the envelope's own id is kept as `id` only,
    because it repeats across states. `time` is when it happened, `received` when we read it; both aware, UTC. `time` is
    cut to the milliseconds that databases keep, so that an event is never older than its own row. `raw` is the message
    as received, for the record and for replay. `_replace` changes what it is told to, and cuts nothing.
    """

    __slots__ = ()

    def __new__(  # noqa: PLR0913, PLR0917 - as many as there are fields
        cls,
        key: str,
        id: str,  # noqa: A002 - the field's name
        source: str,
        type: str,  # noqa: A002 - the field's name
        subject: ResourceId,
        time: datetime,
        received: datetime,
        status: str,
        data: Mapping[str, Any],
        channel: Channel,
        simulated: bool,  # noqa: FBT001 - the field's place
        raw: bytes,
    ) -> Self:
        """Cut the time to milliseconds."""
        over = time.microsecond % 1000
        if over:
            time -= timedelta(microseconds=over)
        return tuple.__new__(
            cls, (key, id, source, type, subject, time, received, status, data, channel, simulated, raw)
        )

    @property
    def is_dry_run(self) -> bool:
        """True when nothing happened, and the way to us was tested."""
        return is_test(self.data)

    @property
    def as_of(self) -> datetime:
        """Until when it makes older news stale: no message knows what comes long after it, whatever it says."""
        return min(self.time, self.received + AHEAD)

    @property
    def level(self) -> str:
        """One of LEVELS, as whoever told of it says; empty where nobody does."""
        said = self.data.get("level")
        level = said.upper() if type(said) is str else ""
        return level if level in LEVELS else ""
