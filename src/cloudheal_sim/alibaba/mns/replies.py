"""Wire out: XML as the vendor's clients can read it.

The namespace stands on the root only, text is never CDATA, and lists have no empty elements (the clients take the first
child node of an element for its text). Queue and topic times are seconds, message times milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from email.utils import format_datetime
from typing import TYPE_CHECKING, TypeAlias
from xml.sax.saxutils import escape

from cloudheal_sim.alibaba.mns.model.message import State
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND, to_datetime
from cloudheal_sim.kernel.wire import HttpReply

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.mns.model.attributes import QueueAttributes
    from cloudheal_sim.alibaba.mns.model.message import Message, Property, Received
    from cloudheal_sim.alibaba.mns.model.queue import Queue
    from cloudheal_sim.alibaba.mns.model.topic import Subscription, Topic
    from cloudheal_sim.alibaba.rpc import Refusal

NAMESPACE = "http://mns.aliyuncs.com/doc/v1/"
#: The documentation prints the same one for errors, but recorded errors lack the stroke, and the vendor's Java client
#: reads no error that has it.
ERROR_NAMESPACE = "http://mns.aliyuncs.com/doc/v1"
_DECLARATION = '<?xml version="1.0" encoding="utf-8"?>\n'
#: A parser would turn a bare carriage return into a line feed, and the digest of the body would not fit any more.
_ENTITIES = {"\r": "&#13;"}

#: One element: its name, and its text or its children.
Node: TypeAlias = tuple[str, "str | int | Sequence[Node]"]


def xml(root: Node) -> bytes:
    """Write a document."""
    name, content = root
    namespace = ERROR_NAMESPACE if name == "Error" else NAMESPACE
    return f'{_DECLARATION}<{name} xmlns="{namespace}">{_inner(content)}</{name}>'.encode("utf-8", "backslashreplace")


def _inner(content: str | int | Sequence[Node]) -> str:
    if isinstance(content, str | int):
        return escape(str(content), _ENTITIES)
    return "".join(f"<{name}>{_inner(inner)}</{name}>" for name, inner in content)


def reply(status: int, root: Node | None = None, location: str = "") -> HttpReply:
    """Answer; without a document the body is empty."""
    headers = {"Location": location} if location else {}
    return HttpReply(status, b"" if root is None else xml(root), headers)


def completed(answer: HttpReply, request_id: str, now: int) -> HttpReply:
    """Add the headers that every answer has."""
    headers = {"x-mns-request-id": request_id, "x-mns-version": "2015-06-06"}
    headers["Date"] = format_datetime(to_datetime(now), usegmt=True)
    if answer.status != 204:
        headers["Content-Type"] = "text/xml;charset=utf-8"
    return replace(answer, headers={**headers, **answer.headers}, request_id=request_id)


def error(refusal: Refusal, request_id: str, host: str) -> HttpReply:
    """Say no."""
    facts = (
        ("Code", refusal.code),
        ("Message", refusal.message),
        ("RequestId", request_id),
        ("HostId", f"http://{host}"),
    )
    return HttpReply(refusal.status, xml(("Error", facts)), code=refusal.code, request_id=request_id)


# --- account and queues ---


def account(bucket: str) -> Node:
    """Write the account's attributes."""
    return "Account", [("LoggingBucket", bucket)]


def order(number: str) -> Node:
    """Write the answer of OpenService."""
    return "OpenService", [("OrderId", number)]


