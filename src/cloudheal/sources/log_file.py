"""One log file in hand: whole lines of it, one block after the other, and the place that was reached.

Each time it is asked whether the first bytes, and those before that place, are still what was read there. A file that
was truncated and written again to more than its old length is found out by that and by nothing else. The place stands
at the beginning of a line: the half of a line that was written so far is read again when the other half is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from cloudheal.ports.log_files import Place
from cloudheal.sources.log_compare import holds
from cloudheal.sources.log_opened import Opened
from cloudheal.sources.log_prints import HEAD, NOTHING, TAIL, print_of

#: Bytes read at once. Above the longest line that counts, so that one without an end in a block is too long.
BLOCK = 1 << 20
#: A longer line is handed on cut off, which makes it one that is rejected, and its rest is passed over.
LONGEST = 65_536


class TruncatedError(Exception):
    """What was read is not there any more: the file was emptied, or written anew."""


@dataclass(slots=True, eq=False)
class LogFile:
    """A file and its place; `opened` while it is in hand."""

    place: Place
    opened: Opened | None = None
    path: str = ""
    """Where it was opened; it may have been renamed since."""
    _head: bytes = b""
    _tail: bytes = b""
    _seen: int = -1
    """How long it was when it was read last."""
    _half: int = 0
    """Bytes of a line whose end was not there yet."""

    @property
    def key(self) -> tuple[int, int]:
        """Which file it is for the system, (0, 0) when it has none."""
        return self.place.device, self.place.inode

    @property
    def is_orphan(self) -> bool:
        """Say whether something is left to read that is to be found in another file."""
        place = self.place
        return self.opened is None and not place.inode and not place.finished and place.offset > 0

    def take_up(self, opened: Opened, path: str) -> bool:
        """Go on in a file if it holds what was read, at the same place; False, and nothing changed, when it does not.

        Raises one of UNREADABLE.
        """
        place = self.place
        if not holds(opened, place):
            return False
        status = opened.stat()
        self._head = opened.read(min(place.offset, HEAD), 0)
        reach = min(place.offset, TAIL)
        self._tail = opened.read(reach, place.offset - reach) if reach else b""
        self.opened, self.path, self._seen = opened, path, -1
        self.place = replace(place, device=status.st_dev, inode=status.st_ino, finished=0)
        return True

    def let_go(self) -> Opened | None:
        """Give the open file back, and keep the place."""
        self.place = self.reached()
        opened, self.opened = self.opened, None
        return opened

    def reached(self) -> Place:
        """Return the place with the fingerprints of what was read."""
        if self.opened is None:
            return self.place
        return replace(self.place, head=print_of(self._head), tail=print_of(self._tail))

    def waiting(self) -> int:
        """Return how many bytes were written and not read, as of the last look; half a line does not count."""
        if self.opened is None:
            return 0
        return self.opened.left() or max(self._seen - self.place.offset - self._half, 0)

    def blocks(self, most: int) -> Iterator[bytes]:
        """Yield whole lines, up to about so many bytes. Raises TruncatedError or one of UNREADABLE."""
        left = most
        while left > 0 and (block := self._next()):
            lines, used = self._cut(block)
            self._pass(block[:used])
            if lines:
                yield lines
            if used < len(block) and (not lines or len(block) < BLOCK):
                self._half = len(block) - used
                return
            left -= used

    def rest(self) -> bytes:
        """Return what stands after the last line break, of a file that will get no other, and pass it."""
        opened = self.opened
        rest = b"" if opened is None else opened.read(LONGEST + 1, self.place.offset)
        self._pass(rest)
        return b"" if self.place.skipping else rest.strip(b"\0")

    def check(self) -> Opened | None:
        """Return the open file. Raises TruncatedError when it does not hold any more what was read."""
        opened = self.opened
        if opened is not None and not opened.packed:
            self._compare(opened)
        return opened

    def _compare(self, opened: Opened) -> int:
        """Ask whether what was read is still there; returns the place. Raises TruncatedError."""
        offset, reach = self.place.offset, len(self._tail)
        if opened.read(reach, offset - reach) != self._tail or opened.read(len(self._head), 0) != self._head:
            raise TruncatedError
        return offset

    def _next(self) -> bytes:
        """Return what comes after the place; nothing when nothing was written since. Raises TruncatedError."""
        opened, offset = self.opened, self.place.offset
        self._half = 0
        if opened is None:
            return b""
        if opened.packed:
            return opened.read(BLOCK, offset)
        status = opened.stat()
        if status.st_size == self._seen <= offset:
            return b""
        if status.st_size < offset:
            raise TruncatedError
        block = opened.read(BLOCK, offset)
        self._compare(opened)  # after the block was read, so that it is known to belong to what came before
        self._seen = status.st_size
        return block

    def _cut(self, block: bytes) -> tuple[bytes, int]:
        """Return the whole lines of a block, and how many bytes are done with."""
        begin = 0
        if self.place.skipping:
            begin = block.find(b"\n") + 1
            if begin == 0:
                return b"", len(block)
            self.place = replace(self.place, skipping=False)
        # Writers that do not append leave a hole of zeros behind when their file is truncated.
        if block[begin : begin + 1] == b"\0":
            written = block[begin:].lstrip(b"\0")
            if not written and len(block) < BLOCK:
                return b"", begin  # what was reserved at the end may still be written
            begin = len(block) - len(written)
        end = block.rfind(b"\n", begin) + 1
        if end:
            return block[begin:end], end
        if len(block) - begin > LONGEST:
            self.place = replace(self.place, skipping=True)
            return block[begin : begin + LONGEST + 1], len(block)
        return b"", begin

    def _pass(self, stretch: bytes) -> int:
        """Move the place past what was read; returns it."""
        if len(self._head) < HEAD:
            self._head += stretch[: HEAD - len(self._head)]
        self._tail = stretch[-TAIL:] if len(stretch) >= TAIL else (self._tail + stretch)[-TAIL:]
        self.place = replace(self.place, offset=self.place.offset + len(stretch))
        return self.place.offset


def new_place(number: int, stream: str, opened: Opened, offset: int = 0) -> Place:
    """Return the place at which a file that was never read begins. Raises one of UNREADABLE."""
    status, reach = opened.stat(), min(offset, TAIL)
    return Place(
        number=number,
        stream=stream,
        device=status.st_dev,
        inode=status.st_ino,
        offset=offset,
        head=print_of(opened.read(min(offset, HEAD), 0)) if offset else NOTHING,
        tail=print_of(opened.read(reach, offset - reach)) if offset else NOTHING,
        changed=status.st_mtime_ns,
    )
