"""Wire in: request bodies. XML is read by defusedxml within bounds, then turned into records.

No document type, no entities, no depth or number of elements that no client sends: those are malformed. Elements that
are not known are passed over, because newer clients send more than the documentation names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from cloudheal_sim.alibaba.mns.errors import INVALID_ENDPOINT, MALFORMED_XML, not_in_schema, out_of_range
from cloudheal_sim.alibaba.mns.model.attributes import QUEUE_SPANS, QueueAttributes, Span
from cloudheal_sim.alibaba.mns.model.message import PRIORITIES, USUAL_PRIORITY, Draft, Property
from cloudheal_sim.alibaba.mns.model.topic import MOST_TAG, TOPIC_SPANS, Format, Strategy, is_endpoint
from cloudheal_sim.alibaba.mns.requests import MOST_IN_BATCH
from cloudheal_sim.alibaba.rpc import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

#: A batch of 16 messages with many properties has some thousand elements, four deep.
MOST_ELEMENTS = 10_000
MOST_DEPTH = 16
_WHOLE = re.compile(r"\s*-?\d{1,18}\s*", re.ASCII)
_SNAKE = re.compile(r"(?<!^)(?=[A-Z])")


class _TooMuchError(ValueError):
    """More elements, or deeper ones, than anything legitimate."""


class _Bounded(TreeBuilder):
    """Builds a tree and gives up when it grows beyond reason."""

    def __init__(self) -> None:
        super().__init__()
        self._elements = self._depth = 0

    def start(self, tag: Any, attrs: Any, /) -> Any:
        self._elements += 1
        self._depth += 1
        if self._elements > MOST_ELEMENTS or self._depth > MOST_DEPTH:
            raise _TooMuchError
        return super().start(tag, attrs)

    def end(self, tag: Any, /) -> Any:
        self._depth -= 1
        return super().end(tag)


def read_xml(body: bytes) -> Element:
    """Parse a body. Raises Refused."""
    parser = DefusedXMLParser(target=_Bounded(), forbid_dtd=True)
    try:
        parser.feed(body)
        root = parser.close()
    except (ParseError, DefusedXmlException, ValueError, LookupError, AssertionError) as problem:
        raise Refused(MALFORMED_XML) from problem
    if not isinstance(root, Element):
        raise Refused(MALFORMED_XML)
    return root


def _root(body: bytes, name: str) -> Element:
    root = read_xml(body)
    if _tag(root) != name:
        raise not_in_schema(_tag(root)[:64])
    return root


def _tag(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _children(element: Element) -> dict[str, Element]:
    return {_tag(child): child for child in element}


def _text(children: dict[str, Element], name: str) -> str | None:
    """Return the text of a child; None when there is none or it says nothing."""
    found = children.get(name)
    return found.text if found is not None and found.text and found.text.strip() else None


def _whole(children: dict[str, Element], name: str, span: Span) -> int | None:
    text = _text(children, name)
    if text is None:
        return None
    if _WHOLE.fullmatch(text) is None or not span.holds(int(text)):
        raise out_of_range(name, span.low, span.high, span.unit)
    return int(text)


def _flag(children: dict[str, Element], name: str) -> bool | None:
    text = (_text(children, name) or "").strip().lower()
    if text not in {"true", "false", ""}:
        raise not_in_schema(name)
    return None if not text else text == "true"


def _settings(body: bytes, root: str, spans: dict[str, Span]) -> dict[str, Any]:
    if not body.strip():
        return {}
    children = _children(_root(body, root))
    values: dict[str, Any] = {_snake(name): _whole(children, name, span) for name, span in spans.items()}
    values["logging_enabled"] = _flag(children, "LoggingEnabled")
    return {name: value for name, value in values.items() if value is not None}


def _snake(name: str) -> str:
    return _SNAKE.sub("_", name).lower()


def queue_attributes(body: bytes, base: QueueAttributes) -> QueueAttributes:
    """Read `<Queue>`: what it names, over `base`. Raises Refused."""
    return replace(base, **_settings(body, "Queue", QUEUE_SPANS))


def topic_settings(body: bytes) -> dict[str, Any]:
    """Read `<Topic>`: the settings that it names. Raises Refused."""
    return _settings(body, "Topic", TOPIC_SPANS)


def logging_bucket(body: bytes) -> str | None:
    """Read `<Account>`. Raises Refused."""
    children = _children(_root(body, "Account"))
    return (children["LoggingBucket"].text or "") if "LoggingBucket" in children else None


# --- messages ---


def message(body: bytes, most: int) -> Draft:
    """Read `<Message>` for a queue whose messages have at most so many bytes. Raises Refused."""
    return _draft(_root(body, "Message"), most)


def messages(body: bytes, most: int) -> list[Draft | Refused]:
    """Read `<Messages>`: each is a draft or why it is none. Raises Refused when the batch itself is wrong."""
    root = _root(body, "Messages")
    elements = [child for child in root if _tag(child) == "Message"]
    if not 1 <= len(elements) <= MOST_IN_BATCH:
        raise out_of_range("Messages", 1, MOST_IN_BATCH, "entries")
    return [_draft_or_why(element, most) for element in elements]


def _draft_or_why(element: Element, most: int) -> Draft | Refused:
    try:
        return _draft(element, most)
    except Refused as refused:
        return refused


def _draft(element: Element, most: int) -> Draft:
    children = _children(element)
    body = _body(children, most)
    delay = _whole(children, "DelaySeconds", QUEUE_SPANS["DelaySeconds"])
    priority = _whole(children, "Priority", Span(PRIORITIES[0], PRIORITIES[-1], "inclusive"))
    group = _text(children, "MessageGroupId") or ""
    return Draft(body, delay, priority or USUAL_PRIORITY, group, tuple(_properties(children)))


def _body(children: dict[str, Element], most: int) -> str:
    found = children.get("MessageBody")
    if found is None or not found.text:
        raise not_in_schema("MessageBody")
    if len(found.text.encode()) > most:
        raise out_of_range("MessageBody", 1, most, "bytes")
    return found.text


def _properties(children: dict[str, Element]) -> Iterable[Property]:
    for name, system in (("UserProperties", False), ("SystemProperties", True)):
        for element in children.get(name, ()):
            facts = {key: child.text or "" for key, child in _children(element).items()}
            yield Property(facts.get("Name", ""), facts.get("Value", ""), facts.get("Type", ""), system)


def receipt_handles(body: bytes) -> list[str]:
    """Read `<ReceiptHandles>`. Raises Refused."""
    root = _root(body, "ReceiptHandles")
    handles = [(child.text or "").strip() for child in root if _tag(child) == "ReceiptHandle"]
    if not 1 <= len(handles) <= MOST_IN_BATCH:
        raise out_of_range("ReceiptHandles", 1, MOST_IN_BATCH, "entries")
    return handles


# --- topics ---


@dataclass(frozen=True, slots=True)
class Posting:
    """A message for a topic, with its tag."""

    draft: Draft
    tag: str


@dataclass(frozen=True, slots=True)
class Wish:
    """A subscription as it was asked for."""

    endpoint: str
    filter_tag: str
    strategy: Strategy
    format: Format


def posting(body: bytes, most: int) -> Posting:
    """Read `<Message>` for a topic. Raises Refused."""
    children = _children(_root(body, "Message"))
    draft = Draft(_body(children, most), properties=tuple(_properties(children)))
    return Posting(draft, _short(children, "MessageTag"))


def wish(body: bytes) -> Wish:
    """Read `<Subscription>` for Subscribe. Raises Refused."""
    children = _children(_root(body, "Subscription"))
    endpoint = (_text(children, "Endpoint") or "").strip()
    if not is_endpoint(endpoint):
        raise Refused(INVALID_ENDPOINT)
    return Wish(endpoint, _short(children, "FilterTag"), _strategy(children) or Strategy.BACKOFF, _format(children))


def strategy(body: bytes) -> Strategy | None:
    """Read `<Subscription>` for SetSubscriptionAttributes, which changes the retries only. Raises Refused."""
    return _strategy(_children(_root(body, "Subscription")))


def _short(children: dict[str, Element], name: str) -> str:
    text = (_text(children, name) or "").strip()
    if len(text) > MOST_TAG:
        raise out_of_range(name, 0, MOST_TAG, "bytes")
    return text


def _strategy(children: dict[str, Element]) -> Strategy | None:
    text = (_text(children, "NotifyStrategy") or "").strip()
    if text and text not in list(Strategy):
        raise not_in_schema("NotifyStrategy")
    return Strategy(text) if text else None


def _format(children: dict[str, Element]) -> Format:
    text = (_text(children, "NotifyContentFormat") or Format.XML).strip()
    if text not in list(Format):
        raise not_in_schema("NotifyContentFormat")
    return Format(text)
