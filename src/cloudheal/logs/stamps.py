"""Times as logs write them, as seconds since 1970: `10/Jul/2015:15:51:09 +0800`, ISO 8601, or a number since 1970.

Which one it is shows by itself. A time without a zone is refused unless the definition declares one: eight hours off
look like a quiet night. Fractions are cut: what is counted is counted by the minute.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date

_NAMES = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_MONTHS = {name: number for number, name in enumerate(_NAMES, 1)}
_CLF = re.compile(rb"(\d\d)/([A-Z][a-z][a-z])/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-]\d\d\d\d)")
_ISO = re.compile(rb"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,]\d{1,9})?(Z|[+-]\d\d:?\d\d)?")
_NUMBER = re.compile(rb"(\d{9,10}|\d{13}|\d{16})(?:\.\d{1,9})?")
#: The time with which a line begins, perhaps in brackets.
LEADING = re.compile(
    rb"\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
    rb"|\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d [+-]\d\d\d\d)"
)
_EPOCH = date(1970, 1, 1).toordinal()
_DAY = 86_400


def second_of(text: bytes, zone: int | None = None) -> int | None:
    """Return the second that a time is in, or None when it is none that is known."""
    if found := _CLF.fullmatch(text):
        day, month, year, *clock, offset = found.groups()
        return _second(year, _MONTHS.get(month, 0), day, clock, _offset(offset))
    if found := _ISO.fullmatch(text):
        year, month, day, *clock, offset = found.groups()
        return _second(year, int(month), day, clock, _offset(offset) if offset else zone)
    if found := _NUMBER.fullmatch(text):
        return int(found[1]) // {13: 1000, 16: 1_000_000}.get(len(found[1]), 1)
    return None


def _second(year: bytes, month: int, day: bytes, clock: list[bytes], offset: int | None) -> int | None:
    """Return the second, or None where there is no such day or clock; a leap second is the one before."""
    hour, minute, second = map(int, clock)
    if offset is None or not 1970 <= int(year) < 2200 or not 1 <= month <= 12:
        return None
    if not 1 <= int(day) <= monthrange(int(year), month)[1] or hour > 23 or minute > 59 or second > 60:
        return None
    days = date(int(year), month, int(day)).toordinal() - _EPOCH
    return max(0, days * _DAY + hour * 3600 + minute * 60 + min(second, 59) - offset)


def _offset(text: bytes) -> int | None:
    if text == b"Z":
        return 0
    hours, minutes = int(text[1:3]), int(text[-2:])
    if hours > 23 or minutes > 59:
        return None
    return (hours * 3600 + minutes * 60) * (-1 if text.startswith(b"-") else 1)
