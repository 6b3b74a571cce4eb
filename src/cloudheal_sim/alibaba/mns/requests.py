"""Wire in: which call a request is, by method, path and query; and its parameters.

Query names are read in any case, because the documentation and the clients differ (`waitseconds`, `ReceiptHandle`,
`receiptHandle`). Values stay as they were sent: some clients put receipt handles into the URL as they are, others
percent-encode them, so both are offered.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from cloudheal_sim.alibaba.mns.errors import (
    INVALID_ARGUMENT,
    INVALID_QUERY,
    INVALID_REQUEST_URL,
    MISSING_HANDLE,
    out_of_range,
)
from cloudheal_sim.alibaba.rpc import Refused

if TYPE_CHECKING:
    from cloudheal_sim.kernel.wire import HttpRequest

#: The most messages or handles in one batch call, and the most entries on one page of a list.
MOST_IN_BATCH = 16
MOST_ON_PAGE = 1000
LONGEST_WAIT = 30
_WHOLE = re.compile(r"\s*-?\d{1,18}\s*", re.ASCII)
#: A body whose first element is `Messages`, whatever stands before it. Atomic, so that no body makes it look twice.
_BATCH = re.compile(
    rb"(?>(?:\xef\xbb\xbf)?(?:\s|<\?(?>.*?\?>)|<!--(?>.*?-->))*)<(?:[A-Za-z_][\w.-]*:)?Messages[\s/>]", re.DOTALL
)
_COLLECTIONS = ("queues", "topics")


@dataclass(frozen=True, slots=True)
class Call:
    """One readable request: the action, the names in its path, its query (lower-case names, raw values)."""

    action: str
    names: tuple[str, ...]
    query: dict[str, str]
    request: HttpRequest

    def whole(self, name: str, low: int, high: int, unit: str = "") -> int | None:
        """Return a whole number of the query within its range; None when absent. Raises Refused."""
        text = self.query.get(name.lower())
        if text is None:
            return None
        if _WHOLE.fullmatch(text) is None:
            raise Refused(INVALID_QUERY, INVALID_QUERY.message.format(item=name))
        if not low <= int(text) <= high:
            raise out_of_range(name, low, high, unit or "seconds")
        return int(text)

    def handles(self) -> tuple[str, ...]:
        """Return the receipt handle of the query in the forms it may have been sent in. Raises Refused."""
        raw = self.query.get("receipthandle", "")
        if not raw:
            raise Refused(MISSING_HANDLE)
        return tuple(dict.fromkeys((raw, unquote(raw))))

    def page(self) -> Page:
        """Return which page of a list is asked for. Raises Refused."""
        text = self.request.header("x-mns-ret-number").strip()
        if text and _WHOLE.fullmatch(text) is None:
            raise Refused(INVALID_ARGUMENT, f"The value of x-mns-ret-number is invalid: {text[:32]!r}.")
        size = int(text) if text else MOST_ON_PAGE
        if not 1 <= size <= MOST_ON_PAGE:
            raise out_of_range("x-mns-ret-number", 1, MOST_ON_PAGE, "entries")
        with_meta = self.request.header("x-mns-with-meta").strip().lower() == "true"
        return Page(self.request.header("x-mns-prefix"), self.request.header("x-mns-marker"), size, with_meta)


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list: names with this prefix that come after the marker."""

    prefix: str
    marker: str
    size: int
    with_meta: bool

    def of(self, names: list[str]) -> tuple[list[str], str]:
        """Return the names of this page in order, and the marker of the next one (empty on the last)."""
        rest = sorted(name for name in names if name.startswith(self.prefix) and name > self.marker)
        page = rest[: self.size]
        return page, page[-1] if len(rest) > len(page) else ""


def printable(text: str) -> str:
    """Return text without the stray bytes that a header or path may hold, fit for the journal."""
    return text.encode("utf-8", "backslashreplace").decode()


def is_meant(request: HttpRequest) -> bool:
    """Say whether a request is for MNS: by its signature, else by its path."""
    head = request.path.strip("/").partition("/")[0]
    if request.header("authorization").startswith(("MNS ", "MNS4-")):
        return True
    return head in {*_COLLECTIONS, "subscriptions"} or (not head and "accountmeta=" in request.query.lower())


def read_call(request: HttpRequest) -> Call:
    """Say which call a request is. Raises Refused when it is none."""
    query = _query(request.query)
    parts = tuple(request.path.strip("/").split("/"))
    shape = "/".join(part if at % 2 == 0 else "*" for at, part in enumerate(parts))
    action = _ROUTES.get((request.method, shape))
    if action is None:
        raise Refused(INVALID_REQUEST_URL)
    return Call(_refined(action, request, query), parts[1::2], query, request)


def _query(text: str) -> dict[str, str]:
    pairs = (item.partition("=") for item in text.split("&") if item)
    return {name.lower(): value for name, _, value in pairs}


#: The path parts at odd places are names: queues/NAME, topics/NAME/subscriptions/NAME.
_ROUTES = {
    ("GET", ""): "GetAccountAttributes",
    ("PUT", ""): "SetAccountAttributes",
    ("POST", "commonbuy/*"): "OpenService",
    ("GET", "queues"): "ListQueue",
    ("GET", "queues/*"): "GetQueueAttributes",
    ("PUT", "queues/*"): "CreateQueue",
    ("DELETE", "queues/*"): "DeleteQueue",
    ("POST", "queues/*/messages"): "SendMessage",
    ("GET", "queues/*/messages"): "ReceiveMessage",
    ("DELETE", "queues/*/messages"): "DeleteMessage",
    ("PUT", "queues/*/messages"): "ChangeMessageVisibility",
    ("GET", "topics"): "ListTopic",
    ("GET", "topics/*"): "GetTopicAttributes",
    ("PUT", "topics/*"): "CreateTopic",
    ("DELETE", "topics/*"): "DeleteTopic",
    ("POST", "topics/*/messages"): "PublishMessage",
    ("GET", "topics/*/subscriptions"): "ListSubscriptionByTopic",
    ("PUT", "topics/*/subscriptions/*"): "Subscribe",
    ("GET", "topics/*/subscriptions/*"): "GetSubscriptionAttributes",
    ("DELETE", "topics/*/subscriptions/*"): "Unsubscribe",
}
_OVERRIDES = {
    "CreateQueue": "SetQueueAttributes",
    "CreateTopic": "SetTopicAttributes",
    "Subscribe": "SetSubscriptionAttributes",
}


def _refined(action: str, request: HttpRequest, query: dict[str, str]) -> str:
    if action in _OVERRIDES and query.get("metaoverride", "").lower() == "true":
        return _OVERRIDES[action]
    if action == "SendMessage":
        return "BatchSendMessage" if _BATCH.match(request.body) else action
    if action == "DeleteMessage":
        return "BatchDeleteMessage" if "receipthandle" not in query and request.body else action
    if action == "ReceiveMessage":
        base = "PeekMessage" if query.get("peekonly", "").lower() == "true" else action
        return f"Batch{base}" if "numofmessages" in query else base
    return action
