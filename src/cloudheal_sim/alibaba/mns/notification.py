"""Wire out: what a topic's subscribers get, in the three documented formats.

XML and JSON wrap the message in everything known about it (the documentation's `xlmns` is its typing error); SIMPLIFIED
is the message alone, over HTTP with the facts in headers. Header names, the user agent and the digest's form follow a
recorded push and the vendor's receivers, of which those in Java and PHP look for `Content-md5` letter by letter:
SIMPLIFIED carries the hexadecimal digest, XML and JSON its Base64.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from dataclasses import dataclass
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cloudheal_sim.alibaba.mns import replies, signing
from cloudheal_sim.alibaba.mns.authentication import VERSION
from cloudheal_sim.alibaba.mns.model.message import body_md5
from cloudheal_sim.alibaba.mns.model.topic import Format
from cloudheal_sim.kernel.clock import to_datetime
from cloudheal_sim.kernel.outbound import Push

if TYPE_CHECKING:
    from cloudheal_sim.alibaba.mns.model.topic import Publication, Subscription, Topic

_CONTENT_TYPES = {
    Format.XML: "text/xml;charset=utf-8",
    Format.JSON: "application/json;charset=utf-8",
    Format.SIMPLIFIED: "text/plain;charset=utf-8",
}
#: Where a push goes when the endpoint names a host only.
_USUAL_PATH = "/notifications"


@dataclass(frozen=True, slots=True)
class Notice:
    """One publication for one subscription."""

    owner: str
    topic: Topic
    subscription: Subscription
    publication: Publication

    def facts(self) -> list[tuple[str, str]]:
        """Return names and values in the documented order; the tag only when there is one."""
        publication = self.publication
        tag = [("MessageTag", publication.tag)] if publication.tag else []
        return [
            ("TopicOwner", self.owner),
            ("TopicName", self.topic.name),
            ("Subscriber", self.owner),
            ("SubscriptionName", self.subscription.name),
            ("MessageId", publication.id),
            ("Message", publication.draft.body),
            ("MessageMD5", body_md5(publication.draft.body)),
            *tag,
            ("PublishTime", str(publication.published)),
        ]

    def body(self) -> str:
        """Return what the subscriber gets."""
        match self.subscription.format:
            case Format.XML:
                return replies.xml(("Notification", self.facts())).decode()
            case Format.JSON:
                return json.dumps(dict(self.facts()), ensure_ascii=False, separators=(",", ":"))
        return self.publication.draft.body


def push(notice: Notice, request_id: str, now: int, host: str) -> Push:
    """Write one HTTP push, signed; `host` is where the simulator was last reached, for the certificate's address."""
    body = notice.body().encode()
    url = _with_path(notice.subscription.endpoint)
    headers = {
        "Content-md5": _digest(notice.subscription.format, body),
        "Content-Type": _CONTENT_TYPES[notice.subscription.format],
        "Date": format_datetime(to_datetime(now), usegmt=True),
        "User-Agent": "Aliyun Notification Service Agent",
        **_service_headers(notice, request_id, host),
    }
    headers["Authorization"] = signing.signature(string_to_sign(headers, _resource(url)))
    return Push(
        url,
        body,
        headers,
        service="mns",
        name="Notification",
        resources=(notice.topic.name, notice.subscription.name, notice.publication.id),
    )


def string_to_sign(headers: dict[str, str], resource: str) -> str:
    """Return what the signature of a push is made of."""
    own = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers) if name.startswith("x-mns-"))
    head = ("POST", headers["Content-md5"], headers["Content-Type"], headers["Date"])
    return "\n".join(head) + f"\n{own}{resource}"


def _service_headers(notice: Notice, request_id: str, host: str) -> dict[str, str]:
    certificate = f"http://{host}{signing.CERTIFICATE_PATH}" if host else signing.VENDOR_URL
    headers = {
        "x-mns-request-id": request_id,
        "x-mns-version": VERSION,
        "x-mns-signing-cert-url": b64encode(certificate.encode()).decode(),
    }
    if notice.subscription.format is Format.SIMPLIFIED:
        headers |= {
            "x-mns-topic-owner": notice.owner,
            "x-mns-topic-name": notice.topic.name,
            "x-mns-subscriber": notice.owner,
            "x-mns-subscription-name": notice.subscription.name,
            "x-mns-message-id": notice.publication.id,
            "x-mns-publish-time": str(notice.publication.published),
        }
        if notice.publication.tag:
            headers["x-mns-message-tag"] = notice.publication.tag
    return headers


def _digest(form: Format, body: bytes) -> str:
    digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
    return digest.upper() if form is Format.SIMPLIFIED else b64encode(digest.encode()).decode()


def _with_path(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    return parts.geturl() if parts.path.strip("/") else parts._replace(path=_USUAL_PATH).geturl()


def _resource(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
