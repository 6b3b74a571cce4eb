"""The vendor's client of MNS, which reads a batch of messages, and deletes it, in a tenth of the time.

The vendor builds a tree of Python objects of every document, which costs more than to decide on a message and to store
it. Addresses, signatures and errors are the vendor's own; an answer that cannot be read is told in its words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from mns.mns_client import URISEC_MESSAGE, URISEC_QUEUE, MNSClient
from mns.mns_exception import MNSClientNetworkException
from mns.mns_http import RequestInternal
from mns.mns_request import ReceiveMessageResponseEntry
from mns.mns_tool import BatchDeleteMessageValidator, BatchReceiveMessageValidator
from mns.mns_xml_handler import XMLNS, BatchDeleteMessageDecoder

_DAMAGED = "RespDataDamaged"


class QuickClient(MNSClient):  # type: ignore[misc]  # the vendor's client has no types
    """One connection to MNS."""

    def batch_receive_message(self, req: Any, resp: Any) -> None:
        """Take messages into `resp`. Raises what the vendor's client raises."""
        BatchReceiveMessageValidator.validate(req)
        place = f"/{URISEC_QUEUE}/{req.queue_name}/{URISEC_MESSAGE}"
        request = RequestInternal(req.method, f"{place}?numOfMessages={req.batch_size}&waitseconds={req.wait_seconds}")
        self.build_header(req, request)
        answer = self.http.send_request(request)
        resp.status, resp.header = answer.status, answer.header
        self.check_status(request, answer, resp)
        try:
            resp.message_list = messages_in(answer.data)
        except (ET.ParseError, KeyError, ValueError) as problem:
            raise MNSClientNetworkException(_DAMAGED, answer.data, request.get_req_id()) from problem

    def batch_delete_message(self, req: Any, resp: Any) -> None:
        """Delete messages. Raises what the vendor's client raises, with the handles that were refused."""
        BatchDeleteMessageValidator.validate(req)
        request = RequestInternal(req.method, f"/{URISEC_QUEUE}/{req.queue_name}/{URISEC_MESSAGE}")
        request.data = handles_out(req.receipt_handle_list)
        self.build_header(req, request)
        answer = self.http.send_request(request)
        resp.status, resp.header = answer.status, answer.header
        self.check_status(request, answer, resp, BatchDeleteMessageDecoder)


def handles_out(handles: Sequence[str]) -> bytes:
    """Write the handles of messages that are to be deleted."""
    each = "".join(f"<ReceiptHandle>{escape(one)}</ReceiptHandle>" for one in handles)
    return f'<?xml version="1.0" encoding="utf-8"?><ReceiptHandles xmlns="{XMLNS}">{each}</ReceiptHandles>'.encode()


def messages_in(document: str) -> list[ReceiveMessageResponseEntry]:
    """Read an answer. Raises ParseError, KeyError or ValueError when it is not one; a message may have no body."""
    # It comes from the cloud that we trust with our servers, and the parser bounds what entities may grow to.
    root = ET.fromstring(document.encode())  # noqa: S314
    if _name(root.tag) != "Messages":
        raise ValueError(root.tag)
    return [_message({_name(part.tag): part.text or "" for part in one}) for one in root]


def _message(told: Mapping[str, str]) -> ReceiveMessageResponseEntry:
    entry = ReceiveMessageResponseEntry()
    entry.message_id, entry.receipt_handle = told["MessageId"], told["ReceiptHandle"]
    entry.message_body, entry.dequeue_count = told["MessageBody"], int(told["DequeueCount"])
    entry.enqueue_time, entry.first_dequeue_time = int(told["EnqueueTime"]), int(told["FirstDequeueTime"])
    entry.next_visible_time = int(told["NextVisibleTime"])
    return entry


def _name(tag: str) -> str:
    """Return a name without its namespace."""
    return tag.rpartition("}")[2]
