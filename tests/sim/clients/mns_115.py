"""The older Python client, aliyun-mns 1.1.5, through a queue's and a topic's life. Its module is `mns`, too."""

import contextlib
import io
import sys
from collections.abc import Callable
from typing import Any

from mns.account import Account
from mns.mns_exception import MNSServerException
from mns.queue import Message, QueueMeta
from mns.subscription import SubscriptionMeta
from mns.topic import TopicMessage, TopicMeta


def code_of(call: Callable[..., object], *arguments: object) -> str:
    """Return the code that a call is refused with."""
    try:
        call(*arguments)
    except MNSServerException as refused:
        return str(refused.type)
    raise AssertionError("not refused")


def failures_of(call: Callable[..., object], handles: list[str]) -> list[str]:
    """Return the handles that a batch call says it failed for."""
    try:
        call(handles)
    except MNSServerException as refused:
        return [one["ReceiptHandle"] for one in refused.sub_errors]
    return []


def queues(account: Any) -> None:
    """Create (with this client's own defaults), send, receive, extend, delete, in ones and in batches."""
    queue = account.get_queue("q")
    assert queue.create(QueueMeta()).endswith("/queues/q")
    assert queue.create(QueueMeta()).endswith("/queues/q")
    meta = queue.get_attributes()
    assert (meta.visibility_timeout, meta.maximum_message_size, meta.message_retention_period) == (30, 2048, 86400)
    text = '{"name":"Instance:StateChange","note":"<&> 中"}'
    sent = queue.send_message(Message(text))
    assert queue.peek_message().message_body == text
    got = queue.receive_message(1)
    assert (got.message_body, got.message_id, got.dequeue_count) == (text, sent.message_id, 1)
    changed = queue.change_message_visibility(got.receipt_handle, 3)
    assert code_of(queue.delete_message, got.receipt_handle) == "ReceiptHandleError"
    queue.delete_message(changed.receipt_handle)
    assert code_of(queue.receive_message, 0) == "MessageNotExist"
    assert len(queue.batch_send_message([Message(f"m{at}", priority=16 - at) for at in range(4)])) == 4
    assert len(queue.batch_peek_message(16)) == 4
    several = queue.batch_receive_message(16, 1)
    assert [one.message_body for one in several] == [b"m3", b"m2", b"m1", b"m0"]
    handles = [one.receipt_handle for one in several]
    assert failures_of(queue.batch_delete_message, [*handles[:2], "invented"]) == ["invented"]
    queue.batch_delete_message(handles[2:])
    assert account.list_queue() == ([queue_url(account, "q")], "")
    queue.set_attributes(QueueMeta(60))
    assert queue.get_attributes().visibility_timeout == 60
    queue.delete()
    assert code_of(queue.get_attributes) == "QueueNotExist"


def topics(account: Any) -> None:
    """Create a topic, subscribe a queue to it, publish, read."""
    queue = account.get_queue("inbox")
    queue.create(QueueMeta())
    topic = account.get_topic("t")
    topic.create(TopicMeta())
    subscription = topic.get_subscription("s")
    endpoint = "acs:mns:cn-hangzhou:1000000000000001:queues/inbox"
    subscription.subscribe(SubscriptionMeta(endpoint, notify_content_format="SIMPLIFIED"))
    assert subscription.get_attributes().endpoint == endpoint
    topic.publish_message(TopicMessage("aGk="))
    assert queue.receive_message(1).message_body == "hi"
    subscription.unsubscribe()
    topic.delete()


def queue_url(account: Any, name: str) -> str:
    """Return the address of a queue."""
    return f"http://{account.mns_client.host}/queues/{name}"


if __name__ == "__main__":
    # This client prints its secret and every signature; that is not for the test's output.
    with contextlib.redirect_stdout(io.StringIO()):
        here = Account(sys.argv[1], "testid", "testsecret")
        queues(here)
        topics(here)
        assert code_of(Account(sys.argv[1], "testid", "wrong").list_queue) == "SignatureDoesNotMatch"
    print("aliyun-mns 1.1.5 is content")
