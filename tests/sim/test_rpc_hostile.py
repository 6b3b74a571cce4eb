"""Hostile and broken input: always the service's own error or HTTP 400, memory bounded, the server alive."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import random
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sim.signing import SLB, STS, acs3, common, query_of, signed
from tests.sim.wire import Wire, message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sim.simulator import RunningSimulator

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}
WHO = (STS, "GetCallerIdentity")
#: What a process may grow by while it is maltreated; one request may be 4 MiB and is held a few times over.
ROOM = 150 * 1024 * 1024


@pytest.fixture(autouse=True)
def still_alive(sim: RunningSimulator) -> Iterator[None]:
    """After whatever a test did, a decent client is served and the journal can be read."""
    before = resident(sim)
    yield
    with Wire(sim.address) as wire:
        assert wire.get(common(*WHO)).status == 200
    assert sim.journal(action="GetCallerIdentity")
    assert resident(sim) - before < ROOM


def resident(sim: RunningSimulator) -> int:
    """Return the bytes of memory the process has."""
    pages = int(Path(f"/proc/{sim.process.pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


def fresh(sim: RunningSimulator, method: str, target: str, headers: dict[str, str], body: bytes = b"") -> int:
    """Send one request on its own connection and return the status; 0 when the server just closed."""
    with Wire(sim.address) as wire:
        try:
            wire.send(message(sim.address, method, target, headers, body))
            return wire.read(head=method == "HEAD").status
        except (AssertionError, OSError):
            return 0


# --- names and values ---


@pytest.mark.parametrize(
    "query",
    [
        "%",
        "%%%&%=%zz&%4",
        "%ff%fe=%00%01&Action=%ff&Version=2014-05-15",
        "Action=%ff&Version=%00&Format=JSON",
        "Action=\xff\xfe&AccessKeyId=\xff&Signature=\xff&Format=%ff",
        "AccessKeyId=testid&Signature=%ff&Timestamp=%ff&SignatureNonce=%ff",
        "&&&=&=&==&",
        "A" * 60_000,
        "AccessKeyId=" + "%F0%9F" * 5_000,
        "SignatureMethod=%ff&AccessKeyId=testid&Signature=x",
        "Action=GetCallerIdentity&Action=DescribeRegions&Version=2015-04-01",
    ],
)
def test_bytes_that_are_no_text_are_a_client_error(sim: RunningSimulator, query: str) -> None:
    """Broken escapes and binary names are refused, never a malfunction, and the journal stays readable."""
    with Wire(sim.address) as wire:
        wire.send(f"GET /?{query} HTTP/1.1\r\nHost: {sim.address}\r\n\r\n".encode("latin-1"))
        reply = wire.read()
    assert 400 <= reply.status < 500


@pytest.mark.parametrize("value", ["%FF", "%00", "a%00b", "%C0%80", "%ED%A0%80"])
def test_a_well_signed_value_that_is_no_text_is_invalid(sim: RunningSimulator, value: str) -> None:
    """The signature over the raw bytes holds; the parameter is refused by name."""
    parts = {**common(SLB, "CreateLoadBalancer"), "LoadBalancerName": "@"}
    canonical = query_of(dict(sorted(parts.items()))).replace("LoadBalancerName=%40", f"LoadBalancerName={value}")
    text = "GET&%2F&" + query_of({"": canonical})[1:]
    signature = base64.b64encode(hmac.new(b"testsecret&", text.encode(), hashlib.sha1).digest()).decode()
    with Wire(sim.address) as wire:
        reply = wire.ask("GET", f"/?{canonical}&{query_of({'Signature': signature})}")
    assert (reply.status, reply.code) == (400, "InvalidParameter"), reply.body
    assert "LoadBalancerName" in reply.json["Message"]


@pytest.mark.parametrize(
    "names",
    [
        {"Tag": "x", "Tag.1.Key": "k"},
        {"Tag.1": "x", "Tag.1.Key": "k"},
        {"Tag.1.Key.1.2.3": "x"},
        {"Tag." + "1." * 500 + "Key": "x"},
        {"Tag.1.Key": "a", "Tag.1.Key.1": "b"},
        {"Tag.x.Key": "a"},
        {"Tag..Key": "a"},
        {".": "a", "..": "b"},
        {"Tag.1.": "a"},
        {"PageSize.1": "5"},
        {"PageSize": "9" * 5000},
        {"PageSize": "1e9"},
        {"Tags": "[" * 20_000},
        {"Tags": "[" + "1," * 50_000 + "]"},
        {"Tags": "{'a':" * 2_000},
        {"Tags": "__import__('os').system('true')"},
        {"Tags": '[{"TagKey": 1' + "0" * 5000 + "}]"},
    ],
)
def test_parameters_that_contradict_themselves_are_refused(sim: RunningSimulator, names: dict[str, str]) -> None:
    """A well-signed call with impossible names or values gets the service's own 400."""
    with Wire(sim.address) as wire:
        reply = wire.post(common(SLB, "DescribeLoadBalancers", **names))
    assert reply.status in {200, 400}
    assert reply.status == 400 or set(names) <= {".", "..", "Tag.1."}, reply.body


