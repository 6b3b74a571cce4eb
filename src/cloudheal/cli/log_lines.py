"""The last lines of a log file, wherever it is: a file that is being written, one that was compressed, a pipe."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from glob import iglob
from pathlib import Path
from typing import BinaryIO

from cloudheal.errors import SettingsError

#: How much of the end of a file is looked at, at most; lines that are longer than this together are too long anyway.
MOST_BYTES = 8 << 20


def files_of(patterns: Sequence[str]) -> list[Path]:
    """Return the files that the patterns of a log find, the newest first."""
    found = {Path(name) for pattern in patterns for name in iglob(pattern, recursive=True)}  # noqa: PTH207 - patterns are absolute
    dated = [(stamp, path) for path in found if (stamp := _changed(path)) is not None]
    return [path for _, path in sorted(dated, reverse=True)]


def last_lines(path: Path, count: int) -> list[bytes]:
    """Return the last lines, without their line breaks; `-` is standard input. Raises SettingsError."""
    if str(path) == "-":
        return _tail(sys.stdin.buffer, count)
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                return _tail(file, count)
        with path.open("rb") as file:
            size = file.seek(0, 2)
            start = file.seek(max(0, size - MOST_BYTES))
            lines = _tail(file, count + bool(start))
            return lines[-count:]
    except OSError as problem:
        raise SettingsError(f"{path}: {problem.strerror or problem}") from problem
    except (EOFError, zlib.error) as problem:
        raise SettingsError(f"{path}: not a whole gzip file: {problem}") from problem


def _tail(file: BinaryIO | gzip.GzipFile, count: int) -> list[bytes]:
    return [line.removesuffix(b"\n") for line in deque(_bounded(file), count)]


def _bounded(file: BinaryIO | gzip.GzipFile) -> Iterator[bytes]:
    """Yield lines; one without end is taken in pieces."""
    while line := file.readline(MOST_BYTES):
        yield line


def _changed(path: Path) -> float | None:
    """Return when a file was last written; None for what is no file, or is gone meanwhile."""
    try:
        return path.stat().st_mtime if path.is_file() else None
    except OSError:
        return None
