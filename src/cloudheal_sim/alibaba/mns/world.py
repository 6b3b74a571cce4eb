"""MNS's share of the world document: queues with their messages, topics, subscriptions with their pushes.

Its form is in `world_parts`. Receivers that wait are not state: a new world sends them away with an empty answer.
"""

from __future__ import annotations

import dataclasses
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from cloudheal_sim.alibaba.mns.errors import MESSAGE_NOT_EXIST
from cloudheal_sim.alibaba.mns.model.account import MOST_QUEUES
from cloudheal_sim.alibaba.mns.model.attributes import QueueAttributes
from cloudheal_sim.alibaba.mns.model.message import Draft, Message, Property
from cloudheal_sim.alibaba.mns.model.queue import Queue
from cloudheal_sim.alibaba.mns.model.topic import (
    Publication,
    Pushing,
    Subscription,
    Topic,
)
from cloudheal_sim.alibaba.mns.world_parts import (
    Document,
    MessagePart,
    PropertyPart,
    PushPart,
    QueuePart,
    SubscriptionPart,
    TopicPart,
    check_messages,
)
from cloudheal_sim.kernel.clock import iso_millis, to_millis
from cloudheal_sim.kernel.world import WorldError, parsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloudheal_sim.alibaba.mns.model.account import Account
    from cloudheal_sim.alibaba.mns.service import Mns


@dataclass(frozen=True, slots=True)
class MnsSection:
    """Reads and writes the state of MNS."""

    mns: Mns
    keys: ClassVar[frozenset[str]] = frozenset(Document.model_fields)

    def read(self, part: Mapping[str, Any]) -> Document:
        """Validate. Raises WorldError."""
        document = parsed(Document, dict(part), "alibaba")
        self._check_unique("queues", [(one.account, one.name) for one in document.queues])
        self._check_unique("topics", [(one.account, one.name) for one in document.topics])
        self._check_unique("subscriptions", [(one.account, one.topic, one.name) for one in document.subscriptions])
        topics = {(one.account or self.mns.account, one.name) for one in document.topics}
        for at, one in enumerate(document.subscriptions):
            if (one.account or self.mns.account, one.topic) not in topics:
                msg = f"alibaba.subscriptions.{at}.topic: no topic {one.topic!r} in this document"
                raise WorldError(msg)
        for at, queue in enumerate(document.queues):
            check_messages(f"alibaba.queues.{at}.messages", queue)
        return document

    @staticmethod
    def _check_unique(key: str, names: list[tuple[str, ...]]) -> int:
        if len(names) > MOST_QUEUES and key == "queues":
            msg = f"alibaba.queues: expected at most {MOST_QUEUES}"
            raise WorldError(msg)
        seen: set[tuple[str, ...]] = set()
        for at, name in enumerate(names):
            if name in seen:
                msg = f"alibaba.{key}.{at}.name: {name[-1]!r} is there twice"
                raise WorldError(msg)
            seen.add(name)
        return len(seen)

    def install(self, parsed: Document) -> None:
        """Replace all queues and topics; who waits gets an empty answer."""
        for account in self.mns.accounts.values():
            account.close(MESSAGE_NOT_EXIST)
        self.mns.accounts.clear()
        for bucket in parsed.mns_accounts:
            self.mns.of(bucket.id).logging_bucket = bucket.logging_bucket
        for queue in parsed.queues:
            self._install_queue(self.mns.of(queue.account or self.mns.account), queue)
        for topic in parsed.topics:
            self._install_topic(self.mns.of(topic.account or self.mns.account), topic)
        for subscription in parsed.subscriptions:
            self._install_subscription(self.mns.of(subscription.account or self.mns.account), subscription)

    def _install_queue(self, account: Account, part: QueuePart) -> Queue:
        now = account.kernel.clock.now()
        names = [field.name for field in dataclasses.fields(QueueAttributes)]
        attributes = QueueAttributes(**{name: getattr(part, name) for name in names})
        created = to_millis(part.created) if part.created else now
        queue = Queue(account.kernel, part.name, part.region or account.region, attributes, created)
        if part.modified:
            queue.settings.since = to_millis(part.modified)
        queue.handles_issued = part.handles_issued
        account.queues[part.name] = queue
        for message in part.messages:
            queue.restore(_message(message, queue, account, now))
        queue.settle()
        return queue

    @staticmethod
    def _install_topic(account: Account, part: TopicPart) -> Topic:
        now = account.kernel.clock.now()
        account.topics[part.name] = Topic(
            part.name,
            part.region or account.region,
            to_millis(part.created) if part.created else now,
            to_millis(part.modified) if part.modified else now,
            part.maximum_message_size,
            part.logging_enabled,
        )
        return account.topics[part.name]

    @staticmethod
    def _install_subscription(account: Account, part: SubscriptionPart) -> Subscription:
        now = account.kernel.clock.now()
        topic = account.topics[part.topic]
        subscription = topic.subscriptions[part.name] = Subscription(
            part.name,
            part.endpoint,
            to_millis(part.created) if part.created else now,
            to_millis(part.modified) if part.modified else now,
            part.filter_tag,
            part.notify_strategy,
            part.notify_content_format,
            [_pushing(one) for one in part.pushing],
        )
        account.resume(topic, subscription)
        return subscription

    def dump(self) -> dict[str, object]:
        """Return everything, in full."""
        accounts = list(self.mns.accounts.values())
        for queue in (queue for account in accounts for queue in account.queues.values()):
            queue.settle()
        return {
            "queues": [_queue(one, account.id) for account in accounts for one in account.queues.values()],
            "topics": [_topic(one, account.id) for account in accounts for one in account.topics.values()],
            "subscriptions": [
                _subscription(one, topic, account.id)
                for account in accounts
                for topic in account.topics.values()
                for one in topic.subscriptions.values()
            ],
            "mns_accounts": [
                {"id": account.id, "logging_bucket": account.logging_bucket}
                for account in accounts
                if account.logging_bucket
            ],
        }


