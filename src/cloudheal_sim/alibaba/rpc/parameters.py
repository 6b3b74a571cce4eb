"""Wire in, first half: the flat string parameters of one call, wherever it carries them.

Query and form body are read alike and may be mixed; a JSON object body is flattened to the same names. Bytes that are
not UTF-8 survive as surrogates so that a signature over them can still be checked; `well_formed` then refuses them.
"""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloudheal_sim.kernel.wire import HttpRequest

#: Far above any real call (100 ids and 20 tags need some 150), low enough to bound the work of a hostile one.
MOST_PARAMETERS = 2000
_TOO_MANY = f"more than {MOST_PARAMETERS} parameters"
_DEEPEST_JSON = 8
#: For fault rules and the journal: a call names 100 ids at most.
_MOST_RESOURCES = 200
_LONGEST_LIST = 64 * 1024
_RESOURCE = re.compile(r"[A-Za-z]{1,12}-[A-Za-z0-9][A-Za-z0-9_-]*")


class UnreadableParametersError(ValueError):
    """The parameters cannot be told apart; the message says why."""


def of_query(query: bytes) -> dict[str, str]:
    """Decode a query string or form body; blank values are kept, later ones win."""
    parts = [part for part in query.split(b"&", MOST_PARAMETERS + 1) if part]
    if len(parts) > MOST_PARAMETERS:
        raise UnreadableParametersError(_TOO_MANY)
    pairs = (part.partition(b"=") for part in parts)
    return {_decoded(name): _decoded(value) for name, _, value in pairs}


def of_body(request: HttpRequest) -> dict[str, str]:
    """Decode the body's parameters: a form, or a JSON object where the content type says so."""
    if not request.body:
        return {}
    if is_json(request):
        return _of_json(request.body)
    return of_query(request.body)


def is_json(request: HttpRequest) -> bool:
    """Say whether the body is declared to be JSON; version 1 does not sign such a body."""
    return "json" in request.header("content-type").lower()


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
        stem = name.partition(".")[0]
        if stem.endswith(("Id", "Ids", "BackendServers", "Instances")) and stem not in {"AccessKeyId", "RegionId"}:
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


def _of_json(body: bytes) -> dict[str, str]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as problem:
        msg = "the body is not JSON"
        raise UnreadableParametersError(msg) from problem
    if not isinstance(document, dict):
        msg = "the body is not a JSON object"
        raise UnreadableParametersError(msg)
    flat = dict(islice(_flattened(document, "", _DEEPEST_JSON), MOST_PARAMETERS + 1))
    if len(flat) > MOST_PARAMETERS:
        raise UnreadableParametersError(_TOO_MANY)
    if well_formed(flat) is not None:
        msg = "the body holds what is no text"
        raise UnreadableParametersError(msg)
    return flat


def _flattened(value: object, name: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth == 0:
        msg = "the body is nested too deeply"
        raise UnreadableParametersError(msg)
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flattened(inner, f"{name}.{key}" if name else str(key), depth - 1)
    elif isinstance(value, list):
        for number, inner in enumerate(value, 1):
            yield from _flattened(inner, f"{name}.{number}", depth - 1)
    elif value is not None:
        yield name, value if isinstance(value, str) else json.dumps(value)
