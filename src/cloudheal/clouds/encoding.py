"""From message bytes to a JSON object, whichever way the channel wrapped it.

CloudMonitor puts Base64 text into MNS, other senders put raw JSON, and consumers disagree (Q9, Q10): the body is
decoded when it is Base64 of a JSON object and read as it is otherwise. Never raises anything but NotAnEventError, whose
message becomes the dead letter's reason; it never repeats the body, which may hold secrets.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from binascii import Error as NotBase64Error
from binascii import a2b_base64
from codecs import BOM_UTF8
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from cloudheal.errors import NotAnEventError

#: The queue's own limit is 64 kB; a webhook body is capped at its entrance. Base64 adds a third.
MOST_BYTES = 256 * 1024
#: Documented events are nested four deep; the parser's stack must never be the limit.
MOST_DEPTH = 32
_BASE64 = re.compile(rb"[A-Za-z0-9+/\s]{8,}={0,2}\s*")
#: Bytes from which on what is strictly Base64 is Base64 to the pattern, too: eight, and two that fill up.
_LEAST_STRICT = 10


def document_of(body: bytes | str) -> dict[str, Any]:
    """Decode a message body into its JSON object. Raises NotAnEventError."""
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    if len(raw) > MOST_BYTES:
        message = f"the body has {len(raw)} bytes, more than {MOST_BYTES}"
        raise NotAnEventError(message)
    if not raw.strip():
        message = "the body is empty"
        raise NotAnEventError(message)
    return _object(_unwrapped(raw))


def parsed(text: str) -> Any:
    """Parse JSON, several times as fast as the standard library, which has the last word on what is odd.

    Raises ValueError, or RecursionError.
    """
    try:
        return from_json(text)
    except (ValueError, TypeError):  # the latter for half characters, which are no text to it
        return json.loads(text)


def check_text(words: str, content: Mapping[str, Any]) -> None:
    """Refuse what cannot be kept or told on: half characters and numbers that JSON has no words for, anywhere.

    And zero bytes in what becomes a column.
    """
    if words.isascii() and "\0" not in words and _is_plain(content):
        return
    try:
        words.encode()
        json.dumps(dict(content), ensure_ascii=False, allow_nan=False).encode()
    except (UnicodeEncodeError, RecursionError) as problem:
        message = "the event holds text that is not Unicode"
        raise NotAnEventError(message) from problem
    except ValueError as problem:
        message = "the event holds a number that is none, or without an end"
        raise NotAnEventError(message) from problem
    if "\0" in words:
        message = "the event holds a zero byte in a name"
        raise NotAnEventError(message)


def _unwrapped(raw: bytes) -> bytes:
    if raw.lstrip()[:1] in (b"{", b"["):
        return raw
    try:  # most are strictly Base64, and tried sooner than asked
        if len(raw) >= _LEAST_STRICT:
            return a2b_base64(raw, strict_mode=True)
    except NotBase64Error:
        pass
    if not _BASE64.fullmatch(raw):
        return raw
    try:
        return b64decode(raw, validate=False)
    except NotBase64Error:
        return raw


def _object(raw: bytes) -> dict[str, Any]:
    if raw.count(b"{") + raw.count(b"[") <= MOST_DEPTH:  # nearly always; what is odd goes the long way
        try:
            document = from_json(raw)
        except (ValueError, TypeError):
            document = None
        if type(document) is dict:
            return document
    return _object_of_odd(raw)


def _object_of_odd(raw: bytes) -> dict[str, Any]:
    """Read it in steps that each say what is wrong."""
    try:
        text = raw.removeprefix(BOM_UTF8).decode()
    except UnicodeDecodeError as problem:
        message = f"the body is neither JSON nor Base64 of it: not UTF-8 at byte {problem.start}"
        raise NotAnEventError(message) from problem
    if _depth(text) > MOST_DEPTH:
        message = f"the body is nested more than {MOST_DEPTH} deep"
        raise NotAnEventError(message)
    try:
        document = parsed(text)
    except (ValueError, RecursionError) as problem:
        message = f"the body is not JSON: {getattr(problem, 'msg', 'unreadable')}"
        raise NotAnEventError(message) from problem
    if not isinstance(document, dict):
        message = f"the body is a JSON {type(document).__name__}, not an object"
        raise NotAnEventError(message)
    return document


def _depth(text: str) -> int:
    """Bound the nesting without parsing: brackets inside strings only make the bound larger."""
    if text.count("{") + text.count("[") <= MOST_DEPTH:
        return 0
    deepest = level = 0
    for mark in re.findall(r"\"(?:[^\"\\]|\\.)*\"|[\[\]{}]", text):
        if mark in "[{":
            level += 1
            deepest = max(deepest, level)
        elif mark in "]}":
            level -= 1
    return deepest


def _is_plain(content: Mapping[str, Any]) -> bool:
    """Say whether all of it is ASCII text, of which nothing needs to be asked."""
    for name, value in content.items():
        if type(value) is not str or not (value.isascii() and name.isascii()):
            return False
    return True
