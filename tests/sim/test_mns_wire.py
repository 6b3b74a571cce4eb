"""MNS on the wire: exact headers and bodies, every documented refusal, and the quirks that clients depend on."""

from __future__ import annotations

import base64
import hashlib
import http.client
from email.utils import formatdate, parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.sim.raw_mns import NAMESPACE, RawMns, document
from tests.sim.signing import STS, Answer
from tests.sim.tea import call

if TYPE_CHECKING:
    from tests.sim.simulator import RunningSimulator

ACCOUNT = "1000000000000001"


@pytest.fixture
def mns(sim: RunningSimulator) -> RawMns:
    """A raw client of a simulator in its first state."""
    return RawMns(sim.address)


# --- authentication ---


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"authorization": ""}, 400, "MissingAuthorizationHeader"),
        ({"authorization": "Basic dGVzdA=="}, 400, "InvalidAuthorizationHeader"),
        ({"authorization": "MNS testid"}, 400, "InvalidAuthorizationHeader"),
        ({"authorization": "MNS :abc="}, 400, "InvalidAuthorizationHeader"),
        ({"authorization": "MNS testid:bm90IGl0"}, 403, "SignatureDoesNotMatch"),
        ({"authorization": "MNS nobody:bm90IGl0"}, 403, "InvalidAccessKeyId"),
        ({"authorization": "MNS AKIDtest:bm90IGl0"}, 403, "InvalidAccessKeyId"),
        ({"date": None}, 400, "MissingDateHeader"),
        ({"date": "yesterday"}, 400, "InvalidDateHeader"),
        ({"x-mns-version": None}, 400, "MissingVersionHeader"),
        ({"x-mns-version": "2012-01-01"}, 400, "InvalidVersionHeader"),
        ({"date": formatdate(1_000_000_000, usegmt=True)}, 408, "TimeExpired"),
        ({"security-token": "stolen"}, 403, "InvalidSecurityToken"),
    ],
)
def test_each_missing_or_wrong_credential_has_its_own_refusal(
    mns: RawMns, headers: dict[str, str | None], status: int, code: str
) -> None:
    """Status and code say which part of the credentials is wrong."""
    answer = mns.ask("GET", "/queues", b"", **{name.replace("-", "_"): value for name, value in headers.items()})
    assert (answer.status, answer.code) == (status, code)


def test_a_path_of_mns_without_credentials_is_refused_in_its_own_words(mns: RawMns) -> None:
    """Without an Authorization header the path decides that MNS answers."""
    for target in ("/queues/q/messages", "/topics/t", "/?accountmeta=true"):
        answer = mns.ask("GET", target, authorization="")
        assert answer.code == "MissingAuthorizationHeader", target


def test_a_refused_signature_shows_what_would_have_been_signed(sim: RunningSimulator, mns: RawMns) -> None:
    """The journal holds the string to sign and the signature given, and no secret."""
    mns.secret = "wrong"
    assert mns.ask("GET", "/queues?x=%41").code == "SignatureDoesNotMatch"
    (entry,) = sim.journal(service="mns")
    assert entry["verdict"] == "SignatureDoesNotMatch"
    assert entry["details"]["string_to_sign"][0].startswith("GET\n\n\n")
    assert entry["details"]["string_to_sign"][0].endswith("\nx-mns-version:2015-06-06\n/queues?x=%41")
    assert entry["details"]["given"]
    assert "testsecret" not in str(entry)


def test_the_time_may_come_in_either_header(mns: RawMns) -> None:
    """A client that cannot set Date sends x-mns-date and signs it, or leaves the line empty."""
    stamp = formatdate(usegmt=True)
    assert mns.ask("GET", "/queues", date=None, x_mns_date=stamp).status == 200
    assert mns.ask("GET", "/queues", date=stamp, x_mns_date=stamp).status == 200


def test_a_request_may_be_fifteen_minutes_off(stepped: RunningSimulator) -> None:
    """The virtual clock decides, not the machine's; a second more is too much, in either direction."""
    stepped.control("PUT", "clock", {"skew_check": True})
    mns, now = RawMns(stepped.address), stepped.control("GET", "clock")["now_ms"] // 1000
    for away, status in ((-899, 200), (-901, 408), (900, 200), (902, 408)):
        assert mns.ask("GET", "/queues", date=formatdate(now + away, usegmt=True)).status == status, away


