"""A log that is written, rotated and followed in a folder, with a clock that stands until it is moved.

What was read since the last commit is forgotten in a crash, as a worker forgets it; what is left must be every line
that was written, once.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from cloudheal.ports.log_files import Place
from cloudheal.sources.log_files import TailedFiles

PACKERS: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


class Rig:
    """A folder with one live log."""

    def __init__(self, folder: Path, *patterns: str, name: str = "access.log") -> None:
        self.folder = folder
        self.live = folder / name
        self.patterns = [str(folder / one) for one in patterns or (name,)]
        self.now = 1_000.0
        self.olddir = ""
        self.written: list[bytes] = []
        self.read: list[bytes] = []
        self.committed: tuple[int, Sequence[Place]] = (0, ())
        self.files = self._files()
        self.live.touch()

    def _files(self) -> TailedFiles:
        return TailedFiles(self.patterns, lambda: self.now, lambda: int(self.now), olddir=self.olddir)

    def write(self, count: int = 1, to: Path | None = None, text: str = "") -> list[bytes]:
        """Append whole lines that differ from all others."""
        lines = [
            b"%06d %s GET /index.html 200 0.032" % (len(self.written) + one, text.encode()) for one in range(count)
        ]
        self.append(b"".join(line + b"\n" for line in lines), to)
        self.written += lines
        return lines

    def append(self, data: bytes, to: Path | None = None) -> int:
        """Append bytes."""
        with (to or self.live).open("ab") as file:
            return file.write(data)

    def begin_line(self) -> bytes:
        """Append the first half of a line; returns the second one."""
        line = b"%06d and half of it, and the other half" % len(self.written)
        self.append(line[:18])
        self.written.append(line)
        return line[18:]

    def end_line(self, half: bytes) -> bytes:
        """Append the second half; returns what is still missing, which is nothing."""
        self.append(half + b"\n")
        return b""

    def follow(self, rounds: int = 3, seconds: float = 1.0) -> list[bytes]:
        """Read what is new, some rounds a second apart; returns it."""
        got: list[bytes] = []
        for _ in range(rounds):
            for block in self.files.read():
                got += block.removesuffix(b"\n").split(b"\n")
            self.now += seconds
        self.read += got
        return got

    def commit(self) -> Sequence[Place]:
        """Keep what was read and how far."""
        self.committed = (len(self.read), self.files.places())
        return self.committed[1]

    def crash(self) -> None:
        """Forget everything since the last commit, and begin from there."""
        self.files.close()
        count, places = self.committed
        del self.read[count:]
        self.files = self._files()
        self.files.resume(places)

    # --- what logrotate and others do ---

    @property
    def aside(self) -> Path:
        """Where rotated files go."""
        return self.folder / self.olddir

    def move_aside(self, olddir: str) -> None:
        """Let rotated files go into another folder from now on, and begin from what was committed."""
        self.olddir = olddir
        self.aside.mkdir(exist_ok=True)
        self.crash()

    def shift(self, packed: str = "") -> None:
        """Make room at .1, compressing what goes to .2 if told to."""
        numbers = sorted((int(one.suffixes[1][1:]), one) for one in self.aside.glob(f"{self.live.name}.[0-9]*"))
        for number, path in reversed(numbers):
            target = self.aside / f"{self.live.name}.{number + 1}{''.join(path.suffixes[2:])}"
            path.rename(target)
            if packed and not path.suffixes[2:]:
                self.pack(target, packed)

    def rename(self, packed: str = "") -> Path:
        """Rotate by renaming."""
        self.shift(packed)
        target = self.aside / f"{self.live.name}.1"
        self.live.rename(target)
        self.live.touch()
        return target

    def copy_truncate(self, packed: str = "") -> Path:
        """Rotate by copying and truncating."""
        self.shift(packed)
        target = self.aside / f"{self.live.name}.1"
        shutil.copyfile(self.live, target)
        os.truncate(self.live, 0)
        return target

    def pack(self, path: Path, ending: str = ".gz") -> Path:
        """Compress a file as the tools do: its time stays, and the original goes when it is done."""
        target = path.with_name(path.name + ending)
        status = path.stat()
        target.write_bytes(PACKERS[ending](path.read_bytes()))
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
        path.unlink()
        return target
