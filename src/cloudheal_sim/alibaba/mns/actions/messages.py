"""Messages: send, receive (also waiting), peek, delete, change visibility; one by one and in batches."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cloudheal_sim.alibaba.mns import documents, replies
from cloudheal_sim.alibaba.mns.actions.registry import action
from cloudheal_sim.alibaba.mns.errors import INTERNAL_ERROR, MESSAGE_NOT_EXIST, MISSING_VISIBILITY
from cloudheal_sim.alibaba.mns.model.message import body_md5
from cloudheal_sim.alibaba.mns.model.queue import Waiter
from cloudheal_sim.alibaba.mns.requests import LONGEST_WAIT, MOST_IN_BATCH
from cloudheal_sim.alibaba.rpc import Refusal, Refused
from cloudheal_sim.kernel.clock import MILLIS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from cloudheal_sim.alibaba.mns.model.account import Account
    from cloudheal_sim.alibaba.mns.model.message import Draft, Received
    from cloudheal_sim.alibaba.mns.model.queue import Queue
    from cloudheal_sim.alibaba.mns.replies import Node
    from cloudheal_sim.alibaba.mns.requests import Call
    from cloudheal_sim.kernel.core import Exchange
    from cloudheal_sim.kernel.wire import HttpReply

#: A failed batch of sends is answered like this, each message saying what became of it; the status is UNVERIFIED, the
#: clients take any above 399.
_PARTLY_SENT = 500
_PARTLY_DELETED = 404


@action("SendMessage")
def send_message(account: Account, call: Call, _exchange: Exchange) -> HttpReply:
    """Take one message in."""
    queue = account.queue(call.names[0])
    draft = documents.message(call.request.body, queue.attributes.maximum_message_size)
    id_ = account.new_id()
    queue.accept((id_, draft))
    return replies.reply(201, ("Message", replies.sent(id_, body_md5(draft.body))))


@action("BatchSendMessage")
def batch_send_message(account: Account, call: Call, exchange: Exchange) -> HttpReply:
    """Take several messages in; each stands for itself."""
    queue = account.queue(call.names[0])
    drafts = documents.messages(call.request.body, queue.attributes.maximum_message_size)
    spoilt = exchange.spoilt(len(drafts))
    accepted: list[tuple[str, Draft]] = []
    nodes: list[Node] = []
    for at, draft in enumerate(drafts):
        if isinstance(draft, Refused) or at in spoilt:
            refusal = draft.refusal if isinstance(draft, Refused) else INTERNAL_ERROR
            nodes.append(("Message", replies.failed(refusal)))
            continue
        accepted.append((account.new_id(), draft))
        nodes.append(("Message", replies.sent(accepted[-1][0], body_md5(draft.body))))
    queue.accept(*accepted)
    return replies.reply(201 if len(accepted) == len(drafts) else _PARTLY_SENT, ("Messages", nodes))


@action("ReceiveMessage")
def receive_message(account: Account, call: Call, exchange: Exchange) -> HttpReply | Awaitable[HttpReply]:
    """Give out one message, waiting for it if asked to."""
    return _received(account, call, exchange, 1, lambda given: replies.received(given[0]))


@action("BatchReceiveMessage")
def batch_receive_message(account: Account, call: Call, exchange: Exchange) -> HttpReply | Awaitable[HttpReply]:
    """Give out up to 16 messages, waiting for the first if asked to."""
    most = _batch_size(call)
    return _received(
        account, call, exchange, most, lambda given: ("Messages", [replies.received(one) for one in given])
    )


@action("PeekMessage")
def peek_message(account: Account, call: Call, _exchange: Exchange) -> HttpReply:
    """Show one message without taking it."""
    shown = account.queue(call.names[0]).peek(1)
    if not shown:
        raise Refused(MESSAGE_NOT_EXIST)
    return replies.reply(200, replies.peeked(shown[0]))


@action("BatchPeekMessage")
def batch_peek_message(account: Account, call: Call, _exchange: Exchange) -> HttpReply:
    """Show up to 16 messages without taking them."""
    shown = account.queue(call.names[0]).peek(_batch_size(call))
    if not shown:
        raise Refused(MESSAGE_NOT_EXIST)
    return replies.reply(200, ("Messages", [replies.peeked(message) for message in shown]))


@action("DeleteMessage")
def delete_message(account: Account, call: Call, _exchange: Exchange) -> HttpReply:
    """Remove a received message."""
    account.queue(call.names[0]).delete(_handle(account, call))
    return replies.reply(204)


@action("BatchDeleteMessage")
def batch_delete_message(account: Account, call: Call, exchange: Exchange) -> HttpReply:
    """Remove received messages; each stands for itself."""
    queue = account.queue(call.names[0])
    handles = documents.receipt_handles(call.request.body)
    spoilt = exchange.spoilt(len(handles))
    failures: list[tuple[str, Refusal]] = []
    for at, handle in enumerate(handles):
        if at in spoilt:
            failures.append((handle, INTERNAL_ERROR))
            continue
        try:
            queue.delete(handle)
        except Refused as refused:
            failures.append((handle, refused.refusal))
    return replies.reply(_PARTLY_DELETED, replies.not_deleted(failures)) if failures else replies.reply(204)


@action("ChangeMessageVisibility")
def change_message_visibility(account: Account, call: Call, _exchange: Exchange) -> HttpReply:
    """Set when a received message becomes visible again."""
    queue = account.queue(call.names[0])
    handle = _handle(account, call)
    seconds = call.whole("VisibilityTimeout", 0, 43200)
    if seconds is None:
        raise Refused(MISSING_VISIBILITY)
    return replies.reply(200, replies.changed(queue.change_visibility(handle, seconds)))


def _batch_size(call: Call) -> int:
    return call.whole("numOfMessages", 1, MOST_IN_BATCH, "messages") or 1


def _handle(account: Account, call: Call) -> str:
    """Return the handle in the form in which the queue knows it, else as it was sent."""
    raw, *decoded = call.handles()
    return next((form for form in (raw, *decoded) if account.queue(call.names[0]).knows(form)), (decoded or [raw])[0])


def _received(
    account: Account,
    call: Call,
    exchange: Exchange,
    most: int,
    written: Callable[[Sequence[Received]], Node],
) -> HttpReply | Awaitable[HttpReply]:
    queue = account.queue(call.names[0])
    asked = call.whole("waitseconds", 0, LONGEST_WAIT)
    seconds = queue.attributes.polling_wait_seconds if asked is None else asked
    given = queue.receive(most)
    if given:
        return replies.reply(200, written(given))
    if not seconds:
        raise Refused(MESSAGE_NOT_EXIST)
    return _waited(account, queue, exchange, Poll(most, seconds, written))


class Poll:
    """What a waiting receiver asked for."""

    __slots__ = ("most", "seconds", "written")

    def __init__(self, most: int, seconds: int, written: Callable[[Sequence[Received]], Node]) -> None:
        self.most = most
        self.seconds = seconds
        self.written = written


async def _waited(account: Account, queue: Queue, exchange: Exchange, poll: Poll) -> HttpReply:
    """Wait for a message. A client that goes away meanwhile takes nothing with it."""
    outcome: asyncio.Future[Sequence[Received] | Refusal] = asyncio.get_running_loop().create_future()
    deadline = account.kernel.clock.now() + poll.seconds * MILLIS_PER_SECOND
    waiter = Waiter(poll.most, deadline, outcome.set_result, exchange.entry)
    if not queue.wait(waiter):
        raise Refused(MESSAGE_NOT_EXIST)
    try:
        # Shielded, so that an answer given in the very moment of a cancellation is still there to be taken back.
        answer = await asyncio.shield(outcome)
    except asyncio.CancelledError:
        _withdraw(account, queue, waiter, outcome)
        raise
    if isinstance(answer, Refusal) or not answer:
        raise Refused(answer if isinstance(answer, Refusal) else MESSAGE_NOT_EXIST)
    return replies.reply(200, poll.written(answer))


def _withdraw(
    account: Account, queue: Queue, waiter: Waiter, outcome: asyncio.Future[Sequence[Received] | Refusal]
) -> None:
    answered = not queue.withdraw(waiter) and outcome.done()
    given = outcome.result() if answered else ()
    if given and not isinstance(given, Refusal) and waiter.entry is not None:
        with account.kernel.journal.within(waiter.entry):
            queue.take_back(given)
