"""MNS through the vendor's current Python client, aliyun-mns-sdk 1.3.0, unmodified."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from mns.account import Account
from mns.mns_common import RequestInfo
from mns.mns_exception import MNSServerException
from mns.queue import Message, QueueMeta
from mns.subscription import SubscriptionMeta, SubscriptionNotifyContentFormat
from mns.topic import TopicMessage, TopicMeta

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sim.simulator import RunningSimulator

# The client marks the counts of a queue as deprecated, also where it fills them in itself.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated:DeprecationWarning")


@contextmanager
def opened(url: str, key: str = "testid", secret: str = "testsecret") -> Iterator[Any]:
    """Hand out an account and close its connection afterwards."""
    account = Account(url, key, secret)
    try:
        yield account
    finally:
        account.mns_client.close_connection()


@pytest.fixture
def account(sim: RunningSimulator) -> Iterator[Any]:
    """An account at a simulator in its first state."""
    with opened(f"{sim.url}/") as account:
        yield account


@pytest.fixture
def queue(account: Any) -> Any:
    """A queue with the usual attributes."""
    queue = account.get_queue("ecs-cms-event")
    queue.create(QueueMeta())
    return queue


def refused(problem: pytest.ExceptionInfo[MNSServerException]) -> str:
    """Return the code of a refusal."""
    return str(problem.value.type)


def test_a_queue_is_set_up_looked_at_and_removed(sim: RunningSimulator, account: Any) -> None:
    """Create twice, change, read every attribute, list with meta, delete."""
    queue = account.get_queue("q")
    meta = QueueMeta(vis_timeout=60, max_msg_size=2048, msg_ttl=86400, delay_sec=0, polling_wait_sec=10)
    assert queue.create(meta) == queue.create(meta) == f"{sim.url}/queues/q"
    changed = QueueMeta()
    changed.set_visibilitytimeout(90)
    changed.set_logging_enabled(True)
    queue.set_attributes(changed)
    shown = queue.get_attributes()
    assert (shown.visibility_timeout, shown.maximum_message_size, shown.message_retention_period) == (90, 2048, 86400)
    assert (shown.polling_wait_seconds, shown.logging_enabled, shown.queue_name) == (10, True, "q")
    assert (shown.active_messages, shown.inactive_messages, shown.delay_messages) == (0, 0, 0)
    urls, marker = account.list_queue(prefix="q", ret_number=10)
    assert (urls, marker) == ([f"{sim.url}/queues/q"], "")
    with pytest.raises(MNSServerException) as conflict:
        queue.create(QueueMeta(vis_timeout=61))
    assert refused(conflict) == "QueueAlreadyExist"
    queue.delete()
    with pytest.raises(MNSServerException) as gone:
        queue.get_attributes()
    assert refused(gone) == "QueueNotExist"


def test_a_message_lives_its_life(queue: Any) -> None:
    """Send, peek, receive, extend, delete; the body is Base64 on the way and the text at both ends."""
    text = '{"name":"Instance:StateChange","note":"<&> 中"}'
    sent = queue.send_message(Message(text, priority=1))
    assert queue.peek_message().message_body.decode() == text
    got = queue.receive_message(1)
    assert (got.message_id, got.message_body_md5) == (sent.message_id, sent.message_body_md5)
    assert (got.message_body.decode(), got.dequeue_count, got.priority) == (text, 1, 1)
    assert got.first_dequeue_time <= got.next_visible_time - 30_000 + 1
    longer = queue.change_message_visibility(got.receipt_handle, 600)
    assert longer.receipt_handle != got.receipt_handle
    assert int(longer.next_visible_time) > got.next_visible_time
    with pytest.raises(MNSServerException) as dead:
        queue.delete_message(got.receipt_handle)
    assert refused(dead) == "ReceiptHandleError"
    queue.delete_message(longer.receipt_handle)
    with pytest.raises(MNSServerException) as empty:
        queue.receive_message(0)
    assert refused(empty) == "MessageNotExist"


def test_text_bodies_and_unencoded_ones_are_read(queue: Any) -> None:
    """The variants of the client for text, and a queue without encoding."""
    queue.send_message(Message("text"))
    assert queue.receive_message_with_str_body(0).message_body == "text"
    queue.set_encoding(False)
    queue.send_message(Message("<raw>&\n"))
    assert queue.receive_message(0).message_body == "<raw>&\n"


def test_batches_and_their_partial_failure(queue: Any) -> None:
    """Sixteen at once; a dead handle fails alone and is named."""
    sent = queue.batch_send_message([Message(f"m{at}") for at in range(16)])
    assert len({one.message_id for one in sent}) == 16
    assert len(queue.batch_peek_message(16)) == 16
    got = queue.batch_receive_message(16, 1)
    assert [one.message_body.decode() for one in got] == [f"m{at}" for at in range(16)]
    handles = [one.receipt_handle for one in got]
    queue.delete_message(handles[0])
    with pytest.raises(MNSServerException) as partly:
        queue.batch_delete_message(handles)
    assert refused(partly) == "MessageNotExist"
    assert [one["ReceiptHandle"] for one in partly.value.sub_errors] == [handles[0]]
    shown = queue.get_attributes()
    assert (shown.active_messages, shown.inactive_messages) == (0, 0)


def test_a_mixed_batch_send_is_told_apart(account: Any) -> None:
    """What was taken has an id, what was not a code; the client shows both."""
    queue = account.get_queue("small")
    queue.create(QueueMeta(max_msg_size=1024))
    queue.set_encoding(False)
    with pytest.raises(MNSServerException) as mixed:
        queue.batch_send_message([Message("fits"), Message("x" * 1025)])
    good, bad = mixed.value.sub_errors
    assert (refused(mixed), bad["ErrorCode"]) == ("InvalidArgument", "InvalidArgument")
    assert queue.receive_message(0).message_id == good["MessageId"]


def test_user_properties_arrive(queue: Any) -> None:
    """Typed properties of 1.3.0 survive the way through the queue."""
    from mns.message_property import MessagePropertyValue, PropertyType  # noqa: PLC0415

    message = Message("x")
    message.user_properties = {
        "text": MessagePropertyValue(PropertyType.STRING, "a<b"),
        "blob": MessagePropertyValue(PropertyType.BINARY, b"\x00\xff"),
    }
    queue.send_message(message)
    got = queue.receive_message(0).user_properties
    assert got["text"].get_string_value_by_type() == "a<b"
    assert got["blob"].get_binary_value() == b"\x00\xff"


def test_a_request_id_of_ones_own_is_signed_with_the_rest(sim: RunningSimulator, queue: Any) -> None:
    """x-mns-user-request-id is one more signed header."""
    queue.send_message(Message("x"), RequestInfo("mine-1"))
    assert sim.journal(action="SendMessage")[-1]["verdict"] == "valid"


def test_a_wrong_secret_is_a_refusal_that_the_client_understands(sim: RunningSimulator) -> None:
    """The client raises its server exception with the service's code."""
    with opened(sim.url, secret="wrong") as account, pytest.raises(MNSServerException) as wrong:
        account.get_queue("q").get_attributes()
    assert refused(wrong) == "SignatureDoesNotMatch"
    with opened(sim.url, key="nobody") as account, pytest.raises(MNSServerException) as unknown:
        account.list_queue()
    assert refused(unknown) == "InvalidAccessKeyId"


