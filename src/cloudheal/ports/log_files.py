"""Log files as they are followed: the blocks of lines that are new, and how far each file was read.

A place is all that a process needs to go on where another one stopped. It is committed together with what was counted
up to it, so that nothing is counted twice and nothing is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Place:
    """How far one file was read, and how to know the file again under any name, as a copy, or compressed."""

    number: int
    """Of the file among all of its log on this host; never used twice."""
    stream: str
    """The path under which it is written, or was before it was rotated."""
    device: int
    inode: int
    """Both 0 when the file is known by its content only, because what it was in has been truncated."""
    offset: int
    """Of the first byte that was not read; a line begins there unless `skipping`. Of a compressed file: inside."""
    head: str
    """Fingerprint of its first bytes, with their number."""
    tail: str
    """Fingerprint of the last bytes before `offset`, with their number."""
    changed: int
    """When it was last written to before the last look around it: nanoseconds since 1970."""
    skipping: bool = False
    """Inside of a line that is too long; what is left of it does not count."""
    finished: int = 0
    """When it was read to its end for good: seconds since 1970; 0 while more may come."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A file that cannot be read, and the name of the system's error."""

    path: str
    why: str


class LogFiles(Protocol):
    """The files of one log on this host, used by one thread."""

    def resume(self, places: Sequence[Place]) -> int:
        """Go on where these places are, whatever was read before; returns how many files that are."""
        ...

    def read(self) -> Iterator[bytes]:
        """Yield blocks of whole lines that are new, a bounded number from each file; places have moved past each."""
        ...

    def places(self) -> tuple[Place, ...]:
        """Return where reading goes on: every file, those of which nothing more is expected included."""
        ...

    def behind(self) -> int:
        """Return how many bytes wait to be read, as far as is known."""
        ...

    def troubles(self) -> tuple[Trouble, ...]:
        """Return what cannot be read, by path."""
        ...

    def count(self) -> int:
        """Return how many files are being read; 0 when none matches."""
        ...

    def close(self) -> None:
        """Close every file."""
        ...
