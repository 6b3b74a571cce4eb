"""The last lines of a log file, wherever it is: a file that is being written, one that was compressed, a pipe."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from glob import iglob
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cloudheal.errors import SettingsError

if TYPE_CHECKING:
    from cloudheal.logs.counting import Fed, Minute
    from cloudheal.logs.definition import Definition

#: How much of the end of a file is looked at, at most.
MOST_BYTES = 8 << 20
#: Lines that are longer are too long for any counter.
MOST_LINE = 128 << 10
#: Lines that are counted at once.
_LINES = 10_000


class Readable(Protocol):
    """A file that is read by lines."""

    def readline(self, size: int, /) -> bytes:
        """Return a line, or so much of it."""
        ...


def minutes_in(definition: Definition, files: Sequence[Path] | None) -> tuple[Fed, list[Minute]]:
    """Count files, the oldest first; returns what lines came to, and every minute. Raises SettingsError."""
    from cloudheal.logs.counting import EVER, Fed
    from cloudheal.logs.engines import pick
    from cloudheal.pipeline.log_following import pieces

    minutes: list[Minute] = []
    counter, fed = pick().counter(definition), Fed()
    for path in files or reversed(files_of(definition.files)):
        for block in _blocks(path):
            for piece in pieces(block):
                fed += counter.feed(piece)
                minutes += counter.close(fed.newest - definition.late)
    return fed, [*minutes, *counter.close(EVER)]


def _blocks(path: Path) -> Iterator[bytes]:
    """Yield whole lines of a file, a block at a time; a line without end is cut."""
    if str(path) == "-":
        yield from _whole(sys.stdin.buffer)
        return
    try:
        with _unpacked(path) or path.open("rb") as file:
            yield from _whole(file)
    except OSError as problem:
        raise SettingsError(f"{path}: {problem.strerror or problem}") from problem
    except (EOFError, zlib.error, lzma.LZMAError) as problem:
        raise SettingsError(f"{path}: not a whole compressed file: {problem}") from problem


def _whole(file: Readable) -> Iterator[bytes]:
    lines: list[bytes] = []
    for line in _bounded(file):
        lines.append(line if line.endswith(b"\n") else line + b"\n")
        if len(lines) == _LINES:
            yield b"".join(lines)
            lines = []
    yield b"".join(lines)


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
        if (packed := _unpacked(path)) is not None:
            with packed:
                return _tail(packed, count)
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if file.seek(max(0, size - MOST_BYTES)):
                file.readline(MOST_BYTES)  # half a line
            return _tail(file, count)
    except OSError as problem:
        raise SettingsError(f"{path}: {problem.strerror or problem}") from problem
    except (EOFError, zlib.error, lzma.LZMAError) as problem:
        raise SettingsError(f"{path}: not a whole compressed file: {problem}") from problem


def _unpacked(path: Path) -> gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile | None:
    """Open a compressed file; None for one that is not."""
    match path.suffix:
        case ".gz":
            return gzip.GzipFile(path)
        case ".bz2":
            return bz2.BZ2File(path)
        case ".xz":
            return lzma.LZMAFile(path)
    return None


def _tail(file: Readable, count: int) -> list[bytes]:
    return [line.removesuffix(b"\n") for line in deque(_bounded(file), count)]


def _bounded(file: Readable) -> Iterator[bytes]:
    """Yield lines; one without end is taken in pieces."""
    while line := file.readline(MOST_LINE):
        yield line


def _changed(path: Path) -> float | None:
    """Return when a file was last written; None for what is no file, or is gone meanwhile."""
    try:
        return path.stat().st_mtime if path.is_file() else None
    except OSError:
        return None