def test_a_topic_fills_a_queue(sim: RunningSimulator, account: Any, queue: Any) -> None:
    """Subscribe a queue, publish with a tag, read what arrived; attributes and lists on the way."""
    topic = account.get_topic("t")
    assert topic.create(TopicMeta(maximum_message_size=4096)) == f"{sim.url}/topics/t"
    endpoint = "acs:mns:cn-hangzhou:1000000000000001:queues/ecs-cms-event"
    subscription = topic.get_subscription("s")
    meta = SubscriptionMeta(endpoint, notify_content_format=SubscriptionNotifyContentFormat.SIMPLIFIED, filter_tag="a")
    assert subscription.subscribe(meta) == f"{sim.url}/topics/t/subscriptions/s"
    shown = subscription.get_attributes()
    assert (shown.endpoint, shown.filter_tag, shown.notify_content_format) == (endpoint, "a", "SIMPLIFIED")
    assert (shown.topic_owner, shown.topic_name, shown.notify_strategy) == ("1000000000000001", "t", "BACKOFF_RETRY")
    assert topic.get_attributes().maximum_message_size == 4096
    assert account.list_topic()[0] == [f"{sim.url}/topics/t"]
    assert topic.list_subscription()[0] == [f"{sim.url}/topics/t/subscriptions/s"]
    topic.publish_message(TopicMessage("other", "b"))
    topic.publish_message(TopicMessage("mine", "a"))
    queue.set_encoding(False)
    assert queue.receive_message(1).message_body == "mine"
    subscription.unsubscribe()
    topic.delete()
    with pytest.raises(MNSServerException) as gone:
        topic.get_attributes()
    assert refused(gone) == "TopicNotExist"


def test_the_account_and_the_opening_of_the_service(account: Any) -> None:
    """Account attributes are read and set; the service can be opened."""
    from mns.account import AccountMeta  # noqa: PLC0415

    account.set_attributes(AccountMeta("bucket"))
    assert account.get_attributes().logging_bucket == "bucket"
    assert account.open_service()
