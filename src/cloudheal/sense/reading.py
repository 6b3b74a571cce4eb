"""Reads messages into events, and says which trouble of its resource an event is about.

The reader of a cloud's messages is handed in; what it cannot read becomes a dead letter with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from cloudheal.errors import NotAnEventError
from cloudheal.model.event import Channel, Event
from cloudheal.model.incident import Trouble

#: Reads one message body into an Event. Raises NotAnEventError.
Reader = Callable[[bytes, datetime, Channel], Event]

#: Characters of a reason; what is longer quotes the message.
MOST_REASON = 300
#: Troubles by event type and status; a type that is not here is recorded and starts nothing.
_TROUBLES = {
    ("Instance:StateChange", "Stopped"): "stopped",
    ("Instance:PreemptibleInstanceInterruption", "delete"): "interruption",
    ("Instance:PreemptibleInstanceInterruption", "stop"): "interruption",
}


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
class Read:
    """What a batch of messages held."""

    events: tuple[Event, ...]
    unreadable: tuple[Unreadable, ...]


def read(messages: Iterable[Message], reader: Reader, received: datetime) -> Read:
    """Read a batch; never raises, whatever the messages hold."""
    events: list[Event] = []
    unreadable: list[Unreadable] = []
    for message in messages:
        try:
            events.append(reader(message.body, received, message.channel))
        except NotAnEventError as problem:
            unreadable.append(Unreadable(message, _kept(problem.args[0])))
    return Read(tuple(events), tuple(unreadable))


def _kept(reason: str) -> str:
    """Return a reason as it can be kept and shown: a stranger's words in it may be long, or no text at all."""
    return reason[:MOST_REASON].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def trouble_of(event: Event) -> Trouble | None:
    """Return the trouble that an event opens; None when it only informs."""
    kind = _TROUBLES.get((event.type, event.status))
    return None if kind is None else Trouble(kind)
