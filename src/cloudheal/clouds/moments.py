"""The vendor's ways of writing a time, all read into aware UTC datetimes.

`20190409T121826.922+0800` (envelopes), `2019-04-12T01:01:01Z` and `2017-12-10T04:04Z` (contents), epoch seconds or
milliseconds (queries, webhooks). A time without a zone is China standard time, as the vendor's own tools take it (C3).
A time that no zone can tell, or that is older than clouds are, is none.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

CHINA = timezone(timedelta(hours=8))
_ISO = re.compile(
    r"(?P<day>\d{4}-?\d{2}-?\d{2})[T ](?P<hour>\d{2}):?(?P<minute>\d{2})"
    r"(?::?(?P<second>\d{2})(?:[.,](?P<part>\d{1,9}))?)?"
    r"(?P<zone>Z|[+-]\d{2}:?\d{2})?"
)
#: What envelopes write, and so most of what is read.
_USUAL = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{3}[+-][0-9]{4}")
#: Beyond these a time cannot be told in every zone, and was not meant.
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
#: Epoch numbers above this are milliseconds; as seconds it would be the year 5138.
_SECONDS_END = 100_000_000_000


def moment(value: object) -> datetime | None:
    """Read a time in any of the documented forms; None when it is none of them, or no cloud can mean it."""
    read = _moment(value)
    return read if read is not None and _FIRST <= read < _LAST else None


def _moment(value: object) -> datetime | None:
    if type(value) is str and _USUAL.fullmatch(value) and (usual := _of_known_form(value)):
        return usual
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return _of_epoch(value)
    text = str(value).strip()
    if text.isascii() and text.isdigit() and len(text) <= 15:
        return _of_epoch(int(text))
    found = _ISO.fullmatch(text)
    return _of_known_form(text) or _of_odd_parts(found) if found else None


def stamp(at: datetime, *, millis: bool = False) -> str:
    """Write a time in UTC as the vendor does."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds" if millis else "seconds").replace("+00:00", "Z")


def _of_epoch(number: float) -> datetime | None:
    try:
        seconds = number / 1000 if abs(number) >= _SECONDS_END else number
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _of_known_form(text: str) -> datetime | None:
    """Read what the standard library knows, too, which is most and is fast; None for the rest."""
    try:
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=CHINA)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _of_odd_parts(found: re.Match[str]) -> datetime | None:
    day = found["day"].replace("-", "")
    part = (found["part"] or "0")[:6].ljust(6, "0")
    try:
        local = datetime(
            int(day[:4]), int(day[4:6]), int(day[6:]), int(found["hour"]), int(found["minute"]),
            int(found["second"] or 0), int(part), tzinfo=_zone(found["zone"]),
        )  # fmt: skip
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _zone(text: str | None) -> timezone:
    if not text:
        return CHINA
    if text == "Z":
        return UTC
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[-2:])))