def test_a_request_through_a_proxy_reaches_the_region_it_names(sim: RunningSimulator, mns: RawMns) -> None:
    """An absolute request line is served; the host's region is the queue's, and a queue is found from any region."""
    host = f"{ACCOUNT}.mns.cn-beijing.aliyuncs.com"
    headers = mns.signed("PUT", "/queues/q", b"", {"host": host})
    connection = http.client.HTTPConnection(mns.address, timeout=30)
    connection.putrequest("PUT", f"http://{host}/queues/q", skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Location"]) == (201, f"http://{host}/queues/q")
    connection.close()
    (queue,) = sim.control("GET", "world")["alibaba"]["queues"]
    assert queue["region"] == "cn-beijing"
    assert mns.send("x").status == 201
    assert sim.journal(action="SendMessage")[0]["region"] == "cn-beijing"


def test_a_changed_header_breaks_the_signature(mns: RawMns) -> None:
    """Every x-mns header is signed; one that a proxy added is noticed."""
    headers = mns.signed("GET", "/queues", b"", {})
    tampered = {name.replace("-", "_"): value for name, value in headers.items()} | {"x_mns_prefix": "other"}
    assert mns.ask("GET", "/queues", b"", **tampered).code == "SignatureDoesNotMatch"


def test_a_temporary_key_needs_its_token(sim: RunningSimulator) -> None:
    """An STS key without its token is refused, with it it is the account."""
    role = {"RoleArn": "acs:ram::1000000000000001:role/r", "RoleSessionName": "s1"}
    found = call(sim, STS, "AssumeRole", **role)["Credentials"]
    mns = RawMns(sim.address, found["AccessKeyId"], found["AccessKeySecret"])
    assert mns.ask("GET", "/queues").code == "MissingSecurityToken"
    assert mns.ask("GET", "/queues", security_token="other").code == "InvalidSecurityToken"
    assert mns.ask("GET", "/queues", security_token=found["SecurityToken"]).status == 200


def test_both_forms_of_the_content_digest_are_taken_and_no_other(mns: RawMns) -> None:
    """RFC 1864 and Base64 of the hexadecimal text are right; anything else is InvalidDegist, spelt so."""
    body = document("Queue", {"VisibilityTimeout": 30}).encode()
    for digest in (
        base64.b64encode(hashlib.md5(body).digest()).decode(),
        base64.b64encode(hashlib.md5(body).hexdigest().encode()).decode(),
        None,
    ):
        assert mns.ask("PUT", "/queues/q", body, content_md5=digest).status in {201, 204}
    for digest in (hashlib.md5(body).hexdigest(), base64.b64encode(hashlib.md5(b"other").digest()).decode(), "x"):
        answer = mns.ask("PUT", "/queues/q", body, content_md5=digest)
        assert (answer.status, answer.code) == (400, "InvalidDegist"), digest


def test_a_digest_of_nothing_is_right_for_nothing(mns: RawMns) -> None:
    """The Go client sends a digest and a content type with every request, also without a body."""
    digest = base64.b64encode(hashlib.md5(b"").hexdigest().encode()).decode()
    assert mns.ask("GET", "/queues", content_md5=digest, content_type="application/xml").status == 200


# --- the form of answers ---


def test_every_answer_has_the_headers_that_clients_read(sim: RunningSimulator, mns: RawMns) -> None:
    """Request id, version, date and length are there, nothing is chunked, and the id is the journal's."""
    mns.queue()
    for answer in (mns.send("eA=="), mns.receive(), mns.receive(), mns.ask("GET", "/queues")):
        assert answer.headers["x-mns-version"] == "2015-06-06"
        assert parsedate_to_datetime(answer.headers["date"]).year > 2000
        assert answer.headers["content-type"] == "text/xml;charset=utf-8"
        assert int(answer.headers["content-length"]) == len(answer.body)
        assert "transfer-encoding" not in answer.headers
    assert answer.headers["x-mns-request-id"] == sim.journal(service="mns")[-1]["request_id"]


def test_a_204_has_no_body(mns: RawMns) -> None:
    """No content is no content: no body, no content type; the connection is usable afterwards."""
    connection = http.client.HTTPConnection(mns.address, timeout=30)
    mns.ask_on(connection, "PUT", "/queues/q")
    answer = mns.ask_on(connection, "DELETE", "/queues/q")
    assert (answer.status, answer.body) == (204, b"")
    assert "content-type" not in answer.headers
    assert mns.ask_on(connection, "GET", "/queues").status == 200
    connection.close()


def test_an_error_has_all_four_children_and_the_namespace_on_the_root_only(mns: RawMns) -> None:
    """Code, Message, RequestId and HostId, exactly as the clients look for them."""
    answer = mns.ask("GET", "/queues/none")
    assert answer.status == 404
    request_id = answer.headers["x-mns-request-id"]
    assert answer.body.decode() == (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<Error xmlns="{NAMESPACE.rstrip("/")}"><Code>QueueNotExist</Code>'
        "<Message>The queue name you provided is not exist.</Message>"
        f"<RequestId>{request_id}</RequestId><HostId>http://{mns.address}</HostId></Error>"
    )


def test_a_queue_shows_twelve_elements_with_times_in_seconds(stepped: RunningSimulator) -> None:
    """The clients miss each of the twelve; create and modify times are seconds."""
    mns = RawMns(stepped.address)
    mns.queue("ecs-cms-event", PollingWaitSeconds=7)
    stepped.advance(100)
    mns.ask("PUT", "/queues/ecs-cms-event?metaoverride=true", document("Queue", {"VisibilityTimeout": 60}))
    answer = mns.ask("GET", "/queues/ecs-cms-event")
    assert [child.tag.removeprefix(f"{{{NAMESPACE}}}") for child in answer.root] == [
        *("QueueName", "CreateTime", "LastModifyTime", "VisibilityTimeout", "MaximumMessageSize"),
        *("MessageRetentionPeriod", "DelaySeconds", "PollingWaitSeconds", "LoggingEnabled"),
        *("ActiveMessages", "InactiveMessages", "DelayMessages"),
    ]
    created, modified = int(answer.text("CreateTime")), int(answer.text("LastModifyTime"))
    assert modified == created + 100
    assert created == stepped.control("GET", "clock")["now_ms"] // 1000 - 100
    assert (answer.text("VisibilityTimeout"), answer.text("PollingWaitSeconds")) == ("60", "7")
    assert answer.text("LoggingEnabled") == "False"


def test_message_times_are_milliseconds_and_the_digest_is_upper_case(stepped: RunningSimulator) -> None:
    """A received message has nine elements; the digest is of the body as it travels."""
    mns = RawMns(stepped.address)
    mns.queue()
    body = base64.b64encode("中 <&>".encode()).decode()
    sent = mns.send(body, Priority=3)
    assert sent.status == 201
    assert sent.text("MessageBodyMD5") == hashlib.md5(body.encode()).hexdigest().upper()
    now = stepped.advance(1)["now_ms"]
    answer = mns.receive()
    facts = {child.tag.removeprefix(f"{{{NAMESPACE}}}"): child.text for child in answer.root}
    handle = facts.pop("ReceiptHandle")
    assert handle
    assert not set(handle) & set("&#%+?/ ")
    assert facts == {
        "MessageId": sent.text("MessageId"),
        "MessageBody": body,
        "MessageBodyMD5": sent.text("MessageBodyMD5"),
        "EnqueueTime": str(now - 1000),
        "NextVisibleTime": str(now + 30_000),
        "FirstDequeueTime": str(now),
        "DequeueCount": "1",
        "Priority": "3",
    }


def test_a_raw_body_comes_back_as_it_was_sent(mns: RawMns) -> None:
    """Markup, line ends and CDATA in a body survive; nothing is answered as CDATA."""
    mns.queue()
    mns.ask("POST", "/queues/q/messages", "<Message><MessageBody><![CDATA[<a>&\"']]>&#13;\n</MessageBody></Message>")
    answer = mns.receive()
    assert answer.text("MessageBody") == "<a>&\"'\r\n"
    assert b"CDATA" not in answer.body


# --- queues ---


def test_creating_a_queue_is_repeatable_and_says_where_it_is(mns: RawMns) -> None:
    """201 when new, 204 when the same is there, 409 when another is; the place follows the Host header."""
    first = mns.ask("PUT", "/queues/q", document("Queue", {"VisibilityTimeout": 60}))
    assert (first.status, first.headers["location"]) == (201, f"http://{mns.address}/queues/q")
    again = mns.ask("PUT", "/queues/q", document("Queue", {"VisibilityTimeout": 60}), host="mns.example")
    assert (again.status, again.headers["location"]) == (204, "http://mns.example/queues/q")
    other = mns.ask("PUT", "/queues/q", document("Queue", {"VisibilityTimeout": 61}))
    assert (other.status, other.code) == (409, "QueueAlreadyExist")


def test_a_queue_is_gone_after_deleting_and_deleting_again_is_no_error(mns: RawMns) -> None:
    """DeleteQueue is repeatable; what was in the queue is gone with it."""
    mns.queue()
    mns.send("eA==")
    assert [mns.ask("DELETE", "/queues/q").status for _ in range(2)] == [204, 204]
    assert (mns.receive().status, mns.receive().code) == (404, "QueueNotExist")
    mns.queue()
    assert mns.counts() == (0, 0, 0)


@pytest.mark.parametrize(
    ("element", "low", "high"),
    [
        ("VisibilityTimeout", 1, 43200),
        ("MaximumMessageSize", 1024, 65536),
        ("MessageRetentionPeriod", 60, 604800),
        ("DelaySeconds", 0, 604800),
        ("PollingWaitSeconds", 0, 30),
    ],
)
def test_every_attribute_has_its_range(mns: RawMns, element: str, low: int, high: int) -> None:
    """The ends of a range are taken, what lies beyond is an InvalidArgument."""
    for at, value in enumerate((low, high)):
        assert mns.ask("PUT", f"/queues/q{at}", document("Queue", {element: value})).status == 201
    for wrong in (str(low - 1), str(high + 1), "many", "1e3"):
        answer = mns.ask("PUT", "/queues/bad", document("Queue", {element: wrong}))
        assert (answer.status, answer.code) == (400, "InvalidArgument"), wrong
    assert mns.ask("GET", "/queues/bad").status == 404


@pytest.mark.parametrize("name", ["-a", "a_b", "a.b", quote("队列"), "%00", "a%2Fb", "_"])
def test_a_bad_queue_name_is_refused(mns: RawMns, name: str) -> None:
    """A name starts with a letter or digit and holds letters, digits and hyphens."""
    for method, target in (("PUT", f"/queues/{name}"), ("GET", f"/queues/{name}/messages")):
        answer = mns.ask(method, target)
        assert (answer.status, answer.code) == (400, "InvalidQueueName")


def test_a_queue_name_has_at_most_120_characters(mns: RawMns) -> None:
    """The longest name is taken, one more is a QueueNameLengthError."""
    assert mns.ask("PUT", f"/queues/{'a' * 120}").status == 201
    assert mns.ask("PUT", f"/queues/{'a' * 121}").code == "QueueNameLengthError"


def test_an_account_has_at_most_1000_queues(sim: RunningSimulator, mns: RawMns) -> None:
    """One more is refused, and creating one that is there is not."""
    sim.world({"alibaba": {"queues": [{"name": f"q{at}"} for at in range(1000)]}})
    assert mns.ask("PUT", "/queues/q7").status == 204
    assert mns.ask("PUT", "/queues/one-more").status == 400


def test_queues_are_listed_in_pages(mns: RawMns) -> None:
    """Pages follow the marker; the last one has none, and an empty list has no empty elements."""
    assert b"NextMarker" not in mns.ask("GET", "/queues").body
    for name in ("b-1", "a-2", "a-1", "a-3"):
        mns.queue(name)
    first = mns.ask("GET", "/queues", x_mns_prefix="a-", x_mns_ret_number="2")
    assert first.texts("QueueURL") == [f"http://{mns.address}/queues/a-{at}" for at in (1, 2)]
    second = mns.ask("GET", "/queues", x_mns_prefix="a-", x_mns_ret_number="2", x_mns_marker=first.text("NextMarker"))
    assert second.texts("QueueURL") == [f"http://{mns.address}/queues/a-3"]
    assert b"NextMarker" not in second.body
    meta = mns.ask("GET", "/queues", x_mns_with_meta="true")
    assert (len(meta.texts("QueueURL")), len(meta.texts("VisibilityTimeout"))) == (4, 4)
    for wrong in ("0", "1001", "many"):
        assert mns.ask("GET", "/queues", x_mns_ret_number=wrong).code == "InvalidArgument"


def test_setting_attributes_leaves_the_others(mns: RawMns) -> None:
    """Only what is named changes; a queue that is not there is an error."""
    mns.queue("q", VisibilityTimeout=60, DelaySeconds=5)
    target = "/queues/q?metaoverride=true"
    assert mns.ask("PUT", target, document("Queue", {"LoggingEnabled": "true"})).status == 204
    answer = mns.ask("GET", "/queues/q")
    shown = [answer.text(name) for name in ("VisibilityTimeout", "DelaySeconds", "LoggingEnabled")]
    assert shown == ["60", "5", "True"]
    assert mns.ask("PUT", "/queues/none?metaoverride=true", document("Queue", {})).code == "QueueNotExist"


# --- messages ---


def test_the_highest_priority_goes_first(mns: RawMns) -> None:
    """A lower number is a higher priority; within one, the order of sending."""
    mns.queue()
    for body, priority in (("low", 16), ("usual-1", 8), ("high", 1), ("usual-2", 8)):
        mns.send(body, Priority=priority)
    assert mns.receive(query="?numOfMessages=16").texts("MessageBody") == ["high", "usual-1", "usual-2", "low"]


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"MessageBody": "x", "Priority": 0}, "InvalidArgument"),
        ({"MessageBody": "x", "Priority": 17}, "InvalidArgument"),
        ({"MessageBody": "x", "DelaySeconds": 604801}, "InvalidArgument"),
        ({"MessageBody": "x", "DelaySeconds": -1}, "InvalidArgument"),
        ({"MessageBody": ""}, "InvalidArgument"),
        ({}, "InvalidArgument"),
        ({"MessageBody": "x" * 1025}, "InvalidArgument"),
    ],
)
def test_a_message_that_cannot_be_is_refused(mns: RawMns, facts: dict[str, object], code: str) -> None:
    """Nothing enters the queue, and the answer says what was wrong."""
    mns.queue("q", MaximumMessageSize=1024)
    answer = mns.ask("POST", "/queues/q/messages", document("Message", facts))
    assert (answer.status, answer.code) == (400, code)
    assert mns.counts() == (0, 0, 0)


