"""From a message to an Event, whichever cloud it is of: its form says so. The document is decoded once for all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cloudheal.clouds.alibaba import events as alibaba
from cloudheal.clouds.alibaba.classic import classic_document
from cloudheal.clouds.encoding import document_of
from cloudheal.clouds.tencent import callbacks
from cloudheal.clouds.tencent import events as tencent
from cloudheal.errors import NotAnEventError
from cloudheal.model.event import Channel, Event
from cloudheal.model.resource import Cloud


def event_of(body: bytes | str, received: datetime, channel: Channel) -> Event:
    """Read one message into an Event. Raises NotAnEventError with the reason for the dead letter."""
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    document = document_of(raw)
    if tencent.is_ours(document):
        return tencent.event_in(document, raw, received, channel)
    return alibaba.event_in(document, raw, received, channel)


def answer_to(body: bytes) -> Mapping[str, object]:
    """Return what the sender of a pushed message reads as having been taken; empty where its status is enough."""
    try:
        document = document_of(body)
    except NotAnEventError:
        return {}
    return callbacks.answer_to(document) if callbacks.is_callback(document) else {}


def document_for(event: Event) -> Mapping[str, Any]:
    """Return an event as listeners after the vendor's sample read it: of Tencent Cloud, as the message said it."""
    if event.subject.cloud is not Cloud.TENCENT:
        return classic_document(event)
    try:
        return document_of(event.raw)
    except NotAnEventError:
        return event.data
