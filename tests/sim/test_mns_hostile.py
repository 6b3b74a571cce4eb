"""Hostile input to MNS: refused in the service's own words, within bounds, and the server goes on."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.sim.raw_mns import NAMESPACE, RawMns, document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sim.simulator import RunningSimulator

ENTITIES = "".join(f'<!ENTITY e{at} "{f"&e{at - 1};" * 10 if at else "ha"}">' for at in range(20))


@pytest.fixture
def mns(sim: RunningSimulator) -> Iterator[RawMns]:
    """A raw client with a queue; afterwards the server must still answer."""
    client = RawMns(sim.address)
    client.queue()
    yield client
    assert client.ask("GET", "/queues/q").status == 200


def memory(sim: RunningSimulator) -> int:
    """Return the resident memory of the simulator in bytes."""
    pages = int(Path(f"/proc/{sim.process.pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"not xml",
        b"<Message><MessageBody>x</MessageBody>",
        b"<Message><MessageBody>x</Message></MessageBody>",
        b"<Message/><Message/>",
        b"\x00",
        b"\xff\xfe<",
        b"<Message><MessageBody>\xff\xff</MessageBody></Message>",
        b"<Message><MessageBody>\x01</MessageBody></Message>",
        b"<Message><MessageBody>&#0;</MessageBody></Message>",
        b"<Message><MessageBody>&unknown;</MessageBody></Message>",
        b'<?xml version="1.0" encoding="no-such"?><Message><MessageBody>x</MessageBody></Message>',
        b'<?xml version="1.0" encoding="utf-16"?><Message><MessageBody>x</MessageBody></Message>',
        b'<?xml version="1.0" encoding="gb18030"?><Message><MessageBody>\xd6\xd0</MessageBody></Message>',
        f"<!DOCTYPE x [{ENTITIES}]><Message><MessageBody>&e19;</MessageBody></Message>".encode(),
        b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><Message><MessageBody>&f;</MessageBody></Message>',
        b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><Message><MessageBody>x</MessageBody></Message>',
        b'<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:1/">%p;]><Message/>',
    ],
)
def test_a_document_that_is_not_well_formed_is_malformed(mns: RawMns, body: bytes) -> None:
    """Truncated, wrongly encoded, with entities or a document type: MalformedXML, and nothing is stored."""
    for method, target in (("POST", "/queues/q/messages"), ("POST", "/topics/t/messages")):
        mns.ask("PUT", "/topics/t")
        answer = mns.ask(method, target, body)
        assert (answer.status, answer.code) == (400, "MalformedXML")
    assert mns.counts() == (0, 0, 0)


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("POST", "/queues/q/messages", "<Massage><MessageBody>x</MessageBody></Massage>"),
        ("POST", "/queues/q/messages", "<Message><Body>x</Body></Message>"),
        ("POST", "/queues/q/messages", "<Message><MessageBody><b>x</b></MessageBody></Message>"),
        ("POST", "/queues/q/messages", "<Messages><Other/></Messages>"),
        ("PUT", "/queues/new", "<Topic/>"),
        ("PUT", "/queues/new", "<Queue><LoggingEnabled>perhaps</LoggingEnabled></Queue>"),
        ("PUT", "/queues/new", "<Queue><DelaySeconds>9999999999999999999999</DelaySeconds></Queue>"),
        ("PUT", "/queues/new", "<Queue><DelaySeconds>٣</DelaySeconds></Queue>"),
        ("DELETE", "/queues/q/messages", "<ReceiptHandles/>"),
    ],
)
def test_a_document_of_another_kind_is_an_invalid_argument(mns: RawMns, method: str, target: str, body: str) -> None:
    """Well-formed, but not what the call takes."""
    answer = mns.ask(method, target, body)
    assert (answer.status, answer.code) == (400, "InvalidArgument")


@pytest.mark.parametrize(
    "body",
    [
        "<a>" * 500_000,
        "<Message>" + "<x/>" * 900_000 + "</Message>",
        "<Message " + " ".join(f'a{at}="1"' for at in range(100_000)) + "><MessageBody>x</MessageBody></Message>",
    ],
    ids=["deep", "many", "attributes"],
)
def test_giant_documents_cost_little(sim: RunningSimulator, mns: RawMns, body: str) -> None:
    """Depth and number of elements are bounded before a tree of them stands in memory."""
    mns.send("warm")
    before, began = memory(sim), time.monotonic()
    assert mns.ask("POST", "/queues/q/messages", body).status in {201, 400}
    assert time.monotonic() - began < 10
    assert memory(sim) - before < 100_000_000


def test_a_body_beyond_every_limit_is_not_read(mns: RawMns) -> None:
    """More than 4 MiB are refused without being kept, in the words of MNS."""
    with socket.create_connection(tuple(mns.address.split(":")), timeout=10) as connection:  # type: ignore[arg-type]
        head = f"POST /queues/q/messages HTTP/1.1\r\nHost: {mns.address}\r\nContent-Length: 99999999999\r\n\r\n"
        connection.sendall(head.encode())
        answer = b""
        while b"</Error>" not in answer and (part := connection.recv(65536)):
            answer += part
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"<Code>InvalidArgument</Code>" in answer


def test_the_namespace_does_not_matter(mns: RawMns) -> None:
    """Clients write it with and without its last slash, with a prefix, or not at all."""
    for root in ("Message", f'Message xmlns="{NAMESPACE[:-1]}"', f'm:Message xmlns:m="{NAMESPACE}"'):
        prefix = "m:" if root.startswith("m:") else ""
        end = root.partition(" ")[0]
        body = f"<{root}><{prefix}MessageBody>x</{prefix}MessageBody></{end}>"
        assert mns.ask("POST", "/queues/q/messages", body).status == 201


def test_strange_bytes_in_paths_and_headers_are_refused_and_shown(sim: RunningSimulator, mns: RawMns) -> None:
    """Whatever is in the request line or in a header: 400, and the journal stays readable."""
    heads = [
        b"GET /queues/\xff\xfe HTTP/1.1\r\nHost: x\r\n",
        b"GET /queues/q?\xc3\x28=\xff HTTP/1.1\r\nHost: x\r\n",
        b"GET /queues/q HTTP/1.1\r\nHost: \xff\r\nAuthorization: MNS \xff\xfe:\xff\r\nDate: now\r\n",
        b"GET /queues/q HTTP/1.1\r\nHost: <&>\r\nAuthorization: MNS a:b\r\nDate: \xff\r\nx-mns-version: 2015-06-06\r\n",
        b"BREW /queues/q HTTP/1.1\r\nHost: x\r\n",
    ]
    host, port = mns.address.split(":")
    for head in heads:
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(head + b"Connection: close\r\n\r\n")
            answer = b""
            while part := connection.recv(65536):
                answer += part
        assert answer.split()[1] == b"400", answer[:200]
    assert sim.journal()


@pytest.mark.parametrize("date", ["Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "0" * 4000])
def test_a_wild_date_is_invalid_or_expired(mns: RawMns, date: str) -> None:
    """No date makes the service stumble."""
    assert mns.ask("GET", "/queues", date=date).code in {"InvalidDateHeader", "TimeExpired"}


def test_a_wild_handle_is_only_an_error(mns: RawMns) -> None:
    """Handles that were never issued, in any form, are errors of the handle."""
    for handle in ("8-", "-", "8-%FF", "8-" + "A" * 10_000, "%00", "8-====", "é".encode().hex()):
        answer = mns.ask("DELETE", f"/queues/q/messages?ReceiptHandle={handle}")
        assert answer.code == "ReceiptHandleError", handle
    body = document("ReceiptHandles", [("ReceiptHandle", "<&>\u2028."), ("ReceiptHandle", "中")])
    answer = mns.ask("DELETE", "/queues/q/messages", body)
    assert answer.texts("ReceiptHandle") == ["<&>\u2028.", "中"]
