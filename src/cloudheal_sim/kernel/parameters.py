"""Wire in, first half: the flat string parameters of one call, and the trees they stand for.

Query and form body are read alike; a JSON document is flattened to the same names. Bytes that are not UTF-8 survive
as surrogates so that a signature over them can still be checked; `well_formed` then refuses them.
"""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Far above any real call (100 ids and 20 tags need some 150), low enough to bound the work of a hostile one.
MOST_PARAMETERS = 2000
_TOO_MANY = f"more than {MOST_PARAMETERS} parameters"
_DEEPEST_JSON = 8
#: Levels in a name such as `A.1.B.2.C`; no call has more than five.
_DEEPEST_NAME = 10
_INDEX = re.compile("[0-9]{1,9}")
#: For fault rules and the journal: a call names 100 ids at most.
_MOST_RESOURCES = 200
_LONGEST_LIST = 64 * 1024
#: How the names of parameters end that name resources, and which of those do not.
_RESOURCES = ("Id", "Ids", "BackendServers", "Instances")
_NO_RESOURCES = frozenset({"AccessKeyId", "RegionId", "SecretId"})
_RESOURCE = re.compile(r"[A-Za-z]{1,12}-[A-Za-z0-9][A-Za-z0-9_-]*")


class UnreadableParametersError(ValueError):
    """The parameters cannot be told apart; the message says why."""


class ContradictionError(ValueError):
    """A flat name that cannot be beside the others (`A=x` and `A.1=y`), or is too deep; the message is the name."""


def of_query(query: bytes) -> dict[str, str]:
    """Decode a query string or form body; blank values are kept, later ones win."""
    parts = [part for part in query.split(b"&", MOST_PARAMETERS + 1) if part]
    if len(parts) > MOST_PARAMETERS:
        raise UnreadableParametersError(_TOO_MANY)
    pairs = (part.partition(b"=") for part in parts)
    return {_decoded(name): _decoded(value) for name, _, value in pairs}


def raw(text: str) -> bytes:
    """Return the bytes that arrived for a header or target; the server hands them on as text with surrogates."""
    return text.encode("utf-8", "surrogateescape")


def shown(text: str, most: int = 2000) -> str:
    """Return text that can be written anywhere: bytes that are none are replaced, what is too long is cut."""
    return text[:most].encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def resources_in(parameters: Mapping[str, str]) -> tuple[str, ...]:
    """Collect the resource ids that a call names, for fault rules and the journal."""
    found: dict[str, None] = {}
    for name, value in parameters.items():
        parts = frozenset(name.split("."))
        if not parts & _NO_RESOURCES and any(part.endswith(_RESOURCES) for part in parts):
            found.update(dict.fromkeys(_RESOURCE.findall(value[:_LONGEST_LIST])))
    return tuple(islice(found, _MOST_RESOURCES))


def well_formed(parameters: Mapping[str, str]) -> str | None:
    """Return the name of a parameter that is not proper text, or None when all are."""
    for name, value in parameters.items():
        try:
            (name + value).encode()
        except UnicodeEncodeError:
            return shown(name, 200)
        if "\0" in name + value:
            return shown(name, 200)
    return None


def _decoded(text: bytes) -> str:
    return unquote_to_bytes(text.replace(b"+", b" ")).decode("utf-8", "surrogateescape")


def of_json(body: bytes) -> dict[str, str]:
    """Decode a JSON object into flat parameters, lists counted from 1. Raises UnreadableParametersError."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as problem:
        msg = "the body is not JSON"
        raise UnreadableParametersError(msg) from problem
    if not isinstance(document, dict):
        msg = "the body is not a JSON object"
        raise UnreadableParametersError(msg)
    flat = flattened(document, first=1)
    if well_formed(flat) is not None:
        msg = "the body holds what is no text"
        raise UnreadableParametersError(msg)
    return flat


def flattened(document: Mapping[str, Any], *, first: int) -> dict[str, str]:
    """Write a document as flat parameters, lists counted from `first`. Raises UnreadableParametersError."""
    flat = dict(islice(_leaves(document, "", _DEEPEST_JSON, first), MOST_PARAMETERS + 1))
    if len(flat) > MOST_PARAMETERS:
        raise UnreadableParametersError(_TOO_MANY)
    return flat


def _leaves(value: object, name: str, depth: int, first: int) -> Iterator[tuple[str, str]]:
    if depth == 0:
        msg = "the body is nested too deeply"
        raise UnreadableParametersError(msg)
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else str(key), depth - 1, first)
    elif isinstance(value, list):
        for number, inner in enumerate(value, first):
            yield from _leaves(inner, f"{name}.{number}", depth - 1, first)
    elif value is not None:
        yield name, value if isinstance(value, str) else json.dumps(value)


def unflattened(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Turn `A.1.B=x` into `{"A": [{"B": "x"}]}`; numbers sort, gaps close. Raises ContradictionError."""
    tree: dict[str, Any] = {}
    for name, value in parameters.items():
        if name.count(".") > _DEEPEST_NAME:
            raise ContradictionError(shown(name, 200))
        *parents, leaf = name.split(".")
        node: Any = tree
        for part in parents:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise ContradictionError(shown(name, 200))
        if isinstance(node.get(leaf), dict):
            raise ContradictionError(shown(name, 200))
        node[leaf] = value
    return {name: _listed(value) for name, value in tree.items()}


def _listed(node: object) -> object:
    if not isinstance(node, dict):
        return node
    inner = {name: _listed(value) for name, value in node.items()}
    if inner and all(_INDEX.fullmatch(name) for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner
