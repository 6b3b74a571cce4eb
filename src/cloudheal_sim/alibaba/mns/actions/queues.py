"""Queues: create, change, look at, delete, list."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.mns import documents, replies
from cloudheal_sim.alibaba.mns.actions.registry import action
from cloudheal_sim.alibaba.mns.errors import QUEUE_EXISTS
from cloudheal_sim.alibaba.mns.model.attributes import QueueAttributes
from cloudheal_sim.alibaba.rpc import Refused

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.mns.model.account import Account
    from cloudheal_sim.alibaba.mns.model.queue import Queue
    from cloudheal_sim.alibaba.mns.replies import Node
    from cloudheal_sim.alibaba.mns.requests import Call
    from cloudheal_sim.kernel.core import Exchange
    from cloudheal_sim.kernel.wire import HttpReply


@action("CreateQueue")
def create_queue(account: Account, call: Call, exchange: Exchange) -> HttpReply:
    """Create a queue; the same one again changes nothing, another one of that name is a conflict."""
    (name,) = call.names
    attributes = documents.queue_attributes(call.request.body, QueueAttributes())
    location = f"http://{exchange.host}/queues/{name}"
    present = account.queues.get(name)
    if present is not None:
        if present.attributes != attributes:
            raise Refused(QUEUE_EXISTS)
        return replies.reply(204, location=location)
    account.add_queue(name, account.region_at(exchange.host), attributes)
    return replies.reply(201, location=location)


@action("SetQueueAttributes")
def set_queue_attributes(account: Account, call: Call, _exchange: Exchange) -> HttpReply:
    """Change what is named, leave the rest."""
    (name,) = call.names
    queue = account.queue(name)
    before = queue.attributes
    after = queue.change(documents.queue_attributes(call.request.body, before))
    account.kernel.journal.change("queue.attributes", name, dataclasses.asdict(before), dataclasses.asdict(after))
    return replies.reply(204)


@action("GetQueueAttributes")
def get_queue_attributes(account: Account, call: Call, exchange: Exchange) -> HttpReply:
    """Show settings and counts."""
    (name,) = call.names
    queue = account.queue(name, exchange.as_of)
    queue.settle()
    return replies.reply(200, ("Queue", _shown(queue, exchange.as_of)))


@action("DeleteQueue")
def delete_queue(account: Account, call: Call, _exchange: Exchange) -> HttpReply:
    """Delete a queue with its messages; one that is not there is deleted too."""
    (name,) = call.names
    account.remove_queue(name)
    return replies.reply(204)


@action("ListQueue")
def list_queue(account: Account, call: Call, exchange: Exchange) -> HttpReply:
    """List queues by name."""
    page = call.page()
    there = [name for name, queue in account.queues.items() if queue.settings.at(exchange.as_of) is not None]
    names, marker = page.of(there)
    nodes: list[Node] = []
    for name in names:
        meta = _shown(account.queues[name], exchange.as_of) if page.with_meta else []
        nodes.append(("Queue", [("QueueURL", f"http://{exchange.host}/queues/{name}"), *meta]))
    return replies.reply(200, replies.listed("Queues", nodes, marker))


def _shown(queue: Queue, as_of: int | None) -> list[Node]:
    attributes = queue.settings.at(as_of) or queue.attributes
    modified = max(since for since, _ in queue.settings.entries() if as_of is None or since <= as_of)
    return replies.queue_node(queue, attributes, modified)