def test_a_message_may_be_as_large_as_the_queue_says(mns: RawMns) -> None:
    """The limit counts bytes, not characters."""
    mns.queue("q", MaximumMessageSize=1024)
    assert mns.send("x" * 1024).status == 201
    assert mns.send("中" * 341).status == 201
    assert mns.send("中" * 342).status == 400


def test_a_delayed_message_appears_when_it_is_due(stepped: RunningSimulator) -> None:
    """The message's own delay wins over the queue's, also when it is 0."""
    mns = RawMns(stepped.address)
    mns.queue("q", DelaySeconds=60)
    mns.send("queue")
    mns.send("own", DelaySeconds=10)
    mns.send("none", DelaySeconds=0)
    assert mns.counts() == (1, 0, 2)
    assert mns.receive().text("MessageBody") == "none"
    stepped.advance(10)
    assert mns.receive().text("MessageBody") == "own"
    stepped.advance(49.999)
    assert mns.counts()[2] == 1
    stepped.advance(0.001)
    assert mns.counts()[2] == 0


def test_an_undeleted_message_comes_back_with_a_new_handle(stepped: RunningSimulator) -> None:
    """Visibility ends exactly when it should; the count grows, the first dequeue stays."""
    mns = RawMns(stepped.address)
    mns.queue("q", VisibilityTimeout=30)
    mns.send("x")
    first = mns.receive()
    stepped.advance(29.999)
    assert mns.receive().code == "MessageNotExist"
    stepped.advance(0.001)
    second = mns.receive()
    assert second.text("ReceiptHandle") != first.text("ReceiptHandle")
    assert second.text("DequeueCount") == "2"
    assert second.text("FirstDequeueTime") == first.text("FirstDequeueTime")


