"""Open log files, plain and compressed, read at an offset of what they hold.

Only regular files are opened, by their own name: a pipe would make whoever reads it wait, and a link that took a file's
place may lead anywhere. A compressed file is read forwards; what it
holds is never written to disk, and never held whole.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import stat
import zlib
from typing import IO, Protocol

from cloudheal.sources.log_names import is_packed

#: Whatever reading may raise.
UNREADABLE = (OSError, EOFError, zlib.error, lzma.LZMAError)
Unpacking = gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile
#: The end of a gzip file says how much is inside, modulo 4 GiB; believed where that cannot have gone round.
_BELIEVED = 64 << 20
#: To find out how much is inside of another one, no more than this is unpacked: a small file may hold terabytes.
_MOST_UNPACKED = 1 << 30


class Opened(Protocol):
    """A file that was opened; it stays the same one when it is renamed or deleted."""

    packed: bool

    def stat(self) -> os.stat_result:
        """Return what the system knows of the file now."""
        ...

    def read(self, size: int, at: int) -> bytes:
        """Return up to so many bytes of what it holds. Raises one of UNREADABLE."""
        ...

    def size(self) -> int:
        """Return how many bytes it holds."""
        ...

    def left(self) -> int:
        """Return how many bytes of a compressed file were not read yet, as they are on disk; 0 of another one."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class NotAFileError(OSError):
    """It is a pipe, a device or a folder."""


def open_log(path: str) -> Opened:
    """Open a file. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:
        regular = False
    if not regular:
        os.close(descriptor)
        raise NotAFileError(f"{path} is no regular file")
    return Packed(descriptor, path) if is_packed(path) else Plain(descriptor)


class Plain:
    """A file as it was written."""

    packed = False

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def stat(self) -> os.stat_result:
        """Return what the system knows of the file now."""
        return os.fstat(self._descriptor)

    def read(self, size: int, at: int) -> bytes:
        """Return up to so many bytes."""
        return os.pread(self._descriptor, size, at)

    def size(self) -> int:
        """Return how many bytes it holds."""
        return self.stat().st_size

    def left(self) -> int:
        """Return 0: the size says it."""
        return 0

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)


class Packed:
    """A compressed file, read forwards; going back begins anew."""

    packed = True

    def __init__(self, descriptor: int, path: str) -> None:
        self._file = os.fdopen(descriptor, "rb")
        self._ending = path[path.rindex(".") :]
        self._inside, self._at = _unpacking(self._ending, self._file), 0
        self._measured = (-1, 0)

    def stat(self) -> os.stat_result:
        """Return what the system knows of the file now."""
        return os.fstat(self._file.fileno())

    def read(self, size: int, at: int) -> bytes:
        """Return up to so many bytes of what is inside."""
        if at != self._at:
            self._at = self._inside.seek(at)
            if self._at != at:
                return b""
        try:
            block = self._inside.read(size)
        except UNREADABLE:
            self._begin_anew()
            raise
        self._at += len(block)
        return block

    def size(self) -> int:
        """Return how many bytes are inside; of very many, that there are very many."""
        packed = self.stat().st_size
        if self._ending == ".gz" and 4 < packed < _BELIEVED:
            return int.from_bytes(os.pread(self._file.fileno(), 4, packed - 4), "little")
        if self._measured[0] != packed:
            self._measured = (packed, self._inside.seek(_MOST_UNPACKED))
            self._begin_anew()
        return self._measured[1]

    def left(self) -> int:
        """Return how many bytes on disk were not unpacked yet."""
        return max(self.stat().st_size - self._file.tell(), 0)

    def close(self) -> None:
        """Let go of it."""
        self._file.close()

    def _begin_anew(self) -> None:
        self._file.seek(0)
        self._inside, self._at = _unpacking(self._ending, self._file), 0


def _unpacking(ending: str, file: IO[bytes]) -> Unpacking:
    match ending:
        case ".gz":
            return gzip.GzipFile(fileobj=file)
        case ".bz2":
            return bz2.BZ2File(file)
        case _:
            return lzma.LZMAFile(file)
