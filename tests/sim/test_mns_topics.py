"""Topics: who gets a published message, in which format, and what happens when a receiver fails."""

from __future__ import annotations

import base64
import hashlib
import json
import urllib.request
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.x509 import load_pem_x509_certificate

from tests.sim.raw_mns import NAMESPACE, RawMns, document, until
from tests.sim.receiver import Received, receiving
from tests.sim.signing import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sim.receiver import Receiver
    from tests.sim.simulator import RunningSimulator

OWNER = "1000000000000001"
INBOX = f"acs:mns:cn-hangzhou:{OWNER}:queues/inbox"


@pytest.fixture
def mns(stepped: RunningSimulator) -> RawMns:
    """A raw client of a simulator with a topic `t` and a queue `inbox`, whose time moves only when told."""
    client = RawMns(stepped.address)
    client.queue("inbox")
    assert client.ask("PUT", "/topics/t", document("Topic", {})).status == 201
    return client


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """An HTTP endpoint of the test's own."""
    with receiving() as receiver:
        yield receiver


def subscribe(mns: RawMns, endpoint: str, name: str = "s", **facts: object) -> Answer:
    """Subscribe an endpoint to the topic."""
    return mns.ask("PUT", f"/topics/t/subscriptions/{name}", document("Subscription", {"Endpoint": endpoint, **facts}))


def publish(mns: RawMns, body: str = "hello", **facts: object) -> Answer:
    """Publish to the topic."""
    return mns.ask("POST", "/topics/t/messages", document("Message", {"MessageBody": body, **facts}))


def test_a_topic_is_created_changed_shown_and_deleted(mns: RawMns) -> None:
    """The same again is 204, another is a conflict; times are seconds; deleting twice is no error."""
    again = mns.ask("PUT", "/topics/t", document("Topic", {}))
    assert (again.status, again.headers["location"]) == (204, f"http://{mns.address}/topics/t")
    assert mns.ask("PUT", "/topics/t", document("Topic", {"MaximumMessageSize": 2048})).code == "TopicAlreadyExist"
    assert mns.ask("PUT", "/topics/t?metaoverride=true", document("Topic", {"MaximumMessageSize": 2048})).status == 204
    shown = mns.ask("GET", "/topics/t")
    assert [child.tag.removeprefix(f"{{{NAMESPACE}}}") for child in shown.root] == [
        *("TopicName", "CreateTime", "LastModifyTime", "MaximumMessageSize"),
        *("MessageRetentionPeriod", "MessageCount", "LoggingEnabled"),
    ]
    assert shown.text("MaximumMessageSize") == "2048"
    assert len(shown.text("CreateTime")) == 10
    assert [mns.ask("DELETE", "/topics/t").status for _ in range(2)] == [204, 204]
    assert mns.ask("GET", "/topics/t").code == "TopicNotExist"
    assert publish(mns).code == "TopicNotExist"
    assert subscribe(mns, INBOX).code == "TopicNotExist"


def test_a_subscription_is_created_changed_shown_and_removed(mns: RawMns) -> None:
    """The same again is 204, another is a conflict; only the retries can be changed."""
    first = subscribe(mns, INBOX, FilterTag="a")
    assert (first.status, first.headers["location"]) == (201, f"http://{mns.address}/topics/t/subscriptions/s")
    assert subscribe(mns, INBOX, FilterTag="a").status == 204
    assert subscribe(mns, INBOX).code == "SubscriptionAlreadyExist"
    target = "/topics/t/subscriptions/s"
    changed = document("Subscription", {"NotifyStrategy": "EXPONENTIAL_DECAY_RETRY"})
    assert mns.ask("PUT", f"{target}?metaoverride=true", changed).status == 204
    shown = mns.ask("GET", target)
    names = ("SubscriptionName", "TopicOwner", "TopicName", "Endpoint", "FilterTag", "NotifyStrategy")
    assert [shown.text(name) for name in names] == ["s", OWNER, "t", INBOX, "a", "EXPONENTIAL_DECAY_RETRY"]
    assert shown.text("NotifyContentFormat") == "XML"
    assert mns.ask("DELETE", target).status == 204
    assert mns.ask("GET", target).code == "SubscriptionNotExist"
    publish(mns, MessageTag="a")
    assert mns.counts("inbox") == (0, 0, 0)


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"Endpoint": "ftp://host/"}, "EndpointInvalid"),
        ({"Endpoint": "acs:mns:cn-hangzhou:1:topics/t"}, "EndpointInvalid"),
        ({}, "EndpointInvalid"),
        ({"Endpoint": INBOX, "FilterTag": "x" * 17}, "InvalidArgument"),
        ({"Endpoint": INBOX, "NotifyStrategy": "NEVER"}, "InvalidArgument"),
        ({"Endpoint": INBOX, "NotifyContentFormat": "YAML"}, "InvalidArgument"),
    ],
)
def test_a_subscription_that_cannot_be_is_refused(mns: RawMns, facts: dict[str, object], code: str) -> None:
    """Endpoint, tag, retries and format are checked."""
    answer = mns.ask("PUT", "/topics/t/subscriptions/s", document("Subscription", facts))
    assert (answer.status, answer.code) == (400, code)
    assert mns.ask("PUT", "/topics/t/subscriptions/_", document("Subscription", facts)).code == (
        "SubscriptionNameInvalid"
    )


