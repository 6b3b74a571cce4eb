"""One message of a queue, and the states it can be in.

Delayed -> Active -> (received) Inactive -> Active again, until it is deleted or its retention ends. A message is in
exactly one state. The receipt handle belongs to the state Inactive: it lives as long as that does.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from enum import StrEnum

#: The priorities there are, 1 is the highest, and the one a message has unless it says otherwise.
PRIORITIES = range(1, 17)
USUAL_PRIORITY = 8


class State(StrEnum):
    """Whether a message can be received."""

    ACTIVE = "Active"
    INACTIVE = "Inactive"
    DELAYED = "Delayed"


@dataclass(frozen=True, slots=True)
class Property:
    """A typed attribute beside the body; `system` ones are the service's own (tracing, dead letters)."""

    name: str
    value: str
    type: str
    system: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """A message as its sender wrote it; `delay` in seconds, None leaves it to the queue."""

    body: str
    delay: int | None = None
    priority: int = USUAL_PRIORITY
    group: str = ""
    properties: tuple[Property, ...] = ()


@dataclass(slots=True)
class Message:
    """A message in a queue; instants are epoch milliseconds.

    `seq` orders messages of one priority and is unique in its queue, also when a message was duplicated. `due` is when
    a delayed or inactive message becomes active; an active one has none.
    """

    seq: int
    id: str
    draft: Draft
    enqueued: int
    state: State = State.ACTIVE
    due: int = 0
    handle: str = ""
    dequeue_count: int = 0
    first_dequeued: int = 0

    @property
    def body(self) -> str:
        """The body as it travels."""
        return self.draft.body

    @property
    def body_md5(self) -> str:
        """The digest of the body as it travels, upper-case hex."""
        return body_md5(self.draft.body)


@dataclass(frozen=True, slots=True)
class Received:
    """A message as one receiver got it; later changes of the message do not show here."""

    message: Message
    id: str
    handle: str
    due: int
    dequeue_count: int
    first_dequeued: int
    before: tuple[int, int] = field(default=(0, 0))
    """Dequeue count and first dequeue before this receive, for taking it back."""


def body_md5(body: str) -> str:
    """Return the upper-case hex MD5 of a body as it travels."""
    return hashlib.md5(body.encode(), usedforsecurity=False).hexdigest().upper()


def new_handle(queue: str, message: Message, number: int) -> str:
    """Make the receipt handle of a message that is inactive until its `due`; `number` is unique in the queue.

    It holds what the real ones hold (a priority and Base64 text) and no character that a query would have to escape
    except `=`. A check sum tells handles of this queue from invented ones.
    """
    facts = f"{message.id}-{message.due}-{number}"
    text = urlsafe_b64encode(f"{facts}-{_check(queue, facts)}".encode()).decode()
    return f"{message.draft.priority}-{text}"


def issued_for(queue: str, handle: str) -> str | None:
    """Return the id of the message that a handle of this queue was once issued for; None when it never was."""
    try:
        text = urlsafe_b64decode(handle.partition("-")[2].encode("ascii")).decode("ascii")
    except ValueError:
        return None
    facts, _, check = text.rpartition("-")
    return facts.rsplit("-", 2)[0] if check and check == _check(queue, facts) else None


def _check(queue: str, facts: str) -> str:
    return hashlib.md5(f"{queue}/{facts}".encode(), usedforsecurity=False).hexdigest()[:6]
