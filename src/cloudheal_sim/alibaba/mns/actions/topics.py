"""Topics and subscriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.mns import documents, replies
from cloudheal_sim.alibaba.mns.actions.registry import action
from cloudheal_sim.alibaba.mns.errors import SUBSCRIPTION_EXISTS, TOPIC_EXISTS
from cloudheal_sim.alibaba.mns.model.message import body_md5
from cloudheal_sim.alibaba.mns.model.topic import RETENTION, Subscription, Topic
from cloudheal_sim.alibaba.rpc import Refused

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.mns.model.account import Account
    from cloudheal_sim.alibaba.mns.replies import Node
    from cloudheal_sim.alibaba.mns.requests import Call
    from cloudheal_sim.kernel.core import Exchange
    from cloudheal_sim.kernel.wire import HttpReply


@action("CreateTopic")
def create_topic(account: Account, call: Call, exchange: Exchange) -> HttpReply:
    """Create a topic; the same one again changes nothing, another one of that name is a conflict."""
    (name,) = call.names
    now = account.kernel.clock.now()
    topic = Topic(name, account.region_at(exchange.host), now, now, **documents.topic_settings(call.request.body))
    location = f"http://{exchange.host}/topics/{name}"
    present = account.topics.get(name)
    if present is None:
        account.add_topic(topic)
        return replies.reply(201, location=location)
    if _settings(present) != _settings(topic):
        raise Refused(TOPIC_EXISTS)
    return replies.reply(204, location=location)


@action("SetTopicAttributes")
def set_topic_attributes(account: Account, call: Call, _exchange: Exchange) -> HttpReply:
    """Change what is named, leave the rest."""
    topic = account.topic(call.names[0])
    before = _settings(topic)
    for name, value in documents.topic_settings(call.request.body).items():
        setattr(topic, name, value)
    topic.modified = account.kernel.clock.now()
    account.kernel.journal.change("topic.attributes", topic.name, before, _settings(topic))
    return replies.reply(204)


@action("GetTopicAttributes")
def get_topic_attributes(account: Account, call: Call, _exchange: Exchange) -> HttpReply:
    """Show a topic."""
    return replies.reply(200, ("Topic", replies.topic_node(account.topic(call.names[0]), RETENTION)))


@action("DeleteTopic")
def delete_topic(account: Account, call: Call, _exchange: Exchange) -> HttpReply:
    """Delete a topic with its subscriptions; one that is not there is deleted too."""
    account.remove_topic(call.names[0])
    return replies.reply(204)


@action("ListTopic")
def list_topic(account: Account, call: Call, exchange: Exchange) -> HttpReply:
    """List topics by name."""
    page = call.page()
    names, marker = page.of(list(account.topics))
    nodes: list[Node] = []
    for name in names:
        meta = replies.topic_node(account.topics[name], RETENTION) if page.with_meta else []
        nodes.append(("Topic", [("TopicURL", f"http://{exchange.host}/topics/{name}"), *meta]))
    return replies.reply(200, replies.listed("Topics", nodes, marker))


@action("PublishMessage")
def publish_message(account: Account, call: Call, _exchange: Exchange) -> HttpReply:
    """Send a message to everyone who subscribed."""
    topic = account.topic(call.names[0])
    posting = documents.posting(call.request.body, topic.maximum_message_size)
    id_ = account.new_id()
    account.publish(topic, posting.draft, posting.tag, id_)
    return replies.reply(201, ("Message", replies.sent(id_, body_md5(posting.draft.body))))


@action("Subscribe")
def subscribe(account: Account, call: Call, exchange: Exchange) -> HttpReply:
    """Subscribe an endpoint; the same again changes nothing, another of that name is a conflict."""
    topic_name, name = call.names
    topic = account.topic(topic_name)
    wish = documents.wish(call.request.body)
    now = account.kernel.clock.now()
    wanted = Subscription(name, wish.endpoint, now, now, wish.filter_tag, wish.strategy, wish.format)
    location = f"http://{exchange.host}/topics/{topic_name}/subscriptions/{name}"
    present = topic.subscriptions.get(name)
    if present is None:
        account.subscribe(topic, wanted)
        return replies.reply(201, location=location)
    if not present.same_as(wanted):
        raise Refused(SUBSCRIPTION_EXISTS)
    return replies.reply(204, location=location)


@action("SetSubscriptionAttributes")
def set_subscription_attributes(account: Account, call: Call, _exchange: Exchange) -> HttpReply:
    """Change the retries of a subscription, the only thing that can be changed."""
    topic_name, name = call.names
    subscription = account.subscription(account.topic(topic_name), name)
    wanted = documents.strategy(call.request.body)
    if wanted is not None:
        id_ = f"{topic_name}/{name}"
        account.kernel.journal.change("subscription.strategy", id_, subscription.strategy.value, wanted.value)
        subscription.strategy = wanted
    subscription.modified = account.kernel.clock.now()
    return replies.reply(204)


@action("GetSubscriptionAttributes")
def get_subscription_attributes(account: Account, call: Call, _exchange: Exchange) -> HttpReply:
    """Show a subscription."""
    topic = account.topic(call.names[0])
    subscription = account.subscription(topic, call.names[1])
    return replies.reply(200, ("Subscription", replies.subscription_node(account.id, topic, subscription)))


@action("Unsubscribe")
def unsubscribe(account: Account, call: Call, _exchange: Exchange) -> HttpReply:
    """Remove a subscription; one that is not there is removed too."""
    account.unsubscribe(account.topic(call.names[0]), call.names[1])
    return replies.reply(204)


@action("ListSubscriptionByTopic")
def list_subscription_by_topic(account: Account, call: Call, exchange: Exchange) -> HttpReply:
    """List the subscriptions of a topic by name."""
    topic = account.topic(call.names[0])
    page = call.page()
    names, marker = page.of(list(topic.subscriptions))
    nodes: list[Node] = []
    for name in names:
        url = f"http://{exchange.host}/topics/{topic.name}/subscriptions/{name}"
        meta = replies.subscription_node(account.id, topic, topic.subscriptions[name]) if page.with_meta else []
        nodes.append(("Subscription", [("SubscriptionURL", url), *meta]))
    return replies.reply(200, replies.listed("Subscriptions", nodes, marker))


def _settings(topic: Topic) -> dict[str, object]:
    return {"maximum_message_size": topic.maximum_message_size, "logging_enabled": topic.logging_enabled}
