"""Wire out: one reply object as JSON or XML, and refusals in both forms.

JSON unless the call asked for XML; a call that names no format gets XML, as the gateways do for version 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from xml.sax.saxutils import escape

from pydantic_core import to_json

from cloudheal_sim.kernel.wire import HttpReply

JSON_TYPE = "application/json;charset=utf-8"
XML_TYPE = "text/xml;charset=utf-8"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DECLARATION = "<?xml version='1.0' encoding='UTF-8'?>"


def rendered(
    root: str, document: Mapping[str, object], *, xml: bool, status: int = 200, code: str = "", request_id: str = ""
) -> HttpReply:
    """Render a reply object; `root` names the XML root element. `code` goes to the journal only."""
    if xml:
        body, kind = f"{_DECLARATION}{''.join(_element(root, document))}".encode(), XML_TYPE
    else:
        body, kind = to_json(document, serialize_unknown=False), JSON_TYPE
    return HttpReply(status, body, {"Content-Type": kind, "x-acs-request-id": request_id}, code, request_id)


def _element(name: str, value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield f"<{name}>"
        for key, inner in value.items():
            yield from _element(key, inner)
        yield f"</{name}>"
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _element(name, inner)
    elif value is not None:
        yield f"<{name}>{_text(value)}</{name}>"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape(_NOT_XML.sub("�", str(value)))
