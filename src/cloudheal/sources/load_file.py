"""Measured traffic from a file: lines `time,load`, such as a monitoring system exports.

A time is ISO 8601, in a zone of the settings where it names none, or seconds since 1970. The first line may be a
heading; empty lines and those that begin with # are passed over. One line that cannot be read makes the file unusable,
because nobody knows what else is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from cloudheal.errors import PermanentError

#: A value a minute for twelve weeks has some 4 MB; what is much larger is something else.
MOST_BYTES = 50_000_000


class LoadFileError(PermanentError):
    """A file of measured traffic cannot be used."""

    code = "load.file"


def points_of(path: str, zone: str) -> Iterator[tuple[datetime, float]]:
    """Read a file. Raises LoadFileError naming the line."""
    local = ZoneInfo(zone)
    for number, line in enumerate(_text(Path(path)).splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            moment, load = text.split(",")
            yield _moment(moment.strip(), local), float(load)
        except (ValueError, OverflowError, OSError):
            if number > 1 or any(one.isdigit() for one in text):
                raise LoadFileError(f"line {number}: expected time,load") from None


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise LoadFileError(f"the file has more than {MOST_BYTES} bytes")
        return path.read_text(encoding="utf-8-sig")
    except OSError as problem:
        raise LoadFileError(f"the file cannot be read: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise LoadFileError("the file is not text in UTF-8") from None


def _moment(text: str, local: ZoneInfo) -> datetime:
    if text.replace(".", "", 1).isdigit():
        return datetime.fromtimestamp(float(text), UTC)
    written = datetime.fromisoformat(text)
    return (written if written.tzinfo else written.replace(tzinfo=local)).astimezone(UTC)