def test_a_handle_dies_with_the_state_it_stands_for(stepped: RunningSimulator) -> None:
    """Superseded and invented handles are errors of the handle; visible or gone messages do not exist for it."""
    mns = RawMns(stepped.address)
    mns.queue("q", VisibilityTimeout=30)
    mns.send("x")

    def delete(handle: str) -> tuple[int, str]:
        answer = mns.ask("DELETE", f"/queues/q/messages?ReceiptHandle={handle}")
        return answer.status, answer.code if answer.body else ""

    old = mns.receive().text("ReceiptHandle")
    stepped.advance(30)
    assert delete(old) == (404, "MessageNotExist")
    new = mns.receive().text("ReceiptHandle")
    assert delete(old) == (400, "ReceiptHandleError")
    assert delete("invented") == (400, "ReceiptHandleError")
    assert delete(new) == (204, "")
    assert delete(new) == (404, "MessageNotExist")
    assert mns.counts() == (0, 0, 0)


def test_a_handle_may_be_sent_raw_or_percent_encoded(mns: RawMns) -> None:
    """Python and Java put it into the URL as it is, Go and PHP encode it."""
    mns.queue()
    for name, form in (("ReceiptHandle", str), ("receiptHandle", quote), ("receipthandle", quote)):
        mns.send("x")
        handle = form(mns.receive().text("ReceiptHandle"))
        assert mns.ask("DELETE", f"/queues/q/messages?{name}={handle}").status == 204


