"""What a world document may say about MNS: the parts of its form, each with what it allows.

`"text"` in `messages` is an active message with that very body, `{"text": "..."}` one whose body is the text in Base64,
as the vendor's clients expect it.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field

from cloudheal_sim.alibaba.mns.model.attributes import is_name
from cloudheal_sim.alibaba.mns.model.message import USUAL_PRIORITY, State
from cloudheal_sim.alibaba.mns.model.topic import MOST_TAG, Format, Strategy, is_endpoint
from cloudheal_sim.kernel.world import Part, WorldError

#: Characters that XML 1.0 cannot carry in any form.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def _named(text: str) -> str:
    if not is_name(text):
        msg = "a name starts with a letter or digit and holds letters, digits and -"
        raise ValueError(msg)
    return text


def _writable(text: str) -> str:
    if _UNWRITABLE.search(text):
        msg = "expected characters that XML can carry"
        raise ValueError(msg)
    return text


def _addressed(text: str) -> str:
    if not is_endpoint(text):
        msg = "an endpoint is acs:mns:REGION:ACCOUNT:queues/NAME or an http(s) URL"
        raise ValueError(msg)
    return text


Name = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_named)]
Body = Annotated[str, Field(min_length=1), AfterValidator(_writable)]


class PropertyPart(Part):
    """A property of a message."""

    name: str
    value: Annotated[str, AfterValidator(_writable)] = ""
    type: str = "STRING"
    system: bool = False


class MessagePart(Part):
    """A message in full; `text` instead of `body` is put in as Base64."""

    id: str = ""
    body: Body | None = None
    text: str | None = None
    priority: int = Field(USUAL_PRIORITY, ge=1, le=16)
    group: str = ""
    properties: list[PropertyPart] = Field(default_factory=list)
    state: State = State.ACTIVE
    enqueued: AwareDatetime | None = None
    due: AwareDatetime | None = None
    handle: str = ""
    dequeue_count: int = Field(0, ge=0)
    first_dequeued: AwareDatetime | None = None


class QueuePart(Part):
    """A queue in full."""

    name: Name = Field(max_length=120)
    region: str = ""
    account: str = ""
    created: AwareDatetime | None = None
    modified: AwareDatetime | None = None
    visibility_timeout: int = Field(30, ge=1, le=43200)
    maximum_message_size: int = Field(65536, ge=1024, le=65536)
    message_retention_period: int = Field(345600, ge=60, le=604800)
    delay_seconds: int = Field(0, ge=0, le=604800)
    polling_wait_seconds: int = Field(0, ge=0, le=30)
    logging_enabled: bool = False
    handles_issued: int = Field(0, ge=0)
    messages: list[Body | MessagePart] = Field(default_factory=list)


class PushPart(Part):
    """A message on its way to a subscription."""

    id: str
    body: Body
    tag: str = ""
    properties: list[PropertyPart] = Field(default_factory=list)
    published: AwareDatetime
    due: AwareDatetime
    failures: int = Field(0, ge=0)


class SubscriptionPart(Part):
    """A subscription in full."""

    topic: Name
    name: Name
    account: str = ""
    endpoint: Annotated[str, AfterValidator(_addressed)]
    filter_tag: str = Field("", max_length=MOST_TAG)
    notify_strategy: Strategy = Strategy.BACKOFF
    notify_content_format: Format = Format.XML
    created: AwareDatetime | None = None
    modified: AwareDatetime | None = None
    pushing: list[PushPart] = Field(default_factory=list)


class TopicPart(Part):
    """A topic in full."""

    name: Name
    region: str = ""
    account: str = ""
    created: AwareDatetime | None = None
    modified: AwareDatetime | None = None
    maximum_message_size: int = Field(65536, ge=1024, le=65536)
    logging_enabled: bool = False


class AccountPart(Part):
    """What an account has beside queues and topics."""

    id: str
    logging_bucket: str = ""


class Document(Part):
    """The keys of MNS."""

    queues: list[QueuePart] = Field(default_factory=list)
    topics: list[TopicPart] = Field(default_factory=list)
    subscriptions: list[SubscriptionPart] = Field(default_factory=list)
    mns_accounts: list[AccountPart] = Field(default_factory=list)


def check_messages(place: str, queue: QueuePart) -> int:
    """Check what no single field shows; return how many messages have a handle. Raises WorldError."""
    handles: set[str] = set()
    for at, message in enumerate(queue.messages):
        if isinstance(message, str):
            continue
        if (message.body is None) == (message.text is None):
            msg = f"{place}.{at}: one of body, text: expected exactly one"
            raise WorldError(msg)
        if (message.state is State.ACTIVE) is (message.due is not None):
            msg = f"{place}.{at}.due: expected exactly for messages that are Inactive or Delayed"
            raise WorldError(msg)
        if (message.state is State.INACTIVE) is not bool(message.handle) or message.handle in handles:
            msg = f"{place}.{at}.handle: expected exactly for Inactive messages, each its own"
            raise WorldError(msg)
        handles |= {message.handle} if message.handle else set()
    return len(handles)