def test_topics_and_subscriptions_are_listed_in_pages(mns: RawMns) -> None:
    """Pages follow the marker; the last one has none."""
    for at in range(3):
        mns.ask("PUT", f"/topics/a{at}")
        subscribe(mns, INBOX, f"s{at}")
    first = mns.ask("GET", "/topics", x_mns_ret_number="2", x_mns_prefix="a")
    assert first.texts("TopicURL") == [f"http://{mns.address}/topics/a{at}" for at in (0, 1)]
    second = mns.ask("GET", "/topics", x_mns_prefix="a", x_mns_marker=first.text("NextMarker"), x_mns_with_meta="true")
    assert (second.texts("TopicName"), second.texts("NextMarker")) == (["a2"], [])
    listed = mns.ask("GET", "/topics/t/subscriptions", x_mns_ret_number="2")
    assert (len(listed.texts("SubscriptionURL")), listed.text("NextMarker")) == (2, "s1")
    rest = mns.ask("GET", "/topics/t/subscriptions", x_mns_marker="s1")
    assert rest.texts("SubscriptionURL") == [f"http://{mns.address}/topics/t/subscriptions/s2"]


def test_only_fitting_tags_arrive(mns: RawMns) -> None:
    """A subscription with a filter takes its tag only; one without takes everything."""
    mns.queue("everything")
    subscribe(mns, INBOX, "s1", FilterTag="mine", NotifyContentFormat="SIMPLIFIED")
    subscribe(mns, INBOX.replace("inbox", "everything"), "s2", NotifyContentFormat="SIMPLIFIED")
    for tag in ("mine", "other", ""):
        publish(mns, f"for {tag}", **({"MessageTag": tag} if tag else {}))
    assert mns.receive("inbox", "?numOfMessages=16").texts("MessageBody") == ["for mine"]
    assert mns.receive("everything", "?numOfMessages=16").texts("MessageBody") == ["for mine", "for other", "for "]


@pytest.mark.parametrize("form", ["XML", "JSON", "SIMPLIFIED"])
def test_a_queue_gets_the_documented_body(mns: RawMns, form: str) -> None:
    """XML and JSON hold everything known about the message, SIMPLIFIED the message alone."""
    subscribe(mns, INBOX, NotifyContentFormat=form)
    sent = publish(mns, '{"a": "<&>"}', MessageTag="important")
    body = mns.receive("inbox").text("MessageBody")
    assert sent.text("MessageBodyMD5") == hashlib.md5(b'{"a": "<&>"}').hexdigest().upper()
    if form == "SIMPLIFIED":
        assert body == '{"a": "<&>"}'
        return
    facts = (
        json.loads(body)
        if form == "JSON"
        else {child.tag.removeprefix(f"{{{NAMESPACE}}}"): child.text for child in ET.fromstring(body)}
    )
    assert str(facts.pop("PublishTime")).isdigit()
    assert facts == {
        "TopicOwner": OWNER,
        "TopicName": "t",
        "Subscriber": OWNER,
        "SubscriptionName": "s",
        "MessageId": sent.text("MessageId"),
        "Message": '{"a": "<&>"}',
        "MessageMD5": sent.text("MessageBodyMD5"),
        "MessageTag": "important",
    }


def verified(push: Received) -> bool:
    """Check a push as the vendor's sample receivers do: fetch the certificate it names, verify RSA-SHA1."""
    address = base64.b64decode(push.headers["x-mns-signing-cert-url"]).decode()
    with urllib.request.urlopen(address, timeout=10) as answer:
        key = load_pem_x509_certificate(answer.read()).public_key()
    own = [f"{name}:{push.headers[name]}" for name in sorted(push.headers) if name.startswith("x-mns-")]
    head = [push.method, *(push.headers.get(name, "") for name in ("content-md5", "content-type", "date"))]
    text = "\n".join([*head, *own, push.path])
    assert isinstance(key, RSAPublicKey)
    key.verify(base64.b64decode(push.headers["authorization"]), text.encode(), PKCS1v15(), SHA1())
    return True


def test_an_http_subscriber_gets_the_message_and_who_it_is_from(mns: RawMns, receiver: Receiver) -> None:
    """SIMPLIFIED: the body is the message, headers say the rest, the signature holds."""
    subscribe(mns, f"{receiver.url}/hooks/mns?x=1", NotifyContentFormat="SIMPLIFIED")
    sent = publish(mns, "中", MessageTag="important")
    (push,) = receiver.wait(1)
    assert (push.method, push.path, push.body.decode()) == ("POST", "/hooks/mns?x=1", "中")
    facts = {name: value for name, value in push.headers.items() if name.startswith("x-mns-")}
    assert len(facts.pop("x-mns-request-id")) == 24
    assert facts.pop("x-mns-publish-time").isdigit()
    assert facts.pop("x-mns-signing-cert-url")
    assert facts == {
        "x-mns-version": "2015-06-06",
        "x-mns-topic-owner": OWNER,
        "x-mns-topic-name": "t",
        "x-mns-subscriber": OWNER,
        "x-mns-subscription-name": "s",
        "x-mns-message-id": sent.text("MessageId"),
        "x-mns-message-tag": "important",
    }
    assert push.headers["content-type"] == "text/plain;charset=utf-8"
    assert push.headers["content-md5"] == hashlib.md5("中".encode()).hexdigest().upper()
    assert push.headers["user-agent"] == "Aliyun Notification Service Agent"
    assert verified(push)