@pytest.mark.parametrize("names", [("ReceiptHandle", "VisibilityTimeout"), ("receiptHandle", "visibilityTimeout")])
def test_visibility_counts_from_the_change(stepped: RunningSimulator, names: tuple[str, str]) -> None:
    """60 s, changed to 30 s after 15 s: visible after 45 s; the old handle is dead, the new one is not."""
    mns = RawMns(stepped.address)
    mns.queue("q", VisibilityTimeout=60)
    mns.send("x")
    handle = mns.receive().text("ReceiptHandle")
    now = stepped.advance(15)["now_ms"]
    answer = mns.ask("PUT", f"/queues/q/messages?{names[0]}={handle}&{names[1]}=30")
    assert (answer.status, answer.text("NextVisibleTime")) == (200, str(now + 30_000))
    assert answer.root.tag == f"{{{NAMESPACE}}}ChangeVisibility"
    assert mns.ask("PUT", f"/queues/q/messages?{names[0]}={handle}&{names[1]}=30").code == "ReceiptHandleError"
    stepped.advance(29.999)
    assert mns.counts() == (0, 1, 0)
    stepped.advance(0.001)
    assert mns.counts() == (1, 0, 0)


def test_a_visibility_of_nothing_gives_the_message_back(stepped: RunningSimulator) -> None:
    """0 makes the message visible now; the handle that is returned is dead."""
    mns = RawMns(stepped.address)
    mns.queue()
    mns.send("x")
    handle = mns.receive().text("ReceiptHandle")
    answer = mns.ask("PUT", f"/queues/q/messages?ReceiptHandle={handle}&VisibilityTimeout=0")
    assert answer.status == 200
    assert mns.counts() == (1, 0, 0)
    dead = mns.ask("DELETE", f"/queues/q/messages?ReceiptHandle={answer.text('ReceiptHandle')}")
    assert dead.code == "MessageNotExist"