@pytest.mark.parametrize("index", ["9" * 4000, "9" * 6000, "-1", "1.5", "0x10", "１"])
def test_giant_and_strange_indexes_are_no_malfunction(sim: RunningSimulator, index: str) -> None:
    """An index that is no small number makes no list."""
    with Wire(sim.address) as wire:
        reply = wire.post(common(SLB, "DescribeLoadBalancers", **{f"Tag.{index}.Key": "a", f"Tag.{index}.Value": "b"}))
    assert reply.status == 400
    assert reply.code == "InvalidParameter"


def test_a_gap_in_a_list_closes(sim: RunningSimulator) -> None:
    """The highest index allowed costs nothing: lists hold what was sent."""
    with Wire(sim.address) as wire:
        made = wire.post(common(SLB, "CreateLoadBalancer", **{"Tag.999999999.Key": "a", "Tag.7.Key": "b"}))
        found = wire.get(common(SLB, "DescribeTags", LoadBalancerId=made.json["LoadBalancerId"]))
    assert [tag["TagKey"] for tag in found.json["TagSets"]["TagSet"]] == ["b", "a"]


def test_a_hundred_thousand_parameters_are_refused(sim: RunningSimulator) -> None:
    """In a form, in a JSON body, signed or not: too many are not even looked at."""
    form = "&".join(f"A.{number}=x" for number in range(100_000)).encode()
    assert fresh(sim, "POST", "/", FORM, form) == 400
    document = b'{"A": [' + b"1," * 99_999 + b"1]}"
    assert (
        fresh(sim, "POST", "/", acs3("POST", sim.address, {**JSON, "x-acs-action": "X"}, {}, document), document) == 400
    )


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b'{"a":' + b"9" * 10_000 + b"}",
        b"\xff\xfe\x00",
        b"null",
        b'"text"',
        b'{"Tag": [{"Key": {"deep": [[[[[[[[1]]]]]]]]}}]}',
        b'{"a": NaN, "b": Infinity}',
        b'{"\\ud800": "\\udfff"}',
    ],
)
def test_json_bodies_that_cannot_be_meant_are_refused(sim: RunningSimulator, body: bytes) -> None:
    """Deep, huge, broken and strange JSON is a client error."""
    headers = {"x-acs-action": "DescribeLoadBalancers", "x-acs-version": SLB, **JSON}
    status = fresh(sim, "POST", "/", acs3("POST", sim.address, headers, {"RegionId": "cn-hangzhou"}, body), body)
    assert 400 <= status < 500 or (status == 200 and b"NaN" in body)


