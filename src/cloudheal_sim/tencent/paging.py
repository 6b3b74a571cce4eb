"""Pages of listings: an offset and a limit, as most services take them."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice
from typing import TypeVar

from cloudheal_sim.tencent.api3 import Refusal, Refused
from cloudheal_sim.tencent.api3.refusal import invalid

T = TypeVar("T")
MOST_ON_PAGE = 100
TOO_MANY = Refusal(
    "InvalidParameterValue.LimitExceeded",
    "The parameter `{name}` exceeds its limit of {limit}.",
    "参数 `{name}` 数值超过限制 {limit}。",
)


def page_of(items: Collection[T], offset: int, limit: int) -> list[T]:
    """Return one page. Raises Refused for a page that cannot be."""
    if offset < 0:
        raise invalid("Offset")
    if limit < 1:
        raise invalid("Limit")
    if limit > MOST_ON_PAGE:
        raise Refused(TOO_MANY, name="Limit", limit=MOST_ON_PAGE)
    return list(islice(items, offset, offset + limit)) if offset < len(items) else []