def _properties(parts: Iterable[PropertyPart]) -> tuple[Property, ...]:
    return tuple(Property(one.name, one.value, one.type, one.system) for one in parts)


def _message(part: str | MessagePart, queue: Queue, account: Account, now: int) -> Message:
    full = MessagePart(body=part) if isinstance(part, str) else part
    body = full.body if full.body is not None else b64encode((full.text or "").encode()).decode()
    return Message(
        queue.last_seq + 1,
        full.id or account.new_id(),
        Draft(body, None, full.priority, full.group, _properties(full.properties)),
        to_millis(full.enqueued) if full.enqueued else now,
        full.state,
        to_millis(full.due) if full.due else 0,
        full.handle,
        full.dequeue_count,
        to_millis(full.first_dequeued) if full.first_dequeued else 0,
    )


def _pushing(part: PushPart) -> Pushing:
    draft = Draft(part.body, properties=_properties(part.properties))
    publication = Publication(part.id, draft, to_millis(part.published), part.tag)
    return Pushing(publication, to_millis(part.due), part.failures)


def _shown(properties: tuple[Property, ...]) -> list[dict[str, object]]:
    return [dataclasses.asdict(one) for one in properties]


def _shown_message(message: Message) -> dict[str, object]:
    return {
        "id": message.id,
        "body": message.body,
        "priority": message.draft.priority,
        "group": message.draft.group,
        "properties": _shown(message.draft.properties),
        "state": message.state.value,
        "enqueued": iso_millis(message.enqueued),
        "due": iso_millis(message.due) if message.due else None,
        "handle": message.handle,
        "dequeue_count": message.dequeue_count,
        "first_dequeued": iso_millis(message.first_dequeued) if message.first_dequeued else None,
    }


def _queue(queue: Queue, account: str) -> dict[str, object]:
    return {
        "name": queue.name,
        "region": queue.region,
        "account": account,
        "created": iso_millis(queue.created),
        "modified": iso_millis(queue.settings.since),
        **dataclasses.asdict(queue.attributes),
        "handles_issued": queue.handles_issued,
        "messages": [_shown_message(message) for message in queue.messages.values()],
    }


def _topic(topic: Topic, account: str) -> dict[str, object]:
    return {
        "name": topic.name,
        "region": topic.region,
        "account": account,
        "created": iso_millis(topic.created),
        "modified": iso_millis(topic.modified),
        "maximum_message_size": topic.maximum_message_size,
        "logging_enabled": topic.logging_enabled,
    }


def _subscription(subscription: Subscription, topic: Topic, account: str) -> dict[str, object]:
    return {
        "topic": topic.name,
        "name": subscription.name,
        "account": account,
        "endpoint": subscription.endpoint,
        "filter_tag": subscription.filter_tag,
        "notify_strategy": subscription.strategy.value,
        "notify_content_format": subscription.format.value,
        "created": iso_millis(subscription.created),
        "modified": iso_millis(subscription.modified),
        "pushing": [
            {
                "id": one.publication.id,
                "body": one.publication.draft.body,
                "tag": one.publication.tag,
                "properties": _shown(one.publication.draft.properties),
                "published": iso_millis(one.publication.published),
                "due": iso_millis(one.due),
                "failures": one.failures,
            }
            for one in subscription.pushing
        ],
    }