def queue_node(queue: Queue, attributes: QueueAttributes, modified: int) -> list[Node]:
    """Write the twelve elements of a queue; the clients miss every one of them."""
    return [
        ("QueueName", queue.name),
        ("CreateTime", queue.created // MILLIS_PER_SECOND),
        ("LastModifyTime", modified // MILLIS_PER_SECOND),
        ("VisibilityTimeout", attributes.visibility_timeout),
        ("MaximumMessageSize", attributes.maximum_message_size),
        ("MessageRetentionPeriod", attributes.message_retention_period),
        ("DelaySeconds", attributes.delay_seconds),
        ("PollingWaitSeconds", attributes.polling_wait_seconds),
        ("LoggingEnabled", str(attributes.logging_enabled)),
        *_counts(queue),
    ]


def _counts(queue: Queue) -> list[Node]:
    return [
        ("ActiveMessages", queue.counts[State.ACTIVE]),
        ("InactiveMessages", queue.counts[State.INACTIVE]),
        ("DelayMessages", queue.counts[State.DELAYED]),
    ]


def listed(root: str, nodes: Sequence[Node], marker: str) -> Node:
    """Write a page of a list; the marker only when there is another page."""
    return root, [*nodes, *([("NextMarker", marker)] if marker else [])]


# --- messages ---


def sent(id_: str, digest: str) -> list[Node]:
    """Write what a sender gets."""
    return [("MessageId", id_), ("MessageBodyMD5", digest)]


def failed(refusal: Refusal) -> list[Node]:
    """Write why one message of a batch was not taken."""
    return [("ErrorCode", refusal.code), ("ErrorMessage", refusal.message)]


def received(one: Received) -> Node:
    """Write what a receiver gets."""
    message = one.message
    times: list[Node] = [
        ("EnqueueTime", message.enqueued),
        ("NextVisibleTime", one.due),
        ("FirstDequeueTime", one.first_dequeued),
        ("DequeueCount", one.dequeue_count),
    ]
    return "Message", [
        ("MessageId", one.id),
        ("ReceiptHandle", one.handle),
        *_content(message),
        *times,
        *_rest(message),
    ]


def peeked(message: Message) -> Node:
    """Write what a peek shows: no handle and no next visible time."""
    times: list[Node] = [
        ("EnqueueTime", message.enqueued),
        ("FirstDequeueTime", message.first_dequeued),
        ("DequeueCount", message.dequeue_count),
    ]
    return "Message", [("MessageId", message.id), *_content(message), *times, *_rest(message)]


def _content(message: Message) -> list[Node]:
    return [("MessageBody", message.body), ("MessageBodyMD5", message.body_md5)]


def _rest(message: Message) -> list[Node]:
    draft = message.draft
    nodes: list[Node] = [("Priority", draft.priority)]
    if draft.group:
        nodes.append(("MessageGroupId", draft.group))
    for root, item, system in (
        ("UserProperties", "PropertyValue", False),
        ("SystemProperties", "SystemPropertyValue", True),
    ):
        kept = [(item, _property(one)) for one in draft.properties if one.system is system]
        nodes += [(root, kept)] if kept else []
    return nodes


def _property(one: Property) -> list[Node]:
    return [("Name", one.name), ("Value", one.value), ("Type", one.type)]


def not_deleted(failures: Sequence[tuple[str, Refusal]]) -> Node:
    """Write which handles of a batch could not be deleted, and why."""
    return "Errors", [("Error", [*failed(refusal), ("ReceiptHandle", handle)]) for handle, refusal in failures]


def changed(one: Received) -> Node:
    """Write a new handle and until when it lives."""
    return "ChangeVisibility", [("ReceiptHandle", one.handle), ("NextVisibleTime", one.due)]


# --- topics ---


def topic_node(topic: Topic, retention: int) -> list[Node]:
    """Write a topic."""
    return [
        ("TopicName", topic.name),
        ("CreateTime", topic.created // MILLIS_PER_SECOND),
        ("LastModifyTime", topic.modified // MILLIS_PER_SECOND),
        ("MaximumMessageSize", topic.maximum_message_size),
        ("MessageRetentionPeriod", retention),
        ("MessageCount", topic.message_count),
        ("LoggingEnabled", str(topic.logging_enabled)),
    ]


def subscription_node(owner: str, topic: Topic, subscription: Subscription) -> list[Node]:
    """Write a subscription; a filter only when there is one."""
    tag: list[Node] = [("FilterTag", subscription.filter_tag)] if subscription.filter_tag else []
    return [
        ("SubscriptionName", subscription.name),
        ("Subscriber", owner),
        ("TopicOwner", owner),
        ("TopicName", topic.name),
        ("Endpoint", subscription.endpoint),
        ("NotifyStrategy", subscription.strategy.value),
        ("NotifyContentFormat", subscription.format.value),
        *tag,
        ("CreateTime", subscription.created // MILLIS_PER_SECOND),
        ("LastModifyTime", subscription.modified // MILLIS_PER_SECOND),
    ]
