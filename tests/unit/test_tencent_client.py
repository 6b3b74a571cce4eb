"""The client for Tencent Cloud: signs each call of its own time, sends it once, and says what became of it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from cloudheal.clouds.keys import Keys
from cloudheal.clouds.quota import Buckets, Pace
from cloudheal.clouds.tencent.client import CVM, Client
from cloudheal.errors import CloudPermanentError, CloudTransientError

KEYS = Keys("AKIDunit", "unitsecretunit", "token-of-an-hour")
OK = {"Response": {"TotalCount": 0, "InstanceSet": [], "RequestId": "r-1"}}
Answer = tuple[int, str, bytes]


class Cloud:
    """A server that keeps what it is asked and answers what it is told to."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.calls: list[tuple[dict[str, str], Any]] = []
        self.answer: Callable[[], Answer] = lambda: said(OK)

    def client(self, pace: Pace | None = None, told: list[tuple[str, str]] | None = None) -> Client:
        """Return a client of it."""
        return Client(KEYS, self.url, pace, lambda *one: (told if told is not None else []).append(one))


def said(document: object, type_: str = "application/json", status: int = 200) -> Answer:
    """Return an answer."""
    return status, type_, json.dumps(document).encode()


def refusal(code: str, type_: str = "application/json") -> Answer:
    """Return a refusal as the service says one."""
    error = {"Code": code, "Message": "the request was AKIDunit unitsecretunit"}
    return said({"Response": {"Error": error, "RequestId": "r-2"}}, type_)


@contextmanager
def serving() -> Iterator[Cloud]:
    """Serve until the block ends."""
    cloud = Cloud("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            cloud.calls.append((dict(self.headers), json.loads(body)))
            status, type_, content = cloud.answer()
            self.send_response(status)
            self.send_header("Content-Type", type_)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    cloud.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield cloud
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """A server of the test's own."""
    with serving() as running:
        yield running


def ask(client: Client, seconds: float = 5) -> dict[str, Any]:
    """Make a call."""
    return client.call(CVM, "DescribeInstances", "ap-guangzhou", {"InstanceIds": ["ins-1"], "Name": "值"}, seconds)


def test_a_call_says_who_what_and_where(cloud: Cloud) -> None:
    """Action, version and region stand in headers, the token of short-lived keys too; parameters are the body."""
    assert ask(cloud.client())["RequestId"] == "r-1"
    ((headers, body),) = cloud.calls
    named = ("X-TC-Action", "X-TC-Version", "X-TC-Region", "X-TC-Token", "Content-Type")
    expected = ["DescribeInstances", "2017-03-12", "ap-guangzhou", "token-of-an-hour", "application/json"]
    assert [headers[name] for name in named] == expected
    assert body == {"InstanceIds": ["ins-1"], "Name": "值"}
    assert headers["Authorization"].startswith("TC3-HMAC-SHA256 Credential=AKIDunit/")


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/Los_Angeles", "UTC"])
def test_the_date_in_a_signature_is_that_of_utc_at_any_hour(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    """At 00:30 in Shanghai it is still the day before in UTC, whatever zone the machine is in (Q19)."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        moment = datetime(2026, 3, 1, 16, 30, tzinfo=UTC)
        monkeypatch.setattr("tencentcloud.common.abstract_client.time.time", moment.timestamp)
        ask(cloud.client())
    finally:
        monkeypatch.undo()
        time.tzset()
    headers = cloud.calls[0][0]
    assert headers["X-TC-Timestamp"] == str(int(moment.timestamp()))
    assert "/2026-03-01/cvm/tc3_request" in headers["Authorization"]


def test_each_call_is_signed_with_the_time_of_its_own(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that has run for hours, or waited, signs afresh (Q20)."""
    client, moments = cloud.client(), iter([1_772_333_404.0, 1_772_340_604.0])
    for moment in moments:
        monkeypatch.setattr("tencentcloud.common.abstract_client.time.time", lambda now=moment: now)
        ask(client)
    assert [one[0]["X-TC-Timestamp"] for one in cloud.calls] == ["1772333404", "1772340604"]
    assert cloud.calls[0][0]["Authorization"] != cloud.calls[1][0]["Authorization"]


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("RequestLimitExceeded", "throttled"),
        ("RequestLimitExceeded.UinLimitExceeded", "throttled"),
        ("OperationDenied.InstanceOperationInProgress", "refused"),
        ("MutexOperation.TaskRunning", "refused"),
        ("UnsupportedOperation.InstanceStateStarting", "refused"),
        ("FailedOperation.ResourceInOperating", "refused"),
        ("ResourceUnavailable.AgentStatusNotOnline", "refused"),
    ],
)
def test_what_was_put_off_did_nothing_and_may_be_repeated(cloud: Cloud, code: str, outcome: str) -> None:
    """The vendor's code and its request id are kept; whoever knows that it is safe tries again."""
    told: list[tuple[str, str]] = []
    cloud.answer = lambda: refusal(code)
    with pytest.raises(CloudTransientError) as refused:
        ask(cloud.client(told=told))
    assert (refused.value.vendor_code, refused.value.request_id, refused.value.refused) == (code, "r-2", True)
    assert told == [("DescribeInstances", outcome)]
    assert len(cloud.calls) == 1


