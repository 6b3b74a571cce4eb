"""Which format a log has of which nobody says it: one of the usual ones, by its first lines.

A guess is a format that reads at least half of them; of several, the one that reads most. It is told, so that it can be
written down: a file whose first lines are others may be guessed otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cloudheal.logs import formats
from cloudheal.logs.definition import Field, Kind, LineFormat
from cloudheal.logs.numbers import NotANumberError, units
from cloudheal.logs.reading import PAIRS, Read, Reader
from cloudheal.logs.stamps import LEADING, second_of

#: Names under which applications write the time, the likeliest first.
TIMES = ("time", "ts", "timestamp", "@timestamp", "datetime", "date", "at")
#: Fields of a guessed format at most; the settings may name others.
MOST_FIELDS = 50
_NUMBER = Field("number", Kind.NUMBER, 3)


@dataclass(frozen=True, slots=True)
class Guess:
    """A format, what to write for it, and how many of the lines it reads."""

    written: str
    format: LineFormat
    read: int


def guessed(lines: Sequence[bytes], zone: int | None) -> Guess | None:
    """Return the format of lines; None when none of the usual ones reads half of them."""
    found = [Guess(written, form, _read(form, lines)) for written, form in _candidates(lines, zone)]
    best = max(found, key=lambda one: one.read, default=None)
    return best if best is not None and best.read * 2 >= max(len(lines), 1) else None


def _read(form: LineFormat, lines: Sequence[bytes]) -> int:
    reader = Reader(form)
    return sum(isinstance(reader.read(line), Read) for line in lines)


def _candidates(lines: Sequence[bytes], zone: int | None) -> Iterator[tuple[str, LineFormat]]:
    for name in ("combined", "timed", "common"):
        yield name, formats.preset(name)
    rows = [one for one in map(_object, lines) if one]
    if rows and (time := _time(rows, zone)):
        yield (
            f"{{json: true, time: {json.dumps(time) if '@' in time else time}}}",
            formats.json_lines(_fields(rows), time, zone),
        )
    pairs = [one for one in map(_pairs, lines) if one]
    if pairs:
        time = "" if sum(LEADING.match(line) is not None for line in lines) * 2 >= len(lines) else _time(pairs, zone)
        written = f"{{key_value: true, time: {time}}}" if time else "{key_value: true}"
        yield written, formats.key_value(_fields(pairs), time, zone)


def _object(line: bytes) -> dict[str, bytes]:
    """Return the fields of a JSON object, those of objects inside as `a.b`; none of another line."""
    try:
        document = json.loads(line.decode(), parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        return {}
    return dict(_flat(document)) if isinstance(document, dict) else {}


def _flat(document: dict[str, object], before: str = "", depth: int = 0) -> Iterator[tuple[str, bytes]]:
    for name, value in document.items():
        if isinstance(value, dict) and depth < 3:
            yield from _flat(value, f"{before}{name}.", depth + 1)
        elif isinstance(value, str):
            yield f"{before}{name}", value.encode(errors="backslashreplace")


def _pairs(line: bytes) -> dict[str, bytes]:
    return {found[1].decode(): found[2] or (found[3] or b"").rstrip(b",;") for found in PAIRS.finditer(line)}


def _time(rows: Sequence[dict[str, bytes]], zone: int | None) -> str:
    """Return the name of the field that holds the time; empty when none does."""

    def holds(name: str) -> bool:
        return sum(second_of(row.get(name, b""), zone) is not None for row in rows) * 2 >= len(rows)

    return next((name for name in TIMES if holds(name)), "")


def _fields(rows: Sequence[dict[str, bytes]]) -> list[Field]:
    """Return the fields of lines: numbers where every value is one."""
    values: dict[str, list[bytes]] = {}
    for row in rows:
        for name, value in row.items():
            if formats.is_name(name) and (name in values or len(values) < MOST_FIELDS):
                values.setdefault(name, []).append(value)
    return [Field(name, Kind.NUMBER, 3) if all(map(_is_number, some)) else Field(name) for name, some in values.items()]


def _is_number(value: bytes) -> bool:
    try:
        units(value, _NUMBER)
    except NotANumberError:
        return False
    return True
