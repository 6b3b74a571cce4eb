"""Durations as people write them in files: `90s`, `5m`, `2h30m`, `1d`; a bare number is refused, it has no unit."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

_PARTS = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def duration_of(value: object) -> timedelta:
    """Read a duration. Raises ValueError saying what was expected."""
    if isinstance(value, timedelta):
        return value
    found = _PARTS.fullmatch(value.replace(" ", "")) if isinstance(value, str) and value else None
    if found is None or not any(found.groups()):
        msg = f"expected a duration such as 90s, 5m, 2h30m or 1d, got {value!r}"
        raise ValueError(msg)
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def written(duration: timedelta) -> str:
    """Write a duration in the same form, whole seconds."""
    rest = int(duration.total_seconds())
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        parts.append(f"{count}{unit}" if count else "")
    return "".join(parts) or "0s"


Duration = Annotated[timedelta, BeforeValidator(duration_of), PlainSerializer(written, return_type=str)]
