"""Topics: what is published goes to every subscription whose tag fits, at least once, with the documented retries.

A push under way is data (what, to whom, which attempt, when), so that a world that is read and put back goes on. How a
push is made is handed in (`Deliver`); this module knows only when.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from cloudheal_sim.alibaba.mns.model.attributes import Span
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND

if TYPE_CHECKING:
    from random import Random

    from cloudheal_sim.alibaba.mns.model.message import Draft
    from cloudheal_sim.kernel.clock import Timer

#: Seconds that a topic keeps a message; not settable.
RETENTION = 86400
TOPIC_SPANS = {"MaximumMessageSize": Span(1024, 65536, "bytes")}
MOST_TAG = 16
_QUEUE = re.compile(r"acs:mns:(?P<region>[A-Za-z0-9-]+):(?P<account>[^:/]+(?::\d+)?):queues/(?P<queue>[^/]+)")
#: What can be the id of an account; real ones have 16 digits.
_ACCOUNT = re.compile(r"\d{10,}")
_OTHER = re.compile(r"https?://\S+|mail:directmail:\S+|sms:directsms:\S+")
#: Exponential decay: 1, 2, 4 .. 512 seconds, then 512 again and again, 176 retries in all.
_DECAY_RETRIES, _DECAY_LONGEST = 176, 512
#: Backoff: three retries, each after 10 to 20 seconds.
_BACKOFF_RETRIES, _BACKOFF_SECONDS = 3, (10, 20)


class Strategy(StrEnum):
    """What happens after a push that failed."""

    BACKOFF = "BACKOFF_RETRY"
    DECAY = "EXPONENTIAL_DECAY_RETRY"

    def pause(self, failures: int, chance: Random) -> int | None:
        """Return the seconds to wait after so many failed attempts; None when it is given up."""
        if self is Strategy.BACKOFF:
            return chance.randint(*_BACKOFF_SECONDS) if failures <= _BACKOFF_RETRIES else None
        return min(_DECAY_LONGEST, 2 ** min(failures - 1, 9)) if failures <= _DECAY_RETRIES else None


class Format(StrEnum):
    """What a subscriber gets: the body alone, or the body with everything known about it."""

    XML = "XML"
    JSON = "JSON"
    SIMPLIFIED = "SIMPLIFIED"


@dataclass(frozen=True, slots=True)
class Publication:
    """One message of a topic; `published` is epoch milliseconds."""

    id: str
    draft: Draft
    published: int
    tag: str = ""


@dataclass(slots=True)
class Pushing:
    """A publication on its way to one subscription: failures so far, and when the next attempt is due."""

    publication: Publication
    due: int
    failures: int = 0
    timer: Timer | None = None


@dataclass(slots=True)
class Subscription:
    """Who gets a topic's messages, and how."""

    name: str
    endpoint: str
    created: int
    modified: int
    filter_tag: str = ""
    strategy: Strategy = Strategy.BACKOFF
    format: Format = Format.XML
    pushing: list[Pushing] = field(default_factory=list)

    def takes(self, tag: str) -> bool:
        """Say whether a message with this tag is meant for it."""
        return not self.filter_tag or self.filter_tag == tag

    def same_as(self, other: Subscription) -> bool:
        """Say whether creating the other one would change nothing."""
        mine = (self.endpoint, self.filter_tag, self.strategy, self.format)
        return mine == (other.endpoint, other.filter_tag, other.strategy, other.format)


@dataclass(slots=True)
class Topic:
    """A topic of one account."""

    name: str
    region: str
    created: int
    modified: int
    maximum_message_size: int = 65536
    logging_enabled: bool = False
    subscriptions: dict[str, Subscription] = field(default_factory=dict)

    @property
    def message_count(self) -> int:
        """The messages that some subscriber has not got yet."""
        return len({one.publication.id for each in self.subscriptions.values() for one in each.pushing})


class Outcome(StrEnum):
    """What became of one attempt; HOPELESS ones are not made again."""

    DELIVERED = "delivered"
    FAILED = "failed"
    HOPELESS = "hopeless"


#: Makes one attempt and says by calling back what became of it.
Deliver: TypeAlias = Callable[[Topic, Subscription, Publication, Callable[[Outcome], None]], None]


@dataclass(frozen=True, slots=True)
class QueueEndpoint:
    """The address of a queue as a subscription names it."""

    region: str
    account: str
    queue: str

    def owner(self, topic_owner: str) -> str:
        """Return whose queue it is.

        The vendor's samples take the first label of the host they talk to for the account. Of 127.0.0.1 or localhost
        that is no account: the topic's owner is meant.
        """
        return self.account if _ACCOUNT.fullmatch(self.account) else topic_owner


def queue_endpoint(endpoint: str) -> QueueEndpoint | None:
    """Read `acs:mns:REGION:ACCOUNT:queues/NAME`; None for any other endpoint."""
    found = _QUEUE.fullmatch(endpoint)
    return None if found is None else QueueEndpoint(found["region"], found["account"], found["queue"])


def is_endpoint(endpoint: str) -> bool:
    """Say whether a subscription may name this endpoint."""
    return queue_endpoint(endpoint) is not None or _OTHER.fullmatch(endpoint) is not None


def due_after(pause: int, now: int) -> int:
    """Return the instant so many seconds from now."""
    return now + pause * MILLIS_PER_SECOND
