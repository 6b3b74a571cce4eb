"""One page of a list, by number or by token, with the words that frame it.

A token names the last item shown by its place in creation order, so that a page neither repeats nor skips items when
others come and go in between.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from cloudheal_sim.alibaba.rpc.refusal import invalid

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from cloudheal_sim.alibaba.ecs.requests.fields import Paged, PagedEitherWay

DEFAULT_SIZE = 10
_MARK = "ecs"
_LONGEST_PLACE = 12


class Placed(Protocol):
    """What has a place in creation order."""

    seq: int


T = TypeVar("T")
P = TypeVar("P", bound=Placed)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """The items shown, and TotalCount, PageNumber, PageSize, NextToken as far as they belong there."""

    items: Sequence[T]
    frame: dict[str, object]


def numbered(items: Collection[T], request: Paged) -> Page[T]:
    """Return the page that PageNumber and PageSize ask for."""
    number, size = request.page_number or 1, request.page_size or DEFAULT_SIZE
    start = (number - 1) * size
    shown = list(islice(items, start, start + size)) if start < len(items) else []
    return Page(shown, {"TotalCount": len(items), "PageNumber": number, "PageSize": size})


def either_way(items: Collection[P], request: PagedEitherWay) -> Page[P]:
    """Return the page that is asked for by number, or by token when MaxResults or NextToken is given."""
    if request.max_results is None and request.next_token is None:
        page = numbered(items, request)
        return Page(page.items, {**page.frame, "NextToken": ""})
    size = request.max_results or DEFAULT_SIZE
    last = read_token(request.next_token) if request.next_token else 0
    ahead = list(islice((one for one in items if one.seq > last), size + 1))
    shown = ahead[:size]
    token = write_token(shown[-1].seq) if len(ahead) > size else ""
    return Page(shown, {"TotalCount": len(items), "PageNumber": 1, "PageSize": size, "NextToken": token})


def write_token(place: int) -> str:
    """Make a token for a place; places count from 1."""
    return urlsafe_b64encode(f"{_MARK}:{place}".encode()).decode()


def read_token(token: str) -> int:
    """Return the place that a token names. Raises Refused for what is no token of ours."""
    try:
        mark, place = urlsafe_b64decode(token.encode()).decode("ascii").split(":")
    except ValueError as problem:
        raise invalid("NextToken") from problem
    if mark != _MARK or not place.isdecimal() or len(place) > _LONGEST_PLACE:
        raise invalid("NextToken")
    return int(place)
