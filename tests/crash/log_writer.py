"""A program that writes a log without pause, and somebody who rotates it in every way that logrotate knows.

Nothing is lost by the rotation itself: the program holds still between copy and truncation, and goes on in the renamed
file until it is told to open the new one, as servers do. So whatever is missing in the end, the follower lost.
"""

from __future__ import annotations

import gzip
import os
import random
import shutil
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Self

#: Lines that are one series.
BATCH = 200


class LogWriter:
    """Writes and rotates until it is told to stop."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.live = folder / "app.log"
        self.batches: Counter[str] = Counter()
        self.sums: Counter[str] = Counter()
        self.number = self.rotations = self.packed = 0
        self._chance = chance
        self._file = self.live.open("ab", buffering=0)
        self._one = threading.Lock()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._write, self._rotate)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._file.close()

    def _write(self) -> None:
        while not self._over.wait(0.004):
            with self._one:
                lines = [self._line() for _ in range(self._chance.choice((1, 5, 40)))]
                text = b"".join(lines)
                cut = self._chance.randrange(len(text))
                self._file.write(text[:cut])  # half a line stands there for a moment
                self._file.write(text[cut:])

    def _line(self) -> bytes:
        self.number += 1
        batch = f"b{self.number // BATCH}"
        self.batches[batch] += 1
        self.sums[batch] += self.number
        return f"{batch} [{time.strftime('%d/%b/%Y:%H:%M:%S +0000', time.gmtime())}] {self.number}\n".encode()

    def _rotate(self) -> None:
        while not self._over.wait(self._chance.uniform(0.05, 0.8)):
            with self._one:
                self._shift()
            old = self.live.with_name("app.log.1")
            if self._chance.random() < 0.5:
                with self._one:
                    shutil.copyfile(self.live, old)
                    os.truncate(self.live, 0)
            else:
                self.live.rename(old)
                self._over.wait(self._chance.choice((0.0, 0.01, 0.2)))
                with self._one:
                    self._file.close()
                    self._file = self.live.open("ab", buffering=0)
            self.rotations += 1
            if self._chance.random() < 0.5:
                self._pack(old)

    def _shift(self) -> None:
        names = [one.name.split(".") for one in self.live.parent.glob("app.log.*")]
        for name in sorted(names, key=lambda one: -int(one[2])):
            later = ".".join([*name[:2], str(int(name[2]) + 1), *name[3:]])
            (self.live.parent / ".".join(name)).rename(self.live.parent / later)

    def _pack(self, path: Path) -> None:
        status, target = path.stat(), path.with_name(f"{path.name}.gz")
        with path.open("rb") as plain, gzip.open(target, "wb", compresslevel=1) as packed:
            shutil.copyfileobj(plain, packed)
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
        path.unlink()
        self.packed += 1