@pytest.mark.parametrize(
    ("method", "query", "code"),
    [
        ("PUT", "", "MissingReceiptHandle"),
        ("PUT", "?ReceiptHandle=8-x", "MissingVisibilityTimeout"),
        ("PUT", "?ReceiptHandle=8-x&VisibilityTimeout=43201", "InvalidArgument"),
        ("PUT", "?ReceiptHandle=8-x&VisibilityTimeout=soon", "InvalidQueryString"),
        ("PUT", "?ReceiptHandle=8-x&VisibilityTimeout=3", "ReceiptHandleError"),
        ("DELETE", "", "MissingReceiptHandle"),
        ("DELETE", "?ReceiptHandle=", "MissingReceiptHandle"),
        ("GET", "?waitseconds=31", "InvalidArgument"),
        ("GET", "?waitseconds=x", "InvalidQueryString"),
        ("GET", "?numOfMessages=0", "InvalidArgument"),
        ("GET", "?numOfMessages=17", "InvalidArgument"),
        ("GET", "?peekonly=true&numOfMessages=17", "InvalidArgument"),
        ("GET", "?numOfMessages=16", "MessageNotExist"),
        ("GET", "?peekonly=true", "MessageNotExist"),
        ("PATCH", "", "InvalidRequestURL"),
    ],
)
def test_a_bad_query_is_refused(mns: RawMns, method: str, query: str, code: str) -> None:
    """What is missing, malformed or out of range has its own code."""
    mns.queue()
    answer = mns.ask(method, f"/queues/q/messages{query}")
    assert answer.code == code
    assert answer.status == (404 if code == "MessageNotExist" else 400)


def test_query_names_are_read_in_any_case(mns: RawMns) -> None:
    """The documentation and the clients spell them differently."""
    mns.queue()
    for at in range(4):
        mns.send(f"m{at}")
    assert len(mns.receive(query="?NumOfMessages=2&WaitSeconds=0").texts("MessageId")) == 2
    assert len(mns.receive(query="?peekOnly=true&numofmessages=2").texts("MessageId")) == 2
    assert mns.counts() == (2, 2, 0)


def test_a_peek_changes_nothing(mns: RawMns) -> None:
    """A peeked message has no handle and no next visible time, and stays as it was."""
    mns.queue()
    mns.send("x")
    answer = mns.receive(query="?peekonly=true")
    names = {child.tag.removeprefix(f"{{{NAMESPACE}}}") for child in answer.root}
    assert names == {
        *("MessageId", "MessageBody", "MessageBodyMD5", "EnqueueTime"),
        *("FirstDequeueTime", "DequeueCount", "Priority"),
    }
    assert (answer.text("DequeueCount"), answer.text("FirstDequeueTime")) == ("0", "0")
    assert mns.counts() == (1, 0, 0)
    assert mns.receive(query="?peekonly=true&numOfMessages=16").root.tag == f"{{{NAMESPACE}}}Messages"


def test_a_batch_delete_says_which_handles_failed(mns: RawMns) -> None:
    """Some failed: 404 with exactly three facts for each; the others are deleted. None failed: 204."""
    mns.queue()
    for at in range(3):
        mns.send(f"m{at}")
    handles = mns.receive(query="?numOfMessages=16").texts("ReceiptHandle")

    def delete(handles: list[str]) -> Answer:
        return mns.ask(
            "DELETE", "/queues/q/messages", document("ReceiptHandles", [("ReceiptHandle", one) for one in handles])
        )

    partly = delete([handles[0], "invented"])
    assert partly.status == 404
    assert partly.body.decode().partition("\n")[2] == (
        f'<Errors xmlns="{NAMESPACE}"><Error><ErrorCode>ReceiptHandleError</ErrorCode>'
        "<ErrorMessage>The receipt handle you provide is not valid.</ErrorMessage>"
        "<ReceiptHandle>invented</ReceiptHandle></Error></Errors>"
    )
    assert mns.counts() == (0, 2, 0)
    assert (delete(handles[1:]).status, mns.counts()) == (204, (0, 0, 0))
    assert delete([]).code == "InvalidArgument"
    assert delete(["x"] * 17).code == "InvalidArgument"


def test_a_batch_send_says_for_each_message_what_became_of_it(mns: RawMns) -> None:
    """In a mixed batch every message has either an id and a digest or a code and its reason."""
    mns.queue("q", MaximumMessageSize=1024)
    batch = [("Message", {"MessageBody": body}) for body in ("good", "x" * 1025, "fine")]
    answer = mns.ask("POST", "/queues/q/messages", document("Messages", batch))
    assert answer.status == 500
    names = [[child.tag.removeprefix(f"{{{NAMESPACE}}}") for child in one] for one in answer.root]
    assert names == [["MessageId", "MessageBodyMD5"], ["ErrorCode", "ErrorMessage"], ["MessageId", "MessageBodyMD5"]]
    assert mns.counts() == (2, 0, 0)
    for size in (0, 17):
        many = document("Messages", [("Message", {"MessageBody": "x"})] * size)
        assert mns.ask("POST", "/queues/q/messages", many).code == "InvalidArgument"


SINGLE = "<Message><MessageBody><![CDATA[<Messages>]]></MessageBody></Message>"


