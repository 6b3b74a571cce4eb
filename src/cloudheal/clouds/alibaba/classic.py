"""An event in the form of CloudMonitor's messages, which listeners after the vendor's sample read.

A message that had this form is handed on as it was; one that came by another way (EventBridge, a webhook, our own look
at the cloud) is written in it: `name` with the status at its end, `content`, and the ids that the sample's code reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta, timezone
from typing import Any

from cloudheal.clouds.encoding import document_of
from cloudheal.errors import NotAnEventError
from cloudheal.model.event import Event
from cloudheal.model.system_event import STATUSES

#: Times of these messages are told in the vendor's own zone.
_ZONE = timezone(timedelta(hours=8))


def classic_document(event: Event) -> Mapping[str, Any]:
    """Return an event as CloudMonitor's message would have said it."""
    try:
        document = document_of(event.raw)
    except NotAnEventError:
        document = {}
    if isinstance(document.get("content"), dict) and document.get("name") and document.get("product"):
        return document
    subject = event.subject
    product = event.source.partition(".")[2]
    at = event.time.astimezone(_ZONE)
    return {
        "ver": "1.0",
        "id": event.id,
        "product": product.upper(),
        "name": f"{event.type}:{event.status}" if event.status in STATUSES else event.type,
        "resourceId": f"acs:{product}:{subject.region}:{subject.account}:{subject.kind}/{subject.id}",
        "regionId": subject.region,
        "userId": subject.account,
        "eventTime": f"{at:%Y%m%dT%H%M%S}.{at.microsecond // 1000:03}+0800",
        "status": event.status,
        "content": dict(event.data),
    }
