"""One page of a list that shows the newest first: events, commands, invocations.

Like `paging`, but a token names the oldest item shown, and what is newer than the first page does not move the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from cloudheal_sim.alibaba.ecs.replies.paging import Page, Placed, read_token, write_token

if TYPE_CHECKING:
    from collections.abc import Sequence

P = TypeVar("P", bound=Placed)


def newest_by_number(items: Sequence[P], number: int, size: int) -> Page[P]:
    """Return the page of that number; `items` are in order of creation."""
    start = (number - 1) * size
    return _page(items[::-1][start : start + size], items, number, size)


def newest_by_token(items: Sequence[P], token: str, size: int) -> Page[P]:
    """Return what follows the token; an empty one is the beginning. Raises Refused for what is no token of ours."""
    last = read_token(token) if token else None
    ahead = [one for one in reversed(items) if last is None or one.seq < last]
    return _page(ahead[:size], items, 1, size)


def _page(shown: Sequence[P], items: Sequence[P], number: int, size: int) -> Page[P]:
    more = bool(shown) and items[0].seq < shown[-1].seq
    token = write_token(shown[-1].seq) if more else ""
    return Page(shown, {"TotalCount": len(items), "PageNumber": number, "PageSize": size, "NextToken": token})