@pytest.mark.parametrize(
    ("body", "root"),
    [
        (f'<?xml version="1.0"?>\n<!-- <Message> -->\n<m:Messages xmlns:m="urn:x">{SINGLE}</m:Messages>', "Messages"),
        (f"\ufeff<Messages>{SINGLE}</Messages>", "Messages"),
        (f"<!-- <Messages> -->{SINGLE}", "Message"),
    ],
)
def test_the_first_element_says_whether_it_is_a_batch(mns: RawMns, body: str, root: str) -> None:
    """Declarations, comments, prefixes and what stands in a body do not."""
    mns.queue()
    answer = mns.ask("POST", "/queues/q/messages", body)
    assert (answer.status, answer.root.tag) == (201, f"{{{NAMESPACE}}}{root}")
    assert mns.receive().text("MessageBody") == "<Messages>"


def test_messages_are_forgotten_when_their_retention_ends(sim: RunningSimulator, stepped: RunningSimulator) -> None:
    """In whatever state they are, exactly when it ends; the journal says so."""
    mns = RawMns(stepped.address)
    mns.queue("q", MessageRetentionPeriod=60, VisibilityTimeout=600)
    for body in ("active", "inactive"):
        mns.send(body)
    mns.send("delayed", DelaySeconds=100)
    mns.receive()
    stepped.advance(59.999)
    assert mns.counts() == (1, 1, 1)
    stepped.advance(0.001)
    assert mns.counts() == (0, 0, 0)
    ends = [change["before"] for entry in sim.journal(kind="change") for change in entry["changes"]]
    assert sorted(ends) == ["Active", "Delayed", "Inactive"]


def test_properties_travel_with_the_message(mns: RawMns) -> None:
    """User and system properties come back as they were sent."""
    mns.queue()
    mine = [("PropertyValue", {"Name": "n", "Value": "5", "Type": "NUMBER"})]
    system = [("SystemPropertyValue", {"Name": "baggage", "Value": "a=b", "Type": "STRING"})]
    mns.send("x", UserProperties=mine, SystemProperties=system, MessageGroupId="g1")
    answer = mns.receive()
    assert (answer.texts("Name"), answer.texts("Value")) == (["n", "baggage"], ["5", "a=b"])
    assert answer.text("MessageGroupId") == "g1"


# --- account, faults, world ---


def test_account_attributes_are_kept(mns: RawMns) -> None:
    """The logging bucket is empty at first and then what was set."""
    assert mns.ask("GET", "/?accountmeta=true").text("LoggingBucket") == ""
    assert mns.ask("PUT", "/?accountmeta=true", document("Account", {"LoggingBucket": "logs"})).status == 204
    assert mns.ask("GET", "/?accountmeta=true").text("LoggingBucket") == "logs"
    assert mns.ask("POST", "/commonbuy/openservice").text("OrderId").isdigit()
    assert mns.ask("GET", "/?accountmeta=false").code == "InvalidRequestURL"


def test_two_accounts_do_not_see_each_other(sim: RunningSimulator, mns: RawMns) -> None:
    """A queue of another account does not exist."""
    sim.world({"alibaba": {"queues": [{"name": "theirs", "account": "2000000000000002"}]}})
    assert mns.ask("GET", "/queues/theirs").code == "QueueNotExist"
    assert mns.ask("GET", "/queues").texts("QueueURL") == []


def test_a_quota_is_kept_only_when_it_was_set(stepped: RunningSimulator) -> None:
    """Without a quota nothing is throttled; with one the call over it is a QpsLimitExceeded until the next second."""
    mns = RawMns(stepped.address)
    stepped.world({"quotas": {"mns:ListQueue": 2}})
    codes = [mns.ask("GET", "/queues").status for _ in range(3)]
    assert codes == [200, 200, 400]
    assert mns.ask("GET", "/queues").code == "QpsLimitExceeded"
    stepped.advance(1)
    assert mns.ask("GET", "/queues").status == 200


def test_an_effect_may_happen_although_the_answer_fails(sim: RunningSimulator, mns: RawMns) -> None:
    """effect-then-5xx: the message is in the queue, the sender was told otherwise."""
    mns.queue()
    rule = {"match": {"service": "mns", "action": "SendMessage"}, "when": {"times": 1}, "fault": "effect-then-5xx"}
    sim.control("PUT", "faults", [rule])
    assert (mns.send("x").status, mns.counts()) == (500, (1, 0, 0))


@pytest.mark.parametrize(
    ("fault", "arrived"), [("lost-event", 0), ({"kind": "duplicated-event", "copies": 3}, 3), ("delayed-event", 0)]
)
def test_a_queue_may_lose_double_and_delay(stepped: RunningSimulator, fault: object, arrived: int) -> None:
    """The sender is answered as ever; copies have one message id and handles of their own."""
    mns = RawMns(stepped.address)
    mns.queue()
    match = {"service": "mns", "action": "SendMessage", "resource": "q"}
    stepped.control("PUT", "faults", [{"match": match, "fault": fault}])
    assert mns.send("x").status == 201
    assert mns.counts()[0] == arrived
    stepped.advance(5)
    late = mns.receive(query="?numOfMessages=16")
    assert late.status == (404 if fault == "lost-event" else 200)
    if arrived:
        assert len(set(late.texts("MessageId"))) == 1
        assert len(set(late.texts("ReceiptHandle"))) == arrived


