"""Every documented envelope of a system event, taken apart into one Notice.

Two CloudMonitor envelopes (only `product`, `name` and `content` are required of their union), EventBridge's CloudEvents
form, the event-subscription webhook (JSON, or a form whose fields hold JSON), and MNS messages nested in an EventBridge
event. Unknown keys are kept out and never an error; a missing one is, with its name. Sources: aliyun.md section 6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cloudheal.clouds.encoding import document_of, parsed
from cloudheal.errors import NotAnEventError

#: An MNS message inside an EventBridge event inside an MNS message is more than anyone configures.
MOST_LAYERS = 3
#: What CloudMonitor's envelope says in texts.
_TEXTS = ("product", "name", "id", "resourceId", "regionId", "userId", "status", "level")


class Notice(NamedTuple):
    """One system event as the vendor says it, without its envelope. Absent texts are empty."""

    product: str
    name: str
    content: Mapping[str, Any]
    id: str
    arn: str
    region: str
    account: str
    status: str
    level: str
    time: object


def notice_of(document: Mapping[str, Any], layers: int = MOST_LAYERS) -> Notice:
    """Recognise the envelope and take it apart. Raises NotAnEventError naming what is missing."""
    if layers == 0:
        message = "envelopes inside envelopes, more than anyone configures"
        raise NotAnEventError(message)
    if "specversion" in document:
        return _of_cloud_event(document, layers)
    if "alert" in document:
        return _of_subscription(document)
    return _of_cloud_monitor(document)


def _of_cloud_monitor(document: Mapping[str, Any]) -> Notice:
    product, name, id_, arn, region, account, status, level = _texts(document, _TEXTS)
    return Notice(
        product or _text(document, "product", required=True),
        name or _text(document, "name", required=True),
        _content(document.get("content"), "content"),
        id_ or _text(document, "traceId"),
        arn,
        region,
        account,
        status,
        level.upper(),
        document.get("eventTime", document.get("time")),
    )


def _of_cloud_event(document: Mapping[str, Any], layers: int) -> Notice:
    kind, data = _text(document, "type", required=True), document.get("data")
    if kind.startswith("mns:"):
        body = data.get("messageBody") if isinstance(data, Mapping) else None
        inner = body if isinstance(body, Mapping) else document_of(str(body or ""))
        return notice_of(inner, layers - 1)
    product, _, name = kind.partition(":")
    content = _content(data, "data")
    return Notice(
        product=product.upper(),
        name=name,
        content=content,
        id=_text(document, "id"),
        arn=_text(document, "subject"),
        region=_text(document, "aliyunregionid"),
        account=_text(document, "aliyunaccountid"),
        status=str(content.get("eventStatus") or ""),
        level="",
        time=document.get("time"),
    )


def _of_subscription(document: Mapping[str, Any]) -> Notice:
    alert = _content(document["alert"], "alert")
    meta = _content(_content(alert.get("meta") or {}, "alert.meta").get("sysEventMeta") or {}, "sysEventMeta")
    raw = alert.get("eventContentMap") or alert.get("eventRawContent")
    return Notice(
        product=_text(alert, "product", required=True),
        name=_text(meta, "name") or _text(alert, "eventName", required=True),
        content=_content(raw, "alert.eventRawContent"),
        id=_text(meta, "id") or _text(alert, "traceId"),
        arn=_text(meta, "resourceId") or _text(alert, "arn"),
        region=_text(meta, "regionId"),
        account=_text(alert, "userId") or _text(document, "userId"),
        status=_text(meta, "status"),
        level=(_text(meta, "level") or _text(alert, "severity")).upper(),
        time=_text(meta, "eventTime") or alert.get("timestamp") or document.get("time"),
    )


def _texts(document: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Read several texts; nearly all of them are texts in the document, too."""
    return [value if type(value := document.get(name)) is str else _text(document, name) for name in names]


def _text(document: Mapping[str, Any], name: str, *, required: bool = False) -> str:
    value = document.get(name)
    if isinstance(value, str | int) and not isinstance(value, bool) and str(value):
        return str(value)
    if required:
        message = f"the envelope has no {name}"
        raise NotAnEventError(message)
    return ""


def _content(value: object, name: str) -> Mapping[str, Any]:
    """Take an object, or text that holds one."""
    if type(value) is dict:
        return value
    if isinstance(value, str):
        try:
            value = parsed(value)
        except (ValueError, RecursionError) as problem:
            message = f"{name} is text that is not JSON"
            raise NotAnEventError(message) from problem
    if not isinstance(value, Mapping):
        message = f"{name} is not an object"
        raise NotAnEventError(message)
    return value