@pytest.mark.parametrize("type_", ["application/json", "application/json; charset=utf-8", "text/html"])
def test_a_refusal_for_good_is_recognised_whatever_its_content_type(cloud: Cloud, type_: str) -> None:
    """The vendor's client takes anything but exact JSON for a success."""
    cloud.answer = lambda: refusal("InvalidInstanceId.NotFound", type_)
    with pytest.raises(CloudPermanentError) as refused:
        ask(cloud.client())
    assert (refused.value.vendor_code, refused.value.request_id) == ("InvalidInstanceId.NotFound", "r-2")


def test_a_missing_role_is_named_with_its_fix(cloud: Cloud) -> None:
    """An operator reads what to create, and where."""
    cloud.answer = lambda: refusal("ResourceNotFound.RoleNotFound")
    with pytest.raises(CloudPermanentError) as refused:
        ask(cloud.client())
    assert "TAT_QCSLinkedRoleInCommand" in refused.value.what_to_do


@pytest.mark.parametrize(
    "answer",
    [
        refusal("InternalError"),
        refusal("InternalError.Trouble"),
        refusal("ServiceUnavailable"),
        said("", status=502),
        said({"Response": {"TotalCount": 0}}),
        said({"Response": {"Error": {"Code": "InternalError", "Message": ""}}}),
        said([]),
        (200, "application/json", b"{"),
    ],
)
def test_an_answer_to_which_nothing_can_be_held_leaves_open_what_happened(cloud: Cloud, answer: Answer) -> None:
    """Trouble of the service, another status, no request id, no JSON: it may have taken effect."""
    told: list[tuple[str, str]] = []
    cloud.answer = lambda: answer
    with pytest.raises(CloudTransientError) as unclear:
        ask(cloud.client(told=told))
    assert not unclear.value.refused
    assert told == [("DescribeInstances", "unanswered")]
    assert len(cloud.calls) == 1


def test_a_call_ends_within_its_seconds(cloud: Cloud) -> None:
    """One that is not answered in time is sent once, and nothing is known of it."""
    released = threading.Event()

    def late() -> Answer:
        released.wait(20)
        return said(OK)

    cloud.answer = late
    began = time.monotonic()
    with pytest.raises(CloudTransientError) as unclear:
        ask(cloud.client(), seconds=0.6)
    assert time.monotonic() - began < 5
    released.set()
    assert (unclear.value.vendor_code, unclear.value.refused) == ("ClientNetworkError", False)


def test_nobody_listening_is_no_answer() -> None:
    """The error is a passing one."""
    with pytest.raises(CloudTransientError):
        ask(Client(KEYS, "http://127.0.0.1:9"), seconds=2)


def test_our_own_rate_is_kept_and_haste_does_not_wait_for_it(cloud: Cloud) -> None:
    """A call that would have to wait too long is not sent; one with a deadline goes first and is counted."""
    waits: list[float] = []
    client = cloud.client(Pace(Buckets(1, lambda: 0.0), waits.append))
    ask(client)
    ask(client)
    ask(client)
    assert waits == [1.0]
    with pytest.raises(CloudTransientError) as full:
        ask(client, seconds=2)
    assert (full.value.vendor_code, full.value.refused, len(cloud.calls)) == ("OwnRate", True, 3)
    ask(client.hurried(), seconds=2)
    assert len(cloud.calls) == 4


def test_keys_with_blanks_are_refused_without_showing_them() -> None:
    """The vendor's client refuses them before anything is sent."""
    with pytest.raises(CloudPermanentError) as refused:
        ask(Client(Keys("AKID ", "unitsecret")))
    assert refused.value.vendor_code == "InvalidCredential"
    assert "AKID" not in str(refused.value)


def test_an_error_never_shows_what_the_service_said_of_the_keys(cloud: Cloud) -> None:
    """Its text may repeat the request; only the code and the request id are kept."""
    cloud.answer = lambda: refusal("AuthFailure.SignatureFailure")
    with pytest.raises(CloudPermanentError) as refused:
        ask(cloud.client())
    assert "unitsecretunit" not in f"{refused.value} {refused.value.args}"