def test_a_batch_may_fail_in_part(sim: RunningSimulator, mns: RawMns) -> None:
    """partial-batch: half of the handles fail with an error of the service, the rest is deleted."""
    mns.queue()
    for at in range(4):
        mns.send(f"m{at}")
    handles = mns.receive(query="?numOfMessages=16").texts("ReceiptHandle")
    rule = {"match": {"action": "Batch*"}, "when": {"times": 2}, "fault": {"kind": "partial-batch", "share": 0.5}}
    sim.control("PUT", "faults", [rule])
    body = document("ReceiptHandles", [("ReceiptHandle", handle) for handle in handles])
    answer = mns.ask("DELETE", "/queues/q/messages", body)
    assert (answer.status, answer.texts("ErrorCode")) == (404, ["InternalError"] * 2)
    assert mns.counts() == (0, 2, 0)
    batch = document("Messages", [("Message", {"MessageBody": "x"})] * 4)
    answer = mns.ask("POST", "/queues/q/messages", batch)
    assert (answer.status, len(answer.texts("ErrorCode"))) == (500, 2)
    assert mns.counts() == (2, 2, 0)


def test_a_stale_read_does_not_know_the_new_queue(stepped: RunningSimulator) -> None:
    """Attributes and the list are as old as the fault says."""
    mns = RawMns(stepped.address)
    mns.queue("old", VisibilityTimeout=50)
    stepped.advance(60)
    mns.queue("new")
    mns.ask("PUT", "/queues/old?metaoverride=true", document("Queue", {"VisibilityTimeout": 60}))
    stale = {"match": {"service": "mns"}, "fault": {"kind": "stale-read", "age_seconds": 10}}
    stepped.control("PUT", "faults", [stale])
    assert mns.ask("GET", "/queues/new").code == "QueueNotExist"
    assert mns.ask("GET", "/queues/old").text("VisibilityTimeout") == "50"
    assert mns.ask("GET", "/queues").texts("QueueURL") == [f"http://{mns.address}/queues/old"]


def test_a_world_read_and_put_back_goes_on_the_same(stepped: RunningSimulator) -> None:
    """States, handles, counts and due times survive; the document is the same and what is pending still happens."""
    mns = RawMns(stepped.address)
    mns.queue("q", VisibilityTimeout=30)
    for body in ("active", "inactive"):
        mns.send(body, Priority=9 if body == "active" else 1)
    mns.send("delayed", DelaySeconds=60)
    handle = mns.receive().text("ReceiptHandle")
    world = stepped.control("GET", "world")
    stepped.world(world)
    assert stepped.control("GET", "world") == world
    stepped.world({**world, "alibaba": {"queues": []}})
    assert mns.receive().code == "QueueNotExist"
    stepped.world(world)
    assert mns.counts() == (1, 1, 1)
    assert mns.ask("DELETE", f"/queues/q/messages?ReceiptHandle={handle}").status == 204
    stepped.advance(60)
    assert mns.counts() == (2, 0, 0)


def test_the_same_seed_and_calls_give_the_same_journal(stepped: RunningSimulator) -> None:
    """Ids, handles, faults by chance and request ids repeat; another seed gives others."""

    def journal(seed: int) -> list[dict[str, object]]:
        stepped.world({"now": "2026-03-01T00:00:00Z", "seed": seed, "alibaba": {"queues": [{"name": "q"}]}})
        flaky = {"match": {"service": "mns"}, "when": {"probability": 0.3}, "fault": "5xx"}
        stepped.control("PUT", "faults", [flaky])
        since = stepped.control("GET", "health")["journal"]
        mns = RawMns(stepped.address)
        for _ in range(10):
            mns.send("x")
            mns.receive()
            stepped.advance(20)
        entries = stepped.journal(since=since)
        return [{name: value for name, value in entry.items() if name != "seq"} for entry in entries]

    first = journal(5)
    assert journal(5) == first
    assert journal(6) != first


def test_the_short_form_of_a_queue_is_enough(sim: RunningSimulator, mns: RawMns) -> None:
    """A text is a body as it travels, `text` is put in as Base64."""
    sim.world({"alibaba": {"queues": [{"name": "q", "messages": ["{}", {"text": "{}"}]}]}})
    assert mns.receive(query="?numOfMessages=2").texts("MessageBody") == ["{}", "e30="]


@pytest.mark.parametrize(
    ("queue", "place"),
    [
        ({"name": "-"}, "queues.0.name"),
        ({"name": "q", "delay": 1}, "queues.0.delay"),
        ({"name": "q", "messages": ["\u0001"]}, "queues.0.messages.0"),
        ({"name": "q", "messages": [{"body": "x", "state": "Inactive"}]}, "queues.0.messages.0.due"),
    ],
)
def test_a_queue_that_cannot_be_is_refused_by_its_place(
    sim: RunningSimulator, queue: dict[str, object], place: str
) -> None:
    """The error names the place in the document; nothing changes."""
    with pytest.raises(Exception, match=place):
        sim.world({"alibaba": {"queues": [queue]}})
