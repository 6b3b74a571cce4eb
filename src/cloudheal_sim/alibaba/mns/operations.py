"""The parameters of every MNS call, declared for the coverage page: in query, headers and body, by their wire names.

The handlers read them from three places, so that no list could be taken from the code itself. A test holds this one
against the handlers that exist and against the official client's request models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.mns.model.attributes import QUEUE_SPANS

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Operation:
    """One call: the parameters that have an effect, and those that are taken without any."""

    honoured: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


_QUEUE = (*QUEUE_SPANS, "LoggingEnabled")
_TOPIC = ("MaximumMessageSize", "LoggingEnabled")
_PAGE = ("x-mns-prefix", "x-mns-ret-number", "x-mns-marker", "x-mns-with-meta")
_PROPERTIES = tuple(
    f"{kind}.PropertyValue.{fact}"
    for kind in ("UserProperties", "SystemProperties")
    for fact in ("Name", "Value", "Type")
)
_MESSAGE = ("MessageBody", "DelaySeconds", "Priority", "MessageGroupId", *_PROPERTIES)

OPERATIONS: Mapping[str, Operation] = {
    "GetAccountAttributes": Operation(("accountmeta",)),
    "SetAccountAttributes": Operation(("accountmeta", "LoggingBucket")),
    "OpenService": Operation(),
    "ListQueue": Operation(_PAGE),
    "CreateQueue": Operation(_QUEUE),
    "SetQueueAttributes": Operation(("metaoverride", *_QUEUE)),
    "GetQueueAttributes": Operation(),
    "DeleteQueue": Operation(),
    "SendMessage": Operation(_MESSAGE),
    "BatchSendMessage": Operation(tuple(f"Messages.N.{name}" for name in _MESSAGE)),
    "ReceiveMessage": Operation(("waitseconds",)),
    "BatchReceiveMessage": Operation(("numOfMessages", "waitseconds")),
    "PeekMessage": Operation(("peekonly",)),
    "BatchPeekMessage": Operation(("numOfMessages", "peekonly")),
    "DeleteMessage": Operation(("ReceiptHandle",)),
    "BatchDeleteMessage": Operation(("ReceiptHandles.N",)),
    "ChangeMessageVisibility": Operation(("ReceiptHandle", "VisibilityTimeout")),
    "ListTopic": Operation(_PAGE),
    "CreateTopic": Operation(_TOPIC),
    "SetTopicAttributes": Operation(("metaoverride", *_TOPIC)),
    "GetTopicAttributes": Operation(),
    "DeleteTopic": Operation(),
    "PublishMessage": Operation(
        ("MessageBody", "MessageTag", *_PROPERTIES),
        ("MessageAttributes.DirectMail", "MessageAttributes.DirectSMS", "MessageGroupId"),
    ),
    "ListSubscriptionByTopic": Operation(_PAGE),
    "Subscribe": Operation(("Endpoint", "FilterTag", "NotifyStrategy", "NotifyContentFormat")),
    "SetSubscriptionAttributes": Operation(
        ("metaoverride", "NotifyStrategy"), ("Endpoint", "FilterTag", "NotifyContentFormat")
    ),
    "GetSubscriptionAttributes": Operation(),
    "Unsubscribe": Operation(),
}
