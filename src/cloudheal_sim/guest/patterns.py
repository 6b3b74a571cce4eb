"""Patterns as `grep` and `pgrep` take them, in a part of the language whose matching time stays bounded.

Known are literal text, `.`, classes, `^`, `$`, alternatives and `.*`; other repetitions are taken literally, because a
command of a client must not be able to occupy the simulator.
"""

from __future__ import annotations

import re
from collections.abc import Callable

#: Longer patterns are cut.
_LONGEST = 200
_REPETITION = re.compile(r"[+*?{(]")


def matcher(pattern: str, *, ignore_case: bool = False) -> Callable[[str], bool]:
    """Return what says whether a line matches."""
    flags = re.IGNORECASE if ignore_case else re.RegexFlag(0)
    parts = [_compiled(part, flags) for part in pattern[:_LONGEST].split(".*")]

    def matches(line: str) -> bool:
        """Find the parts one after the other."""
        place = 0
        for part in parts:
            found = part.search(line, place)
            if found is None:
                return False
            place = found.end()
        return True

    return matches


def _compiled(part: str, flags: re.RegexFlag) -> re.Pattern[str]:
    try:
        return re.compile(re.escape(part) if _REPETITION.search(part) else part, flags)
    except re.error:
        return re.compile(re.escape(part), flags)
