"""The first lines of a log, for settings that do not say how its lines are read; the newest file that has any."""

from __future__ import annotations

import gzip
import stat
import zlib
from collections.abc import Iterator, Sequence
from glob import iglob
from itertools import islice
from pathlib import Path

#: Lines that are looked at, and bytes of one of them.
LINES, _MOST_LINE = 100, 64 << 10
_MOST_FILES = 20


def first_lines(patterns: Sequence[str]) -> list[bytes]:
    """Return the first lines of the newest file that has some, without line breaks; none when there is no such file."""
    found = {name for pattern in patterns for name in iglob(pattern, recursive=True)}  # noqa: PTH207 - absolute
    newest = sorted(((stamp, name) for name in found if (stamp := _changed(name))), reverse=True)
    read = (list(_lines(name)) for _, name in newest[:_MOST_FILES])
    return next((lines for lines in read if lines), [])


def _changed(name: str) -> float:
    """Return when a regular file was written last; 0 for what is none."""
    try:
        status = Path(name).stat()
    except OSError:
        return 0
    return status.st_mtime if stat.S_ISREG(status.st_mode) and status.st_size else 0


def _lines(name: str) -> Iterator[bytes]:
    try:
        with gzip.open(name) if name.endswith(".gz") else Path(name).open("rb") as file:
            whole = islice(iter(lambda: file.readline(_MOST_LINE), b""), LINES)
            yield from (line.rstrip(b"\r\n") for line in whole if line.strip())
    except (OSError, EOFError, zlib.error):
        return
