"""One line at a time, into the values of its fields: by Python's own `re` and `json`, plainly.

This is what a format means. The oracle, the preview and the logs of applications read by it; the engines that read
access logs by the million come to the same, and tests hold them to it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from cloudheal.logs.counting import Limits, Reason
from cloudheal.logs.definition import LINE, Ends, Kind, LineFormat, Part, Style
from cloudheal.logs.numbers import NotANumberError, units
from cloudheal.logs.stamps import LEADING, second_of
from cloudheal.settings.patterns import line_pattern

#: A value of a line: text as bytes, a number in units of its field, None when it is missing.
Value = bytes | int | None

PAIRS = re.compile(rb'(?:^|(?<=[\s,;]))([A-Za-z_][A-Za-z0-9_.-]*)=(?:"((?:[^"\\]|\\.)*+)"|([^\s"][^\s]*)?)')
#: What a missing text is, in the log as in a key.
ABSENT = b"-"


@dataclass(frozen=True, slots=True)
class Read:
    """A line that was understood: when, and what its fields hold."""

    second: int
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line that was not, why, and of which field where that is known."""

    reason: Reason
    field: str = ""


class Reader:
    """Reads lines of a format; of fields only those in `wanted` (all when None), since others are nobody's concern."""

    def __init__(
        self, format_: LineFormat, wanted: Collection[str] | None = None, limits: Limits | None = None
    ) -> None:
        self._format = format_
        self._longest = (limits or Limits()).line
        self._fields = [one for one in format_.fields if wanted is None or one.name in wanted]
        self._raw = _SPLITTERS[format_.style](format_)

    def read(self, line: bytes) -> Read | Rejected:
        """Return what a line without its line break says."""
        line = line.removesuffix(b"\r")
        if len(line) > self._longest:
            return Rejected(Reason.LONG)
        raw = self._raw(line)
        if raw is None:
            return Rejected(Reason.SHAPE)
        second = second_of(raw.get(self._format.time, b""), self._format.zone)
        if second is None:
            return Rejected(Reason.TIME, self._format.time)
        values: dict[str, Value] = {LINE: line}
        for field in self._fields:
            text = raw.get(field.name, b"")
            try:
                values[field.name] = units(text, field) if field.kind is Kind.NUMBER else text or ABSENT
            except NotANumberError:
                return Rejected(Reason.NUMBER, field.name)
        return Read(second, values)


def not_ahead(read: Read | Rejected, until: int) -> Read | Rejected:
    """Return what a line says if that is of a time before an instant, else that it is refused."""
    return Rejected(Reason.AHEAD) if isinstance(read, Read) and read.second >= until else read


_Raw = Callable[[bytes], dict[str, bytes] | None]


def request_parts(request: bytes) -> tuple[bytes, bytes, bytes]:
    """Return method, URL and protocol of a request line; `-` for what it has not, since anything may be sent."""
    method, space, rest = request.partition(b" ")
    if not space:
        return ABSENT, ABSENT, ABSENT
    url, space, protocol = rest.rpartition(b" ")
    if space and protocol.startswith(b"HTTP/"):
        return method, url, protocol
    return method, rest, ABSENT


def template_pattern(parts: tuple[Part, ...]) -> tuple[bytes, list[str]]:
    """Return the regular expression of a template, and the names of its groups in order."""
    pattern, names = b"", []
    for part, following in zip(parts, (*parts[1:], Part()), strict=True):
        if part.variable:
            names.append(part.variable)
            pattern += b"(" + _until(following.literal, part.ends) + b")"
        else:
            pattern += re.escape(part.literal)
    return pattern, names


def _until(literal: bytes, ends: Ends) -> bytes:
    """Return what matches the text of a variable before this literal; it never gives back what it took."""
    if not literal:
        return b".*+"
    if ends is Ends.SPACED and literal.strip(b" "):
        return b"[^%s]*" % _in_class(literal.lstrip(b" "))  # gives back the spaces that belong to the literal
    if ends is Ends.LISTED and literal.startswith(b" "):
        return rb"(?:[^ ]|(?<=,) | : )*+"
    if literal.startswith(b'"'):
        return rb'(?:[^"\\]|\\.)*+'
    return b"[^%s]*+" % _in_class(literal)


def _in_class(literal: bytes) -> bytes:
    return b"\\x%02x" % literal[0]


def _template(format_: LineFormat) -> _Raw:
    pattern, names = template_pattern(format_.parts)
    match = re.compile(pattern, re.DOTALL).fullmatch
    apart = "request" in names
    request = [name for name in ("method", "url", "protocol") if name not in names]

    def raw(line: bytes) -> dict[str, bytes] | None:
        found = match(line)
        if not found:
            return None
        values = dict(zip(names, found.groups(), strict=True))
        if apart:
            parts = dict(zip(("method", "url", "protocol"), request_parts(values["request"]), strict=True))
            values.update({name: parts[name] for name in request})
        return values

    return raw


def _json(format_: LineFormat) -> _Raw:
    names = {one.name for one in format_.fields} | {format_.time}

    def raw(line: bytes) -> dict[str, bytes] | None:
        try:
            document = json.loads(line.decode(), parse_float=str, parse_int=str)
        except (ValueError, RecursionError):
            return None
        return {name: _json_text(_inside(document, name)) for name in names} if isinstance(document, dict) else None

    return raw


def _inside(document: object, name: str) -> object:
    if isinstance(document, dict):
        if name in document:
            return document[name]
        first, dot, rest = name.partition(".")
        return _inside(document.get(first), rest) if dot else None
    return None


def _json_text(value: object) -> bytes:
    if isinstance(value, bool):
        return b"true" if value else b"false"
    return value.encode(errors="backslashreplace") if isinstance(value, str) else b""


def _key_value(format_: LineFormat) -> _Raw:
    names = {one.name for one in format_.fields} | {format_.time}

    def raw(line: bytes) -> dict[str, bytes] | None:
        values: dict[str, bytes] = {}
        for found in PAIRS.finditer(line):
            name = found[1].decode()
            if name in names and name not in values:
                values[name] = found[2] if found[2] is not None else (found[3] or b"").rstrip(b",;")
        if not format_.time:
            start = LEADING.match(line)
            values[""] = start[1] if start else b""
        return values

    return raw


def _regex(format_: LineFormat) -> _Raw:
    pattern = line_pattern(format_.text)
    places = [(name.decode(), number - 1) for name, number in pattern.groupindex.items()]

    def raw(line: bytes) -> dict[str, bytes] | None:
        found = pattern.fullmatch(line)
        if found is None:
            return None
        groups = found.groups()
        return {name: groups[number] or b"" for name, number in places}

    return raw


_SPLITTERS: Mapping[Style, Callable[[LineFormat], _Raw]] = {
    Style.TEMPLATE: _template,
    Style.JSON: _json,
    Style.KEYVALUE: _key_value,
    Style.REGEX: _regex,
}
