"""Answers of MNS are read as the vendor's client reads them, in a tenth of the time."""

from __future__ import annotations

from operator import attrgetter
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import pytest
from mns.mns_xml_handler import BatchRecvMessageDecoder, ReceiptHandlesEncoder

from cloudheal.clouds.alibaba.mns_client import handles_out, messages_in

FIELDS = attrgetter(
    *("message_id", "receipt_handle", "message_body", "dequeue_count"),
    *("enqueue_time", "first_dequeue_time", "next_visible_time"),
)
NUMBERS = ("EnqueueTime", "NextVisibleTime", "FirstDequeueTime", "DequeueCount", "Priority")


def an_answer(*bodies: str) -> str:
    """Write an answer as MNS does."""
    numbers = "".join(f"<{name}>{number}</{name}>" for number, name in enumerate(NUMBERS))
    names = "<MessageId>5F29</MessageId><ReceiptHandle>1-ODU4&amp;</ReceiptHandle><MessageBodyMD5>C5DD</MessageBodyMD5>"
    told = "".join(f"<Message>{names}<MessageBody>{body}</MessageBody>{numbers}</Message>\n" for body in bodies)
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<Messages xmlns="http://mns.aliyuncs.com/doc/v1/">{told}</Messages>'
    )


def test_an_answer_is_read_as_the_vendor_reads_it() -> None:
    """Chinese text, quoted marks, a character data section and white space come out the same in the fields we use."""
    answer = an_answer("eyJ9", escape('{"name": "数据库 <&>"}'), "<![CDATA[{} <a>]]>", " spaced \n out ")
    theirs = BatchRecvMessageDecoder.decode(answer, False, None)
    assert list(map(FIELDS, messages_in(answer))) == list(map(FIELDS, theirs))


def test_handles_are_written_as_the_vendor_writes_them() -> None:
    """What a handle holds stays text."""
    handles = ["1-ODU4OTkz==", "<&>"]
    assert handles_out(handles) == ReceiptHandlesEncoder.encode(handles)


def test_a_message_without_a_body_is_a_message() -> None:
    """It can be kept as a dead letter and be deleted; the vendor's reader would stop at it again and again."""
    (one,) = messages_in(an_answer(""))
    assert (one.message_body, one.receipt_handle) == ("", "1-ODU4&")


@pytest.mark.parametrize(
    "answer",
    ["", "<html>busy", "<Error/>", an_answer("x")[:-20], an_answer("x").replace("MessageId", "Id")],
    ids=["empty", "page", "another", "cut", "without an id"],
)
def test_what_is_no_answer_is_refused(answer: str) -> None:
    """A page of a proxy or half an answer is never taken for an empty queue."""
    with pytest.raises((ET.ParseError, KeyError, ValueError)):
        messages_in(answer)
