r"""Regular expressions of operators, run by RE2: no line and no URL, whoever wrote it, makes them search without end.

Python's `re` tries one way after the other, so that `(a+)+b` takes longer than anybody lives for forty letters, and a
stranger chooses the letters. RE2 reads a text once, whatever stands in it. What it has not, because nobody can do it in
one reading, is refused here with what to write instead; so is a pattern so large that even one reading takes long.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

#: Instructions of a compiled pattern; usual ones have a hundred. Time is this times the length of a line at most.
MOST_STEPS = 2_000
_LOOSE = re.compile(r"(?<!\\)(?:\\\\)*\{,\d+\}")
_PIECES = re.compile(r"\\(?:(?P<number>[1-9]\d?)|g<(?P<name>\w+)>|(?P<itself>\\))|(?P<text>[^\\]+)|(?P<other>\\.?)")
_HINTS = {
    "invalid perl operator: (?": "there is no look-around (?=...), (?!...), (?<=...), (?<!...): name what stands there",
    "invalid escape sequence: \\Z": "write \\z for the end; a line is matched as a whole anyhow",
    "invalid escape sequence: \\": "there are no references back to a group such as \\1, and only escapes RE2 knows",
    "bad repetition operator": "write one of * + ? {m,n} alone: *+ and ++ are not needed, nothing is tried twice",
    "invalid repetition size": "repeat at most 1000 times, repetitions inside of others multiplied",
}


def line_pattern(pattern: str) -> Any:
    """Return a pattern for the bytes of lines, in which a dot is any byte. Raises ValueError saying what is wrong."""
    return _compiled(pattern.encode())


def replacer(pattern: str, replacement: str) -> Callable[[str], str]:
    r"""Return what replaces each match in a text; `\1` and `\g<name>` are groups. Raises ValueError."""
    compiled = _compiled(pattern)
    pieces = list(_pieces(replacement, compiled))

    def expanded(found: Any) -> str:
        return "".join(one if isinstance(one, str) else found.group(one) or "" for one in pieces)

    def replaced(text: str) -> str:
        made, end = [], 0
        for found in compiled.finditer(text):
            made += [text[end : found.start()], expanded(found)]
            end = found.end()
        return "".join([*made, text[end:]])

    return replaced


def _compiled(pattern: str | bytes) -> Any:
    """Return a pattern for texts, or for bytes of which any one may be anything."""
    engine = _engine()
    if found := _LOOSE.search(pattern if isinstance(pattern, str) else pattern.decode()):
        raise ValueError(f"{found[0]} means nothing here: write {{0{found[0].lstrip(chr(92) + '{')}")
    options = engine.Options()
    options.log_errors, options.dot_nl = False, True
    if isinstance(pattern, bytes):
        options.encoding = engine.Options.Encoding.LATIN1
    try:
        made = engine.compile(pattern, options)
    except engine.error as problem:
        raise ValueError(_advised(problem.args[0])) from None
    if made.programsize > MOST_STEPS:
        raise ValueError(
            f"the pattern is too large ({made.programsize} steps, at most {MOST_STEPS}): repeat shorter pieces"
        )
    return made


def _engine() -> Any:
    try:
        import re2  # noqa: PLC0415 - the extra `logs`, and slow to load
    except ImportError:
        raise ValueError("regular expressions are run by RE2, which is missing: install cloudheal[logs]") from None
    return re2


def _advised(said: bytes | str) -> str:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    return text + next((f"; {hint}" for beginning, hint in _HINTS.items() if text.startswith(beginning)), "")


def _pieces(replacement: str, compiled: Any) -> Iterator[str | int]:
    """Yield texts, and groups by number. Raises ValueError for a group that there is not."""
    names: dict[str, int] = compiled.groupindex
    for found in _PIECES.finditer(replacement):
        if found["text"] is not None or found["itself"] is not None:
            yield found["text"] or "\\"
            continue
        named = found["number"] or found["name"]
        number = int(named) if named and named.isdigit() else names.get(named or "", -1)
        if not 0 <= number <= compiled.groups:
            raise ValueError(f"{found[0]} in the replacement is no group of the pattern; a backslash itself is \\\\")
        yield number