@pytest.mark.parametrize("header", ["x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "host"])
def test_binary_headers_are_a_client_error(sim: RunningSimulator, header: str) -> None:
    """Headers may hold any bytes; the answer is a refusal."""
    with Wire(sim.address) as wire:
        headers = {**acs3("GET", sim.address, {"x-acs-action": "A", "x-acs-version": STS}, {})}
        headers.pop(header)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        wire.send(f"GET / HTTP/1.1\r\n{lines}{header}: ".encode() + b"\xff\xfe\x80\r\n\r\n")
        assert 400 <= wire.read().status < 500
    assert sim.journal(kind="request") is not None


# --- sizes ---


def test_a_body_that_announces_too_much_is_refused_unread(sim: RunningSimulator) -> None:
    """A gigabyte announced is 413 before a byte of it was sent."""
    with Wire(sim.address) as wire:
        big = {"Content-Length": str(1 << 30), "Expect": "100-continue"}
        wire.send(message(sim.address, "POST", "/?Format=JSON", big))
        reply = wire.read()
    assert (reply.status, reply.code) == (413, "RequestEntityTooLarge")


def test_a_chunked_body_that_never_ends_is_cut_off(sim: RunningSimulator) -> None:
    """Chunks without end are refused once they pass the limit."""
    with Wire(sim.address) as wire:
        wire.send(f"POST /?Format=JSON HTTP/1.1\r\nHost: {sim.address}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        try:
            for _ in range(200):
                wire.send(chunk)
        except OSError:
            return
        assert wire.read().status == 413


def test_a_compressed_bomb_stays_small(sim: RunningSimulator) -> None:
    """Half a gigabyte of zeros in half a megabyte is refused."""
    bomb = gzip.compress(b"\0" * (512 * 1024 * 1024), 1)
    assert fresh(sim, "POST", "/", {**FORM, "Content-Encoding": "gzip"}, bomb) in {0, 400, 413}


def test_an_endless_request_line_and_endless_headers_are_refused(sim: RunningSimulator) -> None:
    """A line longer than anything legitimate is HTTP 400 (or 431)."""
    assert fresh(sim, "GET", "/?" + "a" * 600_000, {}) in {0, 400, 414, 431}
    assert fresh(sim, "GET", "/", {"X-Long": "a" * 600_000}) in {0, 400, 431}
    assert fresh(sim, "GET", "/", {f"X-{number}": "a" for number in range(50_000)}) in {0, 400, 404, 431}


def test_many_large_refused_calls_do_not_pile_up(sim: RunningSimulator) -> None:
    """Sixty calls of 3 MB that are refused leave little behind in the journal."""
    form = b"Action=X&AccessKeyId=testid&Signature=x&Timestamp=2026-01-01T00:00:00Z&" + b"n" * 1_000_000
    form += b"=" + b"v" * 2_000_000
    for _ in range(60):
        assert fresh(sim, "POST", "/", FORM, form) == 400
    assert max(len(str(entry)) for entry in sim.journal(action="X")) < 50_000


# --- HTTP ---


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"ffffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        b"5;" + b"e" * 100_000 + b"\r\nhello\r\n0\r\n\r\n",
    ],
)
def test_broken_chunks_are_a_bad_request(sim: RunningSimulator, body: bytes) -> None:
    """Chunks that are none are refused with 400."""
    with Wire(sim.address) as wire:
        wire.send(f"POST / HTTP/1.1\r\nHost: {sim.address}\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + body)
        assert wire.read().status == 400


def test_a_body_that_stops_halfway_ends_its_connection_only(sim: RunningSimulator) -> None:
    """A client that goes away in the middle of its body has had no effect."""
    form = query_of(signed("POST", common(SLB, "CreateLoadBalancer"))).encode()
    with Wire(sim.address) as wire:
        wire.send(message(sim.address, "POST", "/", {**FORM, "Content-Length": str(len(form) + 10)}, form))
        wire.socket.shutdown(socket.SHUT_WR)
        wire.socket.recv(4096)
    assert sim.control("GET", "world")["alibaba"]["load_balancers"] == []


@pytest.mark.parametrize(
    "noise",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 1000 + b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"BREW /?a=b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT ecs.aliyuncs.com:443 HTTP/1.1\r\nHost: ecs.aliyuncs.com:443\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_noise_is_a_bad_request_or_a_closed_connection(sim: RunningSimulator, noise: bytes) -> None:
    """TLS hellos, zeros, other protocols and contradictory lengths do no harm."""
    with Wire(sim.address) as wire:
        wire.send(noise)
        wire.socket.shutdown(socket.SHUT_WR)
        answer = wire.socket.recv(65536)
    assert answer == b"" or 400 <= int(answer.split()[1]) < 500, answer[:200]


def test_seeded_garbage_does_no_harm(sim: RunningSimulator) -> None:
    """Two hundred connections of random bytes, some of them almost HTTP."""
    chance = random.Random(1)
    for number in range(200):
        start = (b"", b"GET /?", b"POST / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\n")[number % 4]
        with Wire(sim.address) as wire:
            wire.send(start + chance.randbytes(chance.randrange(1, 3000)) + b"\r\n\r\n")


def test_slow_clients_do_not_keep_others_waiting(sim: RunningSimulator) -> None:
    """Three hundred connections that never finish their request line hold up nobody."""
    slow = [Wire(sim.address) for _ in range(300)]
    try:
        for one in slow:
            one.send(b"GET /?Action=")
        with Wire(sim.address) as wire:
            for _ in range(20):
                assert wire.get(common(*WHO)).status == 200
    finally:
        for one in slow:
            one.__exit__()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    parameters=st.dictionaries(
        st.text(st.sampled_from("ABTag.1Key2 %&=\xe9中\x00"), min_size=1, max_size=12),
        st.text(max_size=40),
        max_size=8,
    ),
    action=st.sampled_from(
        ["DescribeLoadBalancers", "CreateVServerGroup", "AddBackendServers", "TagResources", "DescribeHealthStatus"]
    ),
)
def test_any_signed_parameters_get_a_service_answer(
    sim: RunningSimulator, parameters: dict[str, str], action: str
) -> None:
    """Whatever names and values are signed, the answer is JSON of the service and never a malfunction."""
    clean = {
        name.encode("utf-8", "replace").decode(): value.encode("utf-8", "replace").decode()
        for name, value in parameters.items()
    }
    with Wire(sim.address) as wire:
        reply = wire.post({**clean, **common(SLB, action)})
    assert reply.status in {200, 400, 404}, reply.body
    assert reply.json["RequestId"]