@pytest.mark.parametrize("form", ["XML", "JSON"])
def test_an_http_subscriber_may_want_everything_in_the_body(mns: RawMns, receiver: Receiver, form: str) -> None:
    """The digest is the Base64 that the vendor's sample receiver compares; without a path it is /notifications."""
    subscribe(mns, receiver.url, NotifyContentFormat=form)
    publish(mns)
    (push,) = receiver.wait(1)
    assert push.path == "/notifications"
    assert push.headers["content-md5"] == base64.b64encode(hashlib.md5(push.body).hexdigest().encode()).decode()
    assert b"hello" in push.body
    assert push.headers["content-type"].startswith("text/xml" if form == "XML" else "application/json")
    assert verified(push)


def pending(sim: RunningSimulator) -> list[dict[str, object]]:
    """Return what is on its way to subscription `s`."""
    (subscription,) = sim.control("GET", "world")["alibaba"]["subscriptions"]
    return list(subscription["pushing"])


def failed(sim: RunningSimulator, times: int) -> None:
    """Wait until the attempt under way has failed that often."""
    until(lambda: [one["failures"] for one in pending(sim)] == [times], f"failure {times}")


def test_backoff_tries_three_times_more_after_ten_to_twenty_seconds(
    stepped: RunningSimulator, mns: RawMns, receiver: Receiver
) -> None:
    """A receiver that fails is called four times in all, then the message is given up."""
    receiver.answers = [500, 404, 302, 503]
    subscribe(mns, receiver.url)
    publish(mns)
    for attempt in range(1, 4):
        receiver.wait(attempt)
        failed(stepped, attempt)
        assert mns.ask("GET", "/topics/t").text("MessageCount") == "1"
        stepped.advance(9.999)
        assert len(receiver.wait(attempt)) == attempt
        stepped.advance(10.001)
    receiver.wait(4)
    until(lambda: not pending(stepped), "giving up")
    stepped.advance(3600)
    assert len(receiver.wait(4)) == 4
    assert mns.ask("GET", "/topics/t").text("MessageCount") == "0"


def test_exponential_decay_doubles_its_pauses(stepped: RunningSimulator, mns: RawMns, receiver: Receiver) -> None:
    """1, 2, 4, 8 seconds: each attempt comes exactly then, and a success ends it."""
    receiver.answers = [500] * 4
    subscribe(mns, receiver.url, NotifyStrategy="EXPONENTIAL_DECAY_RETRY")
    publish(mns)
    for attempt, pause in enumerate((1, 2, 4, 8), start=1):
        receiver.wait(attempt)
        failed(stepped, attempt)
        stepped.advance(pause - 0.001)
        assert len(receiver.wait(attempt)) == attempt
        stepped.advance(0.001)
    receiver.wait(5)
    until(lambda: not pending(stepped), "success")


def test_a_push_under_way_survives_a_new_world(stepped: RunningSimulator, mns: RawMns, receiver: Receiver) -> None:
    """What a document says is on its way arrives when it is due."""
    receiver.answers = [500]
    subscribe(mns, receiver.url, NotifyContentFormat="SIMPLIFIED")
    publish(mns)
    failed(stepped, 1)
    world = stepped.control("GET", "world")
    stepped.world(world)
    assert stepped.control("GET", "world") == world
    stepped.advance(20)
    first, second = receiver.wait(2)
    assert first.headers["x-mns-message-id"] == second.headers["x-mns-message-id"]
    until(lambda: not pending(stepped), "success")


def test_a_missing_queue_is_tried_again(stepped: RunningSimulator, mns: RawMns) -> None:
    """A queue that appears within the retries gets the message."""
    subscribe(mns, INBOX.replace("inbox", "late"), NotifyContentFormat="SIMPLIFIED")
    publish(mns, "patience")
    assert [one["failures"] for one in pending(stepped)] == [1]
    mns.queue("late")
    stepped.advance(20)
    assert mns.receive("late").text("MessageBody") == "patience"


def test_other_machines_are_not_called(stepped: RunningSimulator, mns: RawMns) -> None:
    """A subscription elsewhere is kept, its message is refused on the way out and journalled, not retried."""
    assert subscribe(mns, "http://mns.example.com/x").status == 201
    assert subscribe(mns, "mail:directmail:a@example.com", "mail").status == 201
    publish(mns)
    assert all(not one["pushing"] for one in stepped.control("GET", "world")["alibaba"]["subscriptions"])
    codes = [entry["code"] for entry in stepped.journal(kind="delivery")]
    assert codes == ["refused: only loopback and hosts allowed at start may be called", "noted, not sent"]
