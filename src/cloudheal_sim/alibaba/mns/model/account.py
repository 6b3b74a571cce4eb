"""One account: its queues and topics by name, and the pushes of its topics.

A region is an attribute of a queue or topic, not part of its name: whoever asks finds it from any region, because
clients of the simulator reach every region at one address.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.mns.errors import (
    QUEUE_NOT_EXIST,
    SUBSCRIPTION_NOT_EXIST,
    TOO_MANY_QUEUES,
    TOPIC_NOT_EXIST,
)
from cloudheal_sim.alibaba.mns.model.queue import Queue
from cloudheal_sim.alibaba.mns.model.topic import Outcome, Publication, Pushing, Subscription, Topic, due_after
from cloudheal_sim.alibaba.rpc import Refused

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.mns.model.attributes import QueueAttributes
    from cloudheal_sim.alibaba.mns.model.message import Draft
    from cloudheal_sim.alibaba.mns.model.topic import Deliver
    from cloudheal_sim.alibaba.rpc import Refusal
    from cloudheal_sim.kernel.core import Kernel

MOST_QUEUES = 1000
_REGIONAL_HOST = re.compile(r"[^.]+\.mns\.(?P<region>[a-z0-9-]+?)(-internal)?(-vpc)?\.aliyuncs\.com(:\d+)?")


class Account:
    """The queues and topics of one account in `region` unless said otherwise; `deliver` attempts a push."""

    def __init__(self, kernel: Kernel, id_: str, region: str, deliver: Deliver) -> None:
        self.kernel = kernel
        self.id = id_
        self.region = region
        self.logging_bucket = ""
        self.queues: dict[str, Queue] = {}
        self.topics: dict[str, Topic] = {}
        self._deliver = deliver

    def region_at(self, host: str) -> str:
        """Return the region that a host name names (`ID.mns.REGION.aliyuncs.com`), else the account's first."""
        found = _REGIONAL_HOST.fullmatch(host)
        return found["region"] if found else self.region

    def new_id(self) -> str:
        """Draw the id of a message."""
        return f"{self.kernel.chance.stream('mns').getrandbits(128):032X}"

    # --- queues ---

    def queue(self, name: str, as_of: int | None = None) -> Queue:
        """Return a queue, as of an instant when a stale read asks. Raises Refused."""
        queue = self.queues.get(name)
        if queue is None or queue.settings.at(as_of) is None:
            raise Refused(QUEUE_NOT_EXIST)
        return queue

    def add_queue(self, name: str, region: str, attributes: QueueAttributes) -> Queue:
        """Create a queue. Raises Refused when the account has too many."""
        if len(self.queues) >= MOST_QUEUES:
            raise Refused(TOO_MANY_QUEUES)
        self.queues[name] = Queue(self.kernel, name, region, attributes, self.kernel.clock.now())
        self.kernel.journal.change("queue", name, None, "present")
        return self.queues[name]

    def remove_queue(self, name: str) -> bool:
        """Delete a queue with all its messages; False when there is none."""
        queue = self.queues.pop(name, None)
        if queue is None:
            return False
        self.kernel.journal.change("queue", name, "present", None)
        for message in queue.messages.values():
            self.kernel.journal.change(f"queues/{name}/message.deleted", message.id, message.state.value, None)
        queue.close()
        return True

    def close(self, answer: Refusal) -> None:
        """End everything that is planned: this account's world is over."""
        for queue in self.queues.values():
            queue.close(answer)
        for topic in self.topics.values():
            for subscription in topic.subscriptions.values():
                _silence(subscription)

    # --- topics ---

    def topic(self, name: str) -> Topic:
        """Return a topic. Raises Refused."""
        topic = self.topics.get(name)
        if topic is None:
            raise Refused(TOPIC_NOT_EXIST)
        return topic

    def add_topic(self, topic: Topic) -> Topic:
        """Create a topic."""
        self.topics[topic.name] = topic
        self.kernel.journal.change("topic", topic.name, None, "present")
        return topic

    def remove_topic(self, name: str) -> bool:
        """Delete a topic with its subscriptions; False when there is none."""
        topic = self.topics.get(name)
        if topic is None:
            return False
        for subscription in tuple(topic.subscriptions):
            self.unsubscribe(topic, subscription)
        del self.topics[name]
        self.kernel.journal.change("topic", name, "present", None)
        return True

    def subscription(self, topic: Topic, name: str) -> Subscription:
        """Return a subscription. Raises Refused."""
        subscription = topic.subscriptions.get(name)
        if subscription is None:
            raise Refused(SUBSCRIPTION_NOT_EXIST)
        return subscription

    def subscribe(self, topic: Topic, subscription: Subscription) -> Subscription:
        """Add a subscription to a topic."""
        topic.subscriptions[subscription.name] = subscription
        self.kernel.journal.change("subscription", f"{topic.name}/{subscription.name}", None, subscription.endpoint)
        return subscription

    def unsubscribe(self, topic: Topic, name: str) -> bool:
        """Remove a subscription and what was on its way to it; False when there is none."""
        subscription = topic.subscriptions.pop(name, None)
        if subscription is None:
            return False
        _silence(subscription)
        self.kernel.journal.change("subscription", f"{topic.name}/{name}", subscription.endpoint, None)
        return True

    # --- publishing ---

    def publish(self, topic: Topic, draft: Draft, tag: str, id_: str) -> Publication:
        """Send a message to every subscription of a topic that takes its tag."""
        publication = Publication(id_, draft, self.kernel.clock.now(), tag)
        self.kernel.journal.change(f"topics/{topic.name}/message.published", id_, None, tag)
        for subscription in tuple(topic.subscriptions.values()):
            if subscription.takes(tag):
                pushing = Pushing(publication, publication.published)
                subscription.pushing.append(pushing)
                self._attempt(topic, subscription, pushing)
        return publication

    def resume(self, topic: Topic, subscription: Subscription) -> int:
        """Plan every push of a subscription that a world document brought; return how many there are."""
        for pushing in subscription.pushing:
            self._plan(topic, subscription, pushing)
        return len(subscription.pushing)

    def _plan(self, topic: Topic, subscription: Subscription, pushing: Pushing) -> None:
        pushing.timer = self.kernel.clock.call_at(pushing.due, lambda: self._attempt(topic, subscription, pushing))

    def _attempt(self, topic: Topic, subscription: Subscription, pushing: Pushing) -> None:
        self._deliver(
            topic,
            subscription,
            pushing.publication,
            lambda outcome: self._settle(topic, subscription, pushing, outcome),
        )

    def _settle(self, topic: Topic, subscription: Subscription, pushing: Pushing, outcome: Outcome) -> None:
        if not any(one is pushing for one in subscription.pushing):
            return
        if outcome is Outcome.FAILED:
            pushing.failures += 1
            pause = subscription.strategy.pause(pushing.failures, self.kernel.chance.stream("mns"))
            if pause is not None:
                pushing.due = due_after(pause, self.kernel.clock.now())
                self._plan(topic, subscription, pushing)
                return
        subscription.pushing = [one for one in subscription.pushing if one is not pushing]
        after = "delivered" if outcome is Outcome.DELIVERED else "given up"
        self.kernel.journal.change(
            f"topics/{topic.name}/subscriptions/{subscription.name}", pushing.publication.id, "on its way", after
        )


def _silence(subscription: Subscription) -> None:
    for pushing in subscription.pushing:
        if pushing.timer is not None:
            pushing.timer.cancel()
    subscription.pushing = []
