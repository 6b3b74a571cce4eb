"""URLs as series can be named by: without the query, and with `{id}`, `{uuid}` and `{hex}` for what differs each time.

Without this every request would be a series of its own. In this order: what follows the first `?` or `#` is cut, what
is longer than any path that people gave a name is cut short, the operator's rules replace what they match, and then
each piece between slashes that is only digits, a UUID, or at least eight hexadecimal digits with one figure among them
is named for what it is; endings such as `.json` stay. Pieces such as `v2` or `facade` are words.

Nothing is decoded: `%31` is not `1`, since a proxy may think otherwise. Pure: the counters call this once for each
distinct value and keep the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from cloudheal.settings.patterns import replacer

#: Far above real paths; rules search no further, however they were written and whatever a client sends.
MOST_CHARACTERS = 1024

_QUERY = re.compile(r"[?#]")
_PIECE = re.compile(
    r"(?<=/)"
    r"(?:(?P<uuid>[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})"
    r"|(?P<id>[0-9]+)"
    r"|(?P<hex>(?=[a-fA-F]*[0-9])[0-9a-fA-F]{8,}))"
    r"(?=(?:\.[A-Za-z][A-Za-z0-9]{0,7}){0,2}(?:/|\Z))"
)


def without_query(url: str) -> str:
    """Return what stands before the first `?` or `#`."""
    return _QUERY.split(url, 1)[0]


def templated(path: str) -> str:
    """Return a path with the pieces that differ from request to request named for what they are."""
    return _PIECE.sub(lambda piece: f"{{{piece.lastgroup}}}", path)


def normaliser(rules: Iterable[tuple[str, str]] = ()) -> Callable[[str], str]:
    r"""Return what turns URLs into names; `rules` are regular expressions and replacements (`\1` is a group).

    Raises ValueError for a rule that is none.
    """
    made = [replacer(pattern, replacement) for pattern, replacement in rules]

    def normalised(url: str) -> str:
        path = without_query(url[: 4 * MOST_CHARACTERS])[:MOST_CHARACTERS]
        for replaced in made:
            path = replaced(path)
        return templated(path)

    return normalised
