"""Reads messages into events.

The reader of a cloud's messages is handed in; what it cannot read becomes a dead letter with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from cloudheal.errors import NotAnEventError
from cloudheal.model.event import Channel, Event
from cloudheal.sense.canary import canary_of

#: Reads one message body into an Event. Raises NotAnEventError.
Reader = Callable[[bytes, datetime, Channel], Event]

#: Nobody but the queue may say that a canary arrived.
_CANARIES_COME_BY = frozenset({Channel.QUEUE, Channel.FUNCTION})
#: Characters of a reason; what is longer quotes the message.
MOST_REASON = 300


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it was received; `origin` names the queue, path or file."""

    body: bytes
    origin: str
    channel: Channel


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message that is not an event, and why."""

    message: Message
    reason: str


@dataclass(frozen=True, slots=True)
class Canary:
    """A message of our own that came back."""

    id: str


@dataclass(frozen=True, slots=True)
class Read:
    """What a batch of messages held, one item a message, in their order."""

    items: tuple[Event | Unreadable | Canary, ...]

    @property
    def canaries(self) -> tuple[Canary, ...]:
        """The messages of our own among them."""
        return tuple(one for one in self.items if isinstance(one, Canary))

    @property
    def events(self) -> tuple[Event, ...]:
        """The events among them."""
        return tuple(one for one in self.items if isinstance(one, Event))

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """Those that hold nothing that can be read."""
        return tuple(one for one in self.items if isinstance(one, Unreadable))


def read(messages: Iterable[Message], reader: Reader, received: datetime) -> Read:
    """Read a batch; never raises, whatever the messages hold."""
    items: list[Event | Unreadable | Canary] = []
    for message in messages:
        canary = canary_of(message.body) if message.channel in _CANARIES_COME_BY else None
        if canary is not None:
            items.append(Canary(canary))
            continue
        try:
            items.append(reader(message.body, received, message.channel))
        except NotAnEventError as problem:
            items.append(Unreadable(message, _kept(problem.args[0])))
    return Read(tuple(items))


def _kept(reason: str) -> str:
    """Return a reason as it can be kept and shown: a stranger's words in it may be long, or no text at all."""
    return reason[:MOST_REASON].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
