"""Random histories of a followed log: writing, rotating, compressing, reading, committing and dying in any order."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.log_rig import Rig

STEPS = 40


class History:
    """What is done to a log by chance; each deed is a method."""

    def __init__(self, rig: Rig, chance: random.Random) -> None:
        self.rig = rig
        self.chance = chance
        self.half = b""
        self.renamed: Path | None = None
        rig.follow(rounds=1)
        rig.commit()

    def go(self, steps: int) -> list[str]:
        """Do so many things; returns what was done."""
        deeds: list[Callable[[], object]] = [self.write, self.write, self.write, self.begin, self.late]
        deeds += [
            self.rename,
            self.copy,
            self.pack,
            self.follow,
            self.follow,
            self.rig.commit,
            self.rig.crash,
            self.pause,
        ]
        done = [self.chance.choice(deeds) for _ in range(steps)]
        for deed in done:
            deed()
        self.end()
        return [deed.__name__ for deed in done]

    def end(self) -> None:
        """Write the second half of a line."""
        self.half = self.rig.end_line(self.half) if self.half else b""

    def write(self) -> None:
        """Write lines, few or many, short or long."""
        self.end()
        self.rig.write(self.chance.choice((1, 2, 50)), text="x" * self.chance.choice((0, 30, 3000)))

    def begin(self) -> None:
        """Write half a line."""
        self.end()
        self.half = self.rig.begin_line()

    def rename(self) -> None:
        """Rotate by renaming."""
        self.end()
        self.renamed = self.rig.rename(packed=self.chance.choice(("", ".gz")))

    def copy(self) -> None:
        """Rotate by copying and truncating."""
        self.end()
        self.rig.copy_truncate(packed=self.chance.choice(("", ".gz")))
        self.renamed = None

    def pack(self) -> None:
        """Compress a rotated file."""
        rotated = [one for one in sorted(self.rig.aside.glob("access.log.[0-9]*")) if one.suffix != ".gz"]
        if rotated:
            self.rig.pack(self.chance.choice(rotated))

    def late(self) -> None:
        """Write into the file that was renamed, as a program that has not noticed."""
        if self.renamed is not None and self.renamed.exists():
            self.rig.write(1, to=self.renamed)

    def follow(self) -> None:
        """Read once or twice."""
        self.rig.follow(rounds=self.chance.choice((1, 2)), seconds=self.chance.choice((0.1, 1.0)))

    def pause(self) -> None:
        """Read for a quarter of a minute, while nothing happens."""
        self.rig.follow(rounds=15)


@pytest.mark.parametrize(("pattern", "olddir"), [("access.log", ""), ("access.log*", ""), ("access.log", "old")])
@settings(max_examples=settings().max_examples // 4)
@given(seed=st.integers(0, 1 << 32))
def test_every_line_is_read_once_in_every_history(pattern: str, olddir: str, seed: int) -> None:
    """Whatever was done to the files, and however often the process died, each line counts once."""
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(Path(folder), pattern)
        if olddir:
            rig.move_aside(olddir)
        done = History(rig, random.Random(seed)).go(STEPS)
        rig.follow(rounds=30)
        read, written = Counter(rig.read), Counter(rig.written)
        rig.files.close()
    assert (dict(written - read), dict(read - written)) == ({}, {}), done
