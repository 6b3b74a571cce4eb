"""Wire out: one reply object as the SDKs read it.

The content type is exactly `application/json`: with anything behind it the Python SDK does not look for an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_core import to_json

from cloudheal_sim.kernel.wire import HttpReply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudheal_sim.tencent.api3.refusal import Refusal

CONTENT_TYPE = "application/json"


def rendered(document: Mapping[str, object], request_id: str, *, status: int = 200, code: str = "") -> HttpReply:
    """Render what stands below `Response`; `code` goes to the journal only."""
    body = to_json({"Response": {**document, "RequestId": request_id}}, serialize_unknown=False)
    return HttpReply(status, body, {"Content-Type": CONTENT_TYPE}, code, request_id)


def refused(refusal: Refusal, language: str, request_id: str, status: int = 200) -> HttpReply:
    """Render a refusal; the request id is there in errors as well, without it the Python SDK loses the code."""
    error = {"Code": refusal.code, "Message": refusal.message(language)}
    return rendered({"Error": error}, request_id, status=status, code=refusal.code)
